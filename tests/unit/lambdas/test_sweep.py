import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from geoclusters import layout
from geoclusters.aws.events import TrainingRequest
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import SweepSettings
from geoclusters.errors import RunRecordError
from geoclusters.run import RunRecord, Upload
from geoclusters.status import State
from lambdas.sweep import handler as entry
from lambdas.sweep.jobs import settle_jobs
from lambdas.sweep.letters import answer_dead_letters, deliver_again
from lambdas.sweep.outcome import Outcome
from tests.statuses import HandMade
from tests.unit.conftest import BUCKET

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PREFIX = "stack-0123abcd"


class SageMaker:
    """Lists and describes the jobs that it was given."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.stopped: list[str] = []

    def add(self, run_id: str, status: str, *, ago: timedelta, **more: Any) -> str:
        name = layout.job_name(PREFIX, run_id, 1)
        self.jobs[name] = {
            "TrainingJobName": name,
            "TrainingJobStatus": status,
            "CreationTime": NOW - ago,
            "LastModifiedTime": NOW - ago,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            **more,
        }
        return name

    def get_paginator(self, operation: str) -> "SageMaker":
        assert operation == "list_training_jobs"
        return self

    def paginate(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        for job in self.jobs.values():
            if (
                wanted["NameContains"] in job["TrainingJobName"]
                and wanted["StatusEquals"] == job["TrainingJobStatus"]
                and wanted.get("LastModifiedTimeAfter", job["LastModifiedTime"])
                <= job["LastModifiedTime"]
                <= wanted.get("LastModifiedTimeBefore", job["LastModifiedTime"])
                and job["CreationTime"]
                <= wanted.get("CreationTimeBefore", job["CreationTime"])
            ):
                yield {"TrainingJobSummaries": [job]}

    def describe_training_job(self, **request: Any) -> dict[str, Any]:
        return self.jobs[request["TrainingJobName"]]

    def stop_training_job(self, **request: Any) -> None:
        self.stopped.append(request["TrainingJobName"])


class Cloud:
    """A bucket, the queues that the sweep looks at, and training jobs."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self.sagemaker: Any = SageMaker()
        self.s3.create_bucket(Bucket=BUCKET)
        urls = {
            name: self.sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in SweepSettings.__annotations__
            if name.endswith("_url")
        }
        self.settings = SweepSettings(
            data_bucket=BUCKET, job_name_prefix=PREFIX, **urls
        )

    def send(self, queue: str, body: str) -> None:
        url = getattr(self.settings, f"{queue}_url")
        self.sqs.send_message(QueueUrl=url, MessageBody=body)

    def bodies(self, queue: str) -> list[Any]:
        answer = self.sqs.receive_message(
            QueueUrl=getattr(self.settings, f"{queue}_url"), MaxNumberOfMessages=10
        )
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def write(self, record: RunRecord, state: State, message: str = "") -> None:
        key = layout.run_record_key(record.run_id)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=record.to_json().encode())
        status = HandMade(upload=record.upload, state=state, message=message)
        Outputs(self.s3, record.upload).publish(status)

    def status(self, folder: str = "depots/hk") -> Any:
        key = f"output/{folder}/status.json"
        return json.loads(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def answer_letters(self) -> list[Outcome]:
        return list(
            answer_dead_letters(s3=self.s3, sqs=self.sqs, settings=self.settings)
        )

    def settle(self) -> list[Outcome]:
        return list(
            settle_jobs(
                NOW.timestamp(),
                s3=self.s3,
                sagemaker=self.sagemaker,
                sqs=self.sqs,
                settings=self.settings,
            )
        )


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        yield Cloud()


@pytest.fixture
def record(make_record: Callable[..., RunRecord]) -> RunRecord:
    return make_record()


def uploaded(upload: Upload) -> str:
    detail = {
        "bucket": {"name": upload.bucket},
        "object": {
            "key": upload.key,
            "etag": upload.etag,
            "sequencer": upload.sequencer,
            "size": upload.size,
        },
    }
    return json.dumps({"detail": detail})


def letter(record: RunRecord, queue: str) -> str:
    job_name = layout.job_name(PREFIX, record.run_id, 1)
    if queue == "jobs":
        return TrainingRequest(run_id=record.run_id).to_json()
    if queue == "models":
        key = layout.model_key(record.run_id, job_name)
        made = {"key": key, "etag": "0", "sequencer": "0", "size": 1}
        return json.dumps({"detail": {"bucket": {"name": BUCKET}, "object": made}})
    if queue == "failures":
        detail = {"TrainingJobName": job_name, "TrainingJobStatus": "Failed"}
        return json.dumps({"detail": detail})
    return uploaded(record.upload)


@pytest.mark.parametrize(
    ("queue", "state"),
    [
        ("uploads", State.QUEUED),
        ("jobs", State.QUEUED),
        ("models", State.TRAINING),
        ("models", State.REPORTING),
        ("failures", State.TRAINING),
    ],
)
def test_the_run_of_a_dead_letter_is_put_aside_and_the_letter_stays(
    cloud: Cloud, record: RunRecord, queue: str, state: State
) -> None:
    cloud.write(record, state)
    cloud.send(f"{queue}_dead_letters", letter(record, queue))
    (outcome,) = cloud.answer_letters()
    assert outcome.run_id == record.run_id
    status = cloud.status()
    assert status["state"] == "FAILED"
    assert status["put_aside"] is True
    assert record.run_id in status["message"]
    assert len(cloud.bodies(f"{queue}_dead_letters")) == 1


def test_an_upload_that_nobody_could_read_is_answered_too(
    cloud: Cloud, make_upload: Callable[..., Upload]
) -> None:
    cloud.send("uploads_dead_letters", uploaded(make_upload()))
    assert len(cloud.answer_letters()) == 1
    assert cloud.status()["put_aside"] is True


@pytest.mark.parametrize(("taken", "folder"), [(True, "a b"), (False, "a+b")])
def test_an_upload_is_answered_where_ingest_took_it_to_be(
    cloud: Cloud, make_upload: Callable[..., Upload], taken: bool, folder: str
) -> None:
    encoded = make_upload(key="input/a+b.csv")
    if taken:
        reading = HandMade(upload=encoded.decoded, state=State.QUEUED, message="")
        Outputs(cloud.s3, encoded.decoded).publish(reading)
    cloud.send("uploads_dead_letters", uploaded(encoded))
    cloud.answer_letters()
    assert cloud.status(folder)["put_aside"] is True
    answer = cloud.s3.list_objects_v2(Bucket=BUCKET, Prefix="output/")
    assert answer["KeyCount"] == 1


def test_a_dead_letter_is_answered_once(cloud: Cloud, record: RunRecord) -> None:
    cloud.write(record, State.TRAINING)
    cloud.send("models_dead_letters", letter(record, "models"))
    cloud.answer_letters()
    first = cloud.status()
    assert cloud.answer_letters() == []
    assert cloud.status() == first


@pytest.mark.parametrize(
    ("queue", "state"),
    [
        ("uploads", State.TRAINING),
        ("jobs", State.TRAINING),
        ("jobs", State.SUCCEEDED),
        ("models", State.SUCCEEDED),
        ("failures", State.FAILED),
    ],
)
def test_a_dead_letter_of_a_run_that_went_on_changes_nothing(
    cloud: Cloud, record: RunRecord, queue: str, state: State
) -> None:
    cloud.write(record, state, "as it was")
    cloud.send(f"{queue}_dead_letters", letter(record, queue))
    assert cloud.answer_letters() == []
    assert cloud.status()["message"] == "as it was"


def test_a_run_that_was_put_aside_is_taken_up_again(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.write(record, State.TRAINING)
    cloud.send("models_dead_letters", letter(record, "models"))
    cloud.answer_letters()
    outputs = Outputs(cloud.s3, record.upload)
    assert outputs.state() is State.QUEUED
    outputs.publish(HandMade(upload=record.upload, state=State.SUCCEEDED, message=""))
    assert cloud.status()["state"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "body",
    [
        "this is no JSON",
        "[]",
        "{}",
        '{"detail": {"object": {"key": "x"}}}',
        '{"run_id": "../x", "attempt": 1}',
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
        '{"detail": {"object": {"key": "\\ud800"}}}',
        '{"detail": {"TrainingJobName": "\\n", "TrainingJobStatus": "Failed"}}',
    ],
    ids=range(9),
)
def test_a_dead_letter_that_names_no_run_is_told_and_stays(
    cloud: Cloud, record: RunRecord, body: str
) -> None:
    cloud.write(record, State.TRAINING)
    for queue in ("uploads", "jobs", "models", "failures"):
        cloud.send(f"{queue}_dead_letters", body)
    cloud.send("models_dead_letters", letter(record, "models"))
    outcomes = cloud.answer_letters()
    assert [outcome.run_id for outcome in outcomes].count(None) == 4
    assert cloud.status()["state"] == "FAILED"


@pytest.mark.parametrize(
    "change", [{"bucket": "another"}, {"key": "output/depots/hk/status.json"}]
)
def test_a_dead_letter_of_what_is_no_upload_to_the_bucket_is_told_and_stays(
    cloud: Cloud, make_upload: Callable[..., Upload], change: dict[str, str]
) -> None:
    cloud.send("uploads_dead_letters", uploaded(make_upload(**change)))
    (outcome,) = cloud.answer_letters()
    assert outcome.run_id is None
    assert "no upload to this stack" in outcome.message
    assert len(cloud.bodies("uploads_dead_letters")) == 1


def test_a_dead_letter_of_an_upload_that_was_overwritten_changes_nothing(
    cloud: Cloud, record: RunRecord, make_upload: Callable[..., Upload]
) -> None:
    cloud.write(record, State.TRAINING)
    newer = make_upload(sequencer="0B")
    status = HandMade(upload=newer, state=State.QUEUED, message="newer")
    Outputs(cloud.s3, newer).publish(status)
    cloud.send("models_dead_letters", letter(record, "models"))
    (outcome,) = cloud.answer_letters()
    assert "newer upload" in outcome.message
    assert cloud.status()["message"] == "newer"


@pytest.mark.parametrize("queue", ["uploads", "models", "failures"])
def test_an_event_that_its_rule_couldnt_deliver_is_delivered(
    cloud: Cloud, queue: str
) -> None:
    for number in range(12):
        cloud.send(f"{queue}_undelivered", json.dumps({"number": number}))
    assert len(list(deliver_again(sqs=cloud.sqs, settings=cloud.settings))) == 12
    found = cloud.bodies(f"{queue}_queue") + cloud.bodies(f"{queue}_queue")
    assert sorted(body["number"] for body in found) == list(range(12))
    assert cloud.bodies(f"{queue}_undelivered") == []


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_whose_end_nobody_heard_of_is_told(
    cloud: Cloud, record: RunRecord, status: str
) -> None:
    cloud.write(record, State.TRAINING)
    ago = timedelta(minutes=5)
    job = cloud.sagemaker.add(record.run_id, status, ago=ago, FailureReason="Oops")
    (outcome,) = cloud.settle()
    assert outcome.run_id == record.run_id
    assert cloud.status()["state"] == "FAILED"
    assert cloud.status()["training_job"] == job
    assert ("Oops" in cloud.status()["message"]) == (status == "Failed")
    assert cloud.settle() == []


def test_a_model_that_nobody_reported_is_announced_once_more(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.write(record, State.TRAINING)
    job = cloud.sagemaker.add(record.run_id, "Completed", ago=timedelta(hours=2))
    assert len(cloud.settle()) == 1
    assert cloud.settle() == []
    (body,) = cloud.bodies("models_queue")
    key = body["detail"]["object"]["key"]
    assert layout.parse_model_key(key) == (record.run_id, job)


def test_a_model_that_may_just_be_reported_is_left_alone(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.write(record, State.REPORTING)
    cloud.sagemaker.add(record.run_id, "Completed", ago=timedelta(minutes=30))
    assert cloud.settle() == []


def test_a_job_that_should_have_ended_long_ago_is_stopped_and_told(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.write(record, State.TRAINING)
    ago, begun = timedelta(hours=5), NOW - timedelta(hours=3)
    job = cloud.sagemaker.add(
        record.run_id, "InProgress", ago=ago, TrainingStartTime=begun
    )
    assert len(cloud.settle()) == 1
    assert cloud.sagemaker.stopped == [job]
    assert "after 1 hours" in cloud.status()["message"]
    assert cloud.settle() == []


@pytest.mark.parametrize(
    "times", [{}, {"TrainingStartTime": NOW - timedelta(minutes=90)}]
)
def test_a_job_that_waits_or_trains_is_left_alone(
    cloud: Cloud, record: RunRecord, times: Any
) -> None:
    cloud.write(record, State.TRAINING)
    cloud.sagemaker.add(record.run_id, "InProgress", ago=timedelta(hours=5), **times)
    assert cloud.settle() == []
    assert cloud.sagemaker.stopped == []


def test_other_stacks_jobs_and_runs_that_have_ended_are_left_alone(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.write(record, State.SUCCEEDED)
    for status in ("Completed", "Failed", "Stopped", "InProgress"):
        begun = NOW - timedelta(hours=3)
        name = cloud.sagemaker.add(
            record.run_id, status, ago=timedelta(hours=4), TrainingStartTime=begun
        )
        job = cloud.sagemaker.jobs.pop(name)
        for other in (f"other-{name}", f"{name}{status.lower()}"):
            cloud.sagemaker.jobs[other] = {**job, "TrainingJobName": other}
        cloud.sagemaker.jobs[name] = job
        assert cloud.settle() == []
    assert cloud.sagemaker.stopped == []


def test_a_job_whose_run_has_no_record_stops_no_other(
    cloud: Cloud, record: RunRecord
) -> None:
    cloud.sagemaker.add("0" * 20, "Failed", ago=timedelta(hours=2))
    cloud.write(record, State.TRAINING)
    cloud.sagemaker.add(record.run_id, "Failed", ago=timedelta(hours=2))
    assert [outcome.run_id for outcome in cloud.settle()] == ["0" * 20, record.run_id]
    assert cloud.status()["state"] == "FAILED"


def test_a_step_that_fails_doesnt_keep_the_others_from_being_taken(
    cloud: Cloud, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.write(record, State.TRAINING)
    cloud.sagemaker.add(record.run_id, "Failed", ago=timedelta(hours=2))
    monkeypatch.setattr("time.time", NOW.timestamp)
    resources = (cloud.settings, cloud.s3, cloud.sagemaker, cloud.sqs)
    monkeypatch.setattr(entry, "_resources", lambda: resources)
    cloud.sqs.delete_queue(QueueUrl=cloud.settings.uploads_dead_letters_url)
    with pytest.raises(ExceptionGroup) as failure:
        entry.handler({}, None)
    assert len(failure.value.exceptions) == 1
    assert cloud.status()["state"] == "FAILED"


def test_the_handler_counts_what_it_settled(
    cloud: Cloud, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.write(record, State.TRAINING)
    cloud.send("models_dead_letters", letter(record, "models"))
    monkeypatch.setattr("time.time", NOW.timestamp)
    resources = (cloud.settings, cloud.s3, cloud.sagemaker, cloud.sqs)
    monkeypatch.setattr(entry, "_resources", lambda: resources)
    counts = {"deliver_again": 0, "answer_dead_letters": 1, "settle_jobs": 0}
    assert entry.handler({}, None) == counts


def leave_behind(cloud: Cloud, record: RunRecord) -> None:
    """Let a run's record be of another version, as after an update."""
    document = json.loads(record.to_json()) | {"schema_version": 99}
    key = layout.run_record_key(record.run_id)
    cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())


@pytest.mark.parametrize("queue", ["uploads", "jobs", "models", "failures"])
def test_a_dead_letter_of_a_run_whose_record_cant_be_read_is_answered(
    cloud: Cloud, record: RunRecord, queue: str
) -> None:
    cloud.write(record, State.QUEUED)
    leave_behind(cloud, record)
    cloud.send(f"{queue}_dead_letters", letter(record, queue))

    assert [outcome.run_id for outcome in cloud.answer_letters()] == [record.run_id]
    assert cloud.status()["state"] == "FAILED"
    assert cloud.status()["put_aside"] is True


def test_a_job_that_cant_be_settled_doesnt_keep_the_others(
    cloud: Cloud, record: RunRecord
) -> None:
    other = replace(record, upload=replace(record.upload, key="input/other.csv"))
    cloud.write(other, State.TRAINING)
    leave_behind(cloud, other)
    broken = cloud.sagemaker.add(other.run_id, "Failed", ago=timedelta(hours=2))
    cloud.write(record, State.TRAINING)
    cloud.sagemaker.add(record.run_id, "Failed", ago=timedelta(hours=2))

    with pytest.raises(ExceptionGroup) as failure:
        cloud.settle()
    assert cloud.status()["state"] == "FAILED"
    found = failure.value.subgroup(RunRecordError)
    assert found is not None
    (kind,) = found.exceptions
    assert isinstance(kind, ExceptionGroup)
    (error,) = kind.exceptions
    assert broken in error.__notes__[0]
