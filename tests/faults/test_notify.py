"""From a run's end to a message that tells of it."""

import json
from typing import Any

from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import (
    NotifySettings,
)
from geoclusters.run import RunRecord
from geoclusters.status import State, Status
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.trying import (
    as_training,
    try_all,
)
from tests.faults.world import BUCKET, World


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
