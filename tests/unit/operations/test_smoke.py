"""What the trial does where there is nothing to deploy to; the rest is integration."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from operations import removal
from operations.cdk import Cdk
from operations.errors import OperationError
from operations.smoke import Smoke, check, check_results, new_stack_name, summary

STACK = "geoclusters-smoke-0123"
BUCKET = "smoke-data"


class FakeAccount:
    """An account of moto's whose CloudFormation knows one stack, of one bucket."""

    def __init__(self) -> None:
        self._session = boto3.Session()
        self.meta = self._session.client("cloudformation").meta
        self.stacks: set[str] = set()

    def client(self, service: str, /) -> Any:
        made: Any = self._session.client(service)  # type: ignore[call-overload]
        return self if service == "cloudformation" else made

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        if StackName not in self.stacks:
            answer: Any = {"Error": {"Code": "ValidationError"}}
            raise ClientError(answer, "DescribeStacks")
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE"}]}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> Any:  # noqa: N803
        assert StackName in self.stacks
        bucket = {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": BUCKET}
        return [{"StackResourceSummaries": [bucket]}]


class FakeCdk(Cdk):
    """Deploys a bucket alone, or is broken off in the middle of that."""

    def __init__(
        self, account: FakeAccount, error: BaseException | None = None
    ) -> None:
        super().__init__({"CDK_DOCKER": "true"})
        self._account = account
        self._s3 = account.client("s3")
        self._error = error
        self.destroyed = 0

    def synthesise(self, output: Path, **_: Any) -> Path:
        return output

    def deploy(self, **_: Any) -> dict[str, str]:
        self._account.stacks.add(STACK)
        self._s3.create_bucket(Bucket=BUCKET)
        self._s3.put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        if self._error:
            raise self._error
        return {"DataBucketName": BUCKET}

    def destroy(self, **_: Any) -> None:
        self.destroyed += 1
        self._s3.delete_bucket(Bucket=BUCKET)  # S3 refuses that of what isn't empty
        self._account.stacks.remove(STACK)


@pytest.fixture
def session() -> Iterator[Any]:
    with mock_aws():
        session = FakeAccount()
        name = "/cdk-bootstrap/hnb659fds/version"
        session.client("ssm").put_parameter(Name=name, Value="28", Type="String")
        yield session


@pytest.mark.parametrize("error", [OperationError("no disk"), KeyboardInterrupt()])
def test_what_was_broken_off_is_removed(session: Any, error: BaseException) -> None:
    cdk = FakeCdk(session, error)
    with pytest.raises(type(error)):
        Smoke(stack=STACK, settings={}, poll_s=0).run(session, cdk)
    assert cdk.destroyed == 1
    assert session.stacks == set()


def test_an_upload_that_is_not_answered_ends_the_trial_and_is_removed(
    session: Any,
) -> None:
    trial = Smoke(stack=STACK, settings={}, poll_s=0.01, timeout_s=0.05)
    with pytest.raises(OperationError, match="nothing answered it"):
        trial.run(session, FakeCdk(session))
    assert session.stacks == set()
    assert session.client("s3").list_buckets()["Buckets"] == []


def test_it_is_left_there_if_so_wanted(
    session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Smoke(stack=STACK, settings={}, poll_s=0.01, timeout_s=0.05)
    with pytest.raises(OperationError, match="nothing answered it"):
        dataclasses.replace(trial, keep=True).run(session, FakeCdk(session))
    assert session.stacks == {STACK}
    assert f"The stack {STACK} is left there" in capsys.readouterr().out


def test_a_bucket_is_emptied_of_all_that_is_in_it(session: Any) -> None:
    s3 = session.client("s3")
    s3.create_bucket(Bucket="full")
    s3.put_bucket_versioning(
        Bucket="full", VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"1", b"2"):
        s3.put_object(Bucket="full", Key="input/a b+ü.csv", Body=body)
    s3.delete_object(Bucket="full", Key="input/a b+ü.csv")
    s3.create_multipart_upload(Bucket="full", Key="output/a.csv")

    assert removal.empty("full", session)

    s3.delete_bucket(Bucket="full")  # S3 refuses that of what isn't empty
    assert not removal.empty("full", session)


def test_an_account_that_was_not_bootstrapped_is_told_what_to_run(session: Any) -> None:
    session.client("ssm").delete_parameter(Name="/cdk-bootstrap/hnb659fds/version")
    with pytest.raises(OperationError, match=r"cdk bootstrap aws://\d+/us-east-1`"):
        check(session, FakeCdk(session))


def test_without_credentials_nothing_is_begun(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdk = FakeCdk(session)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    nobody: Any = boto3.Session()
    with pytest.raises(OperationError, match="no credentials or no region"):
        check(nobody, cdk)


def test_without_docker_nothing_is_begun(session: Any) -> None:
    cdk = FakeCdk(session)
    cdk.environment = {"CDK_DOCKER": "false"}
    with pytest.raises(OperationError, match="`false info` failed"):
        check(session, cdk)


@pytest.mark.parametrize(
    ("centroids", "expected"),
    [
        ("size\n3\n4\n", None),
        ("size\n7\n", "1 centroids of 7 places; expected 2 of 7"),
        ("size\n3\n3\n", "2 centroids of 6 places; expected 2 of 7"),
        ("", "centroids.csv is empty"),
    ],
)
def test_results_are_held_against_what_was_asked_for(
    s3: Any, centroids: str, expected: str | None
) -> None:
    s3.put_object(Bucket="data", Key="output/a/centroids.csv", Body=centroids)
    status = {
        "state": "SUCCEEDED",
        "files": ["centroids.csv"],
        "rows": {"usable": 7},
    }
    if expected is None:
        check_results(s3, "data", "output/a/", status, k=2)
    else:
        with pytest.raises(OperationError, match=expected):
            check_results(s3, "data", "output/a/", status, k=2)


def test_two_trials_have_two_names() -> None:
    assert new_stack_name() != new_stack_name()


@pytest.mark.parametrize(
    ("usd", "reason", "words"),
    [
        (0.000056, None, "0.000056 USD"),
        (None, "No price is known.", "unknown. No price is known."),
    ],
)
def test_the_cost_is_said_in_words_that_can_be_read(
    usd: float | None, reason: str | None, words: str
) -> None:
    status = {
        "k": 2,
        "rows": {"usable": 10},
        "mean_distance_m": 1_234.5,
        "files": ["centroids.csv"],
        "estimated_cost": {"usd": usd, "reason": reason},
    }
    assert summary(status).splitlines()[-1] == f"Estimated cost of the run: {words}"
