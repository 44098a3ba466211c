"""From a job that failed to the answer of its run."""

from collections.abc import Iterator
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.environment import (
    RecordFailureSettings,
)
from geoclusters.run import RunRecord
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.proxy import Fault
from tests.faults.trying import (
    TRAINED_PREFIX,
    as_training,
    check_overtaken,
    check_status,
    job_of,
    overtaken,
    try_all,
)
from tests.faults.world import BUCKET, World


@pytest.fixture(scope="module")
def function(world: World) -> Iterator[Function]:
    settings = RecordFailureSettings(
        data_bucket=BUCKET,
        failures_queue_url=world.queues["failures_queue"],
        job_name_prefix=TRAINED_PREFIX,
    )
    with Function(world, "lambdas.record_failure.handler", settings) as function:
        yield function


def failed(world: World, record: RunRecord) -> Any:
    """Let a run be in training; return the event of its job's failure."""
    as_training(world, record)
    detail = {
        "TrainingJobName": job_of(record),
        "TrainingJobStatus": "Failed",
        "FailureReason": "AlgorithmError: made up",
    }
    return world.received("failures_queue", {"detail": detail})


@pytest.mark.parametrize(
    "amid",
    [None, Fault("PutObject output/*/status.json", 1, after=False, kind="error")],
)
def test_a_failed_job_is_answered(
    world: World, trained: RunRecord, function: Function, amid: Fault | None
) -> None:
    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        own = check_status(world, layout.run_prefix(trained.run_id))
        assert status == own
        assert status["state"] == "FAILED"
        assert "made up" in status["message"]

    cases = try_all(
        world,
        function,
        calls.RECORD_FAILURE,
        prepare=lambda: failed(world, trained),
        check=check,
        amid=amid,
    )
    print(f"{cases} cases")


def test_a_failed_job_of_an_older_upload_gives_way(
    world: World, trained: RunRecord, function: Function
) -> None:
    def prepare() -> Any:
        event = failed(world, trained)
        overtaken(world, trained)
        return event

    cases = try_all(
        world,
        function,
        calls.RECORD_FAILURE_SUPERSEDED,
        prepare=prepare,
        check=lambda _: check_overtaken(world, trained),
    )
    print(f"{cases} cases")
