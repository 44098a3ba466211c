"""From a run's end to a message that tells of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import (
    NotifySettings,
)
from geoclusters.run import RunRecord
from geoclusters.status import State, Status
from tests.faults import calls
from tests.faults.calls import Calls
from tests.faults.function import Function
from tests.faults.trying import (
    as_training,
    try_all,
)
from tests.faults.world import BUCKET, World


@pytest.fixture(scope="module")
def function(world: World) -> Iterator[Function]:
    """The function, whose topic a queue listens to."""
    topic_arn = world.cloud.client("sns").create_topic(Name="runs")["TopicArn"]
    arn: Any = world.sqs.get_queue_attributes(
        QueueUrl=world.queues["told_queue"], AttributeNames=["QueueArn"]
    )["Attributes"]
    world.cloud.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=arn["QueueArn"]
    )
    settings = NotifySettings(
        data_bucket=BUCKET,
        statuses_queue_url=world.queues["statuses_queue"],
        topic_arn=topic_arn,
    )
    with Function(world, "lambdas.notify.handler", settings) as function:
        yield function


@pytest.mark.parametrize(
    ("state", "known", "only"),
    [
        (State.FAILED, calls.NOTIFY, ""),
        (State.SUCCEEDED, calls.NOTIFY_SUCCEEDED, "told-SUCCEEDED"),
    ],
)
def test_the_end_of_a_run_is_told(
    world: World,
    trained: RunRecord,
    function: Function,
    state: State,
    known: Calls,
    only: str,
) -> None:
    key = layout.run_status_key(trained.run_id)

    def prepare() -> Any:
        as_training(world, trained)
        ended = Status(upload=trained.upload, state=state, message="made up")
        Outputs(world.s3, trained.upload).publish(ended)
        world.empty("told_queue")
        etag = world.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')
        made = {"key": key, "etag": etag, "sequencer": "0A", "size": 1}
        return world.received(
            "statuses_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        )

    def check(_: Any) -> None:
        told = world.take("told_queue")
        assert told  # twice, where it can't be known that it was told
        for message in told:
            said = json.loads(message["Message"])
            assert (said["run_id"], said["state"]) == (trained.run_id, state)

    cases = try_all(
        world,
        function,
        known,
        prepare=prepare,
        check=check,
        only=lambda call: only in call,
    )
    print(f"{cases} cases")
