"""Writing an object that is too large for memory, a part at a time."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

#: S3 takes at most 10,000 parts, of 5 MiB at least but for the last one.
PART_BYTES: Final = 16 * 1024 * 1024


class MultipartUpload:
    """An upload in parts; nothing can be seen of it until it is complete.

    Parameters
    ----------
    s3 : S3Client
    bucket, key : str
    options : mapping
        Further arguments of CreateMultipartUpload, such as ContentType.
    """

    def __init__(
        self, s3: "S3Client", *, bucket: str, key: str, options: Mapping[str, Any]
    ) -> None:
        self._s3 = s3
        self._bucket, self._key = bucket, key
        self._parts: list[CompletedPartTypeDef] = []
        answer = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)
        self._id = answer["UploadId"]

    def send(self, body: bytes) -> None:
        """Send the next part."""
        number = len(self._parts) + 1
        answer = self._s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=body,
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def complete(self, condition: Mapping[str, Any]) -> None:
        """Make the parts one object.

        Parameters
        ----------
        condition : mapping
            IfMatch or IfNoneMatch, as of PutObject.
        """
        self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._parts},
            **condition,
        )

    def abort(self) -> None:
        """Throw the parts away."""
        self._s3.abort_multipart_upload(
            Bucket=self._bucket, Key=self._key, UploadId=self._id
        )


class PartsFile:
    """A binary file that is cut into parts while it is written.

    Parameters
    ----------
    send : callable
        Takes in one part after the other.
    part_bytes : int
        Size of all parts but the last.
    """

    def __init__(
        self, send: Callable[[bytes], None], *, part_bytes: int = PART_BYTES
    ) -> None:
        self._send = send
        self._part_bytes = part_bytes
        self._gathered = bytearray()

    def write(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._gathered += data
        while len(self._gathered) >= self._part_bytes:
            part = bytes(self._gathered[: self._part_bytes])
            del self._gathered[: self._part_bytes]
            self._send(part)

    def finish(self) -> None:
        """Send what is left, be it nothing: an object has one part at least."""
        self._send(bytes(self._gathered))
