"""What arrives in a function: SQS messages around EventBridge events."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from geoclusters.run import Upload


@dataclass(frozen=True, kw_only=True)
class Message:
    """One SQS message, as Lambda hands it over."""

    message_id: str
    receipt_handle: str
    #: How often it was received, this time included.
    receive_count: int
    #: When it was sent, in seconds since the epoch.
    sent_at: float
    body: Mapping[str, Any]


def messages(event: Mapping[str, Any]) -> Iterator[Message]:
    """Yield the messages of an SQS event."""
    for record in event["Records"]:
        attributes = record["attributes"]
        yield Message(
            message_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            receive_count=int(attributes["ApproximateReceiveCount"]),
            sent_at=int(attributes["SentTimestamp"]) / 1000,
            body=json.loads(record["body"]),
        )


def object_created(event: Mapping[str, Any]) -> Upload:
    """Return the object that an S3 "Object Created" event tells of."""
    detail = event["detail"]
    created = detail["object"]
    return Upload(
        bucket=detail["bucket"]["name"],
        key=created["key"],
        etag=created["etag"],
        sequencer=created["sequencer"],
        size=int(created["size"]),
        version_id=created.get("version-id"),
    )


@dataclass(frozen=True, kw_only=True)
class JobEnded:
    """A SageMaker "Training Job State Change" to Failed or Stopped."""

    job_name: str
    status: str
    #: SageMaker's words; empty where it gave none.
    failure_reason: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read the EventBridge event."""
        detail = event["detail"]
        return cls(
            job_name=detail["TrainingJobName"],
            status=detail["TrainingJobStatus"],
            failure_reason=detail.get("FailureReason") or "",
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
        """Read a message's body."""
        return cls(run_id=body["run_id"], attempt=int(body["attempt"]))
