"""Entry point of `start_training`.

Queue `jobs`: a run's id → `start_training` → CreateTrainingJob, or back into the queue.
A message that failed too often in a row is put into the dead-letter queue.
"""

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger

from geoclusters.aws.events import MOST_FAILURES, Message, TrainingRequest
from geoclusters.aws.outputs import SupersededError, read_own_status
from geoclusters.aws.queue import logged, work
from geoclusters.environment import StartTrainingSettings
from geoclusters.errors import EventError
from lambdas.start_training.start import start_training
from lambdas.start_training.wait import Wait

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sqs import SQSClient

logger = Logger()

#: A run that waited as long as it may is given up by its next try, which comes by then.
_LATEST_TRY_S: Final = 3600


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start the training job of each run that the event tells of."""
    del context
    settings, _, _, sqs = _resources()
    return work(event, _process, sqs=sqs, queue_url=settings.jobs_queue_url)


def _process(message: Message) -> None:
    settings, s3, sagemaker, sqs = _resources()
    wait = Wait.of(message, time.time())
    if wait.tries > MOST_FAILURES and _failed_too_often(message, wait):
        url = settings.jobs_dead_letters_url
        sqs.send_message(QueueUrl=url, MessageBody=message.text)
        logger.error(
            "the message failed too often: it is put aside",
            run_id=_run_id(message),
            receives=wait.tries,
        )
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
    settings, s3, _, _ = _resources()
    run_id = _run_id(message)
    if run_id is None or wait.seconds > settings.max_wait_s + _LATEST_TRY_S:
        return True  # it can't wait
    status = read_own_status(s3, settings.data_bucket, run_id)
    return wait.failures(status) >= MOST_FAILURES


def _run_id(message: Message) -> str | None:
    """Return the run that a message tells of; None if it tells of none."""
    try:
        return TrainingRequest.from_body(message.body).run_id
    except EventError:
        return None


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
