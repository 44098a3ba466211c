"""A deployed stack whose functions are invoked one by one, under their own roles.

Their queues don't feed them: each message is handed over by a test, which sees what
comes of it.
"""

import base64
import itertools
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import replace
from functools import cached_property
from typing import IO, Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import StartTrainingSettings
from geoclusters.run import RunRecord
from geoclusters.status import State, Status, status_of_job
from lambdas.start_training.request import training_request
from local.cloud import PROJECT, REGION
from local.sagemaker.access import JUDGE_PATH, Access, Keys
from tests.integration.conftest import Pipeline
from tests.integration.permissions.grants import Role, names
from tests.integration.test_order_of_events import TOWNS
from tests.sagemaker_settings import sagemaker_settings

STACK = "geoclusters"
TRAINING = "training"
#: So far ahead is the sweep's clock: by then a model is reported, and a job ended.
AHEAD_S = 9_000
#: Places, and a row that is left out.
PLACES = TOWNS + b"nowhere,nowhere\n"
_ENDED = ("Completed", "Failed", "Stopped")


class Stage:
    """The functions and roles of a deployed stack, by the functions' names."""

    def __init__(self, pipeline: Pipeline, base: RunRecord, job_name: str) -> None:
        self.pipeline = pipeline
        self.s3, self.sqs = pipeline.s3, pipeline.sqs
        self.bucket = pipeline.bucket
        self.functions: Any = pipeline.cloud.client("lambda")
        #: A run that went the whole way, and its training job.
        self.base, self.base_job = base, job_name
        found = {
            f["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: f
            for f in self.functions.list_functions()["Functions"]
        }
        self.environments: dict[str, dict[str, str]] = {
            name: f["Environment"]["Variables"] for name, f in found.items()
        }
        self._names = {name: f["FunctionName"] for name, f in found.items()}
        self.training = StartTrainingSettings.from_env(
            self.environments["start_training"]
        )
        arns = {name: f["Role"] for name, f in found.items()}
        arns[TRAINING] = self.training.training_role_arn
        #: As the template calls them, by their deployed names.
        self.resources = names(pipeline.cloud.client("cloudformation"), STACK)
        iam = pipeline.cloud.client("iam")
        self.roles = {
            name: Role(iam, arn, self.resources) for name, arn in arns.items()
        }
        self._session: Any = boto3.Session(region_name=REGION)
        self._numbers = itertools.count(2)
        self._sweep: Sweep | None = None

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.close()

    def number(self) -> int:
        """Return one that wasn't used before."""
        return next(self._numbers)

    def feed_themselves(self, enabled: bool) -> None:
        """Say whether the functions' queues feed them."""
        mappings = self.functions.list_event_source_mappings()["EventSourceMappings"]
        for mapping in mappings:
            self.functions.update_event_source_mapping(
                UUID=mapping["UUID"], Enabled=enabled
            )

    # --- as somebody else ---------------------------------------------------------

    def keys(self, name: str) -> Keys:
        """Return keys of a function's role, or of the training role."""
        arn = self.roles[name].arn
        if name == TRAINING:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AWS_CA_BUNDLE", self.certificate)
                return Access(self.pipeline.cloud.endpoint_url, REGION).keys(arn)
        # The emulator lets the account's root take the roles of functions.
        sts = self.pipeline.cloud.client("sts")
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="trial")["Credentials"]
        return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def as_role(self, name: str, service: str) -> Any:
        """Return a client that acts under a function's role, or the training role."""
        return self.client(service, self.keys(name))

    @property
    def certificate(self) -> str:
        """The file with what the cloud's endpoint is trusted by."""
        return self.pipeline.cloud.environment()["AWS_CA_BUNDLE"]

    def client(self, service: str, keys: Keys) -> Any:
        """Return a client with some keys."""
        cloud = self.pipeline.cloud
        where = cloud.sagemaker_url if service == "sagemaker" else cloud.endpoint_url
        return self._session.client(
            service,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token or None,
            endpoint_url=where,
            verify=self.certificate,
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def is_allowed(
        self, keys: Keys, action: str, resource: str, **context: str
    ) -> bool:
        """Ask the emulator's IAM, as the SageMaker stand-in does."""
        url = self.pipeline.cloud.sagemaker_url
        headers = {"Host": url.removeprefix("http://")}
        request = AWSRequest("POST", url + "/", headers, b"{}")
        SigV4Auth(Credentials(*keys), "sagemaker", REGION).add_auth(request)
        check = {"action": action, "resource": resource, "context": context}
        question = {
            "headers": dict(request.headers.items()),
            "body": base64.b64encode(b"{}").decode(),
            "checks": [check],
        }
        trust = ssl.create_default_context(cafile=self.certificate)
        door = self.pipeline.cloud.endpoint_url + JUDGE_PATH
        try:
            body = json.dumps(question).encode()
            with urllib.request.urlopen(door, body, context=trust):
                return True
        except urllib.error.HTTPError as error:
            with error:
                said = json.load(error)
        assert said["code"] == "AccessDeniedException", said
        return False

    # --- messages -------------------------------------------------------------------

    def queue(self, resource: str) -> str:
        """Return a queue's URL by what the template calls it."""
        (name,) = (
            name for name, called in self.resources.items() if called == resource
        )
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def empty(self, *resources: str) -> None:
        for resource in resources:
            self.sqs.purge_queue(QueueUrl=self.queue(resource))

    def send(self, resource: str, body: Any) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.queue(resource), MessageBody=text)

    def count(self, resource: str) -> int:
        return self.pipeline.messages(self.queue(resource))

    def receive_in_vain(self, resource: str) -> None:
        """Receive a message, and let it be there for the next one at once."""
        url = self.queue(resource)
        answer = self.sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=10, VisibilityTimeout=0
        )
        assert len(answer["Messages"]) == 1

    def hand_over(self, name: str, resource: str) -> tuple[Any, str]:
        """Invoke a function with the next message of its queue.

        Returns
        -------
        answer : object
            The function's answer, None if it raised something.
        error : str
            What it raised.
        """
        url = self.queue(resource)
        answer = self.sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["All"]
        )
        (message,) = answer["Messages"]
        attributes = message["Attributes"]
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {
                name: attributes[name]
                for name in ("ApproximateReceiveCount", "SentTimestamp")
            },
        }
        invoked = self.functions.invoke(
            FunctionName=self._names[name], Payload=json.dumps({"Records": [record]})
        )
        said = json.load(invoked["Payload"])
        if "FunctionError" in invoked:
            return None, f"{said['errorType']}: {said['errorMessage']}"
        return said, ""

    # --- runs -----------------------------------------------------------------------

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def is_there(self, key: str) -> bool:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key)
        return any(item["Key"] == key for item in found.get("Contents", []))

    def forget(self, *keys: str) -> None:
        for key in keys:
            self.s3.delete_object(Bucket=self.bucket, Key=key)

    def another_run(self, name: str) -> RunRecord:
        """Return a run like that which went the whole way, ready to be trained."""
        upload = replace(self.base.upload, key=f"{layout.INPUT_PREFIX}{name}.csv")
        record = replace(self.base, upload=upload)
        shard = self.pipeline.read(layout.train_key(self.base.run_id, 0))
        self.put(layout.train_key(record.run_id, 0), shard)
        self.put(layout.run_record_key(record.run_id), record.to_json().encode())
        return record

    def unanswered(self, record: RunRecord) -> None:
        """Let a run be as if nothing had been said of it yet."""
        prefix = record.upload.output_prefix
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        keys = [item["Key"] for item in found.get("Contents", [])]
        self.forget(layout.run_status_key(record.run_id), *keys)

    def publish(
        self, record: RunRecord, state: State, job_name: str, **figures: Any
    ) -> None:
        """Let a run be in a state, as if said by a function."""
        self.unanswered(record)
        status: Status = status_of_job(record, state, "made up", job_name, **figures)
        Outputs(self.s3, record.upload).publish(status)

    def state(self, record: RunRecord) -> State | None:
        own = self.pipeline.own_status(record.run_id)
        return State(own["state"]) if own else None

    # --- training jobs ----------------------------------------------------------------

    def job_name(self, record: RunRecord) -> str:
        """Return a name of this stack that wasn't used before."""
        return layout.job_name(
            self.training.job_name_prefix, record.run_id, self.number()
        )

    def start_job(self, record: RunRecord, name: str, **changes: Any) -> None:
        """Start a job under the training role, as the account's root."""
        request: Any = training_request(record, name, self.training)
        self.pipeline.sagemaker.create_training_job(**{**request, **changes})

    def end_of_job(self, name: str) -> Any:
        """Return a job's description once it ended."""

        def ended() -> Any:
            job = self.describe(name)
            return job if job["TrainingJobStatus"] in _ENDED else None

        return self.pipeline.until(ended, f"{name} to end")

    def describe(self, name: str) -> Any:
        return self.pipeline.sagemaker.describe_training_job(TrainingJobName=name)

    @cached_property
    def failed(self) -> tuple[RunRecord, str]:
        """A run and its job, which failed."""
        record = self.another_run("unheard")
        name = self.job_name(record)
        request: Any = training_request(record, name, self.training)
        wrong = {**request["HyperParameters"], "feature_dim": "7"}
        self.start_job(record, name, HyperParameters=wrong)
        assert self.end_of_job(name)["TrainingJobStatus"] == "Failed"
        return record, name

    @cached_property
    def endless(self) -> tuple[RunRecord, str]:
        """A run and its job, which hasn't ended."""
        record = self.another_run("endless")
        return record, self.endless_job(record)

    def endless_job(self, record: RunRecord) -> str:
        """Start a job that doesn't end by itself; return its name."""
        name = self.job_name(record)
        with sagemaker_settings(self.pipeline.cloud, uploading_seconds=3_600):
            self.start_job(record, name)
            self.pipeline.until(
                lambda: self.is_there(layout.model_key(record.run_id, name)),
                f"{name} to upload",
            )
            self.pipeline.until(
                lambda: self.describe(name)["SecondaryStatus"] == "Uploading", name
            )
        assert self.describe(name)["TrainingJobStatus"] == "InProgress"
        return name

    # --- the sweep --------------------------------------------------------------------

    def sweep(self) -> tuple[Any, str]:
        """Sweep, with the clock ahead; return the answer, and what was raised."""
        if self._sweep is None:
            keys = self.keys("sweep")
            acting = {
                "AWS_ACCESS_KEY_ID": keys.access_key_id,
                "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
                "AWS_SESSION_TOKEN": keys.session_token,
            }
            cloud = self.pipeline.cloud.environment()
            self._sweep = Sweep({**cloud, **acting, **self.environments["sweep"]})
        said = self._sweep.invoke()
        return said.get("result"), said.get("error", "")


class Sweep:
    """The sweep in a process of its own, under its role, with a clock of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [str(PROJECT / ".venv/bin/python"), "-m", "tests.faults.worker"]
        self._process = subprocess.Popen(
            [*command, "lambdas.sweep.handler", str(AHEAD_S)],
            cwd=PROJECT,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert _pipe(self._process.stdout).readline() == "ready\n"

    def invoke(self) -> dict[str, Any]:
        print("{}", file=_pipe(self._process.stdin), flush=True)
        said: dict[str, Any] = json.loads(_pipe(self._process.stdout).readline())
        return said

    def close(self) -> None:
        self._process.kill()
        with self._process:
            pass


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def refusal(error: ClientError) -> str:
    """Return what a client says of an error."""
    return f"{type(error).__name__}: {error}"
