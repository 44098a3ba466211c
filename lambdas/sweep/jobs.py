"""Training jobs that ended, or should have, without anybody hearing of it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from geoclusters import layout
from geoclusters.aws.objects import exists
from geoclusters.aws.outputs import (
    Outputs,
    SupersededError,
    find_run_record,
    read_own_status,
)
from geoclusters.environment import SweepSettings
from geoclusters.failures import explain_job_end, explain_overdue_job
from geoclusters.status import State, status_of_job
from lambdas.sweep.outcome import Outcome, each

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import TrainingJobStatusType
    from mypy_boto3_sqs import SQSClient

#: Names of jobs, and what settles one.
_Jobs = tuple[Iterator[str], Callable[[str], Iterator[Outcome]]]

#: So far back a sweep looks for jobs that ended: many sweeps may fail before one is
#: overlooked.
_LOOK_BACK: Final = timedelta(days=1)
#: A model that was announced is reported, or is in the dead-letter queue, by then.
_REPORTED_BY: Final = timedelta(hours=1)
#: SageMaker ends a job itself when its time is over; that may take a while.
_PATIENCE: Final = timedelta(hours=1)


def settle_jobs(
    now_s: float,
    *,
    s3: "S3Client",
    sagemaker: "SageMakerClient",
    sqs: "SQSClient",
    settings: SweepSettings,
) -> Iterator[Outcome]:
    """Settle the runs of this stack's jobs that ended, or ran past their time.

    A model is announced to the report once more; a job that failed or was stopped is
    told in `status.json`, and so is one that SageMaker should have ended long ago,
    which is stopped.
    """
    now = datetime.fromtimestamp(now_s, UTC)

    def names(status: "TrainingJobStatusType", **bounds: datetime) -> Iterator[str]:
        pages = sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains=settings.job_name_prefix,
            StatusEquals=status,
            **bounds,  # type: ignore[arg-type]  # they are times, all of them
        )
        for page in pages:
            for job in page["TrainingJobSummaries"]:
                yield job["TrainingJobName"]

    since, reported_by = now - _LOOK_BACK, now - _REPORTED_BY
    completed = names(
        "Completed", LastModifiedTimeAfter=since, LastModifiedTimeBefore=reported_by
    )
    failed = (
        name
        for status in ("Failed", "Stopped")
        for name in names(status, LastModifiedTimeAfter=since)
    )
    running = names("InProgress", CreationTimeBefore=now - _PATIENCE)
    kinds: tuple[_Jobs, ...] = (
        (completed, partial(_announce_again, s3=s3, sqs=sqs, settings=settings)),
        (
            failed,
            partial(_record_failure, s3=s3, sagemaker=sagemaker, settings=settings),
        ),
        (
            running,
            partial(
                _end_overdue, now=now, s3=s3, sagemaker=sagemaker, settings=settings
            ),
        ),
    )
    yield from each(kinds, lambda kind: each(*kind))


def _announce_again(
    job_name: str, s3: "S3Client", sqs: "SQSClient", settings: SweepSettings
) -> Iterator[Outcome]:
    """Tell the report of a model once more, as the event would that was lost."""
    run_id = _unanswered_run(job_name, s3, settings)
    if run_id is None:
        return
    marker = layout.announced_again_key(run_id)
    if exists(s3, settings.data_bucket, marker):
        return
    event = _object_created(settings.data_bucket, layout.model_key(run_id, job_name))
    sqs.send_message(QueueUrl=settings.models_queue_url, MessageBody=json.dumps(event))
    s3.put_object(Bucket=settings.data_bucket, Key=marker, Body=b"")
    yield Outcome(run_id, f"the model of {job_name} was announced to the report again")


def _record_failure(
    job_name: str, s3: "S3Client", sagemaker: "SageMakerClient", settings: SweepSettings
) -> Iterator[Outcome]:
    run_id = _unanswered_run(job_name, s3, settings)
    if run_id is None:
        return
    job = sagemaker.describe_training_job(TrainingJobName=job_name)
    reason = job.get("FailureReason", "")
    message = explain_job_end(job_name, job["TrainingJobStatus"], reason)
    yield _fail(run_id, job_name, message, s3, settings)


def _end_overdue(
    job_name: str,
    now: datetime,
    s3: "S3Client",
    sagemaker: "SageMakerClient",
    settings: SweepSettings,
) -> Iterator[Outcome]:
    """Stop a job that SageMaker should have ended long ago, and answer its run."""
    job = sagemaker.describe_training_job(TrainingJobName=job_name)
    most_s = job["StoppingCondition"]["MaxRuntimeInSeconds"]
    begun = job.get("TrainingStartTime")
    if begun is None or now < begun + timedelta(seconds=most_s) + _PATIENCE:
        return
    run_id = _unanswered_run(job_name, s3, settings)
    if run_id is None:
        return
    sagemaker.stop_training_job(TrainingJobName=job_name)
    message = explain_overdue_job(job_name, most_s)
    yield _fail(run_id, job_name, message, s3, settings)


def _unanswered_run(
    job_name: str, s3: "S3Client", settings: SweepSettings
) -> str | None:
    """Return the run of a job of this stack, if it has not ended."""
    try:
        run_id = layout.parse_job_name(job_name, settings.job_name_prefix)
    except ValueError:
        return None  # another one's, whose name contains ours
    own = read_own_status(s3, settings.data_bucket, run_id)
    if own is None:
        return run_id
    is_its_job = own.get("training_job", job_name) == job_name
    return run_id if is_its_job and not State(own["state"]).is_final else None


def _fail(
    run_id: str, job_name: str, message: str, s3: "S3Client", settings: SweepSettings
) -> Outcome:
    record = find_run_record(s3, settings.data_bucket, run_id)
    if record is None:
        return Outcome(run_id, f"the job {job_name} names this run: it has no record")
    try:
        outputs = Outputs(s3, record.upload)
        outputs.state()  # mends what a function before may have left behind
        outputs.publish(status_of_job(record, State.FAILED, message, job_name))
    except SupersededError as error:
        return Outcome(run_id, str(error))
    return Outcome(run_id, message)


def _object_created(bucket: str, key: str) -> dict[str, Any]:
    """Return what the report reads of S3's event."""
    return {"detail": {"bucket": {"name": bucket}, "object": {"key": key}}}
