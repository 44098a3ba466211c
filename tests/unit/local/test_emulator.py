"""ministack with our bends, and nothing else of the cloud."""

import io
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.child import Child
from local.cloud import CLOUD_PYTHON, Cloud
from local.runtime.__main__ import make_server
from local.runtime.function import Function, Result

pytestmark = pytest.mark.skipif(
    not CLOUD_PYTHON.exists(),
    reason="needs the emulator's environment: `make test` makes it",
)

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:report"
EVENT = {
    "Source": "aws.sagemaker",
    "DetailType": "SageMaker Training Job State Change",
    "Detail": json.dumps({"TrainingJobName": "job-1"}),
    "Resources": ["arn:aws:sagemaker:us-east-1:000000000000:training-job/job-1"],
}


class FakePool:
    """Instead of workers: answers what a test wants."""

    def __init__(self) -> None:
        self.invocations: list[tuple[Function, Any]] = []
        self.answer: Callable[[Any], Result] = lambda event: Result(None)

    def invoke(self, function: Function, request_id: str, event: Any) -> Result:
        self.invocations.append((function, event))
        return self.answer(event)


@pytest.fixture(scope="module")
def pool() -> FakePool:
    return FakePool()


@pytest.fixture(scope="module")
def cloud(pool: FakePool) -> Iterator[Cloud]:
    with EmulatorAlone(make_server(0, pool)) as cloud:  # type: ignore[arg-type]
        yield cloud


class EmulatorAlone(Cloud):
    """A cloud whose image functions end in this process."""

    def __init__(self, runtime: ThreadingHTTPServer, *, secure: bool = True) -> None:
        super().__init__(secure=secure)
        self._server = runtime
        self._runtime_port = runtime.server_port

    def _start_children(self) -> Iterator[Child]:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        serving.start()
        self._cleanup.callback(serving.join)
        self._cleanup.callback(self._server.server_close)
        self._cleanup.callback(self._server.shutdown)
        yield self._emulator()


@pytest.fixture(scope="module")
def image_function(cloud: Cloud) -> str:
    # Where permissions are enforced, a function's role must be there.
    cloud.client("iam").create_role(
        RoleName="report", AssumeRolePolicyDocument=json.dumps({"Statement": []})
    )
    cloud.client("lambda").create_function(
        FunctionName="report",
        Role="arn:aws:iam::000000000000:role/report",
        PackageType="Image",
        Code={"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/image:1"},
        Timeout=7,
        MemorySize=512,
        Environment={"Variables": {"DATA_BUCKET": "data"}},
        ImageConfig={"Command": ["other.handler"]},
    )
    return "report"


def test_an_image_function_is_run_by_our_runtime(
    cloud: Cloud, pool: FakePool, image_function: str
) -> None:
    pool.answer = lambda event: Result(
        {"seen": event}, log="a line of the function's\n"
    )

    answer = cloud.client("lambda").invoke(
        FunctionName=image_function, Payload=json.dumps({"a": "Zürich"})
    )

    assert "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {"seen": {"a": "Zürich"}}
    deployed, event = pool.invocations[-1]
    assert event == {"a": "Zürich"}
    assert deployed.arn == FUNCTION_ARN
    assert deployed.image_uri.endswith("/image:1")
    assert deployed.command == ("other.handler",)
    assert (deployed.timeout_s, deployed.memory_mb) == (7, 512)
    assert deployed.environment == {"DATA_BUCKET": "data"}
    assert deployed.credentials["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert deployed.credentials["AWS_SESSION_TOKEN"]
    assert "a line of the function's" in _log_messages(cloud)


def test_a_function_error_is_handed_on(
    cloud: Cloud, pool: FakePool, image_function: str
) -> None:
    pool.answer = lambda event: Result.failure("ValueError", "bad value")

    answer = cloud.client("lambda").invoke(FunctionName=image_function, Payload="{}")

    assert answer["FunctionError"]
    assert json.load(answer["Payload"])["errorMessage"] == "bad value"


def test_a_message_waits_as_long_as_the_function_says(
    cloud: Cloud, pool: FakePool, image_function: str
) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="models")["QueueUrl"]  # visibility: 30 s
    received: list[tuple[float, str]] = []

    def later_then_done(event: Any) -> Result:
        (record,) = event["Records"]
        count = record["attributes"]["ApproximateReceiveCount"]
        received.append((time.monotonic(), count))
        if len(received) > 1:
            return Result({"batchItemFailures": []})
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=1
        )
        return Result({"batchItemFailures": [{"itemIdentifier": record["messageId"]}]})

    pool.answer = later_then_done
    cloud.client("lambda").create_event_source_mapping(
        EventSourceArn="arn:aws:sqs:us-east-1:000000000000:models",
        FunctionName=image_function,
        BatchSize=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    sqs.send_message(QueueUrl=url, MessageBody="{}")

    _wait_until(lambda: len(received) == 2)
    (first, _), (second, _) = received
    assert 0.9 < second - first < 4
    assert [count for _, count in received] == ["1", "2"]


def test_workers_that_start_at_once_share_their_functions_code(cloud: Cloud) -> None:
    source = (
        "import os, time\n"
        "def handler(*_):\n"
        "    time.sleep(0.5)\n"
        "    return [os.getpid(), os.path.realpath(__file__)]\n"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("main.py", source)
        for number in range(500):
            code.writestr(f"package/module_{number}.py", "")
    trust = json.dumps({"Statement": []})
    role = cloud.client("iam").create_role(
        RoleName="sharing", AssumeRolePolicyDocument=trust
    )
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName="sharing",
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler="main.handler",
        Code={"ZipFile": archive.getvalue()},
    )

    def invoke(_: int) -> Any:
        answer = functions.invoke(FunctionName="sharing")
        found = json.load(answer["Payload"])
        assert "FunctionError" not in answer, found
        return found

    with ThreadPoolExecutor(4) as callers:
        processes, files = zip(*callers.map(invoke, range(4)), strict=True)
    assert len(set(processes)) > 1
    assert len(set(files)) == 1


def test_the_stand_ins_events_reach_the_rules(cloud: Cloud) -> None:
    url = _queue_behind_a_rule(cloud, {"source": ["aws.sagemaker"]})

    status, answer = _post_event(cloud, EVENT)

    assert status == 200
    assert answer["FailedEntryCount"] == 0
    (message,) = _receive(cloud, url)
    assert message["source"] == "aws.sagemaker"
    assert message["detail-type"] == EVENT["DetailType"]
    assert message["detail"] == {"TrainingJobName": "job-1"}
    assert message["resources"] == EVENT["Resources"]
    assert (message["account"], message["region"]) == ("000000000000", "us-east-1")


def test_what_is_no_event_is_refused(cloud: Cloud) -> None:
    status, _ = _post_event(cloud, {"Source": "aws.sagemaker"})
    assert status == 400


def test_nobody_else_can_send_sagemakers_events(cloud: Cloud) -> None:
    answer = cloud.client("events").put_events(Entries=[EVENT])
    assert answer["FailedEntryCount"] == 1


def test_objects_on_disk_raise_events_too(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_bucket_notification_configuration(
        Bucket="data", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    url = _queue_behind_a_rule(cloud, {"source": ["aws.s3"]})

    s3.upload_fileobj(io.BytesIO(b"table"), "data", "input/a b+ü.csv")

    (message,) = _receive(cloud, url)
    assert message["detail"]["object"]["key"] == "input/a b+ü.csv"
    stored = [path.read_bytes() for path in (cloud.state / "s3").rglob("*.csv")]
    assert stored == [b"table"]


def test_the_events_of_objects_name_their_versions(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_notification_configuration(
        Bucket="versions", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    names = {"bucket": {"name": ["versions"]}}
    url = _queue_behind_a_rule(cloud, {"source": ["aws.s3"], "detail": names})

    s3.put_object(Bucket="versions", Key="a", Body=b"1")
    (message,) = _receive(cloud, url)
    assert "version-id" not in message["detail"]["object"]

    s3.put_bucket_versioning(
        Bucket="versions", VersioningConfiguration={"Status": "Enabled"}
    )
    made = s3.put_object(Bucket="versions", Key="a", Body=b"1")
    (message,) = _receive(cloud, url)
    assert message["detail"]["object"]["version-id"] == made["VersionId"]


def trust(cloud: Cloud) -> ssl.SSLContext:
    """Trust what the cloud's environment says, and nothing else."""
    return ssl.create_default_context(cafile=cloud.environment()["AWS_CA_BUNDLE"])


def test_with_tls_the_endpoint_is_one_port_that_takes_no_plain_http(
    cloud: Cloud,
) -> None:
    address = cloud.endpoint_url.removeprefix("https://")
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://{address}/_ministack/health", timeout=5)
    log = (cloud.logs / "emulator.log").read_text()
    assert f"Running on {cloud.endpoint_url} " in log
    assert ":443 " not in log


def test_a_cloud_without_security_speaks_http_and_enforces_nothing() -> None:
    with EmulatorAlone(make_server(0, FakePool()), secure=False) as cloud:  # type: ignore[arg-type]
        assert cloud.endpoint_url.startswith("http://")
        assert "AWS_CA_BUNDLE" not in cloud.environment()
        nobody: Any = boto3.client(
            "s3",
            endpoint_url=cloud.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="AKIANOBODY",
            aws_secret_access_key="guessed",
            config=Config(proxies={}),
        )
        nobody.list_buckets()


def test_unknown_keys_are_refused(cloud: Cloud) -> None:
    nobody: Any = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="AKIANOBODY",
        aws_secret_access_key="guessed",
        verify=cloud.environment()["AWS_CA_BUNDLE"],
        config=Config(proxies={}),
    )
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        nobody.list_buckets()


def test_a_role_that_trusts_sagemaker_is_taken_and_acts_by_its_policy(
    cloud: Cloud,
) -> None:
    iam = cloud.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}},
    }
    arn = iam.create_role(
        RoleName="trainer", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]["Arn"]
    status, keys = _ask(cloud, "role", {"role_arn": arn})
    assert status == 200
    trainer: Any = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
        verify=cloud.environment()["AWS_CA_BUNDLE"],
        config=Config(proxies={}),
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        trainer.list_buckets()
    allow = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    iam.put_role_policy(
        RoleName="trainer",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    trainer.list_buckets()  # at once: nothing is kept of policies
    trainer.close()


@pytest.mark.parametrize("name", ["report", "nobody"])
def test_no_other_role_is_taken_for_sagemaker(
    cloud: Cloud, image_function: str, name: str
) -> None:
    arn = f"arn:aws:iam::000000000000:role/{name}"
    status, answer = _ask(cloud, "role", {"role_arn": arn})
    assert status == 403
    assert json.loads(answer)["code"] == "AccessDenied"


def test_who_may_describe_one_repository_describes_no_other(cloud: Cloud) -> None:
    ecr = cloud.client("ecr")
    for name in ("mine", "theirs"):
        ecr.create_repository(repositoryName=name)
    allow = {
        "Effect": "Allow",
        "Action": "ecr:DescribeRepositories",
        "Resource": "arn:aws:ecr:us-east-1:000000000000:repository/mine",
    }
    publisher = _client_of_user(cloud, "ecr", allow)
    answer = publisher.describe_repositories(repositoryNames=["mine"])
    assert [found["repositoryName"] for found in answer["repositories"]] == ["mine"]
    for others in ({"repositoryNames": ["theirs"]}, {}):
        with pytest.raises(ClientError, match="AccessDenied"):
            publisher.describe_repositories(**others)
    publisher.close()


def test_who_may_put_metrics_to_one_namespace_puts_none_to_others(
    cloud: Cloud,
) -> None:
    allow = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringLike": {"cloudwatch:namespace": "/mine/*"}},
    }
    meter = _client_of_user(cloud, "cloudwatch", allow)
    # So many that boto3 compresses them.
    data = [{"MetricName": f"metric-{number}", "Value": 1.0} for number in range(500)]
    meter.put_metric_data(Namespace="/mine/all", MetricData=data)
    with pytest.raises(ClientError, match="AccessDenied"):
        meter.put_metric_data(Namespace="/theirs/all", MetricData=data)
    meter.close()


def _client_of_user(cloud: Cloud, service: str, statement: dict[str, Any]) -> Any:
    """Return a service's client of a new user, who has one statement of a policy."""
    iam = cloud.client("iam")
    user = f"user-of-{service}"
    iam.create_user(UserName=user)
    iam.put_user_policy(
        UserName=user,
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName=user)["AccessKey"]
    client: Any = boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        verify=cloud.environment()["AWS_CA_BUNDLE"],
        config=Config(proxies={}),
    )
    return client


def _post_event(cloud: Cloud, entry: dict[str, Any]) -> tuple[int, Any]:
    return _ask(cloud, "events", entry)


def _ask(cloud: Cloud, door: str, question: dict[str, Any]) -> tuple[int, Any]:
    """Ask at one of the doors of the bends, as the stand-in does."""
    request = urllib.request.Request(
        f"{cloud.endpoint_url}/_geoclusters/{door}", json.dumps(question).encode()
    )
    try:
        with urllib.request.urlopen(request, context=trust(cloud)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _queue_behind_a_rule(cloud: Cloud, pattern: dict[str, Any]) -> str:
    name = pattern["source"][0].removeprefix("aws.")
    url: str = cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def _receive(cloud: Cloud, url: str) -> list[dict[str, Any]]:
    answer = cloud.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def _log_messages(cloud: Cloud) -> list[str]:
    logs = cloud.client("logs")
    events = logs.filter_log_events(logGroupName="/aws/lambda/report")["events"]
    return [event["message"] for event in events]


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
