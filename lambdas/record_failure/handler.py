"""Entry point of `record_failure`.

Queue `failures`: SageMaker "Training Job State Change" to Failed or Stopped, of a job
of this stack → `record_failure` → status.json.
"""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from geoclusters import layout
from geoclusters.aws.events import JobEnded, Message
from geoclusters.aws.outputs import SupersededError
from geoclusters.aws.queue import logged, work
from geoclusters.environment import RecordFailureSettings
from lambdas.record_failure.record import record_failure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer the run of each job that the event tells of."""
    del context
    settings, _, sqs = _resources()
    return work(event, _process, sqs=sqs, queue_url=settings.failures_queue_url)


def _process(message: Message) -> None:
    settings, s3, _ = _resources()
    job = JobEnded.from_event(message.body)
    run_id = layout.parse_job_name(job.job_name, settings.job_name_prefix)
    with logged(
        logger, run_id=run_id, job_name=job.job_name, receives=message.receive_count
    ):
        try:
            status = record_failure(job, s3=s3, settings=settings)
        except SupersededError as error:
            logger.info(str(error), state="SUPERSEDED")
        else:
            logger.info(status.message, state=status.state)


@cache
def _resources() -> "tuple[RecordFailureSettings, S3Client, SQSClient]":
    """Return what lasts as long as the function's process."""
    settings = RecordFailureSettings.from_env(os.environ)
    return settings, boto3.client("s3"), boto3.client("sqs")
