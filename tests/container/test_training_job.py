from typing import Any

import pytest
from botocore.session import get_session

from container.training_job import TrainingJob
from tests.container.fakes import description


def metric(name: str, value: float, time_s: float = 0.0) -> dict[str, Any]:
    return {"MetricName": name, "Value": value, "Timestamp": time_s}


def read(*metrics: dict[str, Any], **changes: Any) -> TrainingJob:
    return TrainingJob.from_description(
        {**description("job-1"), "FinalMetricDataList": [*metrics], **changes}
    )


def test_a_job_is_read_from_its_description() -> None:
    assert read(metric("train:msd", 3712.25)) == TrainingJob(
        name="job-1",
        image="382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        instance_type="ml.m5.large",
        instance_count=1,
        seconds=62,
        billable_seconds=62,
        mean_square_distance=3712.25,
    )


def test_the_fake_description_names_members_that_sagemaker_knows() -> None:
    service = get_session().get_service_model("sagemaker")
    shape: Any = service.operation_model("DescribeTrainingJob").output_shape
    assert description("job-1").keys() <= shape.members.keys()
    for name in ("AlgorithmSpecification", "ResourceConfig"):
        known = shape.members[name].members
        assert description("job-1")[name].keys() <= known.keys()


def test_of_several_instances_the_last_word_counts() -> None:
    job = read(
        metric("train:msd", 2.0, time_s=9.0),
        metric("train:msd", 1.0, time_s=3.0),
        metric("train:throughput", 5.0, time_s=12.0),
    )
    assert job.mean_square_distance == 2.0


@pytest.mark.parametrize("metrics", [[], [metric("train:throughput", 5.0)]])
def test_a_metric_that_was_not_reported_is_none(metrics: list[Any]) -> None:
    assert read(*metrics).mean_square_distance is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_is_none(value: float) -> None:
    assert read(metric("train:msd", value)).mean_square_distance is None


def test_what_sagemaker_leaves_out_is_none() -> None:
    said = description("job-1")
    for name in ("TrainingTimeInSeconds", "BillableTimeInSeconds"):
        del said[name]
    said.pop("FinalMetricDataList", None)
    job = TrainingJob.from_description(said)
    assert (job.seconds, job.billable_seconds, job.mean_square_distance) == (None,) * 3
    assert job.figures() == {
        "job": "job-1",
        "image": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        "instance_type": "ml.m5.large",
        "instance_count": 1,
        "seconds": None,
        "billable_seconds": None,
        "sagemaker_mean_square_distance": None,
    }
