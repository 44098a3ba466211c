"""Who may ask what of the stand-in, and what jobs may under their role.

The emulator and the stand-in are those of the whole cloud, with permissions enforced;
the trainer is the tests' own.
"""

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local import cloud as cloud_module
from local.child import Child
from local.cloud import ACCOUNT, CLOUD_PYTHON, REGION, Cloud
from local.sagemaker.aws import LOG_GROUP, METRICS
from tests.unit.local.sagemaker.conftest import (
    BUCKET,
    IMAGE,
    KEYS,
    make_stub_python,
    wait_until,
)

pytestmark = pytest.mark.skipif(
    not CLOUD_PYTHON.exists(),
    reason="needs the emulator's environment: `make test` makes it",
)

JOBS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"
CALLER = f"arn:aws:iam::{ACCOUNT}:user/caller"
Statement = dict[str, Any]


def allow(action: str, resource: str, **changes: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **changes}


def passed_to(service: str) -> dict[str, Any]:
    return {"StringEquals": {"iam:PassedToService": service}}


MAY_PASS = allow(
    "iam:PassRole", f"{ROLES}/trainer", Condition=passed_to("sagemaker.amazonaws.com")
)
MAY_CREATE = allow("sagemaker:CreateTrainingJob", f"{JOBS}/mine-*")
TRAINS = [
    allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
    allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/train/*"),
    allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/model/*"),
    allow("logs:*", "*"),
    allow(
        "cloudwatch:PutMetricData",
        "*",
        Condition={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
    ),
]
_NUMBERS = itertools.count()

Statements = Sequence[Statement]


class Enforced(Cloud):
    """A cloud of an emulator and a SageMaker whose trainer is a stub."""

    def _start_children(self) -> Iterator[Child]:
        yield self._sagemaker()
        yield self._emulator()


class World:
    """A bucket, a role that trains, and a user who asks."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.s3, self.iam = cloud.client("s3"), cloud.client("iam")
        self.root = cloud.client("sagemaker")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="train/part", Body=b"data")
        self.iam.create_user(UserName="caller")
        key = self.iam.create_access_key(UserName="caller")["AccessKey"]
        self.key_id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        self.caller = self.client(self.key_id, self.secret)
        self.make_role("trainer", trusting("sagemaker.amazonaws.com"))
        self.may("trainer", TRAINS)

    def client(self, key_id: str, secret: str) -> Any:
        keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
        url = self.cloud.sagemaker_url
        return boto3.client("sagemaker", endpoint_url=url, **{**KEYS, **keys})

    def make_role(self, name: str, *statements: Statement) -> str:
        arn: str = self.iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=policy(statements)
        )["Role"]["Arn"]
        return arn

    def may(self, role: str, statements: Statements) -> None:
        self.iam.put_role_policy(
            RoleName=role, PolicyName="all", PolicyDocument=policy(statements)
        )

    def caller_may(self, *statements: Statement) -> None:
        nothing = allow("s3:ListAllMyBuckets", "*")
        self.iam.put_user_policy(
            UserName="caller",
            PolicyName="all",
            PolicyDocument=policy([nothing, *statements]),
        )

    def request(self, name: str, role: str = "trainer", **changes: Any) -> Any:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/train/"}
        return {
            "TrainingJobName": name,
            "RoleArn": f"{ROLES}/{role}",
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": changes.pop("mode", "File"),
            },
            "HyperParameters": {"act": changes.pop("act", "write")},
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/model"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }

    def ended(self, name: str) -> Any:
        """Return a job's description once it ended."""

        def reached() -> Any:
            self.cloud.check()
            job = self.root.describe_training_job(TrainingJobName=name)
            running = job["TrainingJobStatus"] in ("InProgress", "Stopping")
            return None if running else job

        return wait_until(reached)


def policy(statements: Statements) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})


def trusting(service: str, account: str = ACCOUNT, **changes: Any) -> Statement:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        **changes,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    python = make_stub_python(tmp_path_factory.mktemp("stub"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud_module, "REPORT_PYTHON", python)
        with Enforced() as cloud:
            yield World(cloud)


@pytest.fixture
def name() -> str:
    return f"mine-{next(_NUMBERS)}"


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def not_allowed(action: str, resource: str) -> tuple[str, str]:
    """Return what AWS says to the caller who may not do something."""
    return (
        "AccessDeniedException",
        f"User: {CALLER} is not authorized to perform: {action} on resource: "
        f"{resource} because no identity-based policy allows the {action} action",
    )


def list_jobs(world: World, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """Send a request as it is; return its status and the error's code."""
    request = urllib.request.Request(world.cloud.sagemaker_url + "/", body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["__type"]


TARGET = {
    "X-Amz-Target": "SageMaker.ListTrainingJobs",
    "Content-Type": "application/x-amz-json-1.1",
}


def test_a_request_that_isnt_signed_is_refused(world: World) -> None:
    missing = (400, "MissingAuthenticationTokenException")
    assert list_jobs(world, TARGET, b"{}") == missing


def test_what_was_changed_after_it_was_signed_is_refused(world: World) -> None:
    world.caller_may(allow("sagemaker:ListTrainingJobs", "*"))
    request = AWSRequest("POST", world.cloud.sagemaker_url + "/", TARGET, b"{}")
    credentials = Credentials(world.key_id, world.secret)
    SigV4Auth(credentials, "sagemaker", REGION).add_auth(request)
    headers = dict(request.headers.items())
    changed = b'{"MaxResults": 1}'
    assert list_jobs(world, headers, changed) == (400, "InvalidSignatureException")
    assert list_jobs(world, headers, b"{}") == (200, "")


def test_keys_that_nobody_has_and_wrong_secrets_are_refused(world: World) -> None:
    for key_id, secret, code in (
        ("AKIANOBODY", "guessed", "UnrecognizedClientException"),
        (world.key_id, "guessed", "InvalidSignatureException"),
    ):
        client = world.client(key_id, secret)
        assert refused(client.list_training_jobs)[0] == code
        client.close()


def test_who_may_create_jobs_of_a_name_creates_no_others(
    world: World, name: str
) -> None:
    create = world.caller.create_training_job
    world.caller_may(MAY_PASS)
    expected = not_allowed("sagemaker:CreateTrainingJob", f"{JOBS}/{name}")
    assert refused(create, **world.request(name)) == expected
    world.caller_may(MAY_PASS, MAY_CREATE)
    expected = not_allowed("sagemaker:CreateTrainingJob", f"{JOBS}/other")
    assert refused(create, **world.request("other")) == expected
    create(**world.request(name))
    assert world.ended(name)["TrainingJobStatus"] == "Completed"
    for job in ("other", f"{name}-x"):
        describe = world.root.describe_training_job
        code, _ = refused(describe, TrainingJobName=job)
        assert code == "ValidationException"


def test_an_explicit_deny_wins_and_is_told(world: World, name: str) -> None:
    world.caller_may(MAY_PASS, MAY_CREATE, MAY_CREATE | {"Effect": "Deny"})
    code, message = refused(world.caller.create_training_job, **world.request(name))
    assert code == "AccessDeniedException"
    assert message.endswith("with an explicit deny in an identity-based policy")


@pytest.mark.parametrize(
    "passing",
    [
        None,
        MAY_PASS | {"Resource": f"{ROLES}/other"},
        MAY_PASS | {"Condition": passed_to("lambda.amazonaws.com")},
    ],
    ids=["none", "another role", "to another service"],
)
def test_a_role_is_passed_by_who_may_pass_it_to_sagemaker(
    world: World, name: str, passing: Statement | None
) -> None:
    world.caller_may(MAY_CREATE, *([passing] if passing else []))
    request = world.request(name)
    expected = not_allowed("iam:PassRole", f"{ROLES}/trainer")
    assert refused(world.caller.create_training_job, **request) == expected
    world.caller_may(MAY_CREATE, MAY_PASS)
    world.caller.create_training_job(**request)
    assert world.ended(name)["TrainingJobStatus"] == "Completed"


def test_tags_of_a_new_job_need_a_right_of_their_own(world: World, name: str) -> None:
    world.caller_may(MAY_CREATE, MAY_PASS)
    request = world.request(name, Tags=[{"Key": "a", "Value": "b"}])
    expected = not_allowed("sagemaker:AddTags", f"{JOBS}/{name}")
    assert refused(world.caller.create_training_job, **request) == expected
    world.caller_may(MAY_CREATE, MAY_PASS, allow("sagemaker:AddTags", f"{JOBS}/*"))
    world.caller.create_training_job(**request)


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ("DescribeTrainingJob", {}),
        ("StopTrainingJob", {}),
        ("ListTrainingJobs", {}),
        ("ListTags", {}),
        ("AddTags", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("DeleteTags", {"TagKeys": ["a"]}),
    ],
)
def test_each_operation_needs_its_right_to_its_job(
    world: World, name: str, operation: str, changes: dict[str, Any]
) -> None:
    action, resource, request = f"sagemaker:{operation}", f"{JOBS}/{name}", changes
    if operation.endswith("Tags"):
        request = changes | {"ResourceArn": resource}
    elif operation == "ListTrainingJobs":
        resource = "*"
    else:
        request = changes | {"TrainingJobName": name}
    world.root.create_training_job(**world.request(name, act="run"))
    ask = getattr(world.caller, xform_name(operation))
    world.caller_may(allow(action, f"{JOBS}/other"))
    assert refused(ask, **request) == not_allowed(action, resource)
    world.caller_may(allow(action, resource))
    ask(**request)
    if operation != "StopTrainingJob":
        world.root.stop_training_job(TrainingJobName=name)


@pytest.mark.parametrize(
    "statements",
    [
        [trusting("lambda.amazonaws.com")],
        [trusting("sagemaker.amazonaws.com", account="999999999999")],
        [trusting("sagemaker.amazonaws.com", Action="sts:TagSession")],
        [
            trusting("sagemaker.amazonaws.com"),
            trusting("sagemaker.amazonaws.com", Effect="Deny"),
        ],
        None,
    ],
    ids=["another service", "another account", "another action", "a deny", "no role"],
)
def test_a_role_that_doesnt_trust_sagemaker_here_trains_nothing(
    world: World, name: str, statements: Statements | None
) -> None:
    role = f"untrusting-{name}"
    if statements is not None:
        world.make_role(role, *statements)
    request = world.request(name, role)
    assert refused(world.root.create_training_job, **request) == (
        "ValidationException",
        f"Could not assume role {ROLES}/{role}. Please ensure that the role exists "
        "and allows principal 'sagemaker.amazonaws.com' to assume the role.",
    )


def without(action: str) -> Statements:
    return [statement for statement in TRAINS if statement["Action"] != action]


def job_of(world: World, name: str, statements: Statements, **changes: Any) -> Any:
    """Run a job under a role of its own; return how it ended."""
    role = f"role-of-{name}"
    world.make_role(role, trusting("sagemaker.amazonaws.com"))
    world.may(role, statements)
    world.root.create_training_job(**world.request(name, role, **changes))
    return world.ended(name)


def test_a_role_that_cant_list_its_data_is_told_so_at_once(
    world: World, name: str
) -> None:
    with pytest.raises(ClientError) as caught:
        job_of(world, name, without("s3:ListBucket"))
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("No S3 objects found under S3 URL")
    assert '"s3:ListBucket" permissions' in error["Message"]
    assert "is not authorized to perform: s3:ListBucket" in error["Message"]


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_a_job_whose_role_cant_read_its_data_fails(
    world: World, name: str, mode: str
) -> None:
    act = "pipe" if mode == "Pipe" else "write"
    job = job_of(world, name, without("s3:GetObject"), mode=mode, act=act)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "ClientError: Data download failed:Unable to download object "
        f"s3://{BUCKET}/train/part (AccessDenied: "
    )
    assert "is not authorized to perform: s3:GetObject" in job["FailureReason"]


def test_a_job_whose_role_cant_write_its_model_fails(world: World, name: str) -> None:
    job = job_of(world, name, without("s3:PutObject"))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:")
    assert "is not authorized to perform: s3:PutObject" in job["FailureReason"]
    found = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"model/{name}")
    assert found["KeyCount"] == 0


def test_a_job_whose_role_cant_write_logs_completes_without(
    world: World, name: str
) -> None:
    logs = world.cloud.client("logs")

    def streams(job_name: str) -> list[Any]:
        answer = logs.describe_log_streams(
            logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job_name}/"
        )
        found: list[Any] = answer["logStreams"]
        return found

    logged = job_of(world, f"{name}-logged", TRAINS)
    silent = job_of(world, f"{name}-silent", without("logs:*"))
    for job in (logged, silent):
        assert job["TrainingJobStatus"] == "Completed"
    assert len(streams(f"{name}-logged")) == 1
    assert streams(f"{name}-silent") == []


def test_a_job_whose_role_cant_put_metrics_completes_without(
    world: World, name: str
) -> None:
    cloudwatch = world.cloud.client("cloudwatch")

    def metrics(job_name: str) -> list[Any]:
        answer = cloudwatch.list_metrics(
            Namespace=METRICS,
            Dimensions=[{"Name": "TrainingJobName", "Value": job_name}],
        )
        found: list[Any] = answer["Metrics"]
        return found

    measured = job_of(world, f"{name}-measured", TRAINS)
    silent = job_of(world, f"{name}-silent", without("cloudwatch:PutMetricData"))
    for job in (measured, silent):
        assert job["TrainingJobStatus"] == "Completed"
        assert job["FinalMetricDataList"]
    assert [each["MetricName"] for each in metrics(f"{name}-measured")] == ["train:msd"]
    assert metrics(f"{name}-silent") == []
