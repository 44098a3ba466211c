"""From a job's end to the answer of its run."""

from typing import TYPE_CHECKING

from geoclusters import layout
from geoclusters.aws.events import JobEnded
from geoclusters.aws.outputs import Outputs, read_run_record
from geoclusters.environment import RecordFailureSettings
from geoclusters.failures import explain_job_end
from geoclusters.status import State, Status, status_of_job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def record_failure(
    job: JobEnded, *, s3: "S3Client", settings: RecordFailureSettings
) -> Status:
    """Say in `status.json` why a run's job gave no result, if it was not said before.

    Raises
    ------
    SupersededError
        If a newer upload of the same key is answered there.
    """
    run_id = layout.parse_job_name(job.job_name, settings.job_name_prefix)
    record = read_run_record(s3, settings.data_bucket, run_id)
    message = explain_job_end(job.job_name, job.status, job.failure_reason)
    status = status_of_job(record, State.FAILED, message, job.job_name)
    outputs = Outputs(s3, record.upload)
    outputs.state()  # mends what a run before may have left behind
    outputs.publish(status)
    return status
