"""From a run's last status to a message."""

from typing import TYPE_CHECKING

from geoclusters import layout
from geoclusters.aws.outputs import read_own_status
from geoclusters.deadline import SecondsLeft
from geoclusters.environment import NotifySettings
from geoclusters.status import End
from lambdas.notify.message import message
from lambdas.notify.told import Told

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient


def tell(
    run_id: str,
    etag: str,
    *,
    s3: "S3Client",
    sns: "SNSClient",
    settings: NotifySettings,
    seconds_left: SecondsLeft,
) -> End | None:
    """Tell of a run that ended; return how it did, None if nothing was told.

    Of a run's statuses each has its event. Only that of the very status that is to be
    told leads to a message: events that come at one moment make one message.

    Each end is told once, as far as that can be. An event that comes twice at one
    moment is told of by who reserves that, and the other waits. But where a function
    publishes and ends before that is written down, or doesn't hear that it published,
    the end is told again: rather twice than never.

    Raises
    ------
    LaterError
        If another one may be telling of it at this moment.
    """
    status = read_own_status(s3, settings.data_bucket, run_id, IfMatch=etag)
    if status is None:
        return None  # there is a later one, or none any more
    end = End.of(status)
    if end is None:
        return None
    told = Told(s3, settings.data_bucket, layout.told_key(run_id, end))
    if not told.reserve(seconds_left()):
        return None
    said = message(status)
    sns.publish(
        TopicArn=settings.topic_arn,
        Subject=said.subject,
        Message=said.to_sns(),
        MessageStructure="json",
        MessageAttributes={
            "state": {"DataType": "String", "StringValue": status["state"]},
            "run_id": {"DataType": "String", "StringValue": run_id},
        },
    )
    told.complete()
    return end
