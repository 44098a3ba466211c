import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.runtime.api import NeverTakenError
from local.runtime.function import Function
from local.runtime.worker import Worker
from tests.unit.local.support import FakeLauncher, function

Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    workers = []

    def start(of: Function | None = None) -> Worker:
        worker = Worker(FakeLauncher(), of or function(), tmp_path / "worker.log")
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


def test_an_event_is_answered_with_what_the_function_returns(start: Start) -> None:
    result = start().invoke("request-1", {"do": "echo", "text": "Zürich"})

    assert not result.error
    assert result.body["event"] == {"do": "echo", "text": "Zürich"}


def test_next_has_the_headers_that_awslambdaric_needs(start: Start) -> None:
    before_ms = time.time() * 1000

    headers = start().invoke("request-1", {"do": "echo"}).body["headers"]

    assert headers["Content-Type"] == "application/json"
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "request-1"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"].endswith(":function:report")
    assert 4_000 < int(headers["Lambda-Runtime-Deadline-Ms"]) - before_ms < 15_000


def test_a_worker_is_warm_for_its_second_event(start: Start) -> None:
    worker = start()

    first, second = (worker.invoke(str(n), {"do": "echo"}) for n in range(2))

    assert first.body["pid"] == second.body["pid"]
    assert "cold start" in first.log
    assert second.log == "handling 1\n"


def test_an_exception_in_the_function_is_an_error_and_the_worker_goes_on(
    start: Start,
) -> None:
    worker = start()

    failed = worker.invoke("1", {"do": "raise"})

    assert failed.error
    assert failed.body == {"errorType": "ValueError", "errorMessage": "bad value"}
    assert worker.alive
    assert not worker.invoke("2", {"do": "echo"}).error


def test_a_crash_is_an_error_that_says_so(start: Start) -> None:
    worker = start()

    result = worker.invoke("1", {"do": "exit"})

    assert result.error
    assert result.body["errorType"] == "Runtime.ExitError"
    assert "status 9" in result.body["errorMessage"]
    assert "handling 1" in result.log
    assert not worker.alive


def test_a_function_that_takes_too_long_is_killed(start: Start) -> None:
    worker = start(function(timeout_s=1))
    begin = time.monotonic()

    result = worker.invoke("1", {"do": "sleep"})

    assert time.monotonic() - begin < 4
    assert result.error
    assert result.body["errorType"] == "Sandbox.Timedout"
    assert result.body["errorMessage"] == "Task timed out after 1.00 seconds"
    assert not worker.alive


def test_an_error_at_the_start_is_the_invocations_error(start: Start) -> None:
    worker = start(function(environment={"FAKE_INIT": "error"}))

    result = worker.invoke("1", {"do": "echo"})

    assert result.error
    assert result.body["errorType"] == "Runtime.ImportModuleError"
    assert not worker.alive


def test_an_end_at_the_start_is_the_invocations_error(start: Start) -> None:
    result = start(function(environment={"FAKE_INIT": "exit"})).invoke("1", {})

    assert result.error
    assert result.body["errorType"] == "Runtime.ExitError"
    assert "status 7" in result.body["errorMessage"]


def test_a_start_that_takes_too_long_is_the_invocations_error(
    start: Start,
) -> None:
    result = start(function(timeout_s=0.001)).invoke("1", {"do": "echo"})

    assert result.error
    assert result.body["errorType"] == "Runtime.InitTimeout"


def test_a_worker_that_died_while_idle_takes_no_event(start: Start) -> None:
    worker = start()
    worker.invoke("1", {"do": "answer-and-exit"})
    _wait_until(lambda: not worker.alive)

    with pytest.raises(NeverTakenError):
        worker.invoke("2", {"do": "echo"})


def test_stopping_twice_does_no_harm(start: Start) -> None:
    worker = start()
    worker.stop()
    worker.stop()


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
