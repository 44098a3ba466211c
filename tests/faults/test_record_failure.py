"""From a job that failed to the answer of its run."""

from typing import Any

from geoclusters import layout
from geoclusters.environment import (
    RecordFailureSettings,
)
from geoclusters.run import RunRecord
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.trying import (
    TRAINED_PREFIX,
    as_training,
    check_status,
    job_of,
    try_all,
)
from tests.faults.world import BUCKET, World


def test_record_failure(world: World, trained: RunRecord) -> None:
    job_name = job_of(trained)
    detail = {
        "TrainingJobName": job_name,
        "TrainingJobStatus": "Failed",
        "FailureReason": "AlgorithmError: made up",
    }

    def prepare() -> Any:
        as_training(world, trained)
        return world.received("failures_queue", {"detail": detail})

    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        own = check_status(world, layout.run_prefix(trained.run_id))
        assert status == own
        assert status["state"] == "FAILED"
        assert "made up" in status["message"]

    settings = RecordFailureSettings(
        data_bucket=BUCKET,
        failures_queue_url=world.queues["failures_queue"],
        job_name_prefix=TRAINED_PREFIX,
    )
    with Function(world, "lambdas.record_failure.handler", settings) as function:
        cases = try_all(
            world, function, calls.RECORD_FAILURE, prepare=prepare, check=check
        )
    print(f"{cases} cases")
