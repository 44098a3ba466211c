"""A real emulator and a stand-in in this process, with a trainer of the tests' own."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from local.sagemaker.api import Options, SageMaker
from local.sagemaker.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sagemaker.client import SageMakerClient

ROOT = Path(__file__).resolve().parents[4]
CLOUD_PYTHON = ROOT / ".venv-cloud/bin/python"
REPORT_PYTHON = ROOT / ".venv-report/bin/python"
KEYS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "config": Config(retries={"mode": "standard", "total_max_attempts": 1}, proxies={}),
}
BUCKET = "training"
IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
PATIENCE_S = 90.0


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(true: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Return what a question answers as soon as that is true."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if answer := true():
            return answer
        time.sleep(0.01)
    raise AssertionError(f"not within {patience_s} s")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the endpoint of an emulator with an empty bucket."""
    if not CLOUD_PYTHON.exists():
        pytest.skip("the embedded cloud's environment is missing: run `make`")
    port = free_port()
    folder = tmp_path_factory.mktemp("emulator")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [CLOUD_PYTHON, "-m", "ministack"],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: is_listening(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def s3(emulator: str) -> Iterator["S3Client"]:
    client = boto3.client("s3", endpoint_url=emulator, **KEYS)
    client.create_bucket(Bucket=BUCKET)
    iam = boto3.client("iam", endpoint_url=emulator, **KEYS)
    for role, service in (("trainer", "sagemaker"), ("other", "lambda")):
        trust = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
        }
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    iam.close()
    yield client
    client.close()


@pytest.fixture(scope="session")
def logs(emulator: str) -> Iterator["CloudWatchLogsClient"]:
    client = boto3.client("logs", endpoint_url=emulator, **KEYS)
    yield client
    client.close()


@dataclass
class EventDoor:
    """Takes events in, as the emulator's door does; can be told to refuse some."""

    url: str = ""
    refuse: int = 0
    entries: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def details(self, last: str) -> list[dict[str, Any]]:
        """Return the details of all events up to one that has a status."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["TrainingJobStatus"] != last:
            entry = self.entries.get(timeout=PATIENCE_S)
            found.append(json.loads(entry["Detail"]))
        return found


@pytest.fixture
def events() -> Iterator[EventDoor]:
    door = EventDoor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = door.refuse > 0
            door.refuse -= refused
            if not refused:
                door.entries.put(json.loads(body))
            self.send_response(503 if refused else 200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    door.url = f"http://127.0.0.1:{server.server_address[1]}/_geoclusters/events"
    yield door
    server.shutdown()
    thread.join()
    server.server_close()


def make_stub_python(folder: Path) -> Path:
    """Return an "interpreter" that runs the stub trainer, whatever it is told."""
    path = folder / "stub-python"
    stub = Path(__file__).with_name("stub_trainer.py")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stub}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def stub_python(tmp_path: Path) -> Path:
    return make_stub_python(tmp_path)


@dataclass
class Service:
    """The stand-in under test and what tests do with it again and again."""

    server: SageMaker
    client: "SageMakerClient"
    s3: "S3Client"
    prefix: str
    state: Path

    def put(self, name: str, body: bytes = b"data") -> None:
        """Put an object into the train channel."""
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/train/{name}", Body=body)

    def request(self, name: str, act: str = "write", **changes: Any) -> dict[str, Any]:
        """Return a request for a job of the stub trainer."""
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{BUCKET}/{self.prefix}/train/",
            "S3DataDistributionType": "ShardedByS3Key",
        }
        return {
            "TrainingJobName": name,
            "RoleArn": "arn:aws:iam::000000000000:role/trainer",
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
            },
            "HyperParameters": {"act": act},
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {"S3DataSource": source},
                    "ContentType": "application/x-recordio-protobuf",
                }
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/{self.prefix}/model"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }

    def create(self, name: str, act: str = "write", **changes: Any) -> str:
        """Create a job; return its ARN."""
        request = self.request(name, act, **changes)
        return self.client.create_training_job(**request)["TrainingJobArn"]

    def describe(self, name: str) -> Any:
        return self.client.describe_training_job(TrainingJobName=name)

    def wait(self, name: str, *statuses: str) -> Any:
        """Return a job's description once it has a status or secondary status."""
        wanted = set(statuses or ("Completed", "Failed", "Stopped"))

        def reached() -> Any:
            job = self.describe(name)
            if {job["TrainingJobStatus"], job["SecondaryStatus"]} & wanted:
                return job
            return None

        return wait_until(reached)

    def wait_for_log(self, name: str, text: str) -> None:
        """Wait until a job's trainer has printed a text."""
        path = self.state / "jobs" / name / "log.txt"
        wait_until(lambda: path.exists() and text in path.read_text())

    def model_key(self, name: str) -> str:
        return f"{self.prefix}/model/{name}/output/model.tar.gz"

    def model(self, name: str) -> bytes:
        """Return the model artefact that a job uploaded."""
        key = self.model_key(name)
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def has_model(self, name: str) -> bool:
        key = self.model_key(name)
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=key)
        return found["KeyCount"] == 1


Serve = Callable[[Path], Service]


@pytest.fixture
def serve(
    emulator: str, s3: "S3Client", events: EventDoor, tmp_path: Path
) -> Iterator[Serve]:
    """Yield what starts a stand-in whose trainers an interpreter runs."""
    with ExitStack() as stack:

        def start(trainer_python: Path) -> Service:
            options = Options(
                aws_endpoint=emulator,
                state=tmp_path / "state",
                trainer_python=trainer_python,
                region="us-east-1",
                events_url=events.url,
                settings=Settings(),
            )
            server = stack.enter_context(SageMaker(options))
            client = boto3.client("sagemaker", endpoint_url=server.endpoint_url, **KEYS)
            stack.callback(client.close)
            return Service(server, client, s3, tmp_path.name, tmp_path / "state")

        yield start


@pytest.fixture
def service(serve: Serve, stub_python: Path) -> Service:
    made = serve(stub_python)
    made.put("part-00000.pbr")
    return made


def trainer_pids(folder: Path) -> list[int]:
    """Return the processes that have a job's folder for their /opt/ml."""
    wanted = f"GEOCLUSTERS_OPT_ML={folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:  # it ended meanwhile, or isn't ours
            continue
    return found
