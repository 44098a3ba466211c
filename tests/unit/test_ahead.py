import threading
import time
from collections.abc import Iterator

import pytest

from geoclusters.ahead import read_ahead, write_behind


class BrokenError(Exception):
    pass


def numbers(made: list[int], closed: threading.Event, most: int = 10) -> Iterator[int]:
    try:
        for number in range(most):
            made.append(number)
            yield number
    finally:
        closed.set()


def test_items_come_in_their_order_and_are_made_ahead_but_not_far() -> None:
    made: list[int] = []
    closed = threading.Event()
    with read_ahead(numbers(made, closed), 2) as items:
        assert next(items) == 0
        wait_until(lambda: len(made) == 4)
        time.sleep(0.02)
        assert made == [0, 1, 2, 3]  # one taken, two that wait, one in the hand
        assert list(items) == list(range(1, 10))
    assert closed.is_set()


def test_what_goes_wrong_ahead_is_raised_in_its_place() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise BrokenError

    with read_ahead(broken(), 5) as items:
        assert next(items) == 1
        with pytest.raises(BrokenError):
            next(items)


def test_who_stops_early_stops_the_thread_and_closes_the_source() -> None:
    made: list[int] = []
    closed = threading.Event()
    before = threading.active_count()
    with (
        pytest.raises(BrokenError),
        read_ahead(numbers(made, closed, 1_000_000), 1) as items,
    ):
        next(items)
        raise BrokenError
    assert closed.is_set()
    assert threading.active_count() == before
    assert len(made) < 10


def test_calls_go_on_behind_and_the_block_waits_for_all() -> None:
    let_go = threading.Event()
    written: list[int] = []

    def write(number: int) -> None:
        let_go.wait()
        written.append(number)

    with write_behind(write, 2) as call:
        call(1)
        call(2)
        assert written == []
        let_go.set()
        call(3)
    assert sorted(written) == [1, 2, 3]


def test_one_thread_keeps_the_order_of_calls() -> None:
    written: list[int] = []
    with write_behind(written.append, 1) as call:
        for number in range(100):
            call(number)
    assert written == list(range(100))


def test_no_more_calls_wait_than_there_are_threads() -> None:
    running = threading.Semaphore(0)
    most = 0
    count = 0
    lock = threading.Lock()

    def write() -> None:
        nonlocal most, count
        with lock:
            count += 1
            most = max(most, count)
        running.acquire(timeout=0.005)
        with lock:
            count -= 1

    with write_behind(write, 3) as call:
        for _ in range(12):
            call()
    assert 1 <= most <= 3


@pytest.mark.parametrize("fails_last", [False, True])
def test_a_call_that_goes_wrong_is_raised(fails_last: bool) -> None:
    def write(number: int) -> None:
        if number == (9 if fails_last else 0):
            raise BrokenError

    with pytest.raises(BrokenError), write_behind(write, 1) as call:
        for number in range(10):
            call(number)


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
