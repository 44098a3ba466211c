import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from geoclusters import places


def of_ids(*ids: str, first_row: int = 2) -> places.Places:
    n = len(ids)
    column = np.array([text.encode() for text in ids])
    row = np.arange(first_row, first_row + n)
    return places.make(
        row, np.linspace(0, 90, n, dtype=np.float64), np.zeros(n), column
    )


def saved(array: NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def test_places_come_back_from_their_bytes() -> None:
    rows = places.make(np.array([2, 5]), np.array([1.5, -90.0]), np.array([0.1, 180.0]))
    again = places.decode(places.encode(rows))
    assert again.tolist() == rows.tolist()
    assert not places.has_ids(again)


def test_ids_come_back_from_their_bytes() -> None:
    rows = of_ids("007", "", 'a,"b"\n', "Zürich 北")
    again = places.decode(places.encode(rows))
    assert places.has_ids(again)
    assert again.tolist() == rows.tolist()
    assert [id.decode() for id in again["id"]] == ["007", "", 'a,"b"\n', "Zürich 北"]


def test_numpy_reads_a_part_as_it_is() -> None:
    part = places.encode(places.make(np.arange(2), np.zeros(2), np.ones(2)))
    assert np.load(io.BytesIO(part))["longitude"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "rows",
    [
        places.make(np.arange(1000), np.zeros(1000), np.ones(1000)),
        places.make(np.arange(0), np.zeros(0), np.ones(0)),
        places.make(np.arange(10), np.zeros(10), np.ones(10))[::3],
        of_ids("1", "234"),
        of_ids("x" * 256),
    ],
    ids=["many", "none", "every third", "with ids", "with a long id"],
)
def test_a_part_is_what_numpy_would_save(rows: places.Places) -> None:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    assert places.encode(rows) == buffer.getvalue()


def test_parts_with_ids_of_different_lengths_become_one() -> None:
    parts = [of_ids("1", "22"), of_ids("333333", first_row=4), of_ids("4", first_row=5)]
    whole = places.decode(places.encode(*parts))
    assert whole["row"].tolist() == [2, 3, 4, 5]
    assert whole["id"].tolist() == [b"1", b"22", b"333333", b"4"]


def test_parts_without_ids_become_one() -> None:
    part = places.make(np.arange(2), np.zeros(2), np.ones(2))
    whole = places.decode(places.encode(part, part))
    assert whole.dtype == places.DTYPE
    assert whole["row"].tolist() == [0, 1, 0, 1]


def test_parts_with_and_without_ids_are_not_of_one_run() -> None:
    part = places.make(np.arange(2), np.zeros(2), np.ones(2))
    with pytest.raises(TypeError):
        places.encode(of_ids("1"), part)


def test_ids_that_are_too_long_are_refused() -> None:
    with pytest.raises(ValueError, match="ids of 1 to 256 bytes, found 257"):
        of_ids("x" * 257)


POSITION = [("row", "<i8"), ("latitude", "<f8"), ("longitude", "<f8")]


@pytest.mark.parametrize(
    "fields",
    [
        "<f8",
        POSITION[1:],
        [*POSITION, ("name", "S5")],
        [*POSITION, ("id", "S5"), ("name", "S5")],
        [*POSITION, ("id", "<U5")],
        [*POSITION, ("id", "<i8")],
        [*POSITION, ("id", "S257")],
        [*POSITION, ("id", "S0")],
        [("id", "S5"), *POSITION],
        [("row", ">i8"), *POSITION[1:]],
    ],
    ids=str,
)
def test_other_arrays_are_no_places(fields: DTypeLike) -> None:
    with pytest.raises(ValueError, match="expected places"):
        places.decode(saved(np.zeros(3, np.dtype(fields))))


def test_a_table_of_places_is_no_list_of_them() -> None:
    with pytest.raises(ValueError, match="expected places"):
        places.decode(saved(np.zeros((2, 2), places.DTYPE)))


def test_another_version_of_the_format_is_refused() -> None:
    with pytest.raises(ValueError, match="version 1"):
        places.decode(saved(np.zeros(2, places.DTYPE), (2, 0)))


@pytest.mark.parametrize("change", [slice(0), slice(5), slice(70), slice(-1)])
def test_bytes_that_end_early_are_refused(change: slice) -> None:
    data = places.encode(of_ids("1", "2"))
    with pytest.raises(ValueError, match=r"expected|EOF"):
        places.decode(data[change])


def test_bytes_behind_the_last_place_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 places of 25 bytes, found 26"):
        places.decode(places.encode(of_ids("1")) + b"\0")
