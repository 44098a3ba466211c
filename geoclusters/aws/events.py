"""What arrives in a function: SQS messages around EventBridge events.

Each is held against the form that its sender declares before anything acts on it. One
of another form is an `EventError`: it is nobody's upload, and ends as a dead letter.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from geoclusters import layout
from geoclusters.aws import form
from geoclusters.run import Upload

#: So often in a row a message may fail; then it is put aside as a dead letter.
MOST_FAILURES: Final = 5

#: How a job ends without a result.
_ENDS_WITHOUT_RESULT: Final = ("Failed", "Stopped")
#: SageMaker's bounds.
_JOB_NAME: Final = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}")
_MOST_REASON: Final = 1024
#: S3's are digests in hexadecimal digits, of multipart uploads with a number behind;
#: what matters is that they can be sent back in a header.
_ETAG: Final = re.compile(r"[\x21\x23-\x7e]{1,200}")
_SEQUENCER: Final = re.compile(r"[0-9A-Fa-f]{1,100}")
_VERSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}")
#: A training job's name has room for no more.
_MOST_ATTEMPT: Final = 99_999
#: More than an object of S3 can have.
_MOST_BYTES: Final = 10**15


@dataclass(frozen=True, kw_only=True)
class Message:
    """One SQS message, as Lambda hands it over."""

    message_id: str
    receipt_handle: str
    #: How often it was received, this time included.
    receive_count: int
    #: When it was sent, in seconds since the epoch.
    sent_at: float
    #: What its sender wrote, which may be anything.
    text: str

    @property
    def body(self) -> Mapping[str, Any]:
        """What its sender wrote: an object of JSON.

        Raises
        ------
        EventError
            If it is something else.
        """
        return form.parse(self.text)


def messages(event: Mapping[str, Any]) -> Iterator[Message]:
    """Yield the messages of an SQS event, whose bodies nobody has looked at yet.

    Raises
    ------
    EventError
        If the event is not what Lambda makes of a queue's messages.
    """
    for record in form.found(event, "Records", list):
        yield Message(
            message_id=form.found(record, "messageId", str),
            receipt_handle=form.found(record, "receiptHandle", str),
            receive_count=form.digits(record, "attributes.ApproximateReceiveCount"),
            sent_at=form.digits(record, "attributes.SentTimestamp") / 1000,
            text=form.found(record, "body", str),
        )


def object_created(event: Mapping[str, Any]) -> Upload:
    """Return the object that an S3 "Object Created" event tells of.

    Its fields:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

    Raises
    ------
    EventError
        If it lacks one of them, or one is of another form.
    """
    version_id = None  # as of a bucket that keeps no versions
    if form.has(event, "detail.object.version-id"):
        version_id = form.text(event, "detail.object.version-id", _VERSION_ID)
    return Upload(
        bucket=form.text(event, "detail.bucket.name"),
        key=created_key(event),
        etag=form.text(event, "detail.object.etag", _ETAG),
        sequencer=form.text(event, "detail.object.sequencer", _SEQUENCER),
        size=form.whole_number(event, "detail.object.size", low=0, high=_MOST_BYTES),
        version_id=version_id,
    )


def created_key(event: Mapping[str, Any]) -> str:
    """Return the key of the object that an S3 "Object Created" event tells of.

    Raises
    ------
    EventError
        If it has none.
    """
    return form.text(event, "detail.object.key")


@dataclass(frozen=True, kw_only=True)
class JobEnded:
    """A SageMaker "Training Job State Change" to Failed or Stopped."""

    job_name: str
    status: str
    #: SageMaker's words; empty where it gave none.
    failure_reason: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read the EventBridge event.

        Raises
        ------
        EventError
            If a field is missing or of another form, or if it tells of another state.
        """
        status = form.text(event, "detail.TrainingJobStatus")
        if status not in _ENDS_WITHOUT_RESULT:
            raise form.other(event, "detail.TrainingJobStatus", "Failed or Stopped")
        reason = ""
        if form.has(event, "detail.FailureReason"):
            reason = form.found(event, "detail.FailureReason", str)[:_MOST_REASON]
        return cls(
            job_name=form.text(event, "detail.TrainingJobName", _JOB_NAME),
            status=status,
            failure_reason=reason.encode(errors="replace").decode(),
        )


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """A message of the queue `jobs`: train this run."""

    run_id: str
    #: Counts from 1; a training job's name can't be used again.
    attempt: int = 1

    def to_json(self) -> str:
        """Return the message's body."""
        return json.dumps({"run_id": self.run_id, "attempt": self.attempt})

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a message's body.

        Raises
        ------
        EventError
            If a field is missing or of another form.
        """
        return cls(
            run_id=form.text(body, "run_id", layout.RUN_ID),
            attempt=form.whole_number(body, "attempt", low=1, high=_MOST_ATTEMPT),
        )
