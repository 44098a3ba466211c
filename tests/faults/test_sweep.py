"""What nobody heard of."""

import itertools
import json
from dataclasses import fields
from typing import Any, Final

from geoclusters import layout
from geoclusters.environment import (
    SweepSettings,
)
from geoclusters.run import RunRecord
from lambdas.start_training.request import training_request
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.trying import (
    TRAINED_PREFIX,
    another_run,
    as_training,
    check_status,
    job_of,
    start_training_settings,
    try_all,
)
from tests.faults.world import BUCKET, World

#: By then a model is reported, and a job of an hour is overdue.
AHEAD_S: Final = 3 * 3600
#: Of the names of jobs: what a test sweeps, no other test is to sweep too.
FAILED_PREFIX: Final = "stack-fa11fa11"
OVERDUE_PREFIX: Final = "stack-07e4d0e0"


def swept(world: World, job_prefix: str) -> Function:
    """Return the sweep of jobs with a prefix, whose clock is ahead."""
    urls = {f"{name}_url": url for name, url in world.queues.items()}
    names = {field.name for field in fields(SweepSettings)}
    settings = SweepSettings(
        data_bucket=BUCKET,
        job_name_prefix=job_prefix,
        **{name: url for name, url in urls.items() if name in names},
    )
    return Function(world, "tests.faults.hurried_sweep", settings, ahead_s=AHEAD_S)


def is_done(answer: Any) -> bool:
    return "error" not in answer


def test_what_nobody_heard_of_is_settled(world: World, trained: RunRecord) -> None:
    """A model that nobody reported, a dead letter, and an event not delivered."""
    job_name = job_of(trained)
    numbers = itertools.count()
    prefix = ""
    had_messages = ("uploads_dead_letters", "failures_undelivered")
    world.empty()
    announced: list[Any] = []

    def prepare() -> Any:
        nonlocal prefix
        as_training(world, trained)
        announced.clear()
        world.empty(*had_messages, "failures_queue", "models_queue")
        key = f"input/dead-{next(numbers)}.csv"
        prefix = layout.output_prefix(key)
        made = {"key": key, "etag": "0", "sequencer": "0A", "size": 1}
        letter = {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        world.send("uploads_dead_letters", json.dumps(letter))
        world.send("failures_undelivered", json.dumps({"detail": "undelivered"}))
        return {}

    def check(_: Any) -> None:
        status = check_status(world, prefix)
        assert status is not None
        assert (status["state"], status["put_aside"]) == ("FAILED", True)
        assert world.count("uploads_dead_letters") == 1
        assert world.count("failures_undelivered") == 0
        assert world.count("failures_queue") >= 1
        announced.extend(world.take("models_queue"))
        assert {event["detail"]["object"]["key"] for event in announced} == {
            layout.model_key(trained.run_id, job_name)
        }

    with swept(world, TRAINED_PREFIX) as function:
        cases = try_all(
            world,
            function,
            calls.SWEEP,
            prepare=prepare,
            check=check,
            done=is_done,
            next_after=lambda: world.wait_until_shown(*had_messages),
        )
    print(f"{cases} cases")


def test_a_failure_that_nobody_heard_of_is_told(
    world: World, trained: RunRecord
) -> None:
    record = another_run(world, trained, "unheard")
    job_name = layout.job_name(FAILED_PREFIX, record.run_id, 1)
    request: Any = training_request(record, job_name, start_training_settings(world))
    request["HyperParameters"]["feature_dim"] = "7"  # which the data hasn't
    world.sagemaker.create_training_job(**request)
    assert world.wait_for_job(job_name)["TrainingJobStatus"] == "Failed"
    world.empty()

    def prepare() -> Any:
        as_training(world, record, job_name)
        return {}

    def check(_: Any) -> None:
        status = check_status(world, record.upload.output_prefix)
        assert status == world.document(layout.run_status_key(record.run_id))
        assert (status["state"], status["training_job"]) == ("FAILED", job_name)
        assert world.count("models_queue") == 0

    with swept(world, FAILED_PREFIX) as function:
        cases = try_all(
            world,
            function,
            calls.SWEEP_FAILED,
            prepare=prepare,
            check=check,
            done=is_done,
            only=lambda call: call.startswith(("Describe", "Put")),
        )
    print(f"{cases} cases")


def test_a_job_that_is_overdue_is_stopped(world: World, trained: RunRecord) -> None:
    record = another_run(world, trained, "overdue")
    attempts = itertools.count(1)
    job_name = ""
    world.empty()

    def prepare() -> Any:
        nonlocal job_name
        if job_name:
            world.stop_job(job_name)
        job_name = layout.job_name(OVERDUE_PREFIX, record.run_id, next(attempts))
        settings = start_training_settings(world)
        request: Any = training_request(record, job_name, settings)
        # It doesn't end by itself before a sweep finds it.
        request["HyperParameters"]["epochs"] = "1000000"
        request["StoppingCondition"]["MaxRuntimeInSeconds"] = 3600
        world.sagemaker.create_training_job(**request)
        world.wait_until_begun(job_name)
        as_training(world, record, job_name)
        return {}

    def check(_: Any) -> None:
        status = check_status(world, record.upload.output_prefix)
        assert status == world.document(layout.run_status_key(record.run_id))
        assert (status["state"], status["training_job"]) == ("FAILED", job_name)
        assert world.wait_for_job(job_name)["TrainingJobStatus"] == "Stopped"
        assert world.count("models_queue") == 0

    with swept(world, OVERDUE_PREFIX) as function:
        cases = try_all(
            world,
            function,
            calls.SWEEP_OVERDUE,
            prepare=prepare,
            check=check,
            done=is_done,
            # Where it was stopped, but not told: what is told then is that it stopped.
            next_after=lambda: world.wait_for_job(job_name),
            only=lambda call: call.startswith(("Describe", "Stop")),
        )
    print(f"{cases} cases")
