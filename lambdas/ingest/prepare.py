"""From an upload to a run that is ready to be trained."""

import io
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from geoclusters import layout
from geoclusters.aws.events import TrainingRequest
from geoclusters.aws.objects import ObjectChangedError, S3Object, head
from geoclusters.aws.outputs import (
    Outputs,
    SupersededError,
    find_run_record,
    read_own_status,
)
from geoclusters.deadline import SecondsLeft, unbounded
from geoclusters.environment import IngestSettings
from geoclusters.errors import InputError, TableError, printable
from geoclusters.parameters import Parameters
from geoclusters.run import RunRecord, Upload
from geoclusters.status import State, Status, now, run_figures
from geoclusters.tables.packing import TOO_LARGE_ADVICE
from geoclusters.tables.reader import Table
from lambdas.ingest import parameters_file
from lambdas.ingest.write import write_run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef
    from mypy_boto3_sqs import SQSClient

_READ_BYTES = 1024 * 1024


class Outcome(NamedTuple):
    """How far a run came, for the log."""

    run_id: str
    state: State
    message: str
    figures: Mapping[str, Any] = MappingProxyType({})


def prepare_run(
    upload: Upload,
    *,
    s3: "S3Client",
    sqs: "SQSClient",
    settings: IngestSettings,
    seconds_left: SecondsLeft = unbounded,
) -> Outcome:
    """Read an upload, write its run and hand it over to be trained.

    An upload that can't be used is answered FAILED, with the reason, in `status.json`;
    so is one that can't be read in the time that is left. One that is a file of
    parameters is answered SUCCEEDED, with what to do next. Works the same when it is
    called again for the same upload.
    """
    created_at = now()
    upload = _existing(s3, upload)
    outputs = Outputs(s3, upload)
    try:
        state = outputs.state()
        if state is not None and state.is_final:
            return Outcome(upload.run_id, state, "this upload was answered before")
        record = find_run_record(s3, upload.bucket, upload.run_id)
        if record is not None and _waits(s3, record):
            message = "the run of this upload waits to be trained already"
            return Outcome(upload.run_id, State.QUEUED, message)
        if record is None:
            source = _open(s3, upload)
            upload = replace(upload, version_id=source.version_id)
            with io.BufferedReader(source, _READ_BYTES) as file:
                _check_key(upload)
                if parameters_file.is_one(upload):
                    return _answer_parameters(file, upload, outputs, settings)
                outputs.publish(_being_read(upload))
                parameters = Parameters.read(
                    source.metadata,
                    parameters_file.read_beside(s3, upload),
                    default_k=settings.default_k,
                )
                record = _read_and_write(
                    file,
                    upload,
                    parameters,
                    created_at,
                    s3=s3,
                    settings=settings,
                    seconds_left=seconds_left,
                )
        return _hand_over(record, outputs, sqs=sqs, settings=settings)
    except ObjectChangedError:
        return _superseded(upload, outputs.superseded())
    except SupersededError as error:
        return _superseded(upload, error)
    except InputError as error:
        return _fail(upload, error, outputs)


def _superseded(upload: Upload, error: SupersededError) -> Outcome:
    return Outcome(upload.run_id, State.SUPERSEDED, str(error))


def _fail(upload: Upload, error: InputError, outputs: Outputs) -> Outcome:
    status = Status(upload=upload, state=State.FAILED, message=str(error))
    try:
        outputs.publish(status)
    except SupersededError as superseded:
        return _superseded(upload, superseded)
    return Outcome(upload.run_id, State.FAILED, str(error))


def _existing(s3: "S3Client", upload: Upload) -> Upload:
    """Return the upload under the key that exists.

    EventBridge is not documented to encode keys as S3's own notifications do. So the
    key is taken as it is; where there is no such object, its decoded form is tried.
    What stands there may be another upload, as both keys are good names: it is the
    event's by its version or, in a bucket that keeps none, by its bytes.
    """
    decoded = upload.decoded
    if decoded == upload or _look(s3, upload) is not None:
        return upload
    found = _look(s3, decoded)
    if found is None:
        return upload
    is_the_same = (
        found["ETag"].strip('"') == upload.etag
        if upload.version_id is None
        else found.get("VersionId") == upload.version_id
    )
    return decoded if is_the_same else upload


def _look(s3: "S3Client", upload: Upload) -> "HeadObjectOutputTypeDef | None":
    if len(upload.key.encode()) > layout.MOST_KEY_BYTES:
        return None  # S3 would refuse to look
    return head(s3, upload.bucket, upload.key)


def _check_key(upload: Upload) -> None:
    """Refuse a key whose results have no place of their own, and one of a folder."""
    key = upload.key
    size = len(key.encode())
    if surplus := layout.surplus_bytes(key):
        msg = (
            f"The upload's key is too long: it has {size:,} bytes of UTF-8, "
            f"{surplus:,} more than leave room for the names of its results. Use a "
            f"shorter one, of {size - surplus:,} bytes at most."
        )
        raise InputError(msg)
    if layout.is_reserved(key):
        folder = key.removeprefix(layout.INPUT_PREFIX).split("/")[0]
        msg = (
            f"The folder {layout.INPUT_PREFIX}{folder}/ can't be used: "
            f"{layout.OUTPUT_PREFIX}{folder}/ is where uploads are answered whose key "
            "is too long. Upload the file to another folder."
        )
        raise InputError(msg)
    if layout.leads_elsewhere(key):
        msg = (
            f"{printable(upload.uri)} has a part that is “.” or “..”, which file "
            "systems take for another folder: whoever downloads its results would find "
            "them there. Upload the file under a path without such a part."
        )
        raise InputError(msg)
    if key.endswith("/"):
        msg = (
            f"{printable(upload.uri)} ends in a slash, as the markers of folders do, "
            f"which are empty; but it has {_megabytes(upload.size)}. Upload the file "
            "under a name without the slash at its end."
        )
        raise InputError(msg)


def _open(s3: "S3Client", upload: Upload) -> S3Object:
    """Start reading the very object that the event told of."""
    return S3Object(
        s3,
        bucket=upload.bucket,
        key=upload.key,
        etag=upload.etag,
        version_id=upload.version_id,
    )


def _answer_parameters(
    file: BinaryIO, upload: Upload, outputs: Outputs, settings: IngestSettings
) -> Outcome:
    """Answer an upload that is a file of parameters."""
    parameters = parameters_file.read_upload(upload, file, default_k=settings.default_k)
    message = parameters_file.describe(upload, parameters)
    figures = {"parameters": dict(parameters.given)}
    outputs.publish(
        Status(upload=upload, state=State.SUCCEEDED, message=message, figures=figures)
    )
    return Outcome(upload.run_id, State.SUCCEEDED, message, figures)


def _being_read(upload: Upload) -> Status:
    message = "The file is being read."
    return Status(upload=upload, state=State.QUEUED, message=message)


def _read_and_write(
    file: BinaryIO,
    upload: Upload,
    parameters: Parameters,
    created_at: str,
    *,
    s3: "S3Client",
    settings: IngestSettings,
    seconds_left: SecondsLeft,
) -> RunRecord:
    if upload.size > settings.max_upload_bytes:
        msg = (
            f"{printable(upload.uri)} has {_megabytes(upload.size)}; at most "
            f"{_megabytes(settings.max_upload_bytes)} are accepted. {TOO_LARGE_ADVICE}"
        )
        raise TableError(msg)
    table = Table(
        file,
        parameters.columns,
        most_bytes=settings.max_upload_bytes,
    )
    return write_run(
        table,
        upload,
        parameters,
        created_at=created_at,
        settings=settings,
        s3=s3,
        seconds_left=seconds_left,
    )


def _waits(s3: "S3Client", record: RunRecord) -> bool:
    """Return whether `start_training` has a run's request, and waits with it."""
    own = read_own_status(s3, record.upload.bucket, record.run_id)
    return own is not None and "waiting" in own


def _hand_over(
    record: RunRecord,
    outputs: Outputs,
    *,
    sqs: "SQSClient",
    settings: IngestSettings,
) -> Outcome:
    message = (
        f"{record.rows_usable:,} of {record.rows_read:,} rows are usable; the run "
        "waits to be trained."
    )
    figures = run_figures(record)
    outputs.publish(
        Status(
            upload=record.upload,
            state=State.QUEUED,
            message=message,
            figures=figures,
        )
    )
    request = TrainingRequest(run_id=record.run_id)
    sqs.send_message(QueueUrl=settings.jobs_queue_url, MessageBody=request.to_json())
    return Outcome(record.run_id, State.QUEUED, message, figures)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
