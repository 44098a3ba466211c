"""Entry point of `ingest`.

Queue `uploads`: S3 "Object Created" under input/ → `prepare_run` → queue `jobs`. What
is no table is answered too; only the markers of folders, which are empty, are passed
over.
"""

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from geoclusters import deadline
from geoclusters.aws.events import Message, object_created
from geoclusters.aws.queue import logged, work
from geoclusters.deadline import SecondsLeft
from geoclusters.environment import IngestSettings
from lambdas.ingest.prepare import prepare_run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Prepare the run of each upload that the event tells of."""
    settings, _, sqs = _resources()
    process = partial(_process, seconds_left=deadline.of(context))
    return work(event, process, sqs=sqs, queue_url=settings.uploads_queue_url)


def _process(message: Message, *, seconds_left: SecondsLeft) -> None:
    settings, s3, sqs = _resources()
    upload = object_created(message.body)
    with logged(
        logger, run_id=upload.run_id, key=upload.key, receives=message.receive_count
    ):
        logger.info("upload arrived", size=upload.size)
        if upload.key.endswith("/") and not upload.size:
            logger.info("it is no file, but a folder that the console made")
            return
        outcome = prepare_run(
            upload, s3=s3, sqs=sqs, settings=settings, seconds_left=seconds_left
        )
        logger.info(
            outcome.message,
            run_id=outcome.run_id,
            state=outcome.state,
            **outcome.figures,
        )


@cache
def _resources() -> "tuple[IngestSettings, S3Client, SQSClient]":
    """Return what lasts as long as the function's process."""
    settings = IngestSettings.from_env(os.environ)
    return settings, boto3.client("s3"), boto3.client("sqs")
