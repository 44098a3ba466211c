"""A worker: one process (or container) of a function, fed by its own Runtime API."""

import threading
from pathlib import Path
from typing import Any, Protocol

from local.runtime.api import NeverTakenError, Request, RuntimeApi, WorkerError
from local.runtime.function import Function, Result


class Process(Protocol):
    """What a worker needs of the process that runs its function."""

    def wait(self) -> int:
        """Wait for the end and return the exit status."""

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""


class Launcher(Protocol):
    """How a function is started."""

    def start(self, function: Function, runtime_api: str, log: Path) -> Process:
        """Start the function; what it prints goes to the end of `log`."""


class Worker:
    """Runs one event at a time."""

    def __init__(self, launcher: Launcher, function: Function, log: Path) -> None:
        self._function = function
        self._log = log
        self._log_read = log.stat().st_size if log.exists() else 0
        self._api = RuntimeApi()
        try:
            self._process = launcher.start(function, self._api.address, log)
        except BaseException:
            self._api.close()
            raise
        self.alive = True
        self._waiter = threading.Thread(target=self._wait_for_the_end, daemon=True)
        self._waiter.start()

    def _wait_for_the_end(self) -> None:
        status = self._process.wait()
        self.alive = False
        self._api.end(f"Runtime exited with status {status}")

    def invoke(self, request_id: str, event: Any) -> Result:
        """Have the function handle an event.

        A failed worker is stopped; a function that only raised goes on working.

        Raises
        ------
        NeverTakenError
            When the worker had ended before the event reached it.
        """
        function = self._function
        request = Request(request_id, event, function.arn, function.timeout_s)
        try:
            # Lambda repeats a start of over 10 s within the first invocation.
            self._api.wait_until_ready(function.timeout_s)
            result = self._api.run(request)
        except NeverTakenError:
            self.stop()
            raise
        except WorkerError as failure:
            self.stop()
            result = failure.result
        return Result(result.body, error=result.error, log=self._new_log_lines())

    def stop(self) -> None:
        """End the process; safe to call twice."""
        self.alive = False
        self._process.kill()
        self._waiter.join()
        self._api.close()

    def _new_log_lines(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_read)
            text = log.read()
        self._log_read += len(text)
        return text.decode(errors="replace")
