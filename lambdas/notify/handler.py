"""Entry point of `notify`.

Queue `statuses`: S3 "Object Created" of a run's own status → `tell` → topic `runs`.
"""

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from geoclusters import deadline, layout
from geoclusters.aws.events import Message, object_created
from geoclusters.aws.queue import logged, work
from geoclusters.deadline import SecondsLeft
from geoclusters.environment import NotifySettings
from lambdas.notify.tell import tell

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Tell of each run whose end the event is about."""
    settings, _, _, sqs = _resources()
    process = partial(_process, seconds_left=deadline.of(context))
    return work(event, process, sqs=sqs, queue_url=settings.statuses_queue_url)


def _process(message: Message, *, seconds_left: SecondsLeft) -> None:
    settings, s3, sns, _ = _resources()
    written = object_created(message.body)
    run_id = layout.parse_run_status_key(written.key)
    with logged(logger, run_id=run_id, receives=message.receive_count):
        end = tell(
            run_id,
            written.etag,
            s3=s3,
            sns=sns,
            settings=settings,
            seconds_left=seconds_left,
        )
        if end is not None:
            logger.info("told", end=end)


@cache
def _resources() -> "tuple[NotifySettings, S3Client, SNSClient, SQSClient]":
    """Return what lasts as long as the function's process."""
    return (
        NotifySettings.from_env(os.environ),
        boto3.client("s3"),
        boto3.client("sns"),
        boto3.client("sqs"),
    )
