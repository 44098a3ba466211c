import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container import page
from container.page import build, encoding, outlines
from geoclusters.geodesy import EARTH_RADIUS_M
from tests.browser import pages

Floats = NDArray[np.float64]

LEAFLET = Path(__file__).parents[2] / "node_modules" / "leaflet"
EUROPE = pages.Projection("laea", 48.0, 10.0)
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def few() -> pages.Run:
    ids = np.array([f"site {i}" for i in range(200)], "S")
    return pages.run(*pages.blobs(200, 6, seed=1), 6, EUROPE, id=ids)


def data_of(html: bytes) -> dict[str, Any]:
    """Return what the page's script reads, as an HTML parser would find it."""
    start = html.index(b'<script type="application/json" id="data">')
    text = html[html.index(b">", start) + 1 : html.index(b"</script", start)]
    data: dict[str, Any] = json.loads(text)
    return data


def numbers(packed: dict[str, str]) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(packed["data"]), f"<{packed['type']}")


def decoded(data: bytes) -> list[int]:
    """Return the numbers of protocol buffers' sint64, one by one."""
    found, value, bits = [], 0, 0
    for byte in data:
        value |= (byte & 127) << bits
        bits += 7
        if byte < 128:
            found.append(value // 2 if value % 2 == 0 else -(value + 1) // 2)
            value = bits = 0
    return found


def unpacked(shape: dict[str, Any]) -> list[list[Floats]]:
    """Return for each shape its rings or lines in metres, each of shape (n, 2)."""
    stream = iter(decoded(base64.b64decode(shape["data"])))
    shapes: list[list[Floats]] = []
    at = np.zeros(2)
    for rings in stream:
        shapes.append([])
        for _ in range(rings):
            points = []
            for _ in range(next(stream)):
                at = at + np.array([next(stream), next(stream)])
                points.append(at * shape["step"])
            shapes[-1].append(np.array(points))
    return shapes


def fills(shape: dict[str, Any], x: float, y: float) -> bool:
    """Return whether the page fills a point, by the even-odd rule."""
    rings = np.array(
        [shapely.Polygon(ring) for rings in unpacked(shape) for ring in rings]
    )
    return bool(shapely.contains_xy(rings, x, y).sum() % 2)


def area_m2(rings: list[Floats]) -> float:
    """Return the area in rings of which holes go the other way around."""
    return sum(
        float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        for x, y in (ring.T for ring in rings)
    )


@pytest.mark.skipif(
    not LEAFLET.exists(), reason="npm's leaflet isn't installed: run `npm ci`"
)
def test_the_template_is_what_the_build_makes_of_the_package() -> None:
    assert build.build(LEAFLET) == page.TEMPLATE.read_bytes(), (
        "run `python -m container.page.build node_modules/leaflet`"
    )


def test_the_policy_names_the_pages_own_script_and_style_and_no_source_else() -> None:
    html = page.TEMPLATE.read_text("utf-8")
    (policy,) = re.findall(
        r'http-equiv="Content-Security-Policy" content="([^"]*)"', html
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    hashes = {
        tag: hashlib.sha256(text.encode()).digest()
        for tag, text in (
            ("script", re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[0]),
            ("style", re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]),
        )
    }
    assert directives == {
        "default-src": "'none'",
        "script-src": f"'sha256-{base64.b64encode(hashes['script']).decode()}'",
        "style-src": f"'sha256-{base64.b64encode(hashes['style']).decode()}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_template_refers_to_nothing_outside() -> None:
    html = page.TEMPLATE.read_text("utf-8")
    style, script = (
        re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[0]
        for tag in ("style", "script")
    )
    markup = html.replace(style, "").replace(script, "")
    assert not re.search(r"url\(|@import", style)
    assert "sourceMappingURL" not in script
    assert not re.search(r"<link|<img|\b(src|style|on[a-z]+)=|://", markup)


def test_leaflets_licence_stands_in_the_file(few: pages.Run) -> None:
    licence = (
        "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS",
        "Copyright (c) 2010-2023, Volodymyr Agafonkin",
        "Redistributions in binary form must reproduce the above copyright notice",
    )
    html = pages.rendered(few).decode()
    for line in licence:
        assert line in html


@given(
    st.recursive(
        st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_for_a_script_element_has_no_markup_and_is_read_as_it_was(
    value: Any,
) -> None:
    text = encoding.to_json(value)
    assert not re.search(rb"[<>&\x00-\x1f\x7f]", text)
    assert json.loads(text) == value


@pytest.mark.parametrize("text", [*pages.HOSTILE, "\ud800 alone", "\r\n\t\x0b\x85"])
def test_any_text_comes_back_from_the_page_as_it_was(few: pages.Run, text: str) -> None:
    table = few.table.assign(area=[text] * 6, nearest_id=[text] * 6)
    html = pages.rendered(
        few._replace(table=table),
        title=text,
        summary=text,
        own_borders=few.areas,
        own_names=[text] * 6,
    )
    html.decode()  # is UTF-8
    found = data_of(html)
    assert found["title"] == found["summary"] == text
    assert found["clusters"]["area"]["names"] == [text]
    assert found["clusters"]["nearestId"]["texts"] == [text] * 6
    assert found["ownLabels"]["text"] == [text] * 6
    empty = data_of(pages.rendered(few))
    assert html.count(b"<") == page.TEMPLATE.read_bytes().count(b"<")
    assert empty["title"] != text


def test_an_id_that_is_no_utf_8_is_shown_with_replacement_marks(few: pages.Run) -> None:
    places = few.sampled.places.copy()
    places["id"][3] = b"caf\xe9"
    html = pages.rendered(few._replace(sampled=few.sampled._replace(places=places)))
    assert data_of(html)["places"]["id"]["texts"][3] == "caf�"


def test_figures_come_back_as_they_were(few: pages.Run) -> None:
    found = data_of(pages.rendered(few, places_in_all=1_234_567))
    clusters, places = found["clusters"], found["places"]
    assert (clusters["count"], places["count"], places["inAll"]) == (6, 200, 1_234_567)
    table, sampled = few.table, few.sampled
    for name in ("latitude", "longitude"):
        assert np.array_equal(numbers(clusters[name]) / 1e7, table[name])
        given_degrees = sampled.places[name]
        assert np.abs(numbers(places[name]) / 1e7 - given_degrees).max() <= 5.1e-8
    assert np.array_equal(numbers(clusters["size"]), table["size"])
    assert np.array_equal(numbers(clusters["nearestRow"]), table["nearest_row"])
    assert np.array_equal(numbers(places["row"]), sampled.places["row"])
    assert np.array_equal(numbers(places["cluster"]), sampled.cluster)
    for packed, column in (
        (clusters["meanDistance"], table["mean_distance_m"]),
        (clusters["medianDistance"], table["median_distance_m"]),
        (clusters["p95Distance"], table["p95_distance_m"]),
        (clusters["maxDistance"], table["max_distance_m"]),
        (clusters["nearestDistance"], table["nearest_distance_m"]),
        (places["distance"], sampled.distance_m),
    ):
        assert numbers(packed) == pytest.approx(np.asarray(column), rel=1e-7)


def test_a_table_may_lack_what_is_optional(few: pages.Run) -> None:
    table = few.table[["cluster", "latitude", "longitude", "size"]]
    found = data_of(pages.rendered(few._replace(table=table), hulls=None, areas=None))
    assert found["clusters"]["area"] is None
    assert found["clusters"]["nearestId"] is None
    assert "nearestRow" not in found["clusters"]
    assert "areas" not in found["shapes"]
    assert numbers(found["clusters"]["share"]).sum() == pytest.approx(1)


def test_an_empty_cluster_has_no_distances_and_no_nearest_place(few: pages.Run) -> None:
    table = few.table.copy()
    table.loc[5, "size"] = 0
    for name in table.columns:
        if "distance" in name or name.startswith("nearest_l"):
            table.loc[5, name] = np.nan
    table.loc[5, "nearest_row"] = None
    hulls = few.hulls.copy()
    hulls[5] = None
    found = data_of(pages.rendered(few._replace(table=table, hulls=hulls)))
    clusters = found["clusters"]
    assert np.isnan(numbers(clusters["meanDistance"])[5])
    assert numbers(clusters["nearestRow"])[5] == 0
    assert numbers(clusters["nearestLatitude"])[5] == -(2**31)
    assert clusters["nearestId"]["texts"][5] is None
    shapes = unpacked(found["shapes"]["hulls"])
    assert [len(rings) for rings in shapes] == [1, 1, 1, 1, 1, 0]


def test_row_numbers_beyond_32_bits_are_exact() -> None:
    rows = np.array([2, 2**32 + 1, 2**40 + 1])
    assert numbers(encoding.counts(rows)).tolist() == rows.tolist()


@given(st.lists(st.integers(-(2**53), 2**53)))
def test_varints_are_read_as_they_were_written(values: list[int]) -> None:
    assert decoded(encoding.varints(np.array(values, np.int64))) == values


def test_texts_are_shortened_only_as_far_as_they_must(few: pages.Run) -> None:
    texts = ["é" * 100, "short", None]
    assert encoding.fitting(texts, 1000) == (texts, None)
    assert encoding.fitting(texts, 120) == (["é" * 47 + "…", "short", None], 48)
    assert encoding.fitting(texts, 20) == (None, None)


def test_nothing_makes_the_page_three_megabytes() -> None:
    run = pages.largest()
    html = pages.rendered(run, places_in_all=50_000_000, **pages.largest_borders())
    assert len(html) < MOST_BYTES
    found = data_of(html)
    assert found["places"]["count"] == 50_000
    assert found["clusters"]["count"] == 10_000
    assert found["places"]["id"]["texts"] is None  # 12 MB of them
    assert {"land", "areas"} <= set(found["shapes"])


def test_ids_of_moderate_length_stay_whole_and_long_ones_are_shortened() -> None:
    at = pages.blobs(50_000, 8, seed=3)
    for width, longest in ((20, None), (256, 24)):
        ids = np.array([f"{i:0{width}d}" for i in range(50_000)], "S")
        run = pages.run(*at, 8, EUROPE, id=ids)
        html = pages.rendered(run)
        assert len(html) < MOST_BYTES
        found = data_of(html)["places"]["id"]
        assert found["longest"] == longest
        assert len(found["texts"][0]) == (longest or width)


@pytest.mark.parametrize(
    ("projection", "latitude", "longitude"),
    [
        (EUROPE, 48.0, 10.0),
        (pages.Projection("laea", 89.0, 0.0), 82.5, -40.0),
        (pages.Projection("laea", -17.0, 180.0), -17.0, -179.5),
        (pages.Projection("eqearth", 0.0, 0.0), 10.0, 20.0),
        (pages.Projection("eqearth", 0.0, 150.0), 10.0, -160.0),
    ],
)
def test_land_is_where_it_is_known_to_be(
    projection: pages.Projection, latitude: float, longitude: float
) -> None:
    """Land of the page, as it will be filled, holds what is land and no sea."""
    random = np.random.default_rng(1)
    reach_deg = 1.5 if projection.name == "laea" else 60
    at = (
        latitude + random.uniform(-reach_deg, reach_deg, 20) / 2,
        (longitude + random.uniform(-reach_deg, reach_deg, 20) + 180) % 360 - 180,
    )
    found = data_of(pages.rendered(pages.run(*at, 2, projection)))
    land = found["shapes"]["land"]
    west, south, east, north = found["region"]
    seen = 0
    for place_latitude, place_longitude, is_land in (
        (48.30, 10.20, True),
        (45.00, 9.50, True),
        (82.00, -40.00, True),  # Greenland
        (84.50, -40.00, False),
        (-17.80, 178.00, True),
        (-17.00, -179.00, False),
        (66.50, 179.50, True),
        (66.50, -179.50, True),
        (66.50, 180.00, True),
        (-85.00, 0.00, True),
        (-85.00, 170.00, True),
        (0.00, 0.00, False),
        (0.00, -160.00, False),
        (-25.00, 135.00, True),
        (62.00, 100.00, True),
        (40.00, -100.00, True),
        (30.00, -40.00, False),
    ):
        if projection.name == "eqearth" and not projection.longitude:
            place_longitude = min(place_longitude, 179.9)  # 180° is the map's edge
        x, y = projection.forward(
            np.array([place_latitude]), np.array([place_longitude])
        )
        if west < x[0] < east and south < y[0] < north:
            seen += 1
            found_land = fills(land, x[0], y[0])
            assert found_land == is_land, (place_latitude, place_longitude)
    assert seen >= 1


@pytest.mark.parametrize("centre", [(-40.0, 175.0), (45.0, -100.0), (5.0, 60.0)])
def test_land_around_the_other_side_of_the_earth_is_no_land_in_sight(
    centre: tuple[float, float],
) -> None:
    projection = pages.Projection("laea", *centre)
    random = np.random.default_rng(2)
    latitude = np.clip(centre[0] + random.uniform(-60, 60, 50), -89, 89)
    longitude = (centre[1] + random.uniform(-60, 60, 50) + 180) % 360 - 180
    found = data_of(pages.rendered(pages.run(latitude, longitude, 3, projection)))
    land = found["shapes"]["land"]
    for place, is_land in (
        ((-25.0, 135.0), True),
        ((40.0, -100.0), True),
        ((20.0, 78.0), True),
        ((0.0, 20.0), True),
        ((-30.0, -120.0), False),
        ((20.0, -150.0), False),
        ((-30.0, 85.0), False),
        ((35.0, -45.0), False),
    ):
        x, y = projection.forward(*(np.array([of]) for of in place))
        if np.hypot(x[0], y[0]) < 0.9 * outlines.LIMIT_M:
            assert fills(land, x[0], y[0]) == is_land, place


def test_an_area_cut_at_the_antimeridian_is_whole_again() -> None:
    projection = pages.Projection("laea", -17.0, 180.0)
    at = np.array([-17.0, -16.0, -18.0]), np.array([179.0, -179.0, 179.8])
    run = pages.run(*at, 2, projection)
    area = shapely.MultiPolygon(
        [shapely.box(178, -18, 180, -16), shapely.box(-180, -18, -178.5, -16)]
    )
    found = data_of(pages.rendered(run, hulls=None, areas=np.array([area, None])))
    first, second = unpacked(found["shapes"]["areas"])
    assert (len(first), len(second)) == (1, 0)
    whole = np.radians(3.5) * (np.sin(np.radians(18)) - np.sin(np.radians(16)))
    expected_m2 = whole * EARTH_RADIUS_M**2
    assert area_m2(first) == pytest.approx(expected_m2, rel=0.01)


def test_a_cap_around_the_pole_is_drawn_whole() -> None:
    projection = pages.Projection("laea", 90.0, 0.0)
    at = np.array([85.0, 86.0, 84.0]), np.array([0.0, 120.0, -120.0])
    cap = shapely.box(-180, 83, 180, 90)
    found = data_of(
        pages.rendered(
            pages.run(*at, 2, projection), hulls=None, areas=np.array([cap, None])
        )
    )
    (rings, _) = unpacked(found["shapes"]["areas"])
    expected_m2 = 2 * np.pi * EARTH_RADIUS_M**2 * (1 - np.sin(np.radians(83)))
    assert area_m2(rings) == pytest.approx(expected_m2, rel=0.01)


def test_neighbouring_areas_stay_neighbours_however_simplified(few: pages.Run) -> None:
    plane = outlines.Plane(
        projection=EUROPE, view=(-2e6, -2e6, 2e6, 2e6), region=(-3e6, -3e6, 3e6, 3e6)
    )
    wavy = shapely.segmentize(few.areas, 0.02)
    shape = outlines.packed(wavy, plane, 1_200, are_neighbours=True)
    assert shape is not None
    assert len(shape["data"]) <= 1_200
    areas = [shapely.Polygon(rings[0]) for rings in unpacked(shape)]
    assert sum(area.area for area in areas) == pytest.approx(
        shapely.union_all(areas).area, rel=1e-3
    )


def test_shapes_that_can_not_be_drawn_are_passed_over(few: pages.Run) -> None:
    own = np.array(
        [
            None,
            shapely.Polygon(),
            shapely.box(100, -40, 110, -30),  # far away
            shapely.Polygon([(0, 40), (20, 60), (20, 40), (0, 60)]),  # crosses itself
            shapely.box(5, 45, 10, 50),
            shapely.box(7, 46, 12, 51),  # overlaps
        ]
    )
    found = data_of(pages.rendered(few, own_borders=own, own_names=list("abcdef")))
    rings = [len(rings) for rings in unpacked(found["shapes"]["own"])]
    assert rings == [0, 0, 0, 2, 1, 1], "two triangles, two boxes"
    assert found["ownLabels"]["text"] == ["d", "e", "f"]


def test_one_place_makes_a_page() -> None:
    at = np.array([22.3]), np.array([114.2])
    run = pages.run(*at, 1, pages.Projection("laea", 22.3, 114.2))
    found = data_of(pages.rendered(run))
    west, south, east, north = found["view"]
    assert east - west == north - south == pytest.approx(2_000)


def test_the_same_run_gives_the_same_bytes(few: pages.Run) -> None:
    assert pages.rendered(few) == pages.rendered(few)


def test_hong_kongs_districts_are_drawn(data: Callable[[str], Path]) -> None:
    data("hong-kong")
    _, html, _ = pages.hong_kong()
    found = data_of(html)
    assert len(unpacked(found["shapes"]["own"])) == 18
    assert len(found["ownLabels"]["text"]) == 18


#: A sliver at the edge of the map of a real run, in metres, as rounding folded it.
FOLDED = [
    (12137452.056022085, 2042724.1643163853),
    (12143835.569035573, 2001231.3297287086),
    (12145431.447288945, 1990858.1210817895),
    (12139047.934275458, 2032350.9556694662),
    (12135856.177768713, 2051501.4947099322),
    (12060849.89986022, 2452066.9363063485),
    (12057658.143353475, 2468025.71884007),
    (12056860.20422679, 2471217.4753468144),
    (12059254.021606848, 2460046.3275732095),
    (12062445.778113592, 2445683.42329286),
]


def test_an_area_that_geos_gives_up_on_is_drawn_all_the_same() -> None:
    fine, folded = (
        shapely.box(0, 0, 1, 1),
        shapely.MultiPolygon([shapely.Polygon(FOLDED)]),
    )
    with pytest.raises(shapely.GEOSException):
        shapely.make_valid(folded, method="structure", keep_collapsed=False)
    found = outlines._valid(np.array([fine, folded], dtype=object))
    assert found[0].equals(fine)
    assert found[1].area == pytest.approx(folded.area, rel=0.05)
    assert shapely.is_valid(found).all()
    assert (shapely.get_dimensions(found) == 2).all()
