"""How jobs of the real trainer end when something goes wrong, and that none hangs."""

import gzip
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import botocore.exceptions
import numpy as np
import pytest

from geoclusters import recordio
from local.sagemaker import run
from local.sagemaker.aws import Aws
from tests.unit.local.sagemaker.conftest import (
    REPORT_PYTHON,
    Serve,
    Service,
    trainer_pids,
    wait_until,
)

pytestmark = pytest.mark.skipif(
    not REPORT_PYTHON.exists(),
    reason="the trainer's environment is missing: run `make`",
)
EACH_MODE = pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
UNREADABLE = "ClientError: Unable to read data channel 'train'."
#: More epochs than anybody waits for.
ENDLESS = {"epochs": "1000000"}


@pytest.fixture
def trained(serve: Serve) -> Service:
    return serve(REPORT_PYTHON)


def records(n: int, feature_dim: int = 2) -> bytes:
    values = np.random.default_rng(n).normal(size=(n, feature_dim))
    return bytes(recordio.encode(values.astype(np.float32)))


def create(
    service: Service,
    name: str,
    mode: str = "File",
    compression: str = "None",
    **changes: str,
) -> None:
    request: dict[str, Any] = service.request(name)
    request["AlgorithmSpecification"]["TrainingInputMode"] = mode
    request["InputDataConfig"][0]["CompressionType"] = compression
    request["HyperParameters"] = {"k": "3", "feature_dim": "2", **changes}
    service.client.create_training_job(**request)


def assert_all_is_over(service: Service, name: str) -> None:
    """No process, thread or FIFO of the job is left, and the next job trains."""
    wait_until(lambda: not trainer_pids(service.state / "jobs" / name))
    wait_until(
        lambda: (
            not any(
                thread.name.startswith("pipe ") or thread.name == name
                for thread in threading.enumerate()
            )
        )
    )
    assert sorted(path.name for path in (service.state / "jobs" / name).iterdir()) in (
        ["job.json"],
        ["job.json", "log.txt"],
    )
    found = service.s3.list_objects_v2(
        Bucket="training", Prefix=f"{service.prefix}/train/"
    )
    for item in found.get("Contents", ()):
        service.s3.delete_object(Bucket="training", Key=item["Key"])
    service.put("good.pbr", records(300))
    create(service, "next")
    assert service.wait("next")["TrainingJobStatus"] == "Completed"


def assert_failed(service: Service, name: str, reason: str) -> None:
    job = service.wait(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Failed"
    assert job["FailureReason"].startswith(reason), job["FailureReason"]
    assert not service.has_model(name)
    assert "ModelArtifacts" not in job or not job["ModelArtifacts"]["S3ModelArtifacts"]
    waiter = service.client.get_waiter("training_job_completed_or_stopped")
    with pytest.raises(botocore.exceptions.WaiterError, match="terminal failure"):
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    assert_all_is_over(service, name)


@EACH_MODE
def test_a_killed_trainer_fails_its_job(trained: Service, mode: str) -> None:
    trained.put("part.pbr", records(20_000))
    create(trained, "killed", mode, **ENDLESS)
    trained.wait_for_log("killed", "of epochs")
    (pid,) = trainer_pids(trained.state / "jobs/killed")
    os.kill(pid, signal.SIGKILL)
    assert_failed(trained, "killed", "AlgorithmError: , exit code: 137")


@EACH_MODE
def test_a_job_stopped_half_way_has_the_model_of_what_was_read(
    trained: Service, mode: str
) -> None:
    trained.put("part.pbr", records(20_000))
    create(trained, "halved", mode, **ENDLESS)
    trained.wait_for_log("halved", "of epochs")
    trained.client.stop_training_job(TrainingJobName="halved")
    job = trained.wait("halved")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert trained.has_model("halved")
    trained.client.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName="halved", WaiterConfig={"Delay": 1, "MaxAttempts": 2}
    )
    assert_all_is_over(trained, "halved")


def test_data_larger_than_the_volume_fail_the_job(
    trained: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_BYTES_A_GB", 2**14)
    for number in range(3):  # each fits, all three don't
        trained.put(f"part-{number}.pbr", records(200))
    create(trained, "large")
    assert_failed(
        trained, "large", "ClientError: Data download failed:Insufficient disk space"
    )


def test_data_that_are_streamed_need_no_volume(
    trained: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_BYTES_A_GB", 1)
    trained.put("part.pbr", records(200))
    for mode in ("Pipe", "FastFile"):
        create(trained, f"by-{mode}", mode)
        assert trained.wait(f"by-{mode}")["TrainingJobStatus"] == "Completed"


@EACH_MODE
def test_a_disk_too_full_for_the_model_fails_the_job(
    serve: Serve, tmp_path: Path, mode: str
) -> None:
    python = tmp_path / "python-on-a-full-disk"
    python.write_text(
        '#!/bin/sh\n[ -e "$FULL" ] && ln -s "$FULL" '
        '"$GEOCLUSTERS_OPT_ML/model_algo-1.draft"\n'
        f'exec "{REPORT_PYTHON}" "$@"\n'
    )
    python.chmod(0o755)
    service = serve(python)
    service.put("part.pbr", records(300))
    request: dict[str, Any] = service.request("full")
    request["AlgorithmSpecification"]["TrainingInputMode"] = mode
    request["HyperParameters"] = {"k": "3", "feature_dim": "2"}
    # Writing there fails as on a full disk.
    request["Environment"] = {"FULL": "/dev/full"}
    service.client.create_training_job(**request)
    assert_failed(
        service,
        "full",
        "AlgorithmError: OSError: [Errno 28] No space left on device",
    )


@EACH_MODE
@pytest.mark.parametrize(
    ("shard", "reason"),
    [
        (records(300)[:-7], UNREADABLE),
        (b"\0\0\0\0" + records(300)[4:], UNREADABLE),
        (records(300)[:50] + b"\xff\xff\xff\xff" + records(300)[54:], UNREADABLE),
        (records(300)[:4] + b"\xff\xff\xff\xff" + records(300)[8:], UNREADABLE),
        (os.urandom(5_000), UNREADABLE),
        (b"", "ClientError: No data was found."),
        (records(300, 3), "ClientError: The data of channel 'train' has 3 features"),
        (
            records(2),
            "ClientError: The number of records in the first mini-batch (2) is smaller "
            "than the number of clusters, k=3., exit code: 2",
        ),
    ],
    ids=["cut", "magic", "frame", "length", "noise", "empty", "features", "k-above-n"],
)
def test_what_cannot_be_trained_on_fails_the_job(
    trained: Service, mode: str, shard: bytes, reason: str
) -> None:
    trained.put("part.pbr", shard)
    create(trained, "bad", mode)
    assert_failed(trained, "bad", reason)


@EACH_MODE
def test_a_corrupt_shard_after_good_ones_fails_the_job(
    trained: Service, mode: str
) -> None:
    trained.put("part-0.pbr", records(6_000))
    trained.put("part-1.pbr", records(6_000)[:-3])
    create(trained, "spoilt", mode)
    assert_failed(trained, "spoilt", UNREADABLE)


@EACH_MODE
def test_an_empty_shard_among_others_is_no_fault(trained: Service, mode: str) -> None:
    trained.put("part-0.pbr", b"")
    trained.put("part-1.pbr", records(300))
    trained.put("part-2.pbr", b"")
    create(trained, "gappy", mode)
    assert trained.wait("gappy")["TrainingJobStatus"] == "Completed"
    assert trained.has_model("gappy")
    log = (trained.state / "jobs/gappy/log.txt").read_text()
    assert "processed a total of 300 examples" in log


@EACH_MODE
def test_a_mini_batch_larger_than_the_file_is_the_whole_file(
    trained: Service, mode: str
) -> None:
    trained.put("part.pbr", records(300))
    create(trained, "roomy", mode, mini_batch_size="100000")
    assert trained.wait("roomy")["TrainingJobStatus"] == "Completed"
    assert trained.has_model("roomy")
    log = (trained.state / "jobs/roomy/log.txt").read_text()
    assert "Effective batch size used to initialize is 300" in log


@pytest.mark.parametrize("pieces", [0, 1])
def test_a_connection_lost_while_a_pipe_is_fed_fails_the_job(
    trained: Service, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    stream = Aws.stream
    calls = []

    def break_off(*arguments: Any, **options: Any) -> Iterator[bytes]:
        calls.append(1)
        with closing(stream(*arguments, **options)) as whole:
            if len(calls) == 1:
                yield from whole
                return
            for _ in range(pieces):
                yield next(whole)[:1001]
            raise botocore.exceptions.EndpointConnectionError(endpoint_url="s3")

    monkeypatch.setattr(Aws, "stream", break_off)
    trained.put("part.pbr", records(6_000))
    create(trained, "cut-off", "Pipe", **ENDLESS)
    job = trained.wait("cut-off")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == run.INTERNAL_ERROR
    monkeypatch.setattr(Aws, "stream", stream)
    assert_failed(trained, "cut-off", run.INTERNAL_ERROR)


def test_a_job_whose_pipe_has_no_data_stops_at_once(
    trained: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    asked = threading.Event()

    def hang(*_: Any, **__: Any) -> Iterator[bytes]:
        asked.set()
        released.wait(600)
        yield b""

    monkeypatch.setattr(Aws, "stream", hang)
    trained.put("part.pbr", records(300))
    create(trained, "dry", "Pipe")
    assert asked.wait(60)
    trained.client.stop_training_job(TrainingJobName="dry")
    job = trained.wait("dry")
    released.set()
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert not trained.has_model("dry")
    monkeypatch.undo()
    assert_all_is_over(trained, "dry")


def test_an_object_that_vanishes_between_epochs_fails_the_job(trained: Service) -> None:
    trained.put("part.pbr", records(20_000))
    create(trained, "vanished", "Pipe", **ENDLESS)
    trained.wait_for_log("vanished", "of epochs")
    key = f"{trained.prefix}/train/part.pbr"
    trained.s3.delete_object(Bucket="training", Key=key)
    assert_failed(
        trained,
        "vanished",
        "ClientError: Data download failed:Unable to download object "
        f"s3://training/{key} (NoSuchKey: ",
    )


def test_gzipped_objects_are_decompressed_on_their_way_into_a_pipe(
    trained: Service,
) -> None:
    body = records(20_000)
    # A file of gzip may have several members.
    trained.put("part-0.gz", gzip.compress(body[:1001]) + gzip.compress(body[1001:]))
    trained.put("part-1.gz", gzip.compress(body))
    create(trained, "zipped", "Pipe", compression="Gzip")
    job = trained.wait("zipped")
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    log = (trained.state / "jobs/zipped/log.txt").read_text()
    assert "processed a total of 40000 examples" in log


@pytest.mark.parametrize(
    "body", [records(300), gzip.compress(records(300))[:-20]], ids=["plain", "cut"]
)
def test_what_is_no_gzip_fails_the_job(trained: Service, body: bytes) -> None:
    trained.put("part.gz", body)
    create(trained, "unzipped", "Pipe", compression="Gzip")
    assert_failed(
        trained, "unzipped", "ClientError: Data download failed:Unable to download obje"
    )
