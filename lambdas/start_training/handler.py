"""Entry point of `start_training`.

Queue `jobs`: a run's id → `start_training` → CreateTrainingJob, or back into the queue.
A message that failed too often in a row is put into the dead-letter queue.
"""

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from geoclusters.aws.events import Message, TrainingRequest
from geoclusters.aws.outputs import SupersededError, read_own_status
from geoclusters.aws.queue import logged, work
from geoclusters.environment import StartTrainingSettings
from geoclusters.errors import EventError
from lambdas.start_training.start import start_training
from lambdas.start_training.wait import MOST_FAILURES, Wait

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sqs import SQSClient

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start the training job of each run that the event tells of."""
    del context
    settings, _, _, sqs = _resources()
    return work(event, _process, sqs=sqs, queue_url=settings.jobs_queue_url)


def _process(message: Message) -> None:
    settings, s3, sagemaker, sqs = _resources()
    wait = Wait.of(message, time.time())
    if _failed_too_often(message, wait):
        url = settings.jobs_dead_letters_url
        sqs.send_message(QueueUrl=url, MessageBody=message.text)
        logger.error("the message failed too often: it is put aside", body=message.text)
        return
    request = TrainingRequest.from_body(message.body)
    with logged(
        logger,
        run_id=request.run_id,
        attempt=request.attempt,
        job_name_prefix=settings.job_name_prefix,
        receives=message.receive_count,
    ):
        try:
            status = start_training(
                request, wait, s3=s3, sagemaker=sagemaker, settings=settings
            )
        except SupersededError as error:
            logger.info(str(error), state="SUPERSEDED")
        else:
            logger.info(status.message, state=status.state, **status.figures)


def _failed_too_often(message: Message, wait: Wait) -> bool:
    if wait.tries <= MOST_FAILURES:
        return False
    settings, s3, _, _ = _resources()
    try:
        run_id = TrainingRequest.from_body(message.body).run_id
    except EventError:  # it can't have waited
        return True
    status = read_own_status(s3, settings.data_bucket, run_id)
    return wait.failures(status) >= MOST_FAILURES


@cache
def _resources() -> (
    "tuple[StartTrainingSettings, S3Client, SageMakerClient, SQSClient]"
):
    """Return what lasts as long as the function's process."""
    return (
        StartTrainingSettings.from_env(os.environ),
        boto3.client("s3"),
        boto3.client("sagemaker"),
        boto3.client("sqs"),
    )
