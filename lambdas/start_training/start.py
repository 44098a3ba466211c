"""From a run record to a training job."""

import re
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.events import TrainingRequest
from geoclusters.aws.outputs import Outputs, read_run_record
from geoclusters.aws.queue import LaterError, growing_delay_s, spread
from geoclusters.environment import StartTrainingSettings
from geoclusters.failures import explain_job_end
from geoclusters.run import RunRecord
from geoclusters.status import State, Status, status_of_job
from lambdas.start_training.request import training_request
from lambdas.start_training.wait import Wait

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

_FIRST_DELAY_S: Final = 30
_MOST_DELAY_S: Final = 300
_BUSY = ("ResourceLimitExceeded", "ThrottlingException", "Throttling")
#: SageMaker's words of a quota that is used up.
_QUOTA = re.compile(
    r"service limit '(?P<name>[^']+)' is (?P<limit>[\d,]+)"
    r"(?:.*request delta of (?P<asked>[\d,]+))?",
    re.DOTALL,
)


def start_training(
    request: TrainingRequest,
    wait: Wait,
    *,
    s3: "S3Client",
    sagemaker: "SageMakerClient",
    settings: StartTrainingSettings,
) -> Status:
    """Create a run's training job; return the status that was reached.

    Raises
    ------
    LaterError
        If SageMaker has no room for the job at the moment.
    SupersededError
        If a newer upload of the same key has arrived: no job is spent on the old one.
    """
    record = read_run_record(s3, settings.data_bucket, request.run_id)
    outputs = Outputs(s3, record.upload)
    state = outputs.state()
    job_name = layout.job_name(
        settings.job_name_prefix, request.run_id, request.attempt
    )
    if state is not None and state.is_final:
        return status_of_job(record, state, "this run had ended before", job_name)
    status = _create(record, job_name, wait, sagemaker=sagemaker, settings=settings)
    outputs.publish(status)
    if status.state is State.QUEUED:
        delay_s = growing_delay_s(
            wait.tries, first_s=_FIRST_DELAY_S, most_s=_MOST_DELAY_S
        )
        raise LaterError(status.message, delay_s=spread(delay_s))
    return status


def _create(
    record: RunRecord,
    job_name: str,
    wait: Wait,
    *,
    sagemaker: "SageMakerClient",
    settings: StartTrainingSettings,
) -> Status:
    """Ask for the job; return what that came to."""
    try:
        sagemaker.create_training_job(**training_request(record, job_name, settings))
    except ClientError as error:
        code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "ResourceInUse":
            return _status_of_known_job(record, job_name, sagemaker)
        if code in _BUSY:
            return _busy(record, job_name, said, wait, settings)
        if code == "ValidationException":
            message = (
                "SageMaker refused the training job. This is a matter of how "
                f"geoclusters was deployed, not of the file. SageMaker says: {said}"
            )
            return status_of_job(record, State.FAILED, message, job_name)
        raise
    return _training(record, job_name)


def _status_of_known_job(
    record: RunRecord, job_name: str, sagemaker: "SageMakerClient"
) -> Status:
    """Return the status of a run whose job was created before, by the same message."""
    job = sagemaker.describe_training_job(TrainingJobName=job_name)
    status = job["TrainingJobStatus"]
    if status in ("Failed", "Stopped"):
        reason = job.get("FailureReason", "")
        message = explain_job_end(job_name, status, reason)
        return status_of_job(record, State.FAILED, message, job_name)
    return _training(record, job_name)


def _busy(
    record: RunRecord,
    job_name: str,
    said: str,
    wait: Wait,
    settings: StartTrainingSettings,
) -> Status:
    """Return the status of a run that SageMaker has no room for."""
    if message := _without_hope(said) or _waited_too_long(said, wait, settings):
        return status_of_job(record, State.FAILED, message, job_name)
    message = (
        "SageMaker has no room for the job at the moment; waiting since "
        f"{wait.figures['since']}, {wait.tries} tries so far. SageMaker says: {said}"
    )
    return status_of_job(record, State.QUEUED, message, job_name, waiting=wait.figures)


def _without_hope(said: str) -> str | None:
    """Return what to do about a quota that is too small for any waiting to help."""
    quota = _QUOTA.search(said)
    if quota is None:
        return None
    limit, asked = (
        int(number.replace(",", "")) for number in quota.groups(default="1")[1:]
    )
    if asked <= limit:
        return None
    needed = f", and one training job needs {asked}" if limit else ""
    return (
        f"The training job is larger than this AWS account allows: its quota "
        f"“{quota['name']}” is {limit}{needed}. Ask for an increase under Service "
        "Quotas → Amazon SageMaker in the AWS console, then upload the file again."
    )


def _waited_too_long(
    said: str, wait: Wait, settings: StartTrainingSettings
) -> str | None:
    if wait.seconds <= settings.max_wait_s:
        return None
    return (
        f"The run waited {settings.max_wait_s / 3600:g} hours for SageMaker and was "
        f"given up after {wait.tries} tries. Upload the file again, or ask for a "
        f"larger quota under Service Quotas. SageMaker says: {said}"
    )


def _training(record: RunRecord, job_name: str) -> Status:
    message = f"SageMaker trains {record.k} clusters of {record.rows_usable:,} places."
    return status_of_job(record, State.TRAINING, message, job_name)
