"""Reading an object of S3 as a file."""

import io
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from geoclusters.errors import GeoclustersError, InputError, printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

#: How S3 says that there is no object. The number stands for an answer without a text,
#: and for one whose text is no XML, as it names a key with control characters.
NO_OBJECT: Final = ("NoSuchKey", "404")
#: How it says that the condition of a write doesn't hold, or no longer.
LOST_A_RACE: Final = (
    *("PreconditionFailed", "ConditionalRequestConflict", *NO_OBJECT),
    *("409", "412"),
)


def head(s3: "S3Client", bucket: str, key: str) -> "HeadObjectOutputTypeDef | None":
    """Return what S3 says of an object; None if there is none."""
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in NO_OBJECT:
            return None
        raise


def exists(s3: "S3Client", bucket: str, key: str) -> bool:
    """Return whether there is such an object."""
    return head(s3, bucket, key) is not None


class ObjectChangedError(GeoclustersError):
    """Another object, or another version of it, stands at the key meanwhile."""


class ObjectGoneError(InputError):
    """The object was deleted."""


class S3Object(io.RawIOBase):
    """One version of an object, open for reading, as a file.

    Read from its start to its end it is one GetObject; reading on behind a seek is
    another, of the rest. Wrap it in `io.BufferedReader`. A connection that drops is an
    exception of botocore's.

    Parameters
    ----------
    s3 : S3 client
        It needs no permission to read versions: each answer is held against the first.
    bucket, key : str
        The object.
    etag : str
        Which one is meant, without quotation marks.
    version_id : str, optional
        The version that is meant, where it is known.

    Raises
    ------
    ObjectChangedError
        If another one stands there, now or when a part of it is read.
    ObjectGoneError
        If none does.
    """

    def __init__(
        self,
        s3: "S3Client",
        *,
        bucket: str,
        key: str,
        etag: str,
        version_id: str | None = None,
    ) -> None:
        super().__init__()
        self._s3 = s3
        self._bucket, self._key, self._etag = bucket, key, etag
        #: The version that is read; None where the bucket keeps none.
        self.version_id = version_id
        answer = self._get()
        self.version_id = answer.get("VersionId")
        #: User metadata: keys in lower case.
        self.metadata = answer["Metadata"]
        #: In bytes.
        self.size = answer["ContentLength"]
        self._body = answer["Body"]
        self._body_at = self._position = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that reading may go on elsewhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go elsewhere; nothing is asked of S3 before the next read."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        position = starts[whence] + offset
        if position < 0:
            msg = f"there is no position {position}"
            raise OSError(msg)  # as of a file on a disk
        self._position = position
        return position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read into a buffer; return how many bytes, 0 at the end."""
        if self._position != self._body_at:
            if self._position >= self.size:
                return 0
            self._body.close()
            self._body_at = -1
            self._body = self._get(Range=f"bytes={self._position}-")["Body"]
            self._body_at = self._position
        with memoryview(buffer).cast("B") as view:
            data = self._body.read(len(view))
            view[: len(data)] = data
        self._position += len(data)
        self._body_at = self._position
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        if not self.closed and hasattr(self, "_body"):
            self._body.close()
        super().close()

    def _get(self, **range_: Any) -> "GetObjectOutputTypeDef":
        uri = printable(f"s3://{self._bucket}/{self._key}")
        changed = f"{uri} is another one meanwhile"
        try:
            answer = self._s3.get_object(
                Bucket=self._bucket, Key=self._key, IfMatch=self._etag, **range_
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "PreconditionFailed":
                raise ObjectChangedError(changed) from error
            if code in NO_OBJECT:
                msg = f"{uri} was deleted before it was read. Upload it again."
                raise ObjectGoneError(msg) from error
            raise
        # The same bytes, put there again, may have the same ETag.
        if self.version_id not in (None, answer.get("VersionId")):
            answer["Body"].close()
            raise ObjectChangedError(changed)
        return answer
