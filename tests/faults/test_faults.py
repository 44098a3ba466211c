"""Each call of each function fails once; nothing is lost, nothing half-written shows.

Before and after it took effect; with a server error, a throttle, a dropped connection;
and the process ends there. Then the message comes back, and the run completes.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import (
    IngestSettings,
    NotifySettings,
    RecordFailureSettings,
    ReportSettings,
    StartTrainingSettings,
    SweepSettings,
)
from geoclusters.prices import Prices
from geoclusters.run import RunRecord
from geoclusters.status import State, Status, run_figures
from lambdas.start_training.request import training_request
from local.cloud import REPORT_PYTHON
from tests.faults import calls, hurried_sweep
from tests.faults.calls import Calls
from tests.faults.conftest import BUCKET, JOB_PREFIX, Function, World
from tests.faults.proxy import Fault
from tests.statuses import problem

TABLE = b"id,lat,lon\n" + b"".join(
    b"%d,%s,%d\n" % (i, str(i % 60).encode() if i % 9 else b"", i) for i in range(90)
)
#: How often a message comes back before it must have been worked on.
MOST_TRIES = 3


def faults(recorded: list[str]) -> Iterator[Fault]:
    """Yield all that can go wrong with the calls of a trace."""
    for call, count in Counter(recorded).items():
        for nth in range(1, count + 1):
            # What only reads has no effect to be before or after of.
            for after in (False,) if is_read(call) else (False, True):
                for kind in ("error", "throttle", "drop"):
                    yield Fault(call, nth, after, kind)
            yield Fault(call, nth, after=True, kind="kill")


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
    next_after_s: float = 0,
    only: Callable[[str], bool] = bool,
) -> int:
    """Let each call fail; return how many cases there were.

    `prepare` makes a fresh case and returns its event; `check` holds what is there
    when the message was worked on, given what an undisturbed invocation answered.
    `done` says by an answer whether it was; by default it is the undisturbed one. What
    isn't there then is made by one that comes `next_after_s` later, if that is given.
    `only` some calls, by their name, can be tried.
    """
    function.invoke(prepare())  # so that what is made once, such as fonts, is made
    event = prepare()
    undisturbed = function.invoke(event)
    assert "error" not in undisturbed, undisturbed
    recorded = world.proxy.calls
    assert set(recorded) == known.always
    is_done = done or undisturbed.__eq__
    check(undisturbed)

    def check_at_last(event: Any) -> None:
        try:
            check(undisturbed)
        except AssertionError:
            if not next_after_s:
                raise
            time.sleep(next_after_s)
            function.invoke(event)
            check(undisturbed)

    cases = 0
    for fault in faults([call for call in recorded if only(call)]):
        event = prepare()
        answer = function.invoke(event, fault)
        met = set(world.proxy.calls)
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


def test_ingest(world: World) -> None:
    numbers = iter(range(10_000))
    run_id = ""
    prefix = ""

    def prepare() -> Any:
        nonlocal run_id, prefix
        key = f"input/case-{next(numbers)}.csv"
        etag = world.put(key, TABLE)["ETag"].strip('"')
        world.put(key.replace(".csv", ".json"), b'{"k": 4}')
        identity = {"key": key, "etag": etag, "sequencer": "0A"}
        run_id = layout.run_id(bucket=BUCKET, **identity)
        prefix = layout.output_prefix(key)
        world.take("jobs_queue")
        made = {**identity, "size": len(TABLE)}
        return world.received(
            "uploads_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        )

    reference: dict[str, bytes] = {}

    def check(_: Any) -> None:
        status = check_status(world, prefix)
        assert status["state"] == "QUEUED"
        assert status["run_id"] == run_id
        requests = world.take("jobs_queue")
        assert requests
        assert all(request == {"run_id": run_id, "attempt": 1} for request in requests)
        record = world.document(layout.run_record_key(run_id))
        assert record["rows_usable"] == 80
        files = {
            key.removeprefix(layout.run_prefix(run_id)): world.read(key)
            for key in world.keys(layout.run_prefix(run_id))
            if not key.endswith(".json")
        }
        assert files.keys() == {
            *(f"places/part-{i:05d}.npy" for i in range(record["places_parts"])),
            *(f"train/part-{i:05d}.pbr" for i in range(record["train_parts"])),
            "rejected.csv",
        }
        reference.setdefault("places", files["places/part-00000.npy"])
        assert files["places/part-00000.npy"] == reference["places"]
        trained = sum(len(body) for key, body in files.items() if "train/" in key)
        assert trained == record["train_bytes"]

    settings = ingest_settings(world)
    with Function(world, "lambdas.ingest.handler", settings) as function:
        cases = try_all(world, function, calls.INGEST, prepare=prepare, check=check)
    print(f"{cases} cases")


@pytest.fixture(scope="module")
def trained(world: World) -> RunRecord:
    """A run up to its model: what ingest wrote, and a job that is Completed."""
    key = "input/depots.csv"
    etag = world.put(key, TABLE)["ETag"].strip('"')
    identity = {"key": key, "etag": etag, "sequencer": "0A"}
    made = {**identity, "size": len(TABLE)}
    event = world.received(
        "uploads_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
    )
    with Function(world, "lambdas.ingest.handler", ingest_settings(world)) as function:
        assert "error" not in function.invoke(event)
    run_id = layout.run_id(bucket=BUCKET, **identity)
    world.take("jobs_queue")
    record = RunRecord.from_json(world.read(layout.run_record_key(run_id)))
    job_name = layout.job_name(JOB_PREFIX, run_id, 1)
    settings = start_training_settings(world)
    world.sagemaker.create_training_job(**training_request(record, job_name, settings))
    assert world.wait_for_job(job_name)["TrainingJobStatus"] == "Completed"
    return record


def as_training(world: World, record: RunRecord) -> None:
    """Have a run be where its job was created, and nothing came after."""
    world.delete(record.upload.output_prefix, layout.run_status_key(record.run_id))
    for marker in ("announced-again", "told-"):
        world.delete(layout.run_prefix(record.run_id) + marker)
    status = Status(
        upload=record.upload,
        state=State.TRAINING,
        message="",
        figures={
            **run_figures(record),
            "training_job": layout.job_name(JOB_PREFIX, record.run_id, 1),
        },
    )
    Outputs(world.s3, record.upload).publish(status)


def start_training_settings(world: World) -> StartTrainingSettings:
    return StartTrainingSettings(
        data_bucket=BUCKET,
        jobs_queue_url=world.queues["jobs_queue"],
        job_name_prefix=JOB_PREFIX,
        training_image="382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        training_role_arn=world.role_arn,
        instance_type="ml.m5.large",
        instance_count=1,
        input_mode="File",
        kms_key_arn="",
        max_wait_s=3600,
    )


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


def test_record_failure(world: World, trained: RunRecord) -> None:
    job_name = layout.job_name(JOB_PREFIX, trained.run_id, 1)
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
        job_name_prefix=JOB_PREFIX,
    )
    with Function(world, "lambdas.record_failure.handler", settings) as function:
        cases = try_all(
            world, function, calls.RECORD_FAILURE, prepare=prepare, check=check
        )
    print(f"{cases} cases")


def test_notify(world: World, trained: RunRecord) -> None:
    topic_arn = world.cloud.client("sns").create_topic(Name="runs")["TopicArn"]
    arn: Any = world.sqs.get_queue_attributes(
        QueueUrl=world.queues["told_queue"], AttributeNames=["QueueArn"]
    )["Attributes"]
    world.cloud.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=arn["QueueArn"]
    )
    key = layout.run_status_key(trained.run_id)

    def prepare() -> Any:
        as_training(world, trained)
        failed = Status(upload=trained.upload, state=State.FAILED, message="made up")
        Outputs(world.s3, trained.upload).publish(failed)
        world.take("told_queue")
        etag = world.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')
        made = {"key": key, "etag": etag, "sequencer": "0A", "size": 1}
        return world.received(
            "statuses_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        )

    def check(_: Any) -> None:
        told = world.take("told_queue")
        assert told  # twice, where it can't be known that it was told
        for message in told:
            assert json.loads(message["Message"])["run_id"] == trained.run_id

    settings = NotifySettings(
        data_bucket=BUCKET,
        statuses_queue_url=world.queues["statuses_queue"],
        topic_arn=topic_arn,
    )
    with Function(world, "lambdas.notify.handler", settings) as function:
        cases = try_all(world, function, calls.NOTIFY, prepare=prepare, check=check)
    print(f"{cases} cases")


def try_report(
    world: World, trained: RunRecord, module: str, known: Calls, **options: Any
) -> int:
    """Let each call of the report fail, as `try_all` does."""
    prefix = trained.upload.output_prefix
    job_name = layout.job_name(JOB_PREFIX, trained.run_id, 1)
    made = {
        "key": layout.model_key(trained.run_id, job_name),
        "etag": "0",
        "sequencer": "0B",
        "size": 1,
    }
    reference: dict[str, bytes] = {}

    def prepare() -> Any:
        as_training(world, trained)
        return world.received(
            "models_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        )

    def check(_: Any) -> None:
        status = check_status(world, prefix)
        assert status["state"] == "SUCCEEDED"
        own = world.document(layout.run_status_key(trained.run_id))
        assert own == status
        files = {name: world.read(prefix + name) for name in status["files"]}
        assert world.keys(prefix) == sorted(
            prefix + name for name in [*files, layout.STATUS_NAME]
        )
        for name, body in files.items():
            if name.endswith(".csv"):
                assert body == reference.setdefault(name, body)
            assert len(body) > 100

    settings = ReportSettings(
        data_bucket=BUCKET,
        models_queue_url=world.queues["models_queue"],
        gzip_above_rows=1_000_000,
        prices=Prices(instance_type="ml.m5.large").to_json(),
        ingest_memory_mb=2048,
        report_memory_mb=2048,
    )
    with Function(world, module, settings, python=REPORT_PYTHON) as function:
        return try_all(world, function, known, prepare=prepare, check=check, **options)


def test_report(world: World, trained: RunRecord) -> None:
    cases = try_report(world, trained, "container.handler", calls.REPORT)
    print(f"{cases} cases")


def test_report_of_files_in_parts(world: World, trained: RunRecord) -> None:
    module, known = "tests.faults.report_in_parts", calls.REPORT_IN_PARTS
    cases = try_report(
        world, trained, module, known, only=lambda call: "Upload" in call
    )
    # Left open, for the bucket's lifecycle: those of processes that were killed before
    # completing them, and those whose beginning was never answered.
    assert world.open_uploads() <= cases // 7 - 1 + 3
    print(f"{cases} cases")


def test_sweep(world: World, trained: RunRecord) -> None:
    """A model that nobody reported, a dead letter, and an event not delivered."""
    job_name = layout.job_name(JOB_PREFIX, trained.run_id, 1)
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
        job_name_prefix=JOB_PREFIX,
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
            next_after_s=hurried_sweep.HIDDEN_S + 0.1,
        )
    print(f"{cases} cases")
