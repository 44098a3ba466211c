"""From a model artefact to the answer of a run.

The steps are in `report`; what may end a run early is told by its exceptions:
`LaterError` (the job isn't done), `SupersededError` (a newer upload answers), and
`InputError`, which is the answer FAILED.
"""

import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from container import boundaries, words
from container.boundaries import Boundaries
from container.cost import Compute
from container.figures import figures
from container.model import MAX_ARCHIVE_BYTES, decode_centroids
from container.parts import Parts
from container.passes import Run
from container.results import write_results
from container.training_job import TrainingJob
from geoclusters import layout
from geoclusters.aws.objects import NO_OBJECT
from geoclusters.aws.outputs import Outputs, read_run_record
from geoclusters.aws.queue import LaterError, growing_delay_s
from geoclusters.deadline import SecondsLeft, unbounded
from geoclusters.environment import ReportSettings
from geoclusters.errors import BoundariesError, InputError
from geoclusters.failures import explain_job_end
from geoclusters.prices import Prices
from geoclusters.run import RunRecord
from geoclusters.status import State, Status, status_of_job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

_FIRST_DELAY_S: Final = 20
_MOST_DELAY_S: Final = 300


def report(
    key: str,
    *,
    receive_count: int,
    settings: ReportSettings,
    s3: "S3Client",
    sagemaker: "SageMakerClient",
    seconds_left: SecondsLeft = unbounded,
) -> Status:
    """Answer the run that a model artefact belongs to; return its status.

    Parameters
    ----------
    key : str
        Of the artefact, in the data bucket.
    receive_count : int
        How often its message was received, this time included.
    seconds_left : SecondsLeft
        How long the function may still work.

    Raises
    ------
    LaterError
        If its training job is still at work. SageMaker uploads a model before the job
        is Completed, and models of jobs that were stopped.
    SupersededError
        If a newer upload of the same key answers instead.
    """
    began = time.monotonic()
    run_id, job_name = layout.parse_model_key(key)
    record = read_run_record(s3, settings.data_bucket, run_id)
    outputs = Outputs(s3, record.upload)
    state = outputs.state()
    if state is not None and state.is_final:
        return status_of_job(record, state, "this run had ended before", job_name)
    job = sagemaker.describe_training_job(TrainingJobName=job_name)
    job_status = job["TrainingJobStatus"]
    if job_status in ("InProgress", "Stopping"):
        delay_s = growing_delay_s(
            receive_count, first_s=_FIRST_DELAY_S, most_s=_MOST_DELAY_S
        )
        msg = f"the training job is {job_status}"
        raise LaterError(msg, delay_s=delay_s)
    if job_status != "Completed":
        message = explain_job_end(job_name, job_status, job.get("FailureReason", ""))
        status = status_of_job(record, State.FAILED, message, job_name)
    else:
        message = f"Training is done; the {record.k} clusters are being measured."
        outputs.publish(status_of_job(record, State.REPORTING, message, job_name))
        try:
            status = _measure(
                record,
                key,
                TrainingJob.from_description(job),
                began=began,
                outputs=outputs,
                settings=settings,
                s3=s3,
                seconds_left=seconds_left,
            )
        except InputError as error:
            status = status_of_job(record, State.FAILED, str(error), job_name)
    outputs.publish(status)
    return status


def _measure(
    record: RunRecord,
    key: str,
    job: TrainingJob,
    *,
    began: float,
    outputs: Outputs,
    settings: ReportSettings,
    s3: "S3Client",
    seconds_left: SecondsLeft,
) -> Status:
    """Write the result files; return the status that names them."""
    bucket = record.upload.bucket
    centroids = decode_centroids(
        _read(s3, bucket, key, most_bytes=MAX_ARCHIVE_BYTES),
        k=record.k,
        feature_dim=record.feature_dim,
        name=f"s3://{bucket}/{key}",
    )
    parts = Parts(s3, bucket=bucket, run_id=record.run_id, count=record.places_parts)
    borders, warnings = _borders(record, s3)
    results = write_results(
        record,
        centroids + record.centre,
        run=Run(parts=parts, seconds_left=seconds_left),
        outputs=outputs,
        borders=borders,
        rejected=_rejected(record, s3),
        gzip_above_rows=settings.gzip_above_rows,
    )
    return Status(
        upload=record.upload,
        state=State.SUCCEEDED,
        message=words.summary(record, results.statistics),
        files=results.files,
        warnings=(*warnings, *results.warnings),
        figures=figures(
            record,
            job,
            results.quality,
            empty_clusters=results.statistics.empty,
            refinement=results.refinement,
            functions=[
                Compute("ingest", record.preparation_s, settings.ingest_memory_mb),
                Compute("report", time.monotonic() - began, settings.report_memory_mb),
            ],
            prices=Prices.from_json(settings.prices),
        ),
    )


def _borders(
    record: RunRecord, s3: "S3Client"
) -> tuple[Boundaries | None, tuple[str, ...]]:
    """Return the borders that were asked for, and what their owner should know.

    Whatever is wrong with them, it is no reason not to answer.
    """
    if record.boundary is None:
        return None, ()
    bucket, key = record.upload.bucket, layout.BOUNDARIES_PREFIX + record.boundary
    try:
        data = _read(s3, bucket, key, most_bytes=boundaries.MOST_BYTES)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_OBJECT:
            raise
        warning = (
            f"Borders were asked for, but there is no file {key}: the map shows "
            "countries' borders alone. Upload it there, and then the table again."
        )
        return None, (warning,)
    try:
        borders = boundaries.read(data, record.boundary)
    except BoundariesError as error:
        return None, (f"The map shows countries' borders alone: {error}",)
    return borders, borders.notes


def _rejected(record: RunRecord, s3: "S3Client") -> bytes | None:
    """Return the list of the rows that were left out, where there are some."""
    if not record.left_out:
        return None
    return _read(s3, record.upload.bucket, layout.rejected_key(record.run_id))


def _read(
    s3: "S3Client", bucket: str, key: str, *, most_bytes: int | None = None
) -> bytes:
    """Return an object's bytes, or just more of them than are allowed."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    try:
        return body.read() if most_bytes is None else body.read(most_bytes + 1)
    finally:
        body.close()
