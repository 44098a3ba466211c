"""What nobody heard of."""

import json
import time
from dataclasses import fields
from typing import Any

from geoclusters import layout
from geoclusters.environment import (
    SweepSettings,
)
from geoclusters.run import RunRecord
from tests.faults import calls, hurried_sweep
from tests.faults.function import Function
from tests.faults.trying import (
    TRAINED_PREFIX,
    as_training,
    check_status,
    job_of,
    try_all,
)
from tests.faults.world import BUCKET, World


def test_sweep(world: World, trained: RunRecord) -> None:
    """A model that nobody reported, a dead letter, and an event not delivered."""
    job_name = job_of(trained)
    numbers = iter(range(10_000))
    prefix = ""
    announced: list[Any] = []

    def prepare() -> Any:
        nonlocal prefix
        as_training(world, trained)
        announced.clear()
        for url in world.queues.values():
            world.sqs.purge_queue(QueueUrl=url)
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

    urls = {f"{name}_url": url for name, url in world.queues.items()}
    names = {field.name for field in fields(SweepSettings)}
    settings = SweepSettings(
        data_bucket=BUCKET,
        job_name_prefix=TRAINED_PREFIX,
        **{name: url for name, url in urls.items() if name in names},
    )
    with Function(
        world, "tests.faults.hurried_sweep", settings, ahead_s=2 * 3600
    ) as function:
        cases = try_all(
            world,
            function,
            calls.SWEEP,
            prepare=prepare,
            check=check,
            done=lambda answer: "error" not in answer,
            next_after=lambda: time.sleep(hurried_sweep.HIDDEN_S + 0.1),
        )
    print(f"{cases} cases")
