"""The SDK's own estimator, unpatched, against the embedded cloud."""

import csv
import io
import json
import re
import subprocess
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from numpy.typing import NDArray
from sagemaker import KMeans, Session
from sagemaker.exceptions import UnexpectedStatusException

from local.cloud import ACCOUNT, CLOUD_PYTHON, REGION, REPORT_PYTHON, Cloud

_BUCKET = "notebook"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/Notebook"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
#: What a notebook's role has, for its training jobs.
_RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                *("s3:GetObject", "s3:PutObject", "s3:ListBucket"),
                *("logs:*", "cloudwatch:PutMetricData"),
            ],
            "Resource": "*",
        }
    ],
}
_CAMERAS = (
    Path(__file__).parents[3] / "shared/data/hong-kong/Traffic_Camera_Locations_En.csv"
)
#: mxnet lives in an environment of its own: the model goes there, the numbers return.
_LOAD = """
import sys, mxnet, numpy
(centroids,) = mxnet.nd.load(sys.argv[1])
numpy.save(sys.argv[2], centroids.asnumpy())
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Yield a cloud with a bucket, in this process's environment too."""
    for python in (CLOUD_PYTHON, REPORT_PYTHON):
        if not python.exists():
            pytest.skip("the embedded cloud's environments are missing: run `make`")
    with Cloud() as cloud, pytest.MonkeyPatch.context() as environment:
        for name, value in cloud.environment().items():
            environment.setenv(name, value)
        cloud.client("s3").create_bucket(Bucket=_BUCKET)
        iam = cloud.client("iam")
        iam.create_role(
            RoleName="Notebook",
            Path="/service-role/",
            AssumeRolePolicyDocument=json.dumps(_TRUST),
        )
        iam.put_role_policy(
            RoleName="Notebook", PolicyName="Jobs", PolicyDocument=json.dumps(_RIGHTS)
        )
        yield cloud


@pytest.fixture
def session(cloud: Cloud) -> Session:
    """Return a session as a notebook has it, which is told its bucket.

    To find one by itself the SDK asks AWS's own STS, wherever the endpoints are.
    """
    return Session(boto3.Session(region_name=REGION), default_bucket=_BUCKET)


def estimator(session: Session, k: int, **options: Any) -> KMeans:
    return KMeans(
        role=_ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        k=k,
        sagemaker_session=session,
        **options,
    )


def clumps(n: int, k: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(k)
    middles = rng.uniform(-100, 100, (k, 2))
    return (middles[rng.integers(0, k, n)] + rng.normal(size=(n, 2))).astype("float32")


def cameras() -> NDArray[np.float32]:
    if not _CAMERAS.exists():
        pytest.skip(f"{_CAMERAS.name} is missing: the folder of shared data isn't here")
    with _CAMERAS.open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["latitude"], row["longitude"]) for row in csv.DictReader(file)]
    return np.array(rows, np.float64).astype(np.float32)


def centroids_of(model: KMeans, cloud: Cloud, folder: Path) -> NDArray[np.float32]:
    """Return what a notebook finds in a trained model, by mxnet's own `nd.load`."""
    key = model.model_data.removeprefix(f"s3://{_BUCKET}/")
    body = cloud.client("s3").get_object(Bucket=_BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        archive.extractall(folder, filter="data")
    loaded = folder / "centroids.npy"
    model_file = folder / "model_algo-1"
    subprocess.run(
        [str(REPORT_PYTHON), "-c", _LOAD, str(model_file), str(loaded)],
        check=True,
        timeout=60,
    )
    centroids: NDArray[np.float32] = np.load(loaded)
    return centroids


def test_fit_prints_the_jobs_log_and_returns_with_a_model(
    cloud: Cloud, session: Session, tmp_path: Path
) -> None:
    points = clumps(2_000, 5)
    model = estimator(session, 5)
    printed = io.StringIO()
    with redirect_stdout(printed):
        model.fit(model.record_set(points), wait=True, logs=True)
    text = printed.getvalue()
    assert "Docker entrypoint called with argument(s): train" in text
    assert re.search(r"#quality_metric: host=algo-1, train msd <loss>=\d", text)
    assert re.search(r"Training seconds: \d+", text)
    assert re.search(r"Billable seconds: \d+", text)
    job = model.latest_training_job.name
    assert model.model_data.endswith(f"/{job}/output/model.tar.gz")
    centroids = centroids_of(model, cloud, tmp_path)
    assert centroids.shape == (5, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    assert ((low <= centroids) & (centroids <= high)).all()


def test_the_notebook_finds_fifteen_depots_among_hong_kongs_cameras(
    cloud: Cloud, session: Session, tmp_path: Path
) -> None:
    places = cameras()
    model = estimator(session, 15, output_path=f"s3://{_BUCKET}/models")
    model.fit(model.record_set(places), wait=True, logs=False)
    centroids = centroids_of(model, cloud, tmp_path)
    assert centroids.shape == (15, 2)
    # Each is a mean of cameras: it lies among them.
    low, high = places.min(axis=0), places.max(axis=0)
    assert ((low <= centroids) & (centroids <= high)).all()
    exact = places.astype(np.float64)
    squares = ((exact[:, np.newaxis] - centroids) ** 2).sum(axis=2)
    # The best that exists is 0.000367 degrees²; float32 costs a third, or more.
    assert 0.000366 < squares.min(axis=1).mean() < 0.0008
    description = cloud.client("sagemaker").describe_training_job(
        TrainingJobName=model.latest_training_job.name
    )
    metrics = {
        metric["MetricName"]: metric["Value"]
        for metric in description["FinalMetricDataList"]
    }
    assert metrics.keys() == {"train:msd", "train:progress", "train:throughput"}
    # What the job says of itself is no such bound: of degrees, it is mostly noise.
    assert abs(metrics["train:msd"]) < 0.001


def test_a_notebook_attaches_to_a_job_and_looks_at_its_metrics(
    session: Session,
) -> None:
    model = estimator(session, 3)
    records = model.record_set(clumps(300, 3))
    model.fit(records, wait=True, logs=False)
    attached = KMeans.attach(model.latest_training_job.name, sagemaker_session=session)
    assert attached.model_data == model.model_data
    assert (attached.k, attached.role) == (3, _ROLE)
    # The SDK looks for metrics that no job has, and says so by a warning.
    found = attached.training_job_analytics.dataframe()
    last = dict(zip(found["metric_name"], found["value"], strict=True))
    assert last.keys() == {"train:msd", "train:progress", "train:throughput"}
    assert last["train:progress"] == 100
    assert last["train:msd"] > 0


def test_a_failing_job_raises_the_sdks_own_exception_with_the_reason(
    session: Session,
) -> None:
    model = estimator(session, 50)
    records = model.record_set(clumps(20, 3))
    # In 5 s the first look finds it failed; with logs there is another flush.
    with pytest.raises(UnexpectedStatusException) as raised:
        model.fit(records, wait=True, logs=False)
    assert raised.value.actual_status == "Failed"
    assert "ClientError" in str(raised.value)
    assert "k=50" in str(raised.value)


def test_a_failing_job_whose_log_is_followed_raises_too(session: Session) -> None:
    model = estimator(session, 50)
    records = model.record_set(clumps(20, 3))
    printed = io.StringIO()
    with redirect_stdout(printed), pytest.raises(UnexpectedStatusException) as raised:
        model.fit(records, wait=True, logs=True)
    reason = "smaller than the number of clusters, k=50."
    assert reason in str(raised.value)
    assert reason in printed.getvalue()


def test_labels_beside_the_records_are_ignored_and_float64_is_told(
    cloud: Cloud, session: Session
) -> None:
    points = clumps(600, 3)
    client = cloud.client("sagemaker")
    labelled = estimator(session, 3)
    labels = np.arange(600, dtype=np.float32)
    labelled.fit(labelled.record_set(points, labels=labels), wait=False)
    double = estimator(session, 3)
    double.fit(double.record_set(points.astype(np.float64)), wait=False)
    jobs = [ended(client, each.latest_training_job.name) for each in (labelled, double)]
    assert jobs[0]["TrainingJobStatus"] == "Completed", jobs[0]["FailureReason"]
    assert "expected a float32_tensor; found float64" in jobs[1]["FailureReason"]


def ended(client: Any, name: str) -> Any:
    """Return a job's description once it has ended."""
    for _ in range(600):
        job = client.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] != "InProgress":
            return job
        time.sleep(0.1)
    raise AssertionError(f"{name} doesn't end")


@pytest.mark.parametrize("by", ["StopTrainingJob", "max_run"])
def test_fit_returns_from_a_job_that_is_stopped_with_what_it_has(
    cloud: Cloud,
    session: Session,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    by: str,
) -> None:
    client = cloud.client("sagemaker")
    options = {"max_run": 3} if by == "max_run" else {}
    model = estimator(session, 3, epochs=1_000_000, **options)
    model.fit(model.record_set(clumps(5_000, 3)), wait=False)
    name = model.latest_training_job.name
    if by == "StopTrainingJob":
        wait_for_training(client, name)
        client.stop_training_job(TrainingJobName=name)
    with caplog.at_level("WARNING", logger="sagemaker"):
        model.latest_training_job.wait(logs="None")
    assert "ended with status 'Stopped' rather than 'Completed'" in caplog.text
    end = client.describe_training_job(TrainingJobName=name)
    assert end["TrainingJobStatus"] == "Stopped"
    expected = "MaxRuntimeExceeded" if by == "max_run" else "Stopped"
    assert end["SecondaryStatus"] == expected
    assert centroids_of(model, cloud, tmp_path).shape == (3, 2)


def wait_for_training(client: Any, name: str) -> None:
    """Wait until a job has had two seconds for its first mini-batches."""
    for _ in range(300):
        job = client.describe_training_job(TrainingJobName=name)
        if job["SecondaryStatus"] == "Training":
            time.sleep(2)
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} doesn't train")


def test_boto3s_waiter_returns_when_jobs_have_ended(
    cloud: Cloud, session: Session
) -> None:
    model = estimator(session, 3)
    records = model.record_set(clumps(300, 3))
    model.fit(records, wait=False)
    job = model.latest_training_job.name
    client = cloud.client("sagemaker")
    waiter = client.get_waiter("training_job_completed_or_stopped")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            waiter.wait,
            TrainingJobName=job,
            WaiterConfig={"Delay": 1, "MaxAttempts": 60},
        )
        waiting.result(timeout=90)
    end = client.describe_training_job(TrainingJobName=job)
    assert end["TrainingJobStatus"] == "Completed"
    assert end["TrainingEndTime"].timestamp() <= time.time()
