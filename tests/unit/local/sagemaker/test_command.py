"""`python -m local.sagemaker` as the launcher starts it, and how it ends."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from tests.unit.local.sagemaker.conftest import (
    CLOUD_PYTHON,
    KEYS,
    REPORT_PYTHON,
    ROOT,
    EventDoor,
    Service,
    free_port,
    is_listening,
    trainer_pids,
    wait_until,
)

Start = Callable[[Path], subprocess.Popen[bytes]]


@pytest.fixture
def command(
    service: Service, emulator: str, events: EventDoor, tmp_path: Path
) -> Iterator[Start]:
    """Yield what starts the server as a process; `service` then talks to that."""
    started = []

    def start(python: Path) -> subprocess.Popen[bytes]:
        port = free_port()
        service.state = tmp_path / "command-state"
        words: list[str | Path] = [CLOUD_PYTHON, "-m", "local.sagemaker"]
        words += ["--port", str(port), "--aws-endpoint", emulator]
        words += ["--state", service.state, "--trainer-python", python]
        words += ["--uploading-seconds", "0.1", "--events-url", events.url]
        process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
        client = boto3.client(
            "sagemaker", endpoint_url=f"http://127.0.0.1:{port}", **KEYS
        )
        started.append((process, client))
        wait_until(lambda: is_listening(port))
        service.client = client
        return process

    inner = service.client
    yield start
    for process, client in started:
        process.kill()
        process.wait()
        client.close()
    inner.close()


def test_sigterm_ends_the_server_and_its_trainers(
    service: Service, command: Start, stub_python: Path
) -> None:
    process = command(stub_python)
    service.create("running", "ignore")
    service.wait_for_log("running", "running")
    assert trainer_pids(service.state)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert not trainer_pids(service.state)


def test_no_trainer_outlives_a_server_that_is_killed(
    service: Service, command: Start
) -> None:
    if not REPORT_PYTHON.exists():
        pytest.skip("the trainer's environment is missing: run `make`")
    process = command(REPORT_PYTHON)
    request = service.request("orphan")
    request["HyperParameters"] = {"k": "2", "feature_dim": "1"}
    request["InputDataConfig"][0]["ContentType"] = "text/csv;label_size=0"
    request["HyperParameters"]["epochs"] = "100000000"
    service.put("part-00000.pbr", b"".join(b"%d\n" % n for n in range(100)))
    service.client.create_training_job(**request)
    service.wait_for_log("orphan", "of epochs")
    assert trainer_pids(service.state)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not trainer_pids(service.state))


def test_the_real_trainer_completes_a_job_or_says_why_not(
    service: Service, command: Start
) -> None:
    if not REPORT_PYTHON.exists():
        pytest.skip("the trainer's environment is missing: run `make`")
    command(REPORT_PYTHON)
    service.put("part-00000.pbr", b"".join(b"%d,1\n" % n for n in range(100)))
    for name, k in (("good", "2"), ("greedy", "101")):
        request = service.request(name)
        request["HyperParameters"] = {"k": k, "feature_dim": "2"}
        request["InputDataConfig"][0]["ContentType"] = "text/csv;label_size=0"
        service.client.create_training_job(**request)
    good, greedy = service.wait("good"), service.wait("greedy")
    assert good["TrainingJobStatus"] == "Completed"
    assert [metric["MetricName"] for metric in good["FinalMetricDataList"]] == [
        *("train:progress", "train:throughput", "train:msd"),
    ]
    assert greedy["FailureReason"] == (
        "ClientError: The number of records in the first mini-batch (100) is smaller "
        "than the number of clusters, k=101., exit code: 2"
    )
