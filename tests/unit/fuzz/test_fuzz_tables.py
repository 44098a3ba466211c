"""Whatever stands in a file: it is a table, or its owner is told why it is none."""

import gzip
import io
import json
import zipfile
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoclusters.errors import ParameterError, TableError
from geoclusters.tables.columns import ColumnHints
from geoclusters.tables.reader import Table
from tests.mutations import mutated

MOST_BYTES: Final = 50_000


def zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        archive.writestr("../../etc/readme.md", b"x")
    return file.getvalue()


POINTS: Final = '{"type":"Point","coordinates":[114.2,22.3]}'.replace('"', '""')
_DEGREES: Final = "n;Breite;Länge\nä;22°18'36\"N;114°10'48\"E\nö;22°19'N;114°11'E\n"
PLAIN: Final = (
    b"id,lat,lon\n" + b"".join(b"%d,%d.5,%d.25\n" % (i, i, -i) for i in range(30)),
    b'Notes, 2026\n"a ""b"", c",,\nstop,stop_lat,stop_lon\r\n"x\ny",1,2\r\nz,3,4\r\n',
    b"lat;lon;name\n59,350;18,1;=cmd|' /C calc'!A0\n+59,4;-18,2;<script>\n",
    b"the_geom\nPOINT (114.18 22.31)\nSRID=4326;POINT(114.19 22.32)\n",
    f'geo_point_2d\n"{POINTS}"\n"{POINTS}"\n'.encode(),
    b'location\n"(22.31, 114.18)"\n"12 Some Street\n(22.32, 114.19)"\n',
    b"geom\n0101000000000000000000F03F0000000000000040\n" * 2,
    b"northing\teasting\n819069.8\t836694.0\n819070.8\t836695.0\n",
    _DEGREES.encode("cp1252"),
    _DEGREES.encode("utf-16"),
    "緯度,経度\n22.3,114.1\n22.4,114.2\n".encode("shift_jis"),
)
PACKED: Final = tuple(
    packed
    for data in PLAIN
    for packed in (gzip.compress(data, 1), zipped("../../../tmp/a.csv", data))
)
HINTS: Final = st.builds(
    ColumnHints,
    latitude=st.sampled_from([None, None, None, "lat", "northing", "\0"]),
    longitude=st.sampled_from([None, None, None, "lon", "easting", "=1+1"]),
    id=st.sampled_from([None, "id", "name", "n", "<b>"]),
    crs=st.sampled_from([None, None, "EPSG:2326", "EPSG:4326", "EPSG:0", "X:Y"]),
) | st.builds(
    ColumnHints, coordinates=st.sampled_from(["the_geom", "geom", "location", "x"])
)


def read_or_be_told(data: bytes, hints: ColumnHints, block_bytes: int) -> None:
    try:
        table = Table(
            io.BytesIO(data), hints, most_bytes=MOST_BYTES, block_bytes=block_bytes
        )
        for chunk in table.chunks():
            assert len(chunk.row) == len(chunk.latitude) == len(chunk.longitude)
            assert (abs(chunk.latitude) <= 90).all()
            assert (abs(chunk.longitude) <= 180).all()
    except (TableError, ParameterError) as error:
        assert len(str(error)) < 2_000
        str(error).encode()
    else:
        json.dumps([table.columns, table.detected], ensure_ascii=False).encode()
        table.left_out.to_csv().decode()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(mutated(PLAIN), HINTS, st.sampled_from([50, 100_000]))
def test_a_changed_table_is_read_or_refused(
    data: bytes, hints: ColumnHints, block_bytes: int
) -> None:
    read_or_be_told(data, hints, block_bytes)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(mutated(PACKED))
def test_a_changed_archive_is_read_or_refused(data: bytes) -> None:
    read_or_be_told(data, ColumnHints(), 100_000)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(mutated(PLAIN), st.booleans())
def test_a_changed_table_in_an_archive_is_read_or_refused(
    data: bytes, is_zip: bool
) -> None:
    packed = zipped("a.csv", data) if is_zip else gzip.compress(data, 1)
    read_or_be_told(packed, ColumnHints(), 100_000)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for start in (b"", b"\x1f\x8b\x08\0", b"PK\x03\x04", b"\xff\xfe", b"lat,lon\n"):
        read_or_be_told(start + data, ColumnHints(), 100_000)
