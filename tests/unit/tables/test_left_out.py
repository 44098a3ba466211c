import numpy as np
from numpy.typing import NDArray

from geoclusters.tables import left_out
from geoclusters.tables.left_out import LeftOut, in_words


def add(found: LeftOut, row: NDArray[np.int64], reason: int) -> None:
    nowhere = np.full(len(row), np.nan)
    found.add(row, np.full(len(row), reason, np.int8), nowhere, nowhere)


def test_what_is_left_out_is_told_in_words() -> None:
    found = LeftOut()
    add(found, np.arange(1000, 1007), 1)
    add(found, np.array([2000]), 4)
    assert in_words(found.summary()) == (
        "7 × coordinate missing (row 1,000, 1,001, 1,002, 1,003, 1,004, …); "
        "1 × both coordinates 0 (row 2,000)"
    )


def test_the_list_of_rejected_rows_is_bounded() -> None:
    found = LeftOut()
    for start in range(0, 30_000, 7_000):
        add(found, np.arange(start, start + 7_000), 2)
    lines = found.to_csv().decode().splitlines()
    assert lines[0] == "row,reason"
    assert lines[-1] == "9999,coordinate not a number"
    assert len(lines) == 1 + left_out.MOST_LISTED
    assert found.rows == 35_000


def test_an_id_that_a_spreadsheet_would_run_is_a_text_in_the_list() -> None:
    found = LeftOut()
    nowhere = np.full(2, np.nan)
    ids = np.array([b"=1+1", b"-12"])
    found.add(np.array([2, 3]), np.full(2, 2, np.int8), nowhere, nowhere, ids)
    lines = found.to_csv().decode().splitlines()
    assert [line.rpartition(",")[2] for line in lines] == ["id", "'=1+1", "-12"]


def test_nothing_left_out_is_an_empty_summary() -> None:
    assert LeftOut().summary() == {}
    assert in_words({}) == ""
