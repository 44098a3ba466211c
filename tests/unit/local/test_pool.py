import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.runtime.function import Function, Result
from local.runtime.pool import Pool
from local.runtime.worker import Worker
from tests.unit.local.support import FakeLauncher, function

MakePool = Callable[..., Pool]


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher()


@pytest.fixture
def make_pool(launcher: FakeLauncher, tmp_path: Path) -> Iterator[MakePool]:
    pools = []

    def make_pool(*, max_workers: int = 2, keep_idle_s: float = 60) -> Pool:
        def start(function: Function, number: int) -> Worker:
            return Worker(launcher, function, tmp_path / f"{number}.log")

        pool = Pool(start, max_workers=max_workers, keep_idle_s=keep_idle_s)
        pools.append(pool)
        return pool

    yield make_pool
    for pool in pools:
        pool.close()
    assert all(process.poll() is not None for process in launcher.processes)


def test_an_idle_worker_is_used_again(make_pool: MakePool) -> None:
    pool = make_pool()
    pids = {pool.invoke(function(), str(n), {"do": "echo"}).body["pid"] for n in "123"}
    assert len(pids) == 1


def test_a_worker_that_died_while_idle_costs_no_event(
    make_pool: MakePool, launcher: FakeLauncher
) -> None:
    pool = make_pool()
    pool.invoke(function(), "1", {"do": "answer-and-exit"})
    launcher.processes[0].wait()

    result = pool.invoke(function(), "2", {"do": "echo"})

    assert not result.error
    assert len(launcher.processes) == 2


def test_a_crashed_worker_is_replaced(make_pool: MakePool) -> None:
    pool = make_pool()
    assert pool.invoke(function(), "1", {"do": "exit"}).error
    assert not pool.invoke(function(), "2", {"do": "echo"}).error


def test_a_changed_function_gets_new_workers(
    make_pool: MakePool, launcher: FakeLauncher
) -> None:
    pool = make_pool()
    pool.invoke(function(), "1", {"do": "echo"})

    pool.invoke(replace(function(), image_uri="registry/image:2"), "2", {"do": "echo"})

    assert len(launcher.processes) == 2
    assert launcher.processes[0].poll() is not None


def test_two_events_are_handled_at_a_time_and_the_third_waits(
    make_pool: MakePool, launcher: FakeLauncher
) -> None:
    pool = make_pool(max_workers=2)
    slow = function(timeout_s=1)
    results: list[Result] = []
    threads = [
        threading.Thread(
            target=lambda n=n: results.append(
                pool.invoke(slow, str(n), {"do": "sleep"})
            )
        )
        for n in range(3)
    ]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert time.monotonic() - begin > 2
    assert len(launcher.processes) == 3  # each was killed at its timeout
    assert [result.body["errorType"] for result in results] == ["Sandbox.Timedout"] * 3


def test_workers_that_nobody_needs_end(
    make_pool: MakePool, launcher: FakeLauncher
) -> None:
    pool = make_pool(keep_idle_s=0.05)
    pool.invoke(function(), "1", {"do": "echo"})

    assert launcher.processes[0].wait(5) is not None
    assert not pool.invoke(function(), "2", {"do": "echo"}).error


def test_closing_ends_a_worker_that_is_busy(
    make_pool: MakePool, launcher: FakeLauncher
) -> None:
    pool = make_pool()
    busy = threading.Thread(
        target=lambda: pool.invoke(function(timeout_s=60), "1", {"do": "sleep"})
    )
    busy.start()
    while not launcher.processes:
        time.sleep(0.01)

    pool.close()
    busy.join(5)

    assert not busy.is_alive()
