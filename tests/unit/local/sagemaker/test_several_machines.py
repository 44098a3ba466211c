"""Training jobs on several machines, each a process with its own share of the data."""

import copy
import io
import os
import signal
import tarfile
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from geoclusters import recordio
from tests.unit.local.sagemaker.conftest import (
    BUCKET,
    REPORT_PYTHON,
    Serve,
    Service,
    trainer_pids,
    wait_until,
)

pytestmark = pytest.mark.skipif(
    not REPORT_PYTHON.exists(), reason="no environment for the trainer: run `make`"
)
#: Three clumps far from each other.
MIDDLES = np.array([[0, 0], [1_000, 0], [0, 1_000]], np.float32)
_HEADER_BYTES = 72


@pytest.fixture
def trained(serve: Serve) -> Service:
    return serve(REPORT_PYTHON)


def put_clumps(service: Service, shards: int) -> None:
    rng = np.random.default_rng(1)
    for number in range(shards):
        values = MIDDLES[rng.integers(0, 3, 200)] + rng.normal(size=(200, 2))
        body = bytes(recordio.encode(values.astype(np.float32)))
        service.put(f"part-{number}.pbr", body)


def request(
    service: Service,
    name: str,
    count: int,
    mode: str = "File",
    distribution: str = "ShardedByS3Key",
    **changes: str,
) -> dict[str, Any]:
    made = service.request(name)
    made["AlgorithmSpecification"]["TrainingInputMode"] = mode
    source = made["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3DataDistributionType"] = distribution
    made["ResourceConfig"]["InstanceCount"] = count
    made["HyperParameters"] = {"k": "3", "feature_dim": "2", **changes}
    return made


def centroids_of(service: Service, name: str) -> NDArray[np.float32]:
    with tarfile.open(fileobj=io.BytesIO(service.model(name))) as archive:
        assert archive.getnames() == ["model_algo-1"]
        file = archive.extractfile("model_algo-1")
        assert file is not None
        values = np.frombuffer(file.read()[_HEADER_BYTES - 8 : -8], "<f4")
    return values.reshape(3, 2)


def log_of(service: Service, name: str, host: str) -> str:
    return (service.state / f"jobs/{name}/log-{host}.txt").read_text()


def wait_for_an_epoch(service: Service, name: str) -> None:
    """Wait until both of a job's machines have read their data once."""
    folder = service.state / "jobs" / name
    paths = [folder / f"log-{host}.txt" for host in ("algo-1", "algo-2")]
    wait_until(
        lambda: all(path.exists() and "of epochs" in path.read_text() for path in paths)
    )


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_each_machine_trains_on_its_shards_and_one_model_comes_of_it(
    trained: Service, mode: str
) -> None:
    put_clumps(trained, 5)
    trained.client.create_training_job(**request(trained, "three", 3, mode))
    job = trained.wait("three")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    found = centroids_of(trained, "three")
    offsets = np.linalg.norm(found[:, np.newaxis] - MIDDLES, axis=2)
    assert sorted(offsets.argmin(axis=1)) == [0, 1, 2]
    assert offsets.min(axis=1).max() < 1
    examples = [f"processed a total of {n} examples" for n in (400, 400, 200)]
    for number, text in enumerate(examples, start=1):
        assert text in log_of(trained, "three", f"algo-{number}")
    # One says how good it is: the one that has the centres of all.
    names = [metric["MetricName"] for metric in job["FinalMetricDataList"]]
    assert names.count("train:msd") == 1
    assert "shrinking 90 centers into 3" in log_of(trained, "three", "algo-1")
    assert "shrinking" not in log_of(trained, "three", "algo-2")


@pytest.mark.parametrize("distribution", ["ShardedByS3Key", "FullyReplicated"])
@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_all_test_data_are_in_one_result(
    trained: Service, mode: str, distribution: str
) -> None:
    put_clumps(trained, 3)
    counts = (100, 200, 300)
    for number, count in enumerate(counts):
        values = np.full((count, 2), 2_000, np.float32)
        body = bytes(recordio.encode(values))
        key = f"{trained.prefix}/test/part-{number}.pbr"
        trained.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    made = request(trained, "tested", 3, mode, eval_metrics='["msd", "ssd"]')
    test = copy.deepcopy(made["InputDataConfig"][0])
    test["ChannelName"] = "test"
    source = test["DataSource"]["S3DataSource"]
    source["S3Uri"] = source["S3Uri"].replace("/train/", "/test/")
    source["S3DataDistributionType"] = distribution
    made["InputDataConfig"].append(test)
    trained.client.create_training_job(**made)
    job = trained.wait("tested")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    found = {
        metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]
    }
    assert {"train:msd", "train:ssd", "test:msd", "test:ssd"} <= found.keys()
    centroids = centroids_of(trained, "tested").astype(float)
    nearest = ((centroids - 2_000) ** 2).sum(axis=1).min()
    assert found["test:msd"] == pytest.approx(nearest, rel=1e-4)
    assert found["test:ssd"] == pytest.approx(sum(counts) * nearest, rel=1e-4)


def test_replicated_data_come_to_every_machine(trained: Service) -> None:
    put_clumps(trained, 2)
    trained.client.create_training_job(
        **request(trained, "replicated", 2, distribution="FullyReplicated")
    )
    assert trained.wait("replicated")["TrainingJobStatus"] == "Completed"
    for host in ("algo-1", "algo-2"):
        log = log_of(trained, "replicated", host)
        assert "processed a total of 400 examples" in log


def test_each_machine_has_a_log_stream(trained: Service, logs: Any) -> None:
    put_clumps(trained, 2)
    trained.client.create_training_job(**request(trained, "streams", 2))
    trained.wait("streams")
    found = logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="streams/"
    )
    names = [stream["logStreamName"] for stream in found["logStreams"]]
    assert [name.rpartition("-")[0] for name in sorted(names)] == [
        "streams/algo-1",
        "streams/algo-2",
    ]


def test_a_machine_without_data_fails_the_job(trained: Service) -> None:
    put_clumps(trained, 1)
    trained.client.create_training_job(**request(trained, "idle", 2))
    job = trained.wait("idle")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: No data was found.")
    assert not trained.has_model("idle")
    wait_until(lambda: not trainer_pids(trained.state / "jobs/idle"))


@pytest.mark.parametrize("victim", [1, 2])
def test_if_one_machine_is_killed_none_is_left(trained: Service, victim: int) -> None:
    put_clumps(trained, 2)
    endless = request(trained, "struck", 2, epochs="1000000")
    trained.client.create_training_job(**endless)
    folder = trained.state / "jobs/struck"
    wait_for_an_epoch(trained, "struck")
    (pid,) = trainer_pids(folder / f"ml/algo-{victim}")
    os.kill(pid, signal.SIGKILL)
    job = trained.wait("struck")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 137"
    assert not trained.has_model("struck")
    wait_until(lambda: not trainer_pids(folder))


def test_a_job_stopped_on_several_machines_has_the_model_of_all(
    trained: Service,
) -> None:
    put_clumps(trained, 2)
    endless = request(trained, "stopped", 2, epochs="1000000")
    trained.client.create_training_job(**endless)
    wait_for_an_epoch(trained, "stopped")
    trained.client.stop_training_job(TrainingJobName="stopped")
    assert trained.wait("stopped")["TrainingJobStatus"] == "Stopped"
    found = centroids_of(trained, "stopped")
    offsets = np.linalg.norm(found[:, np.newaxis] - MIDDLES, axis=2)
    assert sorted(offsets.argmin(axis=1)) == [0, 1, 2]
    log = log_of(trained, "stopped", "algo-1")
    assert "shrinking 60 centers into 3" in log
