"""As much of S3, SageMaker and SQS as the report calls."""

import base64
import hashlib
import io
import zlib
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

_LEAST_PART_BYTES: Final = 5 * 1024 * 1024


class FakeS3:
    """Objects in memory, written conditionally as S3 does it, at once or in parts."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.content_types: dict[str, str] = {}
        #: Keys in the order in which they were written.
        self.written: list[str] = []
        #: Uploads in parts that are neither complete nor aborted.
        self.uploads: dict[str, _Upload] = {}
        #: How many of them there were.
        self.begun = 0
        self._etags: dict[str, str] = {}
        self._checksums: dict[str, str] = {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        del Bucket
        if Key not in self.bodies:
            raise _error("NoSuchKey", 404)
        body = self.bodies[Key]
        return {
            "Body": io.BytesIO(body),
            "ETag": self._etag(Key),
            "Metadata": self.metadata[Key],
        }

    def head_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ChecksumMode: str,  # noqa: N803
    ) -> dict[str, Any]:
        if Key not in self.bodies:
            raise _error("404", 404)
        answer = self.get_object(Bucket=Bucket, Key=Key)
        if ChecksumMode == "ENABLED" and Key in self._checksums:
            answer["ChecksumCRC32"] = self._checksums[Key]
        return answer

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str = "",  # noqa: N803
        Metadata: dict[str, str] | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> None:
        del Bucket
        self._check(Key, IfMatch, IfNoneMatch)
        self._write(Key, Body, ContentType, Metadata or {})
        self._etags.pop(Key, None)
        self._checksums.pop(Key, None)

    def create_multipart_upload(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        ContentType: str,  # noqa: N803
        Metadata: dict[str, str],  # noqa: N803
        ChecksumAlgorithm: str,  # noqa: N803
    ) -> dict[str, str]:
        del Bucket, ChecksumAlgorithm
        self.begun += 1
        self.uploads[str(self.begun)] = _Upload(Key, ContentType, Metadata, {})
        return {"UploadId": str(self.begun)}

    def upload_part(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
        PartNumber: int,  # noqa: N803
        Body: io.BytesIO,  # noqa: N803
        ChecksumAlgorithm: str,  # noqa: N803
    ) -> dict[str, str]:
        del Bucket, ChecksumAlgorithm
        body = Body.read()
        assert 1 <= PartNumber <= 10_000
        self._upload(UploadId, Key).parts[PartNumber] = body
        return {"ETag": _etag(body), "ChecksumCRC32": _checksum(body)}

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
        MultipartUpload: dict[str, list[dict[str, Any]]],  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> None:
        del Bucket
        upload = self._upload(UploadId, Key)
        self._check(Key, IfMatch, IfNoneMatch)
        parts = MultipartUpload["Parts"]
        numbers = [part["PartNumber"] for part in parts]
        assert parts, "an upload needs a part"
        if numbers != sorted(set(numbers)):
            raise _error("InvalidPartOrder", 400)
        bodies = [upload.parts.get(number, b"") for number in numbers]
        if any(
            (part["ETag"], part["ChecksumCRC32"]) != (_etag(body), _checksum(body))
            for part, body in zip(parts, bodies, strict=True)
        ):
            raise _error("InvalidPart", 400)
        if any(len(body) < _LEAST_PART_BYTES for body in bodies[:-1]):
            raise _error("EntityTooSmall", 400)
        self._write(Key, b"".join(bodies), upload.content_type, upload.metadata)
        digests = b"".join(hashlib.md5(body).digest() for body in bodies)
        self._etags[Key] = f'"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"'
        checksums = b"".join(base64.b64decode(_checksum(body)) for body in bodies)
        self._checksums[Key] = f"{_checksum(checksums)}-{len(bodies)}"
        del self.uploads[UploadId]

    def abort_multipart_upload(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        UploadId: str,  # noqa: N803
    ) -> None:
        del Bucket
        self._upload(UploadId, Key)
        del self.uploads[UploadId]

    def _upload(self, upload_id: str, key: str) -> "_Upload":
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise _error("NoSuchUpload", 404)
        return upload

    def _check(self, key: str, if_match: str | None, if_none_match: str | None) -> None:
        if if_none_match and key in self.bodies:
            raise _error("PreconditionFailed", 412)
        if if_match and key not in self.bodies:
            raise _error("NoSuchKey", 404)
        if if_match and self._etag(key) != if_match:
            raise _error("PreconditionFailed", 412)

    def _write(
        self, key: str, body: bytes, content_type: str, metadata: dict[str, str]
    ) -> None:
        self.bodies[key] = body
        self.content_types[key] = content_type
        self.metadata[key] = metadata
        self.written.append(key)

    def _etag(self, key: str) -> str:
        return self._etags.get(key) or _etag(self.bodies[key])


class _Upload(NamedTuple):
    """An upload in parts."""

    key: str
    content_type: str
    metadata: dict[str, str]
    parts: dict[int, bytes]


def description(job_name: str) -> dict[str, Any]:
    """Return as much of DescribeTrainingJob's answer as matters, of a completed job."""
    return {
        "TrainingJobName": job_name,
        "TrainingJobStatus": "Completed",
        "AlgorithmSpecification": {
            "TrainingImage": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
            "TrainingInputMode": "File",
        },
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        "TrainingTimeInSeconds": 62,
        "BillableTimeInSeconds": 62,
        "FinalMetricDataList": [
            {"MetricName": "train:msd", "Value": 3712.25, "Timestamp": 1_700_000_000.0}
        ],
    }


class FakeSageMaker:
    """One training job."""

    def __init__(self, status: str = "Completed", reason: str = "") -> None:
        self.changes = {"TrainingJobStatus": status}
        if reason:
            self.changes["FailureReason"] = reason
        self.described: list[str] = []

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        self.described.append(TrainingJobName)
        return {**description(TrainingJobName), **self.changes}


class FakeSQS:
    """Remembers whose visibility was changed."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []

    def change_message_visibility(self, **request: Any) -> None:
        self.changes.append(request)


def _checksum(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _error(code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": code},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "Operation",
    )
