import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.aws.queue import LaterError
from geoclusters.environment import NotifySettings
from geoclusters.run import RunRecord
from geoclusters.status import PUT_ASIDE, End, State
from lambdas.notify import handler as entry
from lambdas.notify.message import message
from lambdas.notify.tell import tell
from tests.statuses import HandMade
from tests.unit.conftest import BUCKET, sqs_event


class Cloud:
    """A bucket, a topic, and a queue that hears all of it."""

    def __init__(self) -> None:
        self.s3, self.sns = boto3.client("s3"), boto3.client("sns")
        self.sqs = boto3.client("sqs")
        self.s3.create_bucket(Bucket=BUCKET)
        self.queue_url = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        topic_arn = self.sns.create_topic(Name="runs")["TopicArn"]
        queue: Any = self.sqs.get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["QueueArn"]
        )
        self.sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue["Attributes"]["QueueArn"],
        )
        self.settings = NotifySettings(
            data_bucket=BUCKET,
            statuses_queue_url=self.queue_url,
            topic_arn=topic_arn,
        )

    def publish(self, record: RunRecord, state: State, **more: Any) -> None:
        status = HandMade(upload=record.upload, state=state, message="so it is", **more)
        Outputs(self.s3, record.upload).publish(status)

    def etag(self, run_id: str) -> str:
        """Return the ETag of a run's own status, as events have it."""
        key = layout.run_status_key(run_id)
        etag: str = self.s3.head_object(Bucket=BUCKET, Key=key)["ETag"]
        return etag.strip('"')

    def tell(
        self, run_id: str, etag: str | None = None, left_s: float = 30
    ) -> End | None:
        return tell(
            run_id,
            etag or self.etag(run_id),
            s3=self.s3,
            sns=self.sns,
            settings=self.settings,
            seconds_left=lambda: left_s,
        )

    def heard(self) -> list[Any]:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10
        )
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


class Context:
    """What Lambda hands to a handler."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 30_000


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        yield Cloud()


@pytest.fixture
def record(make_record: Callable[..., RunRecord]) -> RunRecord:
    return make_record()


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_a_run_that_ended_is_told_once(
    cloud: Cloud, record: RunRecord, state: State
) -> None:
    cloud.publish(record, state)
    assert cloud.tell(record.run_id) is End(state)
    assert cloud.tell(record.run_id) is None
    (heard,) = cloud.heard()
    assert heard["Subject"] == f"geoclusters: {state} input/depots/hk.csv"
    attributes = heard["MessageAttributes"]
    assert attributes["state"]["Value"] == state
    assert attributes["run_id"]["Value"] == record.run_id


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.TRAINING, State.REPORTING, State.SUPERSEDED]
)
def test_a_run_that_goes_on_or_that_nobody_waits_for_is_not_told(
    cloud: Cloud, record: RunRecord, state: State
) -> None:
    cloud.publish(record, state)
    assert cloud.tell(record.run_id) is None
    assert cloud.heard() == []


def test_a_run_that_is_gone_is_not_told(cloud: Cloud) -> None:
    assert cloud.tell("0" * 20, "0123") is None


def test_the_event_of_an_earlier_status_tells_nothing(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.publish(record, State.QUEUED)
    earlier = cloud.etag(record.run_id)
    cloud.publish(record, State.FAILED)
    assert cloud.tell(record.run_id, earlier) is None
    assert cloud.heard() == []
    assert cloud.tell(record.run_id) is End.FAILED


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_a_run_that_was_put_aside_is_told_again_when_it_ends(
    cloud: Cloud, record: RunRecord, state: State
) -> None:
    for _ in range(2):
        cloud.publish(record, State.FAILED, figures={PUT_ASIDE: True})
        cloud.tell(record.run_id)
        cloud.publish(record, State.TRAINING)
    assert [one["MessageAttributes"]["state"]["Value"] for one in cloud.heard()] == [
        "FAILED"
    ]
    cloud.publish(record, state)
    assert cloud.tell(record.run_id) is End(state)
    assert cloud.tell(record.run_id) is None
    (heard,) = cloud.heard()
    assert heard["MessageAttributes"]["state"]["Value"] == state


@pytest.mark.parametrize("operation", ["s3.PutObject", "sns.Publish"])
def test_an_event_that_comes_again_meanwhile_waits(
    cloud: Cloud, record: RunRecord, operation: str
) -> None:
    """It comes right before the first one reserves the run's end, or tells of it."""
    cloud.publish(record, State.FAILED)
    waited: list[LaterError] = []
    service = cloud.s3 if operation.startswith("s3") else cloud.sns

    def come_again(**_: Any) -> None:
        service.meta.events.unregister(f"before-call.{operation}", come_again)
        try:
            cloud.tell(record.run_id)
        except LaterError as later:
            waited.append(later)

    service.meta.events.register(f"before-call.{operation}", come_again)
    try:
        cloud.tell(record.run_id)
    except LaterError as later:
        waited.append(later)
    assert [later.delay_s for later in waited] == [31]
    assert cloud.tell(record.run_id) is None
    assert len(cloud.heard()) == 1


def test_what_was_reserved_and_never_told_is_told_by_the_next_one(
    cloud: Cloud, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.publish(record, State.FAILED)
    with monkeypatch.context() as patch:
        patch.setattr("lambdas.notify.tell.message", lambda status: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cloud.tell(record.run_id)
    with pytest.raises(LaterError):
        cloud.tell(record.run_id)
    assert cloud.heard() == []
    later = time.time() + 31
    monkeypatch.setattr("lambdas.notify.told.time.time", lambda: later)
    assert cloud.tell(record.run_id) is End.FAILED
    assert cloud.tell(record.run_id) is None
    assert len(cloud.heard()) == 1


def test_a_message_leads_to_the_files(record: RunRecord) -> None:
    status = HandMade(
        upload=record.upload,
        state=State.SUCCEEDED,
        message="15 clusters",
        files=("centroids.csv", "map.png"),
        warnings=("One is small.",),
    )
    said = message(json.loads(status.to_json()))
    assert said.document["files"] == [
        "s3://data/output/depots/hk/centroids.csv",
        "s3://data/output/depots/hk/map.png",
        "s3://data/output/depots/hk/status.json",
    ]
    for text in (*said.document["files"], "15 clusters", "Note: One is small."):
        assert text in said.text
    assert said.document["console"].endswith("/data?prefix=output/depots/hk/")
    both = json.loads(said.to_sns())
    assert json.loads(both["default"]) == said.document
    assert both["email"] == said.text


@pytest.mark.parametrize("name", ["a\nb\x07.csv", "é香.csv", "x" * 300 + ".csv"])
def test_a_subject_is_one_that_sns_takes(
    make_record: Callable[..., RunRecord],
    make_upload: Callable[..., Any],
    name: str,
) -> None:
    upload = make_upload(key=f"input/{name}")
    status = HandMade(upload=upload, state=State.FAILED, message="no")
    subject = message(json.loads(status.to_json())).subject
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()
    assert subject.startswith("geoclusters: FAILED input/")


def test_a_name_of_several_lines_writes_no_lines_of_its_own(
    make_upload: Callable[..., Any],
) -> None:
    upload = make_upload(key="input/a\nIn the browser: https://evil\u202e.csv")
    status = HandMade(upload=upload, state=State.FAILED, message="no")
    said = message(json.loads(status.to_json()))
    assert r"input/a\nIn the browser: https://evil\u202e.csv: FAILED" in said.text
    assert sum(line.startswith("In the browser") for line in said.text.split("\n")) == 1
    assert said.text.replace("\n", "").isprintable()


def test_the_handler_tells_of_the_run_whose_status_was_written(
    cloud: Cloud, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.publish(record, State.SUCCEEDED)
    resources = (cloud.settings, cloud.s3, cloud.sns, cloud.sqs)
    monkeypatch.setattr(entry, "_resources", lambda: resources)
    made = {
        "key": layout.run_status_key(record.run_id),
        "etag": cloud.etag(record.run_id),
        "sequencer": "0",
        "size": 1,
    }
    event = sqs_event({"detail": {"bucket": {"name": BUCKET}, "object": made}})
    assert entry.handler(event, Context()) == {"batchItemFailures": []}
    assert len(cloud.heard()) == 1
