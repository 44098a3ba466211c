"""From a run's last status to a message."""

from typing import TYPE_CHECKING

from geoclusters import layout
from geoclusters.aws.objects import exists
from geoclusters.aws.outputs import read_own_status
from geoclusters.environment import NotifySettings
from geoclusters.status import TOLD_OF, State
from lambdas.notify.message import message

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
) -> State | None:
    """Tell of a run that succeeded or failed; return which, None if nothing was told.

    Of a run's statuses each has its event. Only that of the very status that is to be
    told leads to a message: events that come at one moment make one message.

    It is told once, as far as that can be: who publishes and ends before it is written
    down that it was told, tells it again. A run that was taken up again after it was
    put aside may be told of as FAILED and, later, as SUCCEEDED.
    """
    status = read_own_status(s3, settings.data_bucket, run_id, IfMatch=etag)
    if status is None:
        return None  # there is a later one, or none any more
    state = State(status["state"])
    if state not in TOLD_OF:
        return None
    told = layout.told_key(run_id, state)
    if exists(s3, settings.data_bucket, told):
        return None
    said = message(status)
    sns.publish(
        TopicArn=settings.topic_arn,
        Subject=said.subject,
        Message=said.to_sns(),
        MessageStructure="json",
        MessageAttributes={
            "state": {"DataType": "String", "StringValue": state},
            "run_id": {"DataType": "String", "StringValue": run_id},
        },
    )
    s3.put_object(Bucket=settings.data_bucket, Key=told, Body=b"")
    return state
