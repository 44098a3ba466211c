"""From a run's end to a message that tells of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import (
    NotifySettings,
)
from geoclusters.run import RunRecord
from geoclusters.status import PUT_ASIDE, End, State, Status
from tests.faults import calls
from tests.faults.calls import Calls
from tests.faults.function import Function
from tests.faults.proxy import Fault, FaultProxy, Meanwhile
from tests.faults.trying import (
    as_training,
    try_all,
)
from tests.faults.world import BUCKET, World


@pytest.fixture(scope="module")
def settings(world: World) -> NotifySettings:
    """The function's settings; a queue listens to its topic."""
    topic_arn = world.cloud.client("sns").create_topic(Name="runs")["TopicArn"]
    arn: Any = world.sqs.get_queue_attributes(
        QueueUrl=world.queues["told_queue"], AttributeNames=["QueueArn"]
    )["Attributes"]
    world.cloud.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=arn["QueueArn"]
    )
    return NotifySettings(
        data_bucket=BUCKET,
        statuses_queue_url=world.queues["statuses_queue"],
        topic_arn=topic_arn,
    )


@contextmanager
def notify(
    world: World, settings: NotifySettings, left_s: float = 900
) -> Iterator[Function]:
    module = "lambdas.notify.handler"
    with Function(world, module, settings, left_s=left_s) as function:
        yield function


@pytest.fixture(scope="module")
def function(world: World, settings: NotifySettings) -> Iterator[Function]:
    """The function, whose time is over when a message comes back, as it is on AWS."""
    with notify(world, settings, left_s=0) as function:
        yield function


@pytest.fixture(scope="module")
def twins(
    world: World, settings: NotifySettings
) -> Iterator[tuple[Function, Function]]:
    """The function in two processes at the same time."""
    beside = copy(world)
    with (
        FaultProxy(world.proxy.upstream) as beside.proxy,
        notify(world, settings) as one,
        notify(beside, settings) as other,
    ):
        yield one, other


def ended(world: World, record: RunRecord, end: End) -> Any:
    """Let a run end; return the event of its status."""
    as_training(world, record)
    is_put_aside = end is End.PUT_ASIDE
    status = Status(
        upload=record.upload,
        state=State.FAILED if is_put_aside else State(end),
        message="made up",
        figures={PUT_ASIDE: True} if is_put_aside else {},
    )
    Outputs(world.s3, record.upload).publish(status)
    world.empty("told_queue")
    key = layout.run_status_key(record.run_id)
    etag = world.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')
    made = {"key": key, "etag": etag, "sequencer": "0A", "size": 1}
    return world.received(
        "statuses_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
    )


def told_of(world: World, record: RunRecord, state: State) -> None:
    """Hold that a run was told of."""
    told = world.take("told_queue")
    assert told  # twice, where it can't be known that it was told
    for message in told:
        said = json.loads(message["Message"])
        assert (said["run_id"], said["state"]) == (record.run_id, state)


@pytest.mark.parametrize(
    ("end", "known", "only"),
    [
        (End.FAILED, calls.NOTIFY, ""),
        (End.SUCCEEDED, calls.NOTIFY_SUCCEEDED, "told-SUCCEEDED"),
        (End.PUT_ASIDE, calls.NOTIFY_PUT_ASIDE, "told-PUT_ASIDE"),
    ],
)
def test_the_end_of_a_run_is_told(
    world: World,
    trained: RunRecord,
    function: Function,
    end: End,
    known: Calls,
    only: str,
) -> None:
    state = State.FAILED if end is End.PUT_ASIDE else State(end)

    def prepare() -> Any:
        return ended(world, trained, end)

    cases = try_all(
        world,
        function,
        known,
        prepare=prepare,
        check=lambda _: told_of(world, trained, state),
        only=lambda call: only in call,
    )
    print(f"{cases} cases")


def test_what_could_not_be_told_comes_back_though_it_could_not_be_hidden(
    world: World, trained: RunRecord, function: Function
) -> None:
    cases = try_all(
        world,
        function,
        calls.NOTIFY,
        prepare=lambda: ended(world, trained, End.FAILED),
        check=lambda _: told_of(world, trained, State.FAILED),
        amid=Fault("Publish", 1, after=False, kind="error"),
    )
    print(f"{cases} cases")


def test_an_event_that_comes_twice_at_one_moment_is_told_once(
    world: World, trained: RunRecord, twins: tuple[Function, Function]
) -> None:
    """The second comes right before each call of the first."""
    one, other = twins
    done: Any = {"result": {"batchItemFailures": []}}
    assert one.invoke(ended(world, trained, End.FAILED)) == done
    calls = world.proxy.calls
    assert len(set(calls)) > 3
    for position, call in enumerate(calls):
        event = ended(world, trained, End.FAILED)
        answers: list[Any] = []

        def come_again(event: Any = event, answers: list[Any] = answers) -> None:
            answers.append(other.invoke(event))

        nth = calls[: position + 1].count(call)
        meanwhile = Meanwhile(call, nth, come_again)
        answers.append(one.invoke(event, meanwhile=meanwhile))
        assert len(answers) == 2
        assert done in answers, (call, nth)  # the other waits, or has nothing to tell
        assert one.invoke(event) == other.invoke(event) == done
        assert len(world.take("told_queue")) == 1, (call, nth)
