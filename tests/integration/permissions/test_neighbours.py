"""What each role may do is all that it may do: its neighbours are refused.

Each table is gone through whole, so that what is allowed stands beside what is refused:
a refusal for another reason than the role's policy would show.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from geoclusters import layout
from lambdas.start_training.request import training_request
from local.sagemaker.access import Keys
from tests.integration.permissions.stage import TRAINING, Stage

ANALYSTS = "analysts"
_RUN = "f" * 20

#: A key of each kind, and what they are called here.
KEYS: Final = {
    "upload": "input/neighbours.csv",
    "borders": "boundaries/neighbours.geojson",
    "record": layout.run_record_key(_RUN),
    "own status": layout.run_status_key(_RUN),
    "places": layout.places_key(_RUN, 0),
    "left out": layout.rejected_key(_RUN),
    "shard": layout.train_key(_RUN, 0),
    "model": layout.model_key(_RUN, "job"),
    "announced": layout.announced_again_key(_RUN),
    "told success": layout.told_key(_RUN, "SUCCEEDED"),
    "told failure": layout.told_key(_RUN, "FAILED"),
    "told aside": layout.told_key(_RUN, "PUT_ASIDE"),
    "status": "output/neighbours/status.json",
    "result": "output/neighbours/centroids.csv",
    "stranger": "elsewhere/neighbours.csv",
}
STATUSES: Final = {"status", "own status"}
TOLD: Final = {"told success", "told failure", "told aside"}

READ: Final[dict[str, set[str]]] = {
    "ingest": {"upload", "record", *STATUSES},
    "start_training": {"record", *STATUSES},
    TRAINING: {"shard"},
    "report": {"borders", "record", "places", "left out", "model", "result"} | STATUSES,
    "record_failure": {"record", *STATUSES},
    "notify": {"own status", *TOLD},
    "sweep": {"record", "announced", *STATUSES},
    ANALYSTS: {"upload", "status", "result"},
}
WRITTEN: Final[dict[str, set[str]]] = {
    "ingest": {"record", "places", "left out", "shard", *STATUSES},
    "start_training": STATUSES,
    TRAINING: {"model"},
    "report": {"own status", "status", "result"},
    "record_failure": STATUSES,
    "notify": TOLD,
    "sweep": {"announced", *STATUSES},
    ANALYSTS: {"upload", "borders"},
}

_SWEPT = {"IngestUploads", "RecordFailureFailures", "ReportModels"}
_DEAD = {f"{name}DeadLetters" for name in (*_SWEPT, "StartTrainingJobs")}
_UNDELIVERED = {f"{name}Undelivered" for name in _SWEPT}
SENT_TO: Final = {
    "ingest": {"StartTrainingJobsQueue"},
    "start_training": {"StartTrainingJobsDeadLetters"},
    "sweep": {f"{name}Queue" for name in _SWEPT},
}
RECEIVED_FROM: Final = {
    "ingest": {"IngestUploadsQueue"},
    "start_training": {"StartTrainingJobsQueue"},
    "report": {"ReportModelsQueue"},
    "record_failure": {"RecordFailureFailuresQueue"},
    "notify": {"NotifyStatusesQueue"},
    "sweep": _DEAD | _UNDELIVERED,
}
JOB_ACTIONS: Final = {
    "start_training": {"create", "describe"},
    "report": {"describe"},
    "sweep": {"describe", "stop", "list"},
}

EACH: Final = pytest.mark.parametrize("name", READ)


@pytest.fixture(scope="module", autouse=True)
def objects(stage: Stage) -> Iterator[None]:
    """One object of each kind; what their events and the trials send is thrown away."""
    for key in KEYS.values():
        stage.put(key, b"0")
    yield
    stage.forget(*KEYS.values())
    for url in stage.sqs.list_queues()["QueueUrls"]:
        stage.sqs.purge_queue(QueueUrl=url)


@pytest.fixture(scope="module")
def other_bucket(stage: Stage) -> str:
    """A bucket of the same account, with the same objects."""
    name = "somebody-elses"
    stage.s3.create_bucket(Bucket=name)
    for key in KEYS.values():
        stage.s3.put_object(Bucket=name, Key=key, Body=b"0")
    return name


class Actors:
    """Who acts under a role, or with the managed policy of analysts."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        iam = stage.pipeline.cloud.client("iam")
        iam.create_user(UserName="analyst")
        iam.attach_user_policy(
            UserName="analyst", PolicyArn=stage.pipeline.outputs["AnalystPolicyArn"]
        )
        key = iam.create_access_key(UserName="analyst")["AccessKey"]
        self._analyst = Keys(key["AccessKeyId"], key["SecretAccessKey"], "")

    def keys(self, name: str) -> Keys:
        return self._analyst if name == ANALYSTS else self._stage.keys(name)

    def client(self, name: str, service: str) -> Any:
        return self._stage.client(service, self.keys(name))


@pytest.fixture(scope="module")
def actors(stage: Stage) -> Actors:
    return Actors(stage)


def is_allowed(call: Callable[..., object], **request: Any) -> bool:
    """Return whether a call is not refused for want of a permission."""
    try:
        call(**request)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("AccessDenied", "AccessDeniedException", "AuthorizationError"):
            return False
        raise
    return True


@EACH
def test_a_role_reads_writes_and_lists_what_it_works_with_and_nothing_else(
    stage: Stage, actors: Actors, name: str
) -> None:
    s3 = actors.client(name, "s3")

    def allowed(call: Callable[..., object], **request: Any) -> set[str]:
        return {
            kind
            for kind, key in KEYS.items()
            if is_allowed(call, Bucket=stage.bucket, Key=key, **request)
        }

    def lists(*, Bucket: str, Key: str) -> None:  # noqa: N803 - as boto3 calls them
        s3.list_objects_v2(Bucket=Bucket, Prefix=Key)

    assert allowed(s3.get_object) == READ[name]
    assert allowed(s3.put_object, Body=b"1") == WRITTEN[name]
    assert allowed(lists) == READ[name] | WRITTEN[name]
    assert allowed(s3.delete_object) == set()
    assert not is_allowed(s3.list_objects_v2, Bucket=stage.bucket)
    assert not is_allowed(s3.list_object_versions, Bucket=stage.bucket)
    assert not is_allowed(s3.get_bucket_policy, Bucket=stage.bucket)
    assert not is_allowed(s3.delete_bucket_policy, Bucket=stage.bucket)


@EACH
def test_no_role_touches_another_bucket(
    other_bucket: str, actors: Actors, name: str
) -> None:
    s3 = actors.client(name, "s3")
    for key in KEYS.values():
        where = {"Bucket": other_bucket, "Key": key}
        assert not is_allowed(s3.get_object, **where)
        assert not is_allowed(s3.put_object, Body=b"1", **where)
        assert not is_allowed(s3.list_objects_v2, Bucket=other_bucket, Prefix=key)
    assert not is_allowed(s3.list_buckets)


@EACH
def test_a_role_sends_and_receives_where_it_works_and_nowhere_else(
    stage: Stage, actors: Actors, name: str
) -> None:
    sqs = actors.client(name, "sqs")
    stage.sqs.create_queue(QueueName="somebody-elses")
    called = {
        url: stage.resources.get(url.rpartition("/")[2], "another")
        for url in stage.sqs.list_queues()["QueueUrls"]
    }
    assert len(called) == 15
    send, receive = sqs.send_message, sqs.receive_message
    assert {
        queue
        for url, queue in called.items()
        if is_allowed(send, QueueUrl=url, MessageBody="{}")
    } == SENT_TO.get(name, set())
    assert {
        queue for url, queue in called.items() if is_allowed(receive, QueueUrl=url)
    } == RECEIVED_FROM.get(name, set())
    for url in called:
        assert not is_allowed(sqs.purge_queue, QueueUrl=url)
        assert not is_allowed(sqs.delete_queue, QueueUrl=url)


@EACH
def test_only_notify_tells_and_only_the_topic_of_runs(
    stage: Stage, actors: Actors, name: str
) -> None:
    publish = actors.client(name, "sns").publish
    runs, alarms = (
        stage.pipeline.outputs[topic] for topic in ("RunsTopicArn", "AlarmsTopicArn")
    )
    assert is_allowed(publish, TopicArn=runs, Message="{}") == (name == "notify")
    assert not is_allowed(publish, TopicArn=alarms, Message="{}")


@EACH
def test_a_role_handles_training_jobs_of_this_stack_as_far_as_it_must(
    stage: Stage, actors: Actors, name: str
) -> None:
    sagemaker = actors.client(name, "sagemaker")
    record, job = stage.endless
    foreign = f"another-{stage.number()}"
    stage.start_job(record, foreign)

    def may(action: str, job_name: str) -> bool:
        call = getattr(sagemaker, f"{action}_training_job")
        if action == "create":
            request: Any = training_request(record, job_name, stage.training)
            return is_allowed(call, **request)
        return is_allowed(call, TrainingJobName=job_name)

    expected = JOB_ACTIONS.get(name, set())
    own = {"create": stage.job_name(record), "describe": job}
    own["stop"] = stage.endless_job(record) if "stop" in expected else job
    assert {action for action in own if may(action, own[action])} == (
        expected - {"list"}
    )
    for action in own:
        other = f"another-{stage.number()}" if action == "create" else foreign
        assert not may(action, other)
    assert is_allowed(sagemaker.list_training_jobs) == ("list" in expected)


def test_start_training_passes_the_training_role_alone(stage: Stage) -> None:
    sagemaker = stage.as_role("start_training", "sagemaker")
    record = stage.another_run("passed")
    iam = stage.pipeline.cloud.client("iam")
    trust = iam.get_role(RoleName=stage.roles[TRAINING].arn.rpartition("/")[2])
    twin = iam.create_role(
        RoleName="twin-of-training",
        AssumeRolePolicyDocument=json.dumps(trust["Role"]["AssumeRolePolicyDocument"]),
    )["Role"]["Arn"]
    roles = {stage.roles[TRAINING].arn: True, twin: False}
    roles |= {role.arn: False for name, role in stage.roles.items() if name != TRAINING}
    for role, allowed in roles.items():
        request: Any = training_request(record, stage.job_name(record), stage.training)
        create = sagemaker.create_training_job
        assert is_allowed(create, **{**request, "RoleArn": role}) == allowed, role


@EACH
def test_the_training_role_is_passed_by_start_training_alone_and_to_sagemaker_alone(
    stage: Stage, actors: Actors, name: str
) -> None:
    keys, role = actors.keys(name), stage.roles[TRAINING].arn

    def passes(service: str) -> bool:
        passed_to = {"iam:PassedToService": f"{service}.amazonaws.com"}
        return stage.is_allowed(keys, "iam:PassRole", role, **passed_to)

    assert passes("sagemaker") == (name == "start_training")
    for service in ("lambda", "ec2", "glue"):
        assert not passes(service)


@EACH
def test_no_role_may_anything_of_services_it_has_no_business_with(
    stage: Stage, actors: Actors, name: str
) -> None:
    functions = [
        f["FunctionName"] for f in stage.functions.list_functions()["Functions"]
    ]
    invoke = actors.client(name, "lambda").invoke
    for function in functions:
        assert not is_allowed(invoke, FunctionName=function)
    assert not is_allowed(actors.client(name, "iam").list_roles)
    assert not is_allowed(actors.client(name, "events").list_rules)
