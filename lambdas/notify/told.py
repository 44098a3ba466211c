"""Whether a run's end was told, or is being told at this moment."""

import math
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from geoclusters.aws.objects import LOST_A_RACE, NO_OBJECT
from geoclusters.aws.queue import LaterError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Told:
    """The marker of one end of a run; it is empty once that was told.

    Before, it says until when its writer can be at work, in seconds since the epoch:
    only the writer tells until then. After it another one does, as the writer may have
    ended before it told anybody.
    """

    def __init__(self, s3: "S3Client", bucket: str, key: str) -> None:
        self._s3 = s3
        self._object: Any = {"Bucket": bucket, "Key": key}

    def reserve(self, seconds_left: float) -> bool:
        """Return whether the caller is to tell; False if it was told before.

        Parameters
        ----------
        seconds_left : float
            How long the caller can still be at work.

        Raises
        ------
        LaterError
            If somebody else may be telling at this moment.
        """
        condition = self._condition()
        if condition is None:
            return False
        until = str(time.time() + seconds_left)
        try:
            self._s3.put_object(**self._object, Body=until.encode(), **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in LOST_A_RACE:
                raise _later(seconds_left) from error
            raise
        return True

    def complete(self) -> None:
        """Say that it was told."""
        self._s3.put_object(**self._object, Body=b"")

    def _condition(self) -> dict[str, Any] | None:
        """Return on what condition it can be reserved; None if it was told."""
        try:
            answer = self._s3.get_object(**self._object)
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_OBJECT:
                return {"IfNoneMatch": "*"}
            raise
        until = answer["Body"].read()
        if not until:
            return None
        seconds_left = float(until) - time.time()
        if seconds_left > 0:
            raise _later(seconds_left)
        return {"IfMatch": answer["ETag"]}


def _later(seconds_left: float) -> LaterError:
    """Return the error that lets a message wait until its rival's time is over."""
    delay_s = math.ceil(seconds_left) + 1
    return LaterError("another one may be telling of it", delay_s=delay_s)
