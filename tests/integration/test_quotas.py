"""A run waits where SageMaker's quotas demand it, but not for ever, and not in vain."""

from collections.abc import Iterator
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.environment import StartTrainingSettings
from geoclusters.run import RunRecord
from geoclusters.status import State
from lambdas.start_training.request import training_request
from tests.integration.conftest import Pipeline
from tests.integration.test_order_of_events import TOWNS, wait_for_job
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
    """A training job of somebody else's runs, until it is stopped."""
    version = pipeline.upload("like-this.csv", TOWNS, k="3")
    status = pipeline.wait("like-this.csv", version, State.SUCCEEDED)
    key = layout.run_record_key(status["run_id"])
    record = RunRecord.from_json(pipeline.read(key))
    settings = StartTrainingSettings.from_env(pipeline.environment("StartTraining"))
    name = "somebody-elses"
    request: Any = training_request(record, name, settings)
    request["HyperParameters"]["epochs"] = "1000000"
    # Where no model is looked for, and its role may not write one.
    request["OutputDataConfig"]["S3OutputPath"] = f"s3://{pipeline.bucket}/elsewhere/"
    pipeline.sagemaker.create_training_job(**request)
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
