import numpy as np

from geoclusters.tables import left_out
from geoclusters.tables.left_out import LeftOut, in_words


def test_what_is_left_out_is_told_in_words() -> None:
    found = LeftOut()
    found.add(np.arange(1000, 1007), np.full(7, 1, np.int8))
    found.add(np.array([2000]), np.array([4], np.int8))
    assert in_words(found.summary()) == (
        "7 × coordinate missing (row 1,000, 1,001, 1,002, 1,003, 1,004, …); "
        "1 × both coordinates 0 (row 2,000)"
    )


def test_the_list_of_rejected_rows_is_bounded() -> None:
    found = LeftOut()
    for start in range(0, 30_000, 7_000):
        found.add(np.arange(start, start + 7_000), np.full(7_000, 2, np.int8))
    lines = found.to_csv().decode().splitlines()
    assert lines[0] == "row,reason"
    assert lines[-1] == "9999,coordinate not a number"
    assert len(lines) == 1 + left_out.MOST_LISTED
    assert found.rows == 35_000


def test_nothing_left_out_is_an_empty_summary() -> None:
    assert LeftOut().summary() == {}
    assert in_words({}) == ""
