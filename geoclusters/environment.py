"""What the infrastructure tells each function, by environment variables.

Both ends use the same dataclass: the infrastructure builds one and calls `to_env`, the
function calls `from_env`. So a variable's name is written once: it is the field's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """Settings that every function has."""

    #: Name of the data bucket.
    data_bucket: str

    def to_env(self) -> dict[str, str]:
        """Return the settings as environment variables."""
        return {
            field.name.upper(): str(getattr(self, field.name)) for field in fields(self)
        }

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises
        ------
        ValueError
            If variables are missing, or a number is not a number.
        """
        missing = [f.name.upper() for f in fields(cls) if f.name.upper() not in environ]
        if missing:
            msg = f"missing environment variables: {', '.join(missing)}"
            raise ValueError(msg)
        values = {}
        for field in fields(cls):
            text = environ[field.name.upper()]
            try:
                values[field.name] = int(text) if field.type is int else text
            except ValueError as error:
                msg = f"{field.name.upper()}={text!r} is not a whole number"
                raise ValueError(msg) from error
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class IngestSettings(FunctionSettings):
    """Settings of `ingest`."""

    #: The queue that the function is fed from.
    uploads_queue_url: str
    #: Where run ids go that are ready to be trained.
    jobs_queue_url: str
    #: Number of clusters of an upload that doesn't name one.
    default_k: int
    #: The largest upload that is accepted, in bytes.
    max_upload_bytes: int
    #: The share of a table's rows that may be left out, in percent.
    most_left_out_percent: int
    #: The largest number of instances that a training job may use.
    instance_count: int


@dataclass(frozen=True, kw_only=True)
class StartTrainingSettings(FunctionSettings):
    """Settings of `start_training`."""

    #: The queue that the function is fed from.
    jobs_queue_url: str
    #: Where messages are put that fail again and again.
    jobs_dead_letters_url: str
    #: What the names of this stack's training jobs start with.
    job_name_prefix: str
    #: SageMaker's KMeans image in this region.
    training_image: str
    #: The role that training jobs run under.
    training_role_arn: str
    #: SageMaker's name of the machine that trains, e.g. `ml.m5.large`.
    instance_type: str
    #: The largest number of instances a job may use.
    instance_count: int
    #: `File`, `FastFile` or `Pipe`.
    input_mode: str
    #: The key for models and disks; empty where AWS's own encrypt.
    kms_key_arn: str
    #: How long a run may wait for SageMaker's quotas, in seconds.
    max_wait_s: int


@dataclass(frozen=True, kw_only=True)
class RecordFailureSettings(FunctionSettings):
    """Settings of `record_failure`."""

    #: The queue that the function is fed from.
    failures_queue_url: str
    #: What the names of this stack's training jobs start with.
    job_name_prefix: str


@dataclass(frozen=True, kw_only=True)
class NotifySettings(FunctionSettings):
    """Settings of `notify`."""

    #: The queue that the function is fed from.
    statuses_queue_url: str
    #: Where it tells of runs.
    topic_arn: str


@dataclass(frozen=True, kw_only=True)
class SweepSettings(FunctionSettings):
    """Settings of `sweep`."""

    #: What the names of this stack's training jobs start with.
    job_name_prefix: str
    #: The queues that rules feed, …
    uploads_queue_url: str
    models_queue_url: str
    failures_queue_url: str
    #: … where events are kept that a rule couldn't deliver into them, …
    uploads_undelivered_url: str
    models_undelivered_url: str
    failures_undelivered_url: str
    #: … and the queues of messages that were received too often.
    uploads_dead_letters_url: str
    jobs_dead_letters_url: str
    models_dead_letters_url: str
    failures_dead_letters_url: str


@dataclass(frozen=True, kw_only=True)
class ReportSettings(FunctionSettings):
    """Settings of `report`."""

    #: The queue that the function is fed from.
    models_queue_url: str
    #: Above so many rows the list of assignments is packed.
    gzip_above_rows: int
    #: `prices.Prices` of the region, as JSON; what they are multiplied with is …
    prices: str
    #: … the memory of the two functions that take their time.
    ingest_memory_mb: int
    report_memory_mb: int
