"""Send dead letters back after a mend: ``python -m operations.redrive``.

Works on all queues of one stack: on the dead letters of its queues, and on the events
that its rules couldn't deliver. (For the former, "Start DLQ redrive" in the SQS console
or ``aws sqs start-message-move-task`` does the same, if the queue is named that they go
to: `start_training` sends some itself, of which SQS knows no source.)
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_HIDDEN_S = 60


class Route(NamedTuple):
    """Where dead letters lie, and where they belong; both by the queue's URL."""

    dead_letters: str
    queue: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m operations.redrive")
    parser.add_argument("--stack", default="geoclusters", help="name of the stack")
    options = parser.parse_args(arguments)
    session = boto3.Session()
    try:
        moved = redrive(options.stack, session)
    except (BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    for route, count in moved.items():
        name = route.dead_letters.rpartition("/")[2]
        print(f"{count:6} sent back from {name}")
    return 0


def redrive(stack_name: str, session: boto3.Session) -> dict[Route, int]:
    """Send all dead letters of a stack back; return how many of each queue.

    A letter is deleted after it was sent: one that is sent twice does no harm, one that
    is lost does.
    """
    sqs = session.client("sqs")
    routes = [*_of_queues(stack_name, session), *_of_rules(stack_name, session)]
    return {route: _move(route, sqs) for route in routes}


def _of_queues(stack_name: str, session: boto3.Session) -> Iterator[Route]:
    """Yield the routes back from the dead letters of a stack's queues."""
    sqs = session.client("sqs")
    for url in _resources(stack_name, "AWS::SQS::Queue", session):
        attributes = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["RedrivePolicy"]
        ).get("Attributes", {})
        if "RedrivePolicy" in attributes:
            policy = json.loads(attributes["RedrivePolicy"])
            yield Route(_url(policy["deadLetterTargetArn"], sqs), url)


def _of_rules(stack_name: str, session: boto3.Session) -> Iterator[Route]:
    """Yield the routes on of the events that a stack's rules couldn't deliver."""
    events, sqs = session.client("events"), session.client("sqs")
    for rule in _resources(stack_name, "AWS::Events::Rule", session):
        name = rule.rpartition("|")[2]
        for target in events.list_targets_by_rule(Rule=name)["Targets"]:
            if "DeadLetterConfig" in target:
                undelivered = target["DeadLetterConfig"]["Arn"]
                yield Route(_url(undelivered, sqs), _url(target["Arn"], sqs))


def _resources(stack_name: str, kind: str, session: boto3.Session) -> Iterator[str]:
    """Yield the physical ids of a stack's resources of one type."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack_name):
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] == kind:
                yield resource["PhysicalResourceId"]


def _url(arn: str, sqs: "SQSClient") -> str:
    return sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]


def _move(route: Route, sqs: "SQSClient") -> int:
    moved = 0
    while messages := sqs.receive_message(
        QueueUrl=route.dead_letters,
        MaxNumberOfMessages=10,
        VisibilityTimeout=_HIDDEN_S,
    ).get("Messages"):
        for message in messages:
            sqs.send_message(QueueUrl=route.queue, MessageBody=message["Body"])
            sqs.delete_message(
                QueueUrl=route.dead_letters, ReceiptHandle=message["ReceiptHandle"]
            )
            moved += 1
    return moved


if __name__ == "__main__":
    sys.exit(main())
