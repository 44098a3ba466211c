import csv
import gzip
import io
import re
import resource
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from container import assignments
from container.assignments import PACKED, PLAIN, written_to
from geoclusters import places
from geoclusters.aws.outputs import Outputs
from geoclusters.aws.upload import PART_BYTES
from geoclusters.places import MOST_ID_BYTES, Places
from geoclusters.run import Upload
from geoclusters.spreadsheet import as_text
from tests.container.fakes import FakeS3

UPLOAD = Upload(bucket="data", key="input/hk.csv", etag="e", sequencer="0A", size=1)


def make(
    latitude: ArrayLike, longitude: ArrayLike, ids: list[bytes] | None = None
) -> Places:
    latitude, longitude = np.asarray(latitude, "f8"), np.asarray(longitude, "f8")
    row = np.arange(2, 2 + len(latitude))
    if ids is None:
        return places.make(row, latitude, longitude)
    width = max(1, *map(len, ids))
    return places.make(row, latitude, longitude, np.array(ids, f"S{width}"))


def written(
    *parts: Places,
    cluster: ArrayLike = 0,
    distance_m: ArrayLike = 0,
    packed: bool = False,
) -> bytes:
    stream = io.BytesIO()
    with written_to(stream, has_ids=places.has_ids(parts[0]), packed=packed) as file:
        for part in parts:
            file.add(
                part,
                np.broadcast_to(np.asarray(cluster, np.intp), len(part)),
                np.broadcast_to(np.asarray(distance_m, "f8"), len(part)),
            )
    assert not stream.closed
    return stream.getvalue()


def many(count: int, decimals: int = 6) -> Places:
    rng = np.random.default_rng(1)
    latitude = rng.normal(22.3, 1, count).round(decimals)
    longitude = rng.normal(114.1, 1, count).round(decimals)
    ids = np.char.add(b"station ", np.arange(count).astype("S8"))
    return make(latitude, longitude, ids.tolist())


def test_each_place_is_a_line_with_its_row_cluster_and_distance() -> None:
    part = make([22.3, -0.5], [114.1712345678901, 180])
    table = written(part, cluster=[14, 0], distance_m=[1234.56789, 20015114.4424])
    assert table.decode() == (
        "row,latitude,longitude,cluster,distance_m\n"
        "2,22.3,114.1712345678901,15,1234.568\n"
        "3,-0.5,180,1,20015114.442\n"
    )


def test_ids_stand_behind_the_row_as_the_upload_has_them() -> None:
    ids = ["007", 'a,"b"', " x ", "line\nbreak", "a\rb", "Zürich 北", "", "-12"]
    table = written(make([0] * 8, [0] * 8, [id.encode() for id in ids]))
    assert table.decode() == (
        "row,id,latitude,longitude,cluster,distance_m\n"
        "2,007,0,0,1,0.000\n"
        '3,"a,""b""",0,0,1,0.000\n'
        "4, x ,0,0,1,0.000\n"
        '5,"line\nbreak",0,0,1,0.000\n'
        '6,"a\rb",0,0,1,0.000\n'
        "7,Zürich 北,0,0,1,0.000\n"
        "8,,0,0,1,0.000\n"
        "9,-12,0,0,1,0.000\n"
    )


def test_an_id_that_a_spreadsheet_would_run_is_a_text() -> None:
    ids = [b"=cmd|' /C calc'!A0", b"\xff;@SUM(1)", b"+59.350", b"\t-1-1"]
    lines = written(make([0] * 4, [0] * 4, ids)).decode().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == [
        "'=cmd|' /C calc'!A0",
        "\ufffd;'@SUM(1)",
        "+59.350",
        "'\t'-1-1",
    ]


@pytest.mark.parametrize(
    ("degrees", "text"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (-1.5e-12, "-0.0000000000015"),
        (90, "90"),
        (-89.99999999999999, "-89.99999999999999"),
    ],
)
def test_degrees_have_the_fewest_digits_that_say_the_same_number(
    degrees: float, text: str
) -> None:
    lines = written(make([degrees], [degrees])).decode().splitlines()
    assert lines[1] == f"2,{text},{text},1,0.000"


degrees = st.floats(-90, 90) | st.floats(-90, 90).map(lambda value: round(value, 6))
identifiers = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
).filter(lambda id: len(id.encode()) <= MOST_ID_BYTES)


@given(
    st.lists(
        st.tuples(
            degrees,
            degrees.map(lambda value: 2 * value),
            identifiers,
            st.integers(0, 9_999),
            st.floats(0, 20_015_115),
        ),
        min_size=1,
    ),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_written_is_read_again(rows: list[Any], packed: bool) -> None:
    latitude, longitude, ids, cluster, distance_m = zip(*rows, strict=True)
    part = make(latitude, longitude, [id.encode() for id in ids])
    table = written(part, cluster=cluster, distance_m=distance_m, packed=packed)
    text = (gzip.decompress(table) if packed else table).decode()
    lines = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert len(lines) == len(rows)
    for i, line in enumerate(lines):
        assert line[:2] == [str(i + 2), as_text(ids[i])]
        assert (float(line[2]), float(line[3])) == (latitude[i], longitude[i])
        assert all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in line[2:4])
        assert line[4] == str(cluster[i] + 1)
        assert re.fullmatch(r"\d+\.\d{3}", line[5])
        assert float(line[5]) == pytest.approx(distance_m[i], abs=0.000_501, rel=0)


def test_a_file_of_no_places_has_a_header() -> None:
    assert written(make([], [])) == b"row,latitude,longitude,cluster,distance_m\n"


@pytest.mark.parametrize("packed", [False, True])
def test_how_places_are_divided_into_parts_makes_no_difference(
    packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = many(1000)
    whole = written(part, distance_m=1, packed=packed)
    monkeypatch.setattr(assignments, "_BYTES_AT_ONCE", 7 * part.itemsize)
    divided = written(part[:1], part[1:400], part[400:], distance_m=1, packed=packed)
    if packed:
        whole, divided = gzip.decompress(whole), gzip.decompress(divided)
    assert whole == divided
    assert whole.count(b"\n") == 1001


def test_a_packed_file_is_one_stream_and_always_the_same() -> None:
    part = many(100_000)
    plain, packed = written(part), written(part, packed=True)
    assert packed == written(part, packed=True)
    assert packed[4:8] == bytes(4)  # no time
    unpack = zlib.decompressobj(wbits=31)
    assert unpack.decompress(packed) == plain
    assert unpack.eof
    assert unpack.unused_data == b""
    assert len(packed) < len(plain) / 2


def test_ids_that_are_no_utf_8_do_not_stop_a_run() -> None:
    table = written(make([1, 2], [3, 4], [b"Z\xfcrich", b"Bern"]))
    assert table.decode().splitlines()[1:] == [
        "2,Z\N{REPLACEMENT CHARACTER}rich,1,3,1,0.000",
        "3,Bern,2,4,1,0.000",
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_what_goes_wrong_in_the_stream_is_raised_as_it_is(packed: bool) -> None:
    class Broken:
        left = 1_000_000

        def write(self, data: bytes, /) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise EndpointConnectionError(endpoint_url="https://s3")
            return len(data)

    part = many(10_000)
    with pytest.raises(EndpointConnectionError):  # noqa: SIM117
        with written_to(Broken(), has_ids=True, packed=packed) as file:
            for _ in range(50):
                file.add(part, np.zeros(10_000, np.intp), np.zeros(10_000))


def test_memory_does_not_grow_with_the_file() -> None:
    class Nowhere:
        size = 0

        def write(self, data: bytes, /) -> int:
            self.size += len(data)
            return len(data)

    part = many(65_536)
    cluster, distance_m = np.zeros(len(part), np.intp), np.zeros(len(part))
    stream = Nowhere()
    with written_to(stream, has_ids=True, packed=False) as file:
        for _ in range(5):
            file.add(part, cluster, distance_m)
        before, written_before = _peak_bytes(), stream.size
        for _ in range(25):
            file.add(part, cluster, distance_m)
    assert stream.size - written_before > 60_000_000
    assert _peak_bytes() - before < 20_000_000


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("kind", [PLAIN, PACKED])
def test_a_large_file_is_streamed_into_the_bucket(
    kind: assignments.FileType,
) -> None:
    s3: Any = FakeS3()
    part = many(300_000 if kind is PLAIN else 600_000, decimals=16)
    cluster = np.arange(len(part)) % 15
    distance_m = np.random.default_rng(2).exponential(5000, len(part))
    with (
        Outputs(s3, UPLOAD).stream(*kind) as stream,
        written_to(stream, has_ids=True, packed=kind is PACKED) as file,
    ):
        for rows in np.array_split(np.arange(len(part)), 5):
            file.add(part[rows], cluster[rows], distance_m[rows])
    body = s3.bodies["output/hk/" + kind.name]
    assert len(body) > PART_BYTES
    assert s3.content_types["output/hk/" + kind.name] == kind.content_type
    assert s3.uploads == {}
    table = pd.read_csv(
        io.BytesIO(body),
        compression="gzip" if kind is PACKED else None,
        float_precision="round_trip",
    )
    assert table["row"].tolist() == part["row"].tolist()
    assert table["id"].str.encode("utf-8").tolist() == part["id"].tolist()
    assert (table["cluster"] == cluster + 1).all()
    np.testing.assert_array_equal(table["latitude"], part["latitude"])
    np.testing.assert_array_equal(table["longitude"], part["longitude"])
    np.testing.assert_allclose(table["distance_m"], distance_m, rtol=0, atol=0.000_501)


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_is_left_of_a_file_that_is_broken_off(packed: bool) -> None:
    s3: Any = FakeS3()
    part = many(65_536, decimals=16)
    with (
        pytest.raises(ZeroDivisionError),
        Outputs(s3, UPLOAD).stream(*PLAIN) as stream,
        written_to(stream, has_ids=True, packed=packed) as file,
    ):
        for _ in range(8 if not packed else 16):
            file.add(part, np.zeros(len(part), np.intp), np.zeros(len(part)))
        raise ZeroDivisionError
    assert s3.begun == 1
    assert s3.bodies == {}
    assert s3.uploads == {}
