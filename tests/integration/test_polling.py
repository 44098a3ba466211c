"""A client that polls status.json all the while is never misled."""

import threading
import time
from typing import Any

from geoclusters import layout
from geoclusters.status import State
from tests.integration.conftest import Pipeline
from tests.integration.test_order_of_events import TOWNS


class Poller(threading.Thread):
    """Looks at one upload's answer, and at what that names, until it is stopped."""

    def __init__(self, pipeline: Pipeline, key: str) -> None:
        super().__init__(daemon=True)
        self._pipeline, self._key = pipeline, key
        self._prefix = layout.output_prefix(f"{layout.INPUT_PREFIX}{key}")
        self._stopped = threading.Event()
        #: Each status that was seen, and what was wrong with what it named.
        self.seen: list[Any] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._stopped.is_set():
            self._look()
            time.sleep(0.005)

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _look(self) -> None:
        status = self._pipeline.status(self._key)
        if status is None:
            return
        if not self.seen or self.seen[-1] != status:
            self.seen.append(status)
        owners = {name: self._owner(name) for name in status["files"]}
        if self._pipeline.status(self._key) != status:
            return  # it changed while it was looked at
        for name, run_id in owners.items():
            if run_id != status["run_id"]:
                self.wrong.append(f"{name} is of run {run_id}, not {status['run_id']}")

    def _owner(self, name: str) -> str | None:
        """Return the run that wrote a file; None if it isn't there."""
        pipeline = self._pipeline
        try:
            head = pipeline.s3.head_object(
                Bucket=pipeline.bucket, Key=self._prefix + name
            )
        except pipeline.s3.exceptions.ClientError:
            return None
        run_id: str = head["Metadata"]["run-id"]
        return run_id


def test_who_polls_sees_no_old_result_as_the_new_one_nor_names_of_missing_files(
    pipeline: Pipeline,
) -> None:
    poller = Poller(pipeline, "polled.csv")
    poller.start()
    try:
        versions = []
        for k in ("2", "3", "4"):
            versions.append(pipeline.upload("polled.csv", TOWNS, k=k))
            pipeline.wait("polled.csv", versions[-1], State.SUCCEEDED)
        time.sleep(0.2)
    finally:
        poller.stop()
    assert poller.wrong == []
    succeeded = [s for s in poller.seen if s["state"] == State.SUCCEEDED]
    assert [s["upload"]["version_id"] for s in succeeded] == versions
    assert [s["k"] for s in succeeded] == [2, 3, 4]
    # Once a newer upload is answered, the older one's answers don't come back.
    order = [
        versions.index(s["upload"]["version_id"])
        for s in poller.seen
        if s["upload"]["version_id"]
    ]
    assert order == sorted(order)
