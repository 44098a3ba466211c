"""The lines of the container's log, as logs that users published show them.

Those of KMeans of 2021, from notebooks and, for example,
https://github.com/aws/sagemaker-python-sdk/pull/2815. What it measures of its own
inside (the share of each matrix operation, how long nvidia-smi took) is left out.
"""

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from geoclusters import recordio
from local.sagemaker.trainer.hyperparameters import AUTO, DEFAULTS

_LOG = logging.getLogger("trainer")
_DEFAULTS_PATH = (
    "/opt/amazon/lib/python3.7/site-packages/algorithm/resources/default-input.json"
)
_GIVEN_PATH = "/opt/ml/input/config/hyperparameters.json"


@dataclass
class Reads:
    """What is counted while a channel is read, again and again."""

    records: int = 0
    batches: int = 0
    resets: int = 0
    all_records: int = 0
    all_batches: int = 0
    most_records: int = 0
    most_batches: int = 0

    def add(self, records: int) -> None:
        """Count a mini-batch."""
        self.records += records
        self.batches += 1
        self.all_records += records
        self.all_batches += 1
        self.most_records = max(self.most_records, self.records)
        self.most_batches = max(self.most_batches, self.batches)

    def reset(self) -> None:
        """Start over from the channel's first record."""
        self.records = self.batches = 0
        self.resets += 1

    def metrics(self) -> dict[str, int]:
        """Return the counts, by the names that the log has for them."""
        return {
            "Total Records Seen": self.all_records,
            "Total Batches Seen": self.all_batches,
            "Max Records Seen Between Resets": self.most_records,
            "Max Batches Seen Between Resets": self.most_batches,
            "Reset Count": self.resets,
            "Number of Records Since Last Reset": self.records,
            "Number of Batches Since Last Reset": self.batches,
        }


class Log:
    """One machine's log.

    Parameters
    ----------
    host : str
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._began = self._streamed = self._measured = time.time()
        self._epochs = 0
        self._set_up_ms = 0.0
        self._steps_ms: dict[str, float] = {}

    def configuration(self, given: Mapping[str, Any]) -> None:
        """Say how the hyperparameters came about."""
        _LOG.info("Reading default configuration from %s: %s", _DEFAULTS_PATH, DEFAULTS)
        _LOG.info("Merging with provided configuration from %s: %s", _GIVEN_PATH, given)
        _LOG.info("Final configuration: %s", {**DEFAULTS, **given})

    def set_up(self, given: Mapping[str, Any], content_types: Iterable[str]) -> None:
        """Say what the training starts with."""
        merged = {**DEFAULTS, **given}
        _LOG.warning("Loggers have already been setup.")
        print(f"Process {os.getpid()} is a worker.")
        _LOG.info("Using default worker.")
        for kind in sorted(set(content_types)):
            _LOG.info(
                "Loaded iterator creator %s for content type %s", kind, (kind, "1.0")
            )
        _LOG.info("Create Store: local")
        _LOG.info("nvidia-smi identified 0 GPUs.")
        _LOG.info("Number of GPUs being used: 0")
        _LOG.info("Checkpoint loading and saving are disabled.")
        _LOG.info("Setting up with params: %s", merged)
        if merged["extra_center_factor"] == "auto":
            _LOG.info("'extra_center_factor' was set to 'auto', evaluated to %d.", AUTO)
        _LOG.info("Number of GPUs being used: 0")
        _LOG.info("number of center slices 1")
        self._set_up_ms = (time.time() - self._began) * 1000

    def stream(self, channel: str, epoch: int, reads: Reads, width: int) -> None:
        """Say what was read of a channel's files of RecordIO."""
        since, self._streamed = self._streamed, time.time()
        stats = {
            "data_pipeline": f"/opt/ml/input/data/{channel}",
            "epoch": epoch,
            "duration": round((self._streamed - since) * 1000),
            "num_examples": reads.batches,
            "num_bytes": reads.records * recordio.record_bytes(width),
        }
        now = datetime.now(UTC).isoformat(" ", timespec="milliseconds")
        print(f"[{now[:23]}] [tensorio] [info] epoch_stats={json.dumps(stats)}")

    def epoch(self, number: int, of: int, reads: Reads, seconds: float) -> None:
        """Say that an epoch is over, and how fast it was."""
        done = f"completed {100 * (number + 1) / of} % of epochs"
        _LOG.info("#progress_metric: host=%s, %s", self._host, done)
        self.metrics(reads.metrics(), epoch=number, Meta="training_data_iter")
        rate = f"train throughput={reads.records / max(seconds, 1e-9)} records/second"
        _LOG.info("#throughput_metric: host=%s, %s", self._host, rate)
        self._epochs += 1

    def quality(self, channel: str, metric: str, value: float) -> None:
        """Say how good the model is; SageMaker makes metrics of the job of it."""
        found = f"{channel} {metric} <loss>={value}"
        _LOG.info("#quality_metric: host=%s, %s", self._host, found)

    def score(self, metric: str, value: float) -> None:
        """Say how good the model is on the test channel."""
        _LOG.info("#test_score (%s) : %s", self._host, (metric, value))
        self.quality("test", metric, value)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure a step, for `times`."""
        began = time.perf_counter()
        yield
        took_ms = (time.perf_counter() - began) * 1000
        self._steps_ms[name] = self._steps_ms.get(name, 0.0) + took_ms

    def times(self) -> None:
        """Say how long the steps took."""
        _LOG.info("Number of GPUs being used: 0")
        self.metrics({"epochs": self._epochs, **self._steps_ms})

    def end(self) -> None:
        """Say how long all took."""
        total_ms = (time.time() - self._began) * 1000
        self.metrics({"setuptime": self._set_up_ms, "totaltime": total_ms})

    def metrics(self, values: Mapping[str, float], **dimensions: str | int) -> None:
        """Write a line for programs."""
        since, self._measured = self._measured, time.time()
        line = {
            "StartTime": since,
            "EndTime": self._measured,
            "Dimensions": {
                "Algorithm": "AWS/KMeansWebscale",
                "Host": self._host,
                "Operation": "training",
                **dimensions,
            },
            "Metrics": {
                name: {"sum": float(value), "count": 1, "min": value, "max": value}
                for name, value in values.items()
            },
        }
        print(f"#metrics {json.dumps(line)}\n")
