import csv
import gzip
import io
from decimal import Decimal

import numpy as np
import pytest

from container.assignments import Assignments
from geoclusters import places

IDS = ["01", "a,b", 'x "y"', "Zürich 北", "", "two\rlines", " space ", "-", "=1+1"]


def written(*parts: places.Places, packed: bool = False) -> bytes:
    stream = io.BytesIO()
    file = Assignments(stream, packed=packed)
    for part in parts:
        count = len(part)
        file.add(part, np.arange(count) % 3, np.arange(count) * 1000 / 7)
    file.finish()
    return stream.getvalue()


def some(count: int, *, first: int = 2, ids: list[str] | None = None) -> places.Places:
    rng = np.random.default_rng(first)
    return places.make(
        np.arange(first, first + count),
        rng.uniform(-90, 90, count),
        rng.uniform(-180, 180, count),
        None if ids is None else np.array([id.encode() for id in ids]),
    )


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_each_place_has_a_line_in_the_files_order() -> None:
    first, second = some(5), some(4, first=9)
    rows = rows_of(written(first, second))
    assert list(rows[0]) == ["row", "latitude", "longitude", "cluster", "distance_m"]
    assert [int(row["row"]) for row in rows] == [*range(2, 7), *range(9, 13)]
    clusters = [int(row["cluster"]) for row in rows]
    assert clusters == [1, 2, 3, 1, 2, 1, 2, 3, 1]
    together = np.concatenate((first, second))
    for name in ("latitude", "longitude"):
        assert [float(row[name]) for row in rows] == together[name].tolist()
    assert [row["distance_m"] for row in rows[:3]] == ["0", "142.857", "285.714"]


def test_ids_are_those_of_the_upload() -> None:
    rows = rows_of(written(some(len(IDS), ids=IDS)))
    assert list(rows[0])[:2] == ["row", "id"]
    assert [row["id"] for row in rows] == IDS


def test_numbers_are_never_written_with_an_exponent() -> None:
    numbers = np.array([1e-7, -0.0, 5e-15, 22.300000000000001, -89.99999999999999])
    part = places.make(np.arange(5), numbers, -numbers)
    data = written(part)
    assert b"e-" not in data
    assert b"-0.0," not in data
    assert [float(row["latitude"]) for row in rows_of(data)] == numbers.tolist()
    digits = [len(Decimal(row["latitude"]).as_tuple().digits) for row in rows_of(data)]
    assert max(digits) <= 17


def test_packed_it_holds_the_same_and_always_in_the_same_bytes() -> None:
    parts = [some(1_000), some(1_000, first=5_000)]
    packed = written(*parts, packed=True)
    assert gzip.decompress(packed) == written(*parts)
    assert packed == written(*parts, packed=True)


def test_an_id_that_is_no_text_stops_nothing() -> None:
    part = places.make(
        np.arange(2), np.zeros(2), np.ones(2), np.array([b"\xff\xfe", b"b"])
    )
    assert [row["id"] for row in rows_of(written(part))] == ["\ufffd\ufffd", "b"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_part_without_places_adds_no_line(packed: bool) -> None:
    data = written(some(0), some(2), packed=packed)
    text = gzip.decompress(data) if packed else data
    assert len(text.splitlines()) == 3
