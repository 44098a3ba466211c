"""From a run to its training job."""

import itertools
from typing import Any

from geoclusters import layout
from geoclusters.aws.events import MOST_FAILURES, TrainingRequest
from geoclusters.run import RunRecord
from lambdas.start_training.request import training_request
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.trying import (
    JOB_PREFIX,
    as_training,
    check_overtaken,
    check_status,
    overtaken,
    start_training_settings,
    try_all,
)
from tests.faults.world import World
from tests.sagemaker_settings import sagemaker_settings

_HANDLER = "lambdas.start_training.handler"
_NUMBERS = itertools.count(2)


def unanswered(world: World, record: RunRecord) -> None:
    """Have a run be where it waits to be trained, and nothing was said of it."""
    as_training(world, record)
    world.delete(record.upload.output_prefix, layout.run_status_key(record.run_id))


def message(world: World, record: RunRecord, attempt: int, receives: int = 1) -> Any:
    request = {"run_id": record.run_id, "attempt": attempt}
    return world.received("jobs_queue", request, receives=receives)


def test_start_training(world: World, trained: RunRecord) -> None:
    job_name = ""

    def prepare() -> Any:
        nonlocal job_name
        if job_name:
            world.stop_job(job_name)
        attempt = next(_NUMBERS)
        job_name = layout.job_name(JOB_PREFIX, trained.run_id, attempt)
        unanswered(world, trained)
        return message(world, trained, attempt)

    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        assert (status["state"], status["training_job"]) == ("TRAINING", job_name)
        assert "waiting" not in status
        jobs = world.sagemaker.list_training_jobs(NameContains=job_name)
        assert len(jobs["TrainingJobSummaries"]) == 1

    settings = start_training_settings(world)
    with Function(world, _HANDLER, settings) as function:
        cases = try_all(
            world, function, calls.START_TRAINING, prepare=prepare, check=check
        )
    world.stop_job(job_name)
    print(f"{cases} cases")


def test_start_training_of_a_job_that_was_created_before(
    world: World, trained: RunRecord
) -> None:
    attempt = next(_NUMBERS)
    job_name = layout.job_name(JOB_PREFIX, trained.run_id, attempt)
    settings = start_training_settings(world)
    request: Any = training_request(trained, job_name, settings)
    world.sagemaker.create_training_job(**request)

    def prepare() -> Any:
        unanswered(world, trained)
        return message(world, trained, attempt)

    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        assert (status["state"], status["training_job"]) == ("TRAINING", job_name)

    with Function(world, _HANDLER, settings) as function:
        cases = try_all(
            world,
            function,
            calls.START_TRAINING_AGAIN,
            prepare=prepare,
            check=check,
            only=lambda call: call == "DescribeTrainingJob",
        )
    world.wait_for_job(job_name)
    print(f"{cases} cases")


def test_start_training_where_there_is_no_room(
    world: World, trained: RunRecord
) -> None:
    settings = start_training_settings(world)
    holding = layout.job_name(JOB_PREFIX, trained.run_id, next(_NUMBERS))
    request: Any = training_request(trained, holding, settings)
    request["HyperParameters"]["epochs"] = "1000000"
    world.sagemaker.create_training_job(**request)
    attempt = next(_NUMBERS)

    def prepare() -> Any:
        unanswered(world, trained)
        return message(world, trained, attempt)

    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        assert (status["state"], status["waiting"]["tries"]) == ("QUEUED", 1)
        assert world.count("jobs_queue") == 1

    with (
        sagemaker_settings(world.cloud, quota=1),
        Function(world, _HANDLER, settings) as function,
    ):
        cases = try_all(
            world,
            function,
            calls.START_TRAINING_LATER,
            prepare=prepare,
            check=check,
            # Each message has an id of its own.
            done=lambda answer: bool(answer.get("result", {}).get("batchItemFailures")),
            only=lambda call: call in ("CreateTrainingJob", "ChangeMessageVisibility"),
        )
    world.stop_job(holding)
    world.wait_for_job(holding)
    print(f"{cases} cases")


def test_start_training_puts_aside_what_fails_again_and_again(
    world: World, trained: RunRecord
) -> None:
    attempt = next(_NUMBERS)

    def prepare() -> Any:
        unanswered(world, trained)
        world.empty("jobs_dead_letters")
        return message(world, trained, attempt, receives=MOST_FAILURES + 1)

    def check(_: Any) -> None:
        # Twice, where it can't be known that it was sent.
        letters = world.take("jobs_dead_letters")
        assert letters
        for letter in letters:
            request = TrainingRequest.from_body(letter)
            assert request == TrainingRequest(run_id=trained.run_id, attempt=attempt)

    settings = start_training_settings(world)
    with Function(world, _HANDLER, settings) as function:
        cases = try_all(
            world, function, calls.START_TRAINING_NEVER, prepare=prepare, check=check
        )
    print(f"{cases} cases")


def test_start_training_of_an_older_upload_gives_way(
    world: World, trained: RunRecord
) -> None:
    attempt = next(_NUMBERS)

    def prepare() -> Any:
        unanswered(world, trained)
        overtaken(world, trained)
        return message(world, trained, attempt)

    settings = start_training_settings(world)
    with Function(world, _HANDLER, settings) as function:
        cases = try_all(
            world,
            function,
            calls.START_TRAINING_SUPERSEDED,
            prepare=prepare,
            check=lambda _: check_overtaken(world, trained),
        )
    print(f"{cases} cases")
