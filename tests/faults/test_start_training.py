"""From a run to its training job."""

from typing import Any

from geoclusters import layout
from geoclusters.run import RunRecord
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.trying import (
    JOB_PREFIX,
    as_training,
    check_status,
    start_training_settings,
    try_all,
)
from tests.faults.world import World


def test_start_training(world: World, trained: RunRecord) -> None:
    attempts = iter(range(2, 10_000))
    job_name = ""

    def prepare() -> Any:
        nonlocal job_name
        if job_name:
            world.stop_job(job_name)
        attempt = next(attempts)
        job_name = layout.job_name(JOB_PREFIX, trained.run_id, attempt)
        as_training(world, trained)
        world.delete(
            trained.upload.output_prefix, layout.run_status_key(trained.run_id)
        )
        return world.received(
            "jobs_queue", {"run_id": trained.run_id, "attempt": attempt}
        )

    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        assert (status["state"], status["training_job"]) == ("TRAINING", job_name)
        assert "waiting" not in status
        jobs = world.sagemaker.list_training_jobs(NameContains=job_name)
        assert len(jobs["TrainingJobSummaries"]) == 1

    settings = start_training_settings(world)
    with Function(world, "lambdas.start_training.handler", settings) as function:
        cases = try_all(
            world, function, calls.START_TRAINING, prepare=prepare, check=check
        )
    world.stop_job(job_name)
    print(f"{cases} cases")
