"""Who wants to know hears of each run that ended, and of alarms."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from geoclusters.status import State
from tests.integration.conftest import Pipeline
from tests.integration.test_order_of_events import TOWNS, wait_until_drained


class Listener:
    """A queue that subscribes to a topic."""

    def __init__(self, pipeline: Pipeline, output: str) -> None:
        self._sqs = pipeline.sqs
        self._url = self._sqs.create_queue(QueueName=output)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["QueueArn"]
        )["Attributes"]
        may_send = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attributes["QueueArn"],
            "Condition": {"ArnEquals": {"aws:SourceArn": pipeline.outputs[output]}},
        }
        policy = {"Version": "2012-10-17", "Statement": [may_send]}
        self._sqs.set_queue_attributes(
            QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)}
        )
        self._sns = pipeline.cloud.client("sns")
        self._subscription = self._sns.subscribe(
            TopicArn=pipeline.outputs[output],
            Protocol="sqs",
            Endpoint=attributes["QueueArn"],
        )["SubscriptionArn"]
        self._heard: list[Any] = []

    def heard(self) -> list[Any]:
        """Return all messages so far."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                self._sqs.delete_message(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
                )
                self._heard.append(json.loads(message["Body"]))
        return self._heard

    def close(self) -> None:
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._url)


@pytest.fixture
def runs(pipeline: Pipeline) -> Iterator[Listener]:
    listener = Listener(pipeline, "RunsTopicArn")
    yield listener
    listener.close()


@pytest.fixture
def alarms(pipeline: Pipeline) -> Iterator[Listener]:
    listener = Listener(pipeline, "AlarmsTopicArn")
    yield listener
    listener.close()


def test_each_run_that_ends_is_told_once(pipeline: Pipeline, runs: Listener) -> None:
    uploads = {
        "told-good.csv": (TOWNS, State.SUCCEEDED),
        "told-bad.csv": (b"this is no table", State.FAILED),
    }
    versions = {
        key: pipeline.upload(key, body, k="3") for key, (body, _) in uploads.items()
    }
    statuses = {
        key: pipeline.wait(key, versions[key], state)
        for key, (_, state) in uploads.items()
    }
    pipeline.until(lambda: len(runs.heard()) >= len(uploads), "both to be told")
    wait_until_drained(pipeline)
    told = {
        json.loads(message["Message"])["run_id"]: json.loads(message["Message"])
        for message in runs.heard()
    }
    assert len(runs.heard()) == len(told) == len(uploads)
    for key, status in statuses.items():
        message = told[status["run_id"]]
        assert message["state"] == status["state"]
        assert message["message"] == status["message"]
        prefix = f"s3://{pipeline.bucket}/output/{key.removesuffix('.csv')}/"
        assert message["files"] == [
            prefix + name for name in (*status["files"], "status.json")
        ]


def test_a_dead_letter_raises_an_alarm_that_is_told(
    pipeline: Pipeline, alarms: Listener
) -> None:
    cloudwatch = pipeline.cloud.client("cloudwatch")
    (alarm,) = (
        alarm
        for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        if "ingestdeadletters" in alarm["AlarmName"].lower()
    )

    def measure(messages: int) -> None:
        """Report of the queue what SQS itself reports on AWS."""
        metric = {
            "MetricName": alarm["MetricName"],
            "Dimensions": alarm["Dimensions"],
            "Value": messages,
        }
        cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=[metric])

    assert alarm["Namespace"] == "AWS/SQS"
    measure(1)

    def told() -> Any:
        # The emulator looks at alarms when they are described, and takes a metric of
        # one queue for that of all: other alarms are told too.
        cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])
        said = [json.loads(message["Message"]) for message in alarms.heard()]
        mine = [one for one in said if one["AlarmName"] == alarm["AlarmName"]]
        return mine[0] if mine else None

    said = pipeline.until(told, "the alarm")
    assert said["NewStateValue"] == "ALARM"
    assert "make redrive" in said["AlarmDescription"]
