"""Entry point of `sweep`.

A schedule → `deliver_again`, `answer_dead_letters`, `settle_jobs`. What a sweep doesn't
get done, the next one does: each step looks at what is there.
"""

import os
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from geoclusters.environment import SweepSettings
from lambdas.sweep.jobs import settle_jobs
from lambdas.sweep.letters import answer_dead_letters, deliver_again

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sqs import SQSClient

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Settle what nobody heard of; return how much there was of each kind.

    Raises
    ------
    ExceptionGroup
        With what went wrong in a step, after the others were taken.
    """
    del event, context
    settings, s3, sagemaker, sqs = _resources()
    now_s = time.time()
    counts: dict[str, int] = {}
    errors: list[Exception] = []
    for step in (
        partial(deliver_again, sqs=sqs, settings=settings),
        partial(answer_dead_letters, s3=s3, sqs=sqs, settings=settings),
        partial(
            settle_jobs, now_s, s3=s3, sagemaker=sagemaker, sqs=sqs, settings=settings
        ),
    ):
        counts[step.func.__name__] = 0
        try:
            for outcome in step():
                counts[step.func.__name__] += 1
                logger.info(outcome.message, run_id=outcome.run_id)
        except Exception as error:
            logger.exception("a part of the sweep failed")
            errors.append(error)
    logger.info("swept", extra=counts)
    if errors:
        msg = "the sweep couldn't do all; the next one goes on"
        raise ExceptionGroup(msg, errors)
    return counts


@cache
def _resources() -> "tuple[SweepSettings, S3Client, SageMakerClient, SQSClient]":
    """Return what lasts as long as the function's process."""
    return (
        SweepSettings.from_env(os.environ),
        boto3.client("s3"),
        boto3.client("sagemaker"),
        boto3.client("sqs"),
    )
