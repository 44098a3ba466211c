from dataclasses import replace

import pytest

from container.cost import Compute, estimated_cost
from container.training_job import TrainingJob
from geoclusters.prices import Prices
from tests.container.fakes import description

JOB = TrainingJob.from_description(description("job-1"))
PRICES = Prices(
    instance_type="ml.m5.large",
    instance_hour_usd=0.115,
    gb_second_usd=0.0000166667,
    date="2025-10-01",
)
INGEST = Compute("ingest", 4.2, 2048)
REPORT = Compute("report", 12.0, 1024)


def test_training_and_functions_are_added_up() -> None:
    assert estimated_cost(JOB, [INGEST, REPORT], PRICES) == {
        "usd": 0.002321,
        "includes": {
            "training": 0.001981,  # 62 s ÷ 3,600 s × $0.115
            "ingest": 0.00014,  # 4.2 s × 2 GB × $0.0000166667
            "report": 0.0002,
        },
        "prices_date": "2025-10-01",
        "reason": None,
    }


def test_each_instance_is_paid_for() -> None:
    three = replace(JOB, instance_count=3, billable_seconds=3600)
    assert estimated_cost(three, [], PRICES)["usd"] == 0.345


def test_a_function_whose_time_is_unknown_is_not_included() -> None:
    cost = estimated_cost(JOB, [Compute("ingest", None, 2048), REPORT], PRICES)
    assert cost["includes"].keys() == {"training", "report"}
    assert cost["usd"] == 0.002181


def test_without_lambdas_price_training_alone_is_included() -> None:
    cost = estimated_cost(JOB, [INGEST], replace(PRICES, gb_second_usd=None))
    assert cost["includes"] == {"training": cost["usd"]}
    assert cost["reason"] is None


@pytest.mark.parametrize(
    ("job", "prices", "reason"),
    [
        (JOB, Prices(instance_type="ml.m5.large"), "No price is known of an hour of"),
        (
            replace(JOB, instance_type="ml.c5.xlarge"),
            PRICES,
            "trained on ml.c5.xlarge, but the deployment has come to use ml.m5.large",
        ),
        (replace(JOB, billable_seconds=None), PRICES, "SageMaker doesn't say how many"),
    ],
)
def test_without_the_price_of_training_there_is_no_estimate_but_a_reason(
    job: TrainingJob, prices: Prices, reason: str
) -> None:
    cost = estimated_cost(job, [INGEST], prices)
    assert (cost["usd"], cost["includes"], cost["prices_date"]) == (None, {}, None)
    assert reason in cost["reason"]


def test_prices_come_back_from_their_json() -> None:
    for prices in (PRICES, Prices(instance_type="ml.m5.large")):
        assert Prices.from_json(prices.to_json()) == prices
