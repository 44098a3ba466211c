"""Workers for every image function there is: started, reused, replaced, let go."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.runtime.api import NeverTakenError
from local.runtime.function import Function, Result
from local.runtime.worker import Worker

MAX_WORKERS = 2
"""Of one function: what a laptop bears. More invocations wait for a free worker."""

KEEP_IDLE_S = 300.0
"""Workers of a function that nobody calls (or that was destroyed) end after this."""


@dataclass
class _Fleet:
    """The workers of one function in one configuration."""

    function: Function
    idle: list[tuple[float, Worker]] = field(default_factory=list)
    leased: int = 0


class Pool:
    """Hands each invocation to a free worker.

    Parameters
    ----------
    start
        Starts a worker for a function; the number makes its files' names unique.
    """

    def __init__(
        self,
        start: Callable[[Function, int], Worker],
        *,
        max_workers: int = MAX_WORKERS,
        keep_idle_s: float = KEEP_IDLE_S,
    ) -> None:
        self._start = start
        self._numbers = itertools.count(1)
        self._max_workers = max_workers
        self._keep_idle_s = keep_idle_s
        self._changed = threading.Condition()
        self._fleets: dict[str, _Fleet] = {}
        self._workers: set[Worker] = set()
        self._closed = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, daemon=True)
        self._sweeper.start()

    def invoke(self, function: Function, request_id: str, event: Any) -> Result:
        """Run one event and return how it ended; waits for a worker if need be."""
        fleet = self._lease(function)
        worker = None
        try:
            while worker := self._idle_worker(fleet):
                try:
                    return worker.invoke(request_id, event)
                except NeverTakenError:  # it died while idle
                    self._forget(worker)
            worker = self._new_worker(function)
            return worker.invoke(request_id, event)
        except NeverTakenError as error:
            return error.result
        finally:
            self._give_back(fleet, worker)

    def close(self) -> None:
        """Stop all workers; what they are doing fails."""
        self._closed.set()
        self._sweeper.join()
        with self._changed:
            self._fleets.clear()
            workers = list(self._workers)
        self._forget(*workers)

    def _lease(self, function: Function) -> _Fleet:
        outdated = []
        with self._changed:
            fleet = self._fleets.get(function.name)
            if fleet is None or fleet.function != function:  # new, or deployed anew
                outdated = _take_idle(fleet) if fleet else []
                fleet = self._fleets[function.name] = _Fleet(function)
            self._changed.wait_for(lambda: fleet.leased < self._max_workers)
            fleet.leased += 1
        self._forget(*outdated)
        return fleet

    def _idle_worker(self, fleet: _Fleet) -> Worker | None:
        with self._changed:
            return fleet.idle.pop()[1] if fleet.idle else None

    def _new_worker(self, function: Function) -> Worker:
        worker = self._start(function, next(self._numbers))
        with self._changed:
            self._workers.add(worker)
        if self._closed.is_set():  # too late for close() to have seen it
            worker.stop()
        return worker

    def _give_back(self, fleet: _Fleet, worker: Worker | None) -> None:
        with self._changed:
            fleet.leased -= 1
            current = self._fleets.get(fleet.function.name) is fleet
            if worker and worker.alive and current:
                fleet.idle.append((time.monotonic(), worker))
                worker = None
            self._changed.notify_all()
        if worker:
            self._forget(worker)

    def _forget(self, *workers: Worker) -> None:
        # Outside the lock: stopping takes a moment.
        for worker in workers:
            worker.stop()
        with self._changed:
            self._workers.difference_update(workers)

    def _sweep(self) -> None:
        while not self._closed.wait(min(self._keep_idle_s, 30)):
            with self._changed:
                idle_since = time.monotonic() - self._keep_idle_s
                unused = [
                    worker
                    for fleet in self._fleets.values()
                    for worker in _take_idle(fleet, idle_since)
                ]
            self._forget(*unused)


def _take_idle(fleet: _Fleet, idle_since: float = float("inf")) -> list[Worker]:
    unused = [entry for entry in fleet.idle if entry[0] <= idle_since]
    fleet.idle = [entry for entry in fleet.idle if entry[0] > idle_since]
    return [worker for _, worker in unused]
