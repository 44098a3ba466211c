"""Messages that nobody works on: dead letters, and events that were not delivered.

A dead letter stays in its queue, from where it is sent back after a mend; its run is
answered. An event that a rule couldn't deliver was seen by no function yet: it is.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from geoclusters import layout
from geoclusters.aws import form
from geoclusters.aws.events import (
    JobEnded,
    TrainingRequest,
    created_key,
    object_created,
)
from geoclusters.aws.outputs import (
    Outputs,
    SupersededError,
    find_run_record,
    read_own_status,
)
from geoclusters.environment import SweepSettings
from geoclusters.errors import EventError, RunRecordError
from geoclusters.run import RunRecord, Upload
from geoclusters.status import PUT_ASIDE, State, Status, run_figures
from lambdas.sweep.outcome import Outcome, each

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: SQS gives and takes so many messages at a time.
_BATCH: Final = 10
#: So many messages of a queue are looked at in one sweep.
_MOST_MESSAGES: Final = 1000
#: Longer than a sweep takes: no message is met twice in one.
HIDDEN_S = 600


def deliver_again(*, sqs: "SQSClient", settings: SweepSettings) -> Iterator[Outcome]:
    """Send events into the queues that their rules couldn't deliver them to.

    One that is sent but can't be deleted is sent again, which its function bears.
    """

    def deliver(urls: tuple[str, str]) -> Iterator[Outcome]:
        undelivered, queue = urls
        for message in _messages(sqs, undelivered):
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(
                QueueUrl=undelivered, ReceiptHandle=message["ReceiptHandle"]
            )
            yield Outcome(None, "an event that its rule couldn't deliver was delivered")

    queues = (
        (settings.uploads_undelivered_url, settings.uploads_queue_url),
        (settings.models_undelivered_url, settings.models_queue_url),
        (settings.failures_undelivered_url, settings.failures_queue_url),
    )
    yield from each(queues, deliver)


def answer_dead_letters(
    *, s3: "S3Client", sqs: "SQSClient", settings: SweepSettings
) -> Iterator[Outcome]:
    """Say in `status.json` that the runs of dead letters failed and were put aside.

    The letters stay where they are. One that names no run is told as an outcome only.
    """
    finders: Mapping[str, _Find] = {
        settings.uploads_dead_letters_url: _of_upload,
        settings.jobs_dead_letters_url: _of_request,
        settings.models_dead_letters_url: _of_model,
        settings.failures_dead_letters_url: _of_job,
    }

    def answer(url: str) -> Iterator[Outcome]:
        with _looked_at(sqs, url) as letters:
            answer_one = partial(_answer, find=finders[url], s3=s3, settings=settings)
            yield from each(letters, answer_one)

    yield from each(finders, answer)


def _of_upload(body: Any, settings: SweepSettings) -> tuple[Upload | None, str]:
    upload = object_created(body)
    is_ours = upload.bucket == settings.data_bucket
    if not is_ours or not upload.key.startswith(layout.INPUT_PREFIX):
        msg = f"{upload.uri!r} is no upload to this stack"
        raise EventError(msg)
    return upload, upload.run_id


def _of_request(body: Any, settings: SweepSettings) -> tuple[Upload | None, str]:
    return None, TrainingRequest.from_body(body).run_id


def _of_model(body: Any, settings: SweepSettings) -> tuple[Upload | None, str]:
    return None, layout.parse_model_key(created_key(body)).run_id


def _of_job(body: Any, settings: SweepSettings) -> tuple[Upload | None, str]:
    name = JobEnded.from_event(body).job_name
    return None, layout.parse_job_name(name, settings.job_name_prefix)


#: Returns the run that a letter is about, and its upload where the letter tells it.
_Find = Callable[[Any, SweepSettings], tuple[Upload | None, str]]


def _answer(
    letter: "MessageTypeDef", *, find: _Find, s3: "S3Client", settings: SweepSettings
) -> Iterator[Outcome]:
    """Put a letter's run aside; yield nothing if that was done before."""
    try:
        upload, run_id = find(form.parse(letter["Body"]), settings)
    except (EventError, ValueError) as error:  # the latter of keys and names of jobs
        said = f"the dead letter {letter['MessageId']} names no run ({error})"
        yield Outcome(None, f"{said}: look into it")
        return
    if upload is not None:
        upload = _as_taken(upload, s3)
        run_id = upload.run_id
    own = read_own_status(s3, settings.data_bucket, run_id)
    if own is not None and State(own["state"]).is_final:
        return
    record = _readable_record(s3, settings.data_bucket, run_id)
    if record is not None:
        upload = record.upload
    elif upload is None and own is not None:
        upload = _upload_of(own)
    if upload is None:
        yield Outcome(run_id, "a dead letter names this run, but it has no record")
        return
    status = _put_aside(upload, record)
    try:
        outputs = Outputs(s3, upload)
        state = outputs.state()
        if find in (_of_upload, _of_request) and state not in (None, State.QUEUED):
            return  # it went on all the same
        outputs.publish(status)
    except SupersededError as error:
        yield Outcome(run_id, str(error))
        return
    yield Outcome(run_id, status.message)


def _as_taken(upload: Upload, s3: "S3Client") -> Upload:
    """Return an upload under the key that ingest took it by: its run tells.

    One that ingest never came to say a word of keeps the key of its event.
    """
    decoded = upload.decoded
    if decoded == upload or not read_own_status(s3, upload.bucket, decoded.run_id):
        return upload
    return decoded


def _upload_of(status: Mapping[str, Any]) -> Upload:
    """Return the upload that a run's own status is about."""
    said = dict(status["upload"])
    bucket, _, key = said.pop("uri").removeprefix("s3://").partition("/")
    return Upload(bucket=bucket, key=key, **said)


def _readable_record(s3: "S3Client", bucket: str, run_id: str) -> RunRecord | None:
    """Return a run's record; None too if an update left it behind, or it is damaged."""
    try:
        return find_run_record(s3, bucket, run_id)
    except RunRecordError:
        return None


def _put_aside(upload: Upload, record: RunRecord | None) -> Status:
    message = (
        "Something went wrong in geoclusters itself, at each of several tries; the "
        "file may be quite all right. The run is put aside and nothing of it is lost: "
        "who operates geoclusters finds the cause in the functions' logs, by the run "
        f"id {upload.run_id}, and can have it taken up again after a mend. To upload "
        "the file again starts a new run."
    )
    figures = {} if record is None else run_figures(record)
    return Status(
        upload=upload,
        state=State.FAILED,
        message=message,
        figures={**figures, PUT_ASIDE: True},
    )


def _messages(sqs: "SQSClient", url: str) -> Iterator["MessageTypeDef"]:
    """Yield a queue's messages; they stay hidden for a while."""
    seen = 0
    while seen < _MOST_MESSAGES:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=_BATCH, VisibilityTimeout=HIDDEN_S
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        seen += len(messages)
        yield from messages


@contextmanager
def _looked_at(sqs: "SQSClient", url: str) -> Iterator[Iterator["MessageTypeDef"]]:
    """Yield a queue's messages; they can be seen by others again after the block."""
    handles: list[str] = []

    def noted() -> Iterator["MessageTypeDef"]:
        for message in _messages(sqs, url):
            handles.append(message["ReceiptHandle"])
            yield message

    try:
        yield noted()
    finally:
        for handle in handles:
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0
            )
