"""SageMaker's state-change events, to the emulator's EventBridge."""

import json
import logging
import queue
import threading
import urllib.error
import urllib.request
from typing import Any

from local.sagemaker.door import opener

EVENTS_PATH = "/_geoclusters/events"
"""Where the emulator takes events in; PutEvents refuses `aws.*` sources, as on AWS."""

_ATTEMPTS = 6
_FIRST_PAUSE_S = 0.1
_TIMEOUT_S = 10
_LOG = logging.getLogger(__name__)

# What a training job's event holds of its description. ModelArtifacts isn't promised.
_MEMBERS = (
    "TrainingJobName",
    "TrainingJobArn",
    "TrainingJobStatus",
    "SecondaryStatus",
    "FailureReason",
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "SecondaryStatusTransitions",
    "Environment",
)


def entry(description: dict[str, Any]) -> dict[str, Any]:
    """Return the PutEvents entry for a job as it is now.

    Parameters
    ----------
    description : dict
        DescribeTrainingJob's answer; times in seconds.

    Returns
    -------
    dict
        Times in `Detail` are strings of milliseconds, as AWS's example shows.
    """
    detail = {name: description[name] for name in _MEMBERS if name in description}
    return {
        "Source": "aws.sagemaker",
        "DetailType": "SageMaker Training Job State Change",
        "Detail": json.dumps(_with_milliseconds(detail)),
        "Resources": [description["TrainingJobArn"]],
    }


def _with_milliseconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: str(round(item * 1000))
            if name.endswith("Time") and isinstance(item, float)
            else _with_milliseconds(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_with_milliseconds(item) for item in value]
    return value


class Publisher:
    """Posts events in order, from a thread of its own; a failure is never fatal.

    Parameters
    ----------
    url : str
        Where one entry a request goes.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()
        self._opener = opener()

    def publish(self, description: dict[str, Any]) -> None:
        """Queue the event for a job as it is now."""
        self._queue.put(entry(description))

    def close(self, patience_s: float = 2) -> None:
        """Send what is queued, without further retries, and stop."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(patience_s)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            self._send(item)

    def _send(self, item: dict[str, Any]) -> None:
        pause = _FIRST_PAUSE_S
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._post(item)
                return
            except urllib.error.HTTPError as error:
                with error:
                    _LOG.error("event for %s refused: %s", item["Resources"][0], error)
                if error.code < 500:  # it would be refused again
                    return
            except OSError as error:
                _LOG.warning(
                    "event for %s not taken (attempt %d of %d): %s",
                    item["Resources"][0],
                    attempt,
                    _ATTEMPTS,
                    error,
                )
            if self._closing.wait(pause):
                return
            pause *= 2

    def _post(self, item: dict[str, Any]) -> None:
        request = urllib.request.Request(
            self._url,
            data=json.dumps(item).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=_TIMEOUT_S) as response:
            answer = response.read()
        if b'"ErrorCode"' in answer:
            raise OSError(f"refused: {answer.decode(errors='replace')}")
