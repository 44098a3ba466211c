"""Entry point of `report`.

Queue `models`: S3 "Object Created" of a model.tar.gz → `report` → results and
status.json, or back into the queue.
"""

import os
import shutil
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _make_font_cache_writable() -> None:
    """Copy the font cache that the image brings to where matplotlib may write.

    It refuses a read-only folder, and searching for fonts anew takes a second. To be
    called before matplotlib is imported.
    """
    baked, used = os.environ.get("FONT_CACHE"), os.environ.get("MPLCONFIGDIR")
    if baked and used and not Path(used).exists():
        shutil.copytree(baked, used)


_make_font_cache_writable()

import boto3  # noqa: E402
from aws_lambda_powertools import Logger  # noqa: E402

from container.report import report  # noqa: E402
from geoclusters import deadline, layout  # noqa: E402
from geoclusters.aws.events import Message, created_key  # noqa: E402
from geoclusters.aws.outputs import SupersededError  # noqa: E402
from geoclusters.aws.queue import logged, work  # noqa: E402
from geoclusters.deadline import SecondsLeft  # noqa: E402
from geoclusters.environment import ReportSettings  # noqa: E402

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sqs import SQSClient

logger = Logger()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Report on each model that the event tells of."""
    settings, _, _, sqs = _resources()
    process = partial(_process, seconds_left=deadline.of(context))
    return work(event, process, sqs=sqs, queue_url=settings.models_queue_url)


def _process(message: Message, *, seconds_left: SecondsLeft) -> None:
    settings, s3, sagemaker, _ = _resources()
    model_key = created_key(message.body)
    run_id, job_name = layout.parse_model_key(model_key)
    with logged(
        logger, run_id=run_id, job_name=job_name, receives=message.receive_count
    ):
        try:
            status = report(
                model_key,
                receive_count=message.receive_count,
                settings=settings,
                s3=s3,
                sagemaker=sagemaker,
                seconds_left=seconds_left,
            )
        except SupersededError as error:
            logger.info(str(error), state="SUPERSEDED")
        else:
            logger.info(status.message, state=status.state, warnings=status.warnings)


@cache
def _resources() -> "tuple[ReportSettings, S3Client, SageMakerClient, SQSClient]":
    """Return what lasts as long as the function's process."""
    return (
        ReportSettings.from_env(os.environ),
        boto3.client("s3"),
        boto3.client("sagemaker"),
        boto3.client("sqs"),
    )
