"""Files of borders, read as the report reads them: in a process of its own."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from container import boundaries
from container.boundaries import child, limits, reader
from geoclusters.errors import BoundariesError
from tests.container.border_files import (
    ROAD,
    SQUARE,
    altered,
    box,
    frame,
    geojson,
    geopackage,
    shapefile,
    star,
    zipped,
)
from tests.container.conftest import ROOT

DISTRICTS = "hong-kong/Hong_Kong_18_Districts/Hong_Kong_18_Districts"
METRES_PER_DEGREE = 111_195
POINT = {"type": "Point", "coordinates": [1, 2]}
#: Seconds; a loaded machine needs several times what a quiet one does.
SOON = 30.0

ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT i AS fid, NULL AS geom FROM n"
)
VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="passwd">'
    "<SrcDataSource>{}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
)


@pytest.fixture
def districts(data: Callable[[str], Path]) -> bytes:
    """Return Hong Kong's districts as people pack them."""
    parts = {}
    for ending in ("shp", "shx", "dbf", "prj", "cpg"):
        path = data(f"{DISTRICTS}.{ending}")
        parts[path.name] = path.read_bytes()
    return zipped(parts)


def refusal(data: bytes) -> str:
    """Return why a file is refused, which must be told soon."""
    start = time.monotonic()
    with pytest.raises(BoundariesError) as caught:
        boundaries.read(data, "mine.zip")
    assert time.monotonic() - start < SOON
    message = str(caught.value)
    assert message.startswith("boundaries/mine.zip can't be used as borders: it")
    return message


# --- what people have ----------------------------------------------------------


def test_every_camera_of_hong_kong_is_in_its_district_but_those_over_the_sea(
    districts: bytes, data: Callable[[str], Path]
) -> None:
    found = boundaries.read(districts, "hk-districts.zip")
    assert (len(found.names), found.name_column) == (18, "ENAME")
    assert {"WAN CHAI", "CENTRAL & WESTERN", "ISLANDS"} < set(found.names)
    assert not found.notes

    cameras = pd.read_csv(data("hong-kong/Traffic_Camera_Locations_En.csv"))
    area = found.area_of(
        cameras["latitude"].to_numpy(), cameras["longitude"].to_numpy()
    )
    at_sea = cameras[[name is None for name in area]]
    # Two bridges, a road on stilts along the coast, and one on its very edge.
    assert at_sea["key"].tolist() == ["H801F", "TC604F", "TC560F", "AID08201"]
    places = shapely.points(at_sea["longitude"], at_sea["latitude"])
    nearest = shapely.distance(places[:, None], found.polygons[None, :]).min(axis=1)
    assert (nearest * METRES_PER_DEGREE < 800).all()


@pytest.mark.parametrize("write", [lambda f: geopackage({"d": f}), shapefile])
def test_districts_in_another_projection_are_the_same_within_a_metre(
    districts: bytes,
    data: Callable[[str], Path],
    write: Callable[[geopandas.GeoDataFrame], bytes | dict[str, bytes]],
) -> None:
    written = write(geopandas.read_file(data(f"{DISTRICTS}.shp")).to_crs(2326))
    if isinstance(written, dict):
        written = zipped(written)
    expected, found = (boundaries.read(d, "hk") for d in (districts, written))
    assert found.crs.startswith("Hong Kong 1980 Grid")
    assert found.names == expected.names
    vertices = [shapely.get_coordinates(b.polygons) for b in (found, expected)]
    for some, others in (vertices, vertices[::-1]):
        tree = shapely.STRtree(shapely.points(others))
        _, far = tree.query_nearest(shapely.points(some), return_distance=True)
        assert far.max() * METRES_PER_DEGREE < 1


def test_shapefiles_come_as_macs_and_windows_pack_them() -> None:
    parts = shapefile(frame().assign(name=["香港", "九龍", "新界"]), "Borders")
    packed = {f"My borders\\{name.upper()}": data for name, data in parts.items()}
    packed |= {f"__MACOSX/._{name}": b"\0\5\x16\7" for name in parts}
    found = boundaries.read(zipped({**packed, "readme.txt": b"x"}), "b.zip")
    assert found.names == ["香港", "九龍", "新界"]


def test_without_an_encoding_told_chinese_names_of_an_old_shapefile_are_read() -> None:
    layer = frame().rename(columns={"name": "code"})
    layer["名稱"] = ["香港", "九龍", "新界"]
    parts = shapefile(layer, encoding="BIG5")
    assert parts.pop("borders.cpg") == b"BIG5"
    dbf = bytearray(parts["borders.dbf"])
    dbf[29] = 0x78  # “Chinese, traditional” in the list of code pages
    parts["borders.dbf"] = bytes(dbf)
    found = boundaries.read(zipped(parts), "b.zip")
    assert (found.name_column, found.names) == ("名稱", ["香港", "九龍", "新界"])


def test_areas_and_lines_of_one_file_are_both_drawn() -> None:
    data = geojson([({"name": "Area"}, SQUARE), ({"name": "Road"}, ROAD)])
    found = boundaries.read(b"\xef\xbb\xbf" + data, "b.geojson")
    assert (found.names, len(found.lines)) == (["Area"], 1)
    assert found.area_of(np.array([0.5, 5.5]), np.array([0.5, 0.5])) == ["Area", None]


def test_a_file_of_lines_has_no_areas() -> None:
    found = boundaries.read(geojson([({"name": "Road"}, ROAD)]), "b.geojson")
    assert found.area_of(np.array([5.0]), np.array([0.0])) == [None]
    assert len(found.outline(10_000).lines) == 1


def test_of_several_layers_the_first_with_areas_is_read_and_said_so() -> None:
    points = frame().set_geometry(frame().geometry.representative_point())
    data = geopackage({"points": points, "roads": lines(), "areas": frame()})
    found = boundaries.read(zipped({"x/Borders.GPKG": data}), "b.zip")
    assert found.names == ["Area 0", "Area 1", "Area 2"]
    assert found.notes == ("Of its 2 layers 'areas' was read.",)


def lines() -> geopandas.GeoDataFrame:
    return frame().set_geometry(frame().geometry.boundary)


def test_of_several_shapefiles_the_first_with_areas_is_read_and_said_so() -> None:
    packed = shapefile(lines(), "roads") | shapefile(frame(), "areas")
    found = boundaries.read(zipped(packed), "b.zip")
    assert len(found.polygons) == 3
    assert found.notes == ("Of its 2 .shp files 'areas.shp' was read.",)


def test_features_without_a_usable_geometry_are_counted() -> None:
    gpkg = geopackage({"areas": frame(5)})
    nan = "CAST(substr(geom, 1, 61) || x'000000000000F87F' || substr(geom, 70) AS BLOB)"
    data = altered(
        gpkg,
        "UPDATE areas SET geom = NULL WHERE fid = 1",
        f"UPDATE areas SET geom = {nan} WHERE fid = 2",
    )
    found = boundaries.read(data, "b.gpkg")
    assert found.names == ["Area 2", "Area 3", "Area 4"]
    assert found.notes == ("Features without an area or a line that can be drawn: 2.",)


def test_a_geopackage_that_is_open_in_another_program_is_read() -> None:
    data = bytearray(geopackage({"areas": frame()}))
    data[18:20] = b"\2\2"  # write-ahead logging
    assert len(boundaries.read(bytes(data), "b.gpkg").names) == 3


# --- what can't be used --------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: b'{"type": "Polygon", "coordinates": "none"}', "no GeoJSON"),
        (lambda: b'{"k": 15}', "no GeoJSON"),
        (lambda: geojson([({}, SQUARE)])[:-9], "no GeoJSON, or cut off"),
        (lambda: geojson([]), "neither areas nor lines"),
        (lambda: geojson([({}, None)]), "neither areas nor lines"),
        (lambda: geojson([({}, POINT)]), "neither areas nor lines"),
        (lambda: geojson([({}, box(836e3, 819e3, 837e3, 820e3))]), "(EPSG:4326)"),
        (lambda: without(".prj"), "doesn't say which coordinate reference system"),
        (lambda: half(geopackage({"areas": frame()})), "damaged GeoPackage"),
        (lambda: half(zipped(shapefile(frame()))), "damaged zip archive"),
        (lambda: half(geojson([({}, SQUARE)] * 99)), "no GeoJSON, or cut off"),
        (lambda: geopackage({"areas": frame().iloc[:0]}), "neither areas nor lines"),
        (lambda: undefined("-1"), "has no latitude and longitude"),
        (lambda: geojson([({}, star(5_000))]), "cross themselves too often"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_to_do(
    make: Callable[[], bytes], why: str
) -> None:
    message = refusal(make())
    assert why in message
    assert re.search(r"(upload that|with polygons|download it again)\.$", message)


def without(ending: str) -> bytes:
    parts = shapefile(frame())
    return zipped({n: d for n, d in parts.items() if not n.endswith(ending)})


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def undefined(srs: str) -> bytes:
    return altered(
        geopackage({"areas": frame()}),
        f"UPDATE gpkg_contents SET srs_id = {srs}",
        f"UPDATE gpkg_geometry_columns SET srs_id = {srs}",
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200), st.sampled_from(["", "json", "gpkg", "shp", "dbf"]))
def test_random_bytes_never_cost_more_than_a_refusal(noise: bytes, into: str) -> None:
    if into == "json":
        data = b'{"type": "FeatureCollection", "features": [' + noise
    elif into == "gpkg":
        whole = geopackage({"areas": frame()})
        data = whole[:-500] + (noise * 500)[:500]
    elif into:
        parts = shapefile(frame())
        whole = parts[f"borders.{into}"]
        parts[f"borders.{into}"] = whole[:108] + noise + whole[108 + len(noise) :]
        data = zipped(parts)
    else:
        data = noise
    try:
        found = boundaries.read(data, "noise")
    except BoundariesError:
        return
    assert shapely.is_valid(found.polygons).all()


# --- bounds --------------------------------------------------------------------


def test_a_file_that_is_too_large_never_reaches_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child, "run", None)
    assert "larger than 50 MB" in refusal(b"x" * (limits.MOST_BYTES + 1))


def test_a_zip_bomb_and_a_huge_geojson_in_a_zip_are_refused_soon() -> None:
    blanks = b'{"type": "FeatureCollection", "features": [' + b" " * 300_000_000
    assert "more than 200 MB" in refusal(zipped({"a.geojson": blanks}))


def test_ten_million_vertices_are_refused_soon() -> None:
    parts = shapefile(frame())
    parts["borders.shp"] = parts["borders.shp"].ljust(10_000_000 * 16, b"\0")
    assert "2,000,000 vertices" in refusal(zipped(parts))
    # One that is no larger than a file may be, until it is read.
    ring = np.zeros((2_100_000, 2)) + np.array([[0, 0], [0, 1], [1, 1]] * 700_000)
    polygon = geopandas.GeoDataFrame(geometry=[shapely.Polygon(ring)], crs=4326)
    gpkg = geopackage({"areas": polygon})
    assert "2,000,000 vertices" in refusal(zipped({"a.gpkg": gpkg}))


def test_too_many_features_are_refused_soon() -> None:
    data = geojson([({}, SQUARE)] * (limits.MOST_FEATURES + 1))
    assert "more than 100,000 features" in refusal(data)


def test_reading_stops_in_time() -> None:
    with pytest.raises(
        BoundariesError, match=r"too long to read \(more than 0\.05 s\)"
    ):
        boundaries.read(geojson([({}, SQUARE)]), "a.geojson", most_seconds=0.05)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os.abort()", "broke down"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "broke down"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
            "60 s of processor time",
        ),
        ("raise RuntimeError('a mistake')", "broke down"),
        ("print('{}')", "broke down"),
        ("print('[1, 2]')", "broke down"),
        ("pass", "broke down"),
    ],
)
def test_a_reader_that_breaks_down_costs_the_borders_alone(
    monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", code))
    assert why in refusal(b"{}")


def test_the_reader_keeps_within_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from container.boundaries import layers, reader, packing\n"
        "packing.unpack = lambda data: bytearray(1_300_000_000)\n"
        "reader.main()\n"
    )
    run_in_the_reader(monkeypatch, code)
    assert "more memory to read than there is" in refusal(b"{}")


# --- nothing but the bytes is read ---------------------------------------------


def run_in_the_reader(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have the reader run some code before it begins."""
    unused = f"import sys; sys.modules.update(dict.fromkeys({reader._UNUSED!r}))\n"
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", unused + code))


def test_the_drivers_that_are_skipped_are_all_but_the_three_of_this_gdal() -> None:
    assert set(child.SKIPPED_DRIVERS) == set(pyogrio.list_drivers()) - reader.DRIVERS


def test_the_reader_does_not_work_with_other_drivers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(child._ENVIRONMENT, "OGR_SKIP", "OGR_VRT")
    assert "broke down" in refusal(geojson([({}, SQUARE)]))


def test_the_reader_has_neither_credentials_nor_settings_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GDAL_DATA", "HOME"):
        monkeypatch.setenv(name, "secret")
    code = "import json, os; print(json.dumps({'refused': str(dict(os.environ))}))"
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", code))
    message = answer_of_the_reader(b"")
    assert "OGR_SKIP" in message
    assert "secret" not in message
    assert "AWS" not in message


def answer_of_the_reader(data: bytes) -> str:
    answer = json.loads(child.run(data, most_seconds=SOON))
    return str(answer["refused"])


def test_the_reader_can_open_neither_files_nor_sockets_once_it_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = f"""
import errno, json, os, socket, subprocess
import pyogrio
from container.boundaries import layers, reader
from geoclusters.errors import BoundariesError

def attempt(source):
    found = []
    for what in (
        lambda: open("/etc/passwd"),
        lambda: open({str(tmp_path / "written")!r}, "w"),
        lambda: socket.socket(),
        lambda: os.pipe(),
        lambda: subprocess.run(["/bin/true"], capture_output=True),
    ):
        try:
            what()
            found.append("done")
        except OSError as error:
            found.append(errno.errorcode[error.errno])
    for path in ("/etc/passwd", "/vsicurl/http://127.0.0.1:1/a.geojson"):
        try:
            pyogrio.read_info(path)
            found.append("done")
        except pyogrio.errors.DataSourceError:
            found.append("refused")
    raise BoundariesError(json.dumps(found))

layers.read = attempt
reader.main()
"""
    run_in_the_reader(monkeypatch, code)
    answer = answer_of_the_reader(geojson([({}, SQUARE)]))
    assert json.loads(answer) == ["EMFILE"] * 5 + ["refused"] * 2
    assert not (tmp_path / "written").exists()


@contextmanager
def a_server() -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a server, and who has connected to it so far."""
    connected: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                connected.append(str(address))
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], connected
        finally:
            time.sleep(0.2)
            ended.set()
            thread.join()


def test_the_server_of_these_tests_notices_connections() -> None:
    with a_server() as (port, connected):
        socket.create_connection(("127.0.0.1", port)).close()
    assert len(connected) == 1


@pytest.mark.parametrize("ending", ["json", "geojson", "vrt", "gpkg"])
def test_files_that_name_other_files_and_servers_reach_neither(ending: str) -> None:
    with a_server() as (port, connected):
        url = f"http://127.0.0.1:{port}/a.geojson"
        for source in ("/etc/passwd", f"/vsicurl/{url}", url):
            vrt = VRT.format(source).encode()
            for data in (vrt, zipped({f"a.{ending}": vrt})):
                assert "root:" not in refusal(data)
    assert not connected


def test_a_reference_system_that_is_named_by_a_link_is_not_followed() -> None:
    with a_server() as (port, connected):
        link = {"href": f"http://127.0.0.1:{port}/crs", "type": "proj4"}
        crs = {"type": "link", "properties": link}
        found = boundaries.read(geojson([({}, SQUARE)], crs=crs), "a.json")
    assert len(found.polygons) == 1
    assert not connected


def test_a_reference_system_names_no_file() -> None:
    data = altered(
        geopackage({"areas": frame()}),
        "UPDATE gpkg_spatial_ref_sys SET organization = 'X', "
        "definition = '+proj=longlat +nadgrids=/etc/passwd' WHERE srs_id = 4326",
    )
    assert "doesn't say which coordinate reference system" in refusal(data)


def test_views_of_a_geopackage_are_never_run() -> None:
    gpkg = geopackage({"areas": frame()})
    contents = (
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        "VALUES ('v', 'features', 'v', 4326)"
    )
    column = "INSERT INTO gpkg_geometry_columns VALUES ('v','geom','POLYGON',4326,0,0)"
    with_view = altered(gpkg, f"CREATE VIEW v AS {ENDLESS}", contents, column)
    start = time.monotonic()
    found = boundaries.read(with_view, "b.gpkg")
    assert time.monotonic() - start < SOON
    assert found.names == ["Area 0", "Area 1", "Area 2"]
    assert found.notes[0] == "Views in it were not read."

    instead = altered(
        gpkg,
        "ALTER TABLE gpkg_contents RENAME TO c",
        f"CREATE VIEW gpkg_contents AS SELECT c.* FROM c, ({ENDLESS})",
    )
    assert "no GeoPackage" in refusal(instead)


def test_gdal_stays_out_of_the_reports_process() -> None:
    code = (
        "import sys, container.boundaries\n"
        "print({m.partition('.')[0] for m in sys.modules} & {'pyogrio', 'pyproj'})"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


#: Reads borders in a process that is small itself: what a child has at its start counts
#: as its own.
MEASURED = """
import resource, sys
from container import boundaries

found = boundaries.read(open(sys.argv[1], "rb").read(), "b.gpkg")
corners = sum(len(polygon.wkb) // 16 for polygon in found.polygons)
peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(corners, peak_kb * 1024)
"""


def test_large_borders_leave_the_function_its_memory(tmp_path: Path) -> None:
    side = 60
    boxes = [
        shapely.segmentize(shapely.box(i, j, i + 1, j + 1), 0.01)
        for i in range(side)
        for j in range(side)
    ]
    layer = geopandas.GeoDataFrame(geometry=boxes, crs=4326)
    path = tmp_path / "b.gpkg"
    path.write_bytes(geopackage({"areas": layer}))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    corners, peak = map(int, done.stdout.split())
    assert corners > 1_400_000
    assert peak < limits.MOST_MEMORY_BYTES * 3 / 4
