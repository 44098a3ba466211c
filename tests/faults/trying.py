"""How a function is tried: each of its calls fails once, in each way that it can.

Before and after it took effect; with a server error, a throttle, a dropped connection;
and the process ends there. Then the message comes back, and the run completes: nothing
is lost, and nothing half-written shows.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import (
    IngestSettings,
    StartTrainingSettings,
)
from geoclusters.run import RunRecord
from geoclusters.status import End, State, Status, run_figures
from tests.faults.calls import Calls
from tests.faults.function import Function
from tests.faults.proxy import Fault
from tests.faults.world import BUCKET, World
from tests.statuses import problem

TABLE = b"id,lat,lon\n" + b"".join(
    b"%d,%s,%d\n" % (i, str(i % 60).encode() if i % 9 else b"", i) for i in range(90)
)
#: Of the names of training jobs: of those that functions create, …
JOB_PREFIX: Final = "stack-0123abcd"
#: … and of the one that the run of most tests has.
TRAINED_PREFIX: Final = "stack-89abcdef"
#: How often a message comes back before it must have been worked on.
MOST_TRIES = 3


def faults(recorded: list[str]) -> Iterator[Fault]:
    """Yield all that can go wrong with the calls of a trace."""
    for call, count in Counter(recorded).items():
        for nth in range(1, count + 1):
            for after, kind in ways_to_fail(call):
                yield Fault(call, nth, after, kind)


def ways_to_fail(call: str) -> list[tuple[bool, str]]:
    """Return how one call can fail: whether it took effect by then, and how."""
    # What only reads has no effect to be before or after of.
    moments = (False,) if is_read(call) else (False, True)
    kinds = ("error", "throttle", "drop")
    return [*((after, kind) for after in moments for kind in kinds), (True, "kill")]


def is_read(call: str) -> bool:
    return call.startswith(("Get", "Head", "Describe", "List"))


def check_status(world: World, prefix: str) -> Any:
    """Hold what a client may see to what it was promised; return the status."""
    status = world.document(prefix + layout.STATUS_NAME)
    if status is not None:
        assert problem(status) is None
        there = world.keys(prefix)
        assert {prefix + name for name in status["files"]} <= set(there)
    return status


def try_all(
    world: World,
    function: Function,
    known: Calls,
    *,
    prepare: Callable[[], Any],
    check: Callable[[Any], None],
    done: Callable[[Any], bool] | None = None,
    next_after: Callable[[], object] | None = None,
    only: Callable[[str], bool] = bool,
    amid: Fault | None = None,
) -> int:
    """Let each call fail; return how many cases there were.

    `prepare` makes a fresh case and returns its event; `check` holds what is there
    when the message was worked on, given what an undisturbed invocation answered.
    `done` says by an answer whether it was; by default it is the undisturbed one. What
    isn't there then is made by one that comes after `next_after`, if that is given.
    `only` some calls, by their name, can be tried. With a fault `amid` them those are
    tried that come after this one only.
    """
    function.invoke(prepare())  # so that what is made once, such as fonts, is made
    event = prepare()
    undisturbed = function.invoke(event)
    assert "error" not in undisturbed, undisturbed
    recorded = world.proxy.calls
    assert set(recorded) == known.always, set(recorded) ^ known.always
    is_done = done or undisturbed.__eq__
    check(undisturbed)
    if amid is not None:
        function.invoke(prepare(), amid)
        recorded = [call for call in world.proxy.calls if call in known.after_faults]
    tried = [call for call in recorded if only(call)]
    assert tried

    def check_at_last(event: Any) -> None:
        try:
            check(undisturbed)
        except AssertionError:
            if next_after is None:
                raise
            next_after()
            function.invoke(event)
            check(undisturbed)

    cases = 0
    for fault in faults(tried):
        event = prepare()
        answer = function.invoke(event, *filter(None, (fault, amid)))
        met = set(world.proxy.calls)
        assert fault.call in met, fault
        for _ in range(MOST_TRIES):
            if answer is not None and is_done(answer):
                break
            answer = function.invoke(event)
            met |= set(world.proxy.calls)
        assert is_done(answer), (fault, answer)
        assert met <= known.always | known.after_faults, fault
        try:
            check_at_last(event)
        except AssertionError as error:
            raise AssertionError(f"after {fault}: {error}") from error
        cases += 1
    wanted = known.always if amid is None else known.after_faults
    assert cases >= sum(len(ways_to_fail(call)) for call in wanted if only(call)) > 0
    return cases


def ingest_settings(world: World) -> IngestSettings:
    return IngestSettings(
        data_bucket=BUCKET,
        uploads_queue_url=world.queues["uploads_queue"],
        jobs_queue_url=world.queues["jobs_queue"],
        default_k=3,
        max_upload_bytes=1_000_000,
        most_left_out_percent=50,
        instance_count=2,
    )


def another_run(world: World, record: RunRecord, name: str) -> RunRecord:
    """Return a run like another one, up to where it waits to be trained."""
    upload = replace(record.upload, key=f"{layout.INPUT_PREFIX}{name}.csv")
    run = replace(record, upload=upload)
    for part in range(record.train_parts):
        shard = world.read(layout.train_key(record.run_id, part))
        world.put(layout.train_key(run.run_id, part), shard)
    world.put(layout.run_record_key(run.run_id), run.to_json().encode())
    return run


def start_training_settings(world: World) -> StartTrainingSettings:
    return StartTrainingSettings(
        data_bucket=BUCKET,
        jobs_queue_url=world.queues["jobs_queue"],
        jobs_dead_letters_url=world.queues["jobs_dead_letters"],
        job_name_prefix=JOB_PREFIX,
        training_image="382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        training_role_arn=world.role_arn,
        instance_type="ml.m5.large",
        instance_count=1,
        input_mode="File",
        kms_key_arn="",
        max_wait_s=3600,
    )


def job_of(record: RunRecord) -> str:
    """Return the training job of the run of most tests."""
    return layout.job_name(TRAINED_PREFIX, record.run_id, 1)


def as_training(world: World, record: RunRecord, job_name: str = "") -> None:
    """Have a run be where its job was created, and nothing came after."""
    run_id = record.run_id
    world.forget(
        *world.keys(record.upload.output_prefix),
        layout.run_status_key(run_id),
        layout.announced_again_key(run_id),
        *(layout.told_key(run_id, end) for end in End),
    )
    status = Status(
        upload=record.upload,
        state=State.TRAINING,
        message="",
        figures={
            **run_figures(record),
            "training_job": job_name or job_of(record),
        },
    )
    Outputs(world.s3, record.upload).publish(status)


def overtaken(world: World, record: RunRecord) -> None:
    """Have a newer upload be answered where the run would be."""
    newer = replace(record.upload, sequencer="0F")
    world.forget(layout.run_status_key(newer.run_id))
    status = Status(upload=newer, state=State.QUEUED, message="a newer one")
    Outputs(world.s3, newer).publish(status)


def check_overtaken(world: World, record: RunRecord) -> None:
    """Hold that a run gave way to a newer one, and says so."""
    own = check_status(world, layout.run_prefix(record.run_id))
    assert own["state"] == State.SUPERSEDED
    shown = check_status(world, record.upload.output_prefix)
    assert shown["message"] == "a newer one"
    assert world.keys(record.upload.output_prefix) == [
        record.upload.output_prefix + layout.STATUS_NAME
    ]
