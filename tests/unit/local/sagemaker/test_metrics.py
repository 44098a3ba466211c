"""The metrics of a log, and where they can be looked up."""

import re
from datetime import timedelta
from typing import Any

import boto3

from local.sagemaker.aws import METRICS, Line, Point
from local.sagemaker.metrics import DEFINITIONS, final, points
from tests.unit.local.sagemaker.conftest import KEYS, Service

LOG = [
    Line(1_000, "[INFO 1] #progress_metric: host=algo-1, completed 50.0 % of epochs"),
    Line(3_000, "[INFO 1] #progress_metric: host=algo-1, completed 100.0 % of epochs"),
    Line(
        3_000,
        "#throughput_metric: host=algo-1, train throughput=3453.5 records/second",
    ),
    Line(4_000, "#quality_metric: host=algo-1, train msd <loss>=0.25"),
    Line(4_000, "#quality_metric: host=algo-1, test ssd <loss>=12.5"),
]


def test_the_built_in_algorithm_has_the_metrics_that_its_log_tells() -> None:
    assert {item["Name"] for item in DEFINITIONS} == {
        *("train:msd", "train:ssd", "test:msd", "test:ssd"),
        *("train:progress", "train:throughput"),
    }
    assert points(LOG) == [
        Point("train:progress", 50.0, 1_000),
        Point("train:progress", 100.0, 3_000),
        Point("train:throughput", 3453.5, 3_000),
        Point("train:msd", 0.25, 4_000),
        Point("test:ssd", 12.5, 4_000),
    ]


def test_the_final_metrics_are_the_last_of_each() -> None:
    assert final(points(LOG)) == [
        {"MetricName": "train:progress", "Value": 100.0, "Timestamp": 3.0},
        {"MetricName": "train:throughput", "Value": 3453.5, "Timestamp": 3.0},
        {"MetricName": "train:msd", "Value": 0.25, "Timestamp": 4.0},
        {"MetricName": "test:ssd", "Value": 12.5, "Timestamp": 4.0},
    ]


def test_of_many_epochs_a_second_the_last_counts() -> None:
    said = "#progress_metric: host=algo-1, completed {} % of epochs"
    lines = [Line(10_000 + number, said.format(number)) for number in range(90)]
    assert points(lines) == [Point("train:progress", 89.0, 10_089)]


def test_what_is_no_number_is_no_metric() -> None:
    said = "#quality_metric: host=algo-1, train msd <loss>="
    assert points([Line(0, said + value) for value in ("nan", "inf", "?")]) == []


def test_a_jobs_metrics_are_in_cloudwatch(service: Service, emulator: str) -> None:
    service.create("measured")
    job: Any = service.wait("measured")
    cloudwatch: Any = boto3.client("cloudwatch", endpoint_url=emulator, **KEYS)
    (found,) = cloudwatch.get_metric_statistics(
        Namespace=METRICS,
        MetricName="train:msd",
        Dimensions=[{"Name": "TrainingJobName", "Value": "measured"}],
        StartTime=job["TrainingStartTime"],
        EndTime=job["TrainingEndTime"] + timedelta(minutes=1),
        Period=60,
        Statistics=["Average"],
    )["Datapoints"]
    assert found["Average"] == 0.25
    cloudwatch.close()


def test_the_definitions_are_described(service: Service) -> None:
    service.create("described")
    specification = service.describe("described")["AlgorithmSpecification"]
    assert specification["MetricDefinitions"] == DEFINITIONS
    assert all(re.compile(item["Regex"]).groups == 1 for item in DEFINITIONS)
