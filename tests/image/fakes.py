"""As much of S3, SageMaker and SQS as the report calls."""

import hashlib
import io
from typing import Any

from botocore.exceptions import ClientError


class FakeS3:
    """Objects in memory, written conditionally as S3 does it."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        #: Keys in the order in which they were written.
        self.written: list[str] = []

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        del Bucket
        if Key not in self.bodies:
            raise _error("NoSuchKey", 404)
        body = self.bodies[Key]
        return {
            "Body": io.BytesIO(body),
            "ETag": _etag(body),
            "Metadata": self.metadata[Key],
        }

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self.bodies:
            raise _error("404", 404)
        return self.get_object(Bucket=Bucket, Key=Key)

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
        del Bucket, ContentType
        if IfNoneMatch and Key in self.bodies:
            raise _error("PreconditionFailed", 412)
        if IfMatch and _etag(self.bodies[Key]) != IfMatch:
            raise _error("PreconditionFailed", 412)
        self.bodies[Key] = Body
        self.metadata[Key] = Metadata or {}
        self.written.append(Key)


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
