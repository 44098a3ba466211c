"""What goes wrong in geoclusters itself is put aside, and taken up after a mend."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from geoclusters.aws.events import MOST_FAILURES
from geoclusters.status import State
from local import deployment
from local.cloud import Cloud
from operations.redrive import redrive
from tests.integration.conftest import Pipeline
from tests.integration.test_order_of_events import (
    TOWNS,
    start_slow,
    wait_for_job,
)

STACK = "geoclusters"


@pytest.fixture(scope="module")
def pipeline(assembly: Path) -> Iterator[Pipeline]:
    """A cloud of its own, whose functions may be broken."""
    with Cloud() as cloud:
        deployment.bootstrap(cloud)
        yield Pipeline(cloud, deployment.deploy(cloud, app=assembly))


@pytest.fixture
def session(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """What an operator's shell would have."""
    for name, value in pipeline.cloud.environment().items():
        monkeypatch.setenv(name, value)
    return boto3.Session()


def sweep(pipeline: Pipeline) -> Any:
    """Start the sweep as its schedule does; return what it counted."""
    functions = pipeline.cloud.client("lambda")
    answer = functions.invoke(FunctionName=pipeline.function_name("Sweep"))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.load(answer["Payload"])


def dead_letters(pipeline: Pipeline, url: str) -> str:
    attributes = pipeline.sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["RedrivePolicy"]
    )["Attributes"]
    arn = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
    return str(pipeline.sqs.get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"])


def be_received_once(pipeline: Pipeline, url: str) -> None:
    """Have a queue put messages aside after one receive, as it else does after five."""
    attributes = {"AttributeNames": ["RedrivePolicy"]}
    policy = json.loads(
        pipeline.sqs.get_queue_attributes(QueueUrl=url, **attributes)["Attributes"][
            "RedrivePolicy"
        ]
    )
    policy["maxReceiveCount"] = 1
    pipeline.sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)}
    )


def test_poison_is_answered_and_taken_up_again_after_a_mend(
    pipeline: Pipeline, session: boto3.Session
) -> None:
    uploads = pipeline.queue_url("Ingest")
    be_received_once(pipeline, uploads)
    before = pipeline.set_environment(
        "Ingest", JOBS_QUEUE_URL=f"{uploads}-that-isnt-there"
    )
    version = pipeline.upload("poison.csv", TOWNS, k="3")
    graveyard = dead_letters(pipeline, uploads)
    pipeline.until(lambda: pipeline.messages(graveyard), "a dead letter")
    assert pipeline.status("poison.csv")["state"] == "QUEUED"

    assert sweep(pipeline)["answer_dead_letters"] == 1
    status = pipeline.wait("poison.csv", version, State.FAILED)
    assert status["put_aside"] is True
    assert status["run_id"] in status["message"]
    assert sweep(pipeline)["answer_dead_letters"] == 0
    assert pipeline.messages(graveyard) == 1

    pipeline.set_environment("Ingest", **before)
    assert sum(redrive(STACK, session).values()) == 1

    def succeeded() -> Any:
        status = pipeline.status("poison.csv")
        return status if status["state"] == "SUCCEEDED" else None

    assert pipeline.until(succeeded, "the run")["upload"]["version_id"] == version
    assert pipeline.messages(graveyard) == 0


@contextmanager
def paused(pipeline: Pipeline, queue_url: str) -> Iterator[None]:
    """Let a queue feed nobody for a while."""
    functions = pipeline.cloud.client("lambda")
    (mapping,) = (
        mapping["UUID"]
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        if mapping["EventSourceArn"].split(":")[-1] == queue_url.split("/")[-1]
    )
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)


def test_a_request_that_failed_too_often_is_put_aside_and_taken_up_again(
    pipeline: Pipeline, session: boto3.Session
) -> None:
    jobs = pipeline.queue_url("StartTraining")
    graveyard = dead_letters(pipeline, jobs)
    with paused(pipeline, jobs):
        version = pipeline.upload("fails.csv", TOWNS, k="3")
        pipeline.until(lambda: pipeline.messages(jobs), "a request")
        for _ in range(MOST_FAILURES):
            answer = pipeline.sqs.receive_message(
                QueueUrl=jobs, WaitTimeSeconds=10, VisibilityTimeout=0
            )
            assert len(answer["Messages"]) == 1
    pipeline.until(lambda: pipeline.messages(graveyard), "a dead letter")

    sweep(pipeline)
    status = pipeline.wait("fails.csv", version, State.FAILED)
    assert status["put_aside"] is True

    assert sum(redrive(STACK, session).values()) == 1

    def succeeded() -> bool:
        return bool(pipeline.status("fails.csv")["state"] == "SUCCEEDED")

    pipeline.until(succeeded, "the run")


def feeding(session: boto3.Session, queue_url: str) -> tuple[str, Any]:
    """Return the rule that feeds a queue, by its name, and the target that it has."""
    events = session.client("events")
    (found,) = (
        (rule["Name"], target)
        for rule in events.list_rules()["Rules"]
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        if target["Arn"].split(":")[-1] == queue_url.split("/")[-1]
    )
    return found


def undelivered(pipeline: Pipeline, session: boto3.Session, queue_url: str) -> str:
    """Return where events are kept that a rule couldn't deliver to a queue."""
    _, target = feeding(session, queue_url)
    name = target["DeadLetterConfig"]["Arn"].split(":")[-1]
    return str(pipeline.sqs.get_queue_url(QueueName=name)["QueueUrl"])


def test_events_that_a_rule_couldnt_deliver_are_delivered_by_the_sweep(
    pipeline: Pipeline, session: boto3.Session
) -> None:
    uploads = pipeline.queue_url("Ingest")
    with silent(session, uploads):
        version = pipeline.upload("undelivered.csv", TOWNS, k="3")
    head = pipeline.s3.head_object(Bucket=pipeline.bucket, Key="input/undelivered.csv")
    upload = {
        "size": len(TOWNS),
        "etag": head["ETag"].strip('"'),
        "sequencer": "0" * 16,
    }
    event = pipeline.upload_event("undelivered.csv", upload)
    pipeline.sqs.send_message(
        QueueUrl=undelivered(pipeline, session, uploads), MessageBody=json.dumps(event)
    )
    assert pipeline.status("undelivered.csv") is None
    assert sweep(pipeline)["deliver_again"] == 1
    pipeline.wait("undelivered.csv", version, State.SUCCEEDED)


@contextmanager
def silent(session: boto3.Session, queue_url: str) -> Iterator[None]:
    """Switch off the rule that feeds a queue: its events are lost meanwhile."""
    events = session.client("events")
    name, _ = feeding(session, queue_url)
    events.disable_rule(Name=name)
    try:
        yield
    finally:
        events.enable_rule(Name=name)


def test_a_job_whose_failure_nobody_heard_of_is_settled_by_the_sweep(
    pipeline: Pipeline, session: boto3.Session
) -> None:
    failures = pipeline.queue_url("RecordFailure")
    with silent(session, failures):
        status = start_slow(pipeline, "unheard.csv")
        pipeline.sagemaker.stop_training_job(TrainingJobName=status["training_job"])
        job = wait_for_job(pipeline, status["training_job"])
        assert job["TrainingJobStatus"] == "Stopped"
    models = pipeline.queue_url("Report")
    pipeline.until(lambda: not pipeline.messages(models), "the report to have looked")
    sweep(pipeline)
    answer = pipeline.wait("unheard.csv", status["upload"]["version_id"], State.FAILED)
    assert "was stopped" in answer["message"]
    assert "put_aside" not in answer
