"""An object of S3 that is uploaded in parts while it is written.

How S3 does that, and its bounds:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

import base64
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from geoclusters.ahead import write_behind

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

#: S3 wants 5 MiB at least, but for the last part, and takes 10,000 of them: 160 GB,
#: more than a function sends in its 15 minutes.
PART_BYTES: Final = 16 * 1024 * 1024

#: What S3 checks each part, and the order of all, by.
_CHECKSUM: Final = "ChecksumCRC32"


def checksum_of(answer: Mapping[str, Any]) -> str | None:
    """Return what HeadObject, asked for it, says of an object's bytes; None if nothing.

    The number of parts, which may follow, is left away.
    """
    checksum: str = answer.get(_CHECKSUM, "")
    return checksum.partition("-")[0] or None


class PartedUpload:
    """An object that nobody sees before it is complete.

    Parameters
    ----------
    s3 : S3 client
        It needs the rights to put the object and to abort its upload.
    bucket, key : str
        The object.
    content_type : str
        What it holds.
    metadata : mapping of str to str
        What is said of it.
    part_bytes : int
        Size of all parts but the last one.
    """

    def __init__(
        self,
        s3: "S3Client",
        *,
        bucket: str,
        key: str,
        content_type: str,
        metadata: Mapping[str, str],
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._s3 = s3
        self._object: Any = {"Bucket": bucket, "Key": key}
        self._properties: Any = {"ContentType": content_type, "Metadata": metadata}
        self._part_bytes = part_bytes
        self._upload: Any = None
        self._parts: list[CompletedPartTypeDef] = []
        #: What was written, where it is less than a part: then nothing was uploaded.
        self.small_body: bytes | None = None

    @contextmanager
    def writing(self) -> Iterator[io.BufferedIOBase]:
        """Yield a file to write to; all parts are uploaded when the block ends.

        One part is on its way while the next one is written, so two are in memory.
        """
        with write_behind(self._upload_part, 1) as upload_part:
            file = _PartFile(upload_part, self._part_bytes)
            yield file
            if not file.parts:
                self.small_body = file.part.getvalue()
            elif file.part.tell():
                file.end_part()

    @property
    def checksum(self) -> str:
        """The checksum that the object will have: of the parts' checksums a checksum.

        Unlike an ETag it is of the bytes alone, whatever S3 encrypts them with.
        """
        checksums = [base64.b64decode(part[_CHECKSUM]) for part in self._parts]
        checksum = zlib.crc32(b"".join(checksums)).to_bytes(4, "big")
        return base64.b64encode(checksum).decode()

    def complete(self, **condition: Any) -> None:
        """Make one object of the parts, on a condition such as `IfMatch`.

        Raises
        ------
        ClientError
            PreconditionFailed if the condition doesn't hold, and NoSuchUpload if S3
            has dropped the parts, as it may after another conflict.
        """
        self._s3.complete_multipart_upload(
            **self._upload, MultipartUpload={"Parts": self._parts}, **condition
        )
        self._upload = None

    def discard(self) -> None:
        """Leave nothing behind of an upload that wasn't completed."""
        if self._upload is None:
            return
        # It may be gone already, and more must not be said than what went wrong before:
        # the bucket drops what is never completed, a day later.
        with suppress(ClientError, BotoCoreError):
            self._s3.abort_multipart_upload(**self._upload)
        self._upload = None

    def _upload_part(self, body: io.BytesIO) -> None:
        if self._upload is None:
            answer = self._s3.create_multipart_upload(
                **self._object, **self._properties, ChecksumAlgorithm="CRC32"
            )
            self._upload = {**self._object, "UploadId": answer["UploadId"]}
        number = len(self._parts) + 1
        part = self._s3.upload_part(
            **self._upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32"
        )
        self._parts.append(
            {
                "PartNumber": number,
                "ETag": part["ETag"],
                "ChecksumCRC32": part["ChecksumCRC32"],
            }
        )


class _PartFile(io.BufferedIOBase):
    """Cuts what is written into parts of one size."""

    def __init__(
        self, upload_part: Callable[[io.BytesIO], None], part_bytes: int
    ) -> None:
        super().__init__()
        self._upload_part = upload_part
        self._part_bytes = part_bytes
        #: The part that is being written, and how many came before it.
        self.part = io.BytesIO()
        self.parts = 0

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of some bytes; return how many they are."""
        with memoryview(data) as view, view.cast("B") as rest:
            position = 0
            while position < len(rest):
                room = self._part_bytes - self.part.tell()
                position += self.part.write(rest[position : position + room])
                if self.part.tell() == self._part_bytes:
                    self.end_part()
            return len(rest)

    def end_part(self) -> None:
        """Have the part uploaded, and begin the next one."""
        part, self.part = self.part, io.BytesIO()
        self.parts += 1
        part.seek(0)
        self._upload_part(part)
