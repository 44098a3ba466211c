"""A run waits where SageMaker's quotas demand it, but not for ever, and not in vain."""

from collections.abc import Iterator
from typing import Any

import pytest

from geoclusters.status import State
from tests.integration.conftest import Pipeline
from tests.integration.test_order_of_events import TOWNS, wait_for_job, wait_until
from tests.sagemaker_settings import sagemaker_settings


def test_a_quota_of_zero_is_told_at_once_and_named(pipeline: Pipeline) -> None:
    with sagemaker_settings(pipeline.cloud, quota=0):
        version = pipeline.upload("no-machines.csv", TOWNS, k="3")
        status = pipeline.wait("no-machines.csv", version, State.FAILED)
    assert "“ml.m5.large for training job usage” is 0" in status["message"]
    assert "Service Quotas → Amazon SageMaker" in status["message"]


@pytest.fixture
def impatient(pipeline: Pipeline) -> Iterator[None]:
    """A run waits 10 s at most: it is tried a second time, and then given up."""
    before = pipeline.set_environment("StartTraining", MAX_WAIT_S="10")
    yield
    pipeline.set_environment("StartTraining", **before)


@pytest.fixture
def busy(pipeline: Pipeline) -> Iterator[None]:
    """One training job runs, and ends when it is stopped only."""
    with sagemaker_settings(pipeline.cloud, uploading_seconds=3600):
        version = pipeline.upload("busy.csv", TOWNS, k="3")
        status = pipeline.wait("busy.csv", version, State.TRAINING, State.REPORTING)
        name = status["training_job"]
        wait_until(pipeline, name, "Uploading")
    yield
    pipeline.sagemaker.stop_training_job(TrainingJobName=name)
    wait_for_job(pipeline, name)


@pytest.mark.usefixtures("busy", "impatient")
def test_a_run_that_waited_as_long_as_it_may_is_given_up(pipeline: Pipeline) -> None:
    with sagemaker_settings(pipeline.cloud, quota=1):
        version = pipeline.upload("waits.csv", TOWNS, k="3")

        def waiting() -> Any:
            return pipeline.status("waits.csv").get("waiting")

        pipeline.wait("waits.csv", version, State.QUEUED)
        assert pipeline.until(waiting, "the run to wait")["tries"] == 1
        status = pipeline.wait("waits.csv", version, State.FAILED)
    assert "was given up after 2 tries" in status["message"]
    assert "'ml.m5.large for training job usage' is 1" in status["message"]
