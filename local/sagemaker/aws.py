"""What the stand-in needs of the emulator: S3, CloudWatch and IAM."""

from __future__ import annotations

import contextlib
import errno
import gzip
import math
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from local.sagemaker.access import Access, Keys
from local.sagemaker.errors import RefusedError, ValidationError

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef
    from mypy_boto3_s3.client import S3Client

# As much as a FIFO holds: between two pieces of an object a job can be ended.
_PIECE_BYTES = 1 << 16

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
METRICS = "/aws/sagemaker/TrainingJobs"
"""The namespace of all jobs' metrics; the dimension is the job."""

_METRICS_AT_ONCE = 1000

# PutLogEvents takes 10,000 events and 1,048,576 bytes, each event counting 26 extra.
_LOG_BATCH_EVENTS = 10_000
_LOG_BATCH_BYTES = 1_000_000
_LOG_EVENT_OVERHEAD = 26
_LOG_LINE_CHARS = 60_000


class S3Uri(NamedTuple):
    """A bucket and a key or prefix."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Uri:
        """Split `s3://bucket/key`."""
        parts = urlsplit(uri, allow_fragments=False)
        if parts.scheme != "s3" or not parts.netloc:
            raise ValueError(f"expected s3://bucket/key, found {uri!r}")
        # urlsplit takes a "?" for a query's start; in a key it is a character.
        return cls(parts.netloc, uri.removeprefix(f"s3://{parts.netloc}").lstrip("/"))


class Line(NamedTuple):
    """A line of a training job's log and when it came, in epoch milliseconds."""

    time_ms: int
    text: str


class Point(NamedTuple):
    """A metric's value at a time, in epoch milliseconds."""

    name: str
    value: float
    time_ms: int


class Aws:
    """The emulator's S3, CloudWatch and IAM.

    Parameters
    ----------
    endpoint_url : str
    region : str
    access : Access, optional
        Where it is given, `as_role` acts under the role; else all is done as root.
    keys : Keys, optional
        Default: the environment's.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        *,
        access: Access | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._endpoint_url, self._region = endpoint_url, region
        self._access = access
        self._roles: dict[Keys, Aws] = {}
        self._lock = threading.Lock()
        session = boto3.session.Session(
            *(keys or _environment_keys()), region_name=region
        )
        config = Config(
            proxies={},  # it is on loopback, whatever the environment says
            s3={"addressing_style": "path"},
            max_pool_connections=32,
            retries={"mode": "standard", "max_attempts": 3},
        )
        self._s3: S3Client = session.client(
            "s3", endpoint_url=endpoint_url, config=config
        )
        self._logs: CloudWatchLogsClient = session.client(
            "logs", endpoint_url=endpoint_url, config=config
        )
        self._cloudwatch: Any = session.client(
            "cloudwatch", endpoint_url=endpoint_url, config=config
        )
        self._iam: IAMClient = session.client(
            "iam", endpoint_url=endpoint_url, config=config
        )

    def close(self) -> None:
        """Close the connections."""
        for role in self._roles.values():
            role.close()
        self._s3.close()
        self._logs.close()
        self._cloudwatch.close()
        self._iam.close()

    def as_role(self, role_arn: str) -> Aws:
        """Return what SageMaker can do under a role.

        Raises
        ------
        ValidationError
            If there is no such role, or SageMaker may not assume it; in SageMaker's
            words.
        """
        try:
            if self._access is None:
                self._check_trust(role_arn)
                return self
            keys = self._access.keys(role_arn)
        except RefusedError as error:
            raise ValidationError(
                f"Could not assume role {role_arn}. Please ensure that the role exists "
                "and allows principal 'sagemaker.amazonaws.com' to assume the role."
            ) from error
        with self._lock:  # jobs share a role's connections
            if keys not in self._roles:
                self._roles[keys] = Aws(self._endpoint_url, self._region, keys=keys)
            return self._roles[keys]

    def _check_trust(self, role_arn: str) -> None:
        name = role_arn.rpartition("/")[2]
        try:
            role = self._iam.get_role(RoleName=name)["Role"]
        except self._iam.exceptions.NoSuchEntityException as error:
            raise RefusedError("NoSuchEntity", str(error)) from error
        policy: Any = role["AssumeRolePolicyDocument"]
        statements = policy["Statement"]
        if isinstance(statements, dict):
            statements = [statements]
        if not any(map(_lets_sagemaker_in, statements)):
            raise RefusedError("AccessDenied", f"{name} doesn't trust SageMaker")

    def keys(self, prefix: S3Uri) -> Iterator[str]:
        """Yield a prefix's keys in S3's (lexical) order, without folder markers."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=prefix.bucket, Prefix=prefix.key
        )
        for page in pages:
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):
                    yield item["Key"]

    def read(self, uri: S3Uri) -> bytes:
        """Return a small object, whole."""
        return self._s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read()

    def stream(
        self, uri: S3Uri, *, gzipped: bool = False
    ) -> Generator[bytes, None, None]:
        """Yield an object, or what it decompresses to, piece by piece.

        Raises
        ------
        EOFError, gzip.BadGzipFile, zlib.error
            If it isn't gzip where it should be.
        """
        answer = self._s3.get_object(Bucket=uri.bucket, Key=uri.key)
        with closing(answer["Body"]) as body:
            source: Any = gzip.GzipFile(fileobj=body) if gzipped else body
            while piece := source.read(_PIECE_BYTES):
                yield piece

    def download(
        self,
        uri: S3Uri,
        path: Path,
        check: Callable[[], None],
        *,
        room: float = math.inf,
    ) -> int:
        """Copy an object into a file, making its folder; return its length in bytes.

        `check` is called before anything is written and before each piece, and raises
        to end the download.

        Raises
        ------
        OSError
            ENOSPC where it is longer than there is room.
        """
        answer = self._s3.get_object(Bucket=uri.bucket, Key=uri.key)
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            check()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for piece in body.iter_chunks(_PIECE_BYTES):
                    check()
                    file.write(piece)
        return answer["ContentLength"]

    def upload(self, path: Path, uri: S3Uri) -> None:
        """Copy a file into one object, in one request."""
        with path.open("rb") as file:
            self._s3.put_object(Bucket=uri.bucket, Key=uri.key, Body=file)

    def write_log(self, stream: str, lines: Sequence[Line]) -> None:
        """Write a training job's log into a new stream of its log group."""
        logs = self._logs
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=LOG_GROUP)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        for batch in _log_batches(lines):
            logs.put_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, logEvents=batch
            )

    def put_metrics(self, job_name: str, points: Iterable[Point]) -> None:
        """Put a training job's metrics to CloudWatch."""
        data = [_datum(job_name, point) for point in points]
        for start in range(0, len(data), _METRICS_AT_ONCE):
            self._cloudwatch.put_metric_data(
                Namespace=METRICS, MetricData=data[start : start + _METRICS_AT_ONCE]
            )


def _datum(job_name: str, point: Point) -> dict[str, Any]:
    return {
        "MetricName": point.name,
        "Dimensions": [{"Name": "TrainingJobName", "Value": job_name}],
        "Timestamp": datetime.fromtimestamp(point.time_ms / 1000, UTC),
        "Value": point.value,
    }


def _environment_keys() -> Keys:
    return Keys(
        os.environ.get("AWS_ACCESS_KEY_ID", "test"),
        os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        os.environ.get("AWS_SESSION_TOKEN", ""),
    )


def _lets_sagemaker_in(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = principal.get("Service", []) if isinstance(principal, Mapping) else []
    if isinstance(services, str):
        services = [services]
    return statement["Effect"] == "Allow" and "sagemaker.amazonaws.com" in services


def _log_batches(lines: Sequence[Line]) -> Iterator[list[InputLogEventTypeDef]]:
    batch: list[InputLogEventTypeDef] = []
    size = 0
    for line in lines:
        text = line.text[:_LOG_LINE_CHARS]
        if not text:  # CloudWatch Logs takes no empty message
            continue
        cost = len(text.encode()) + _LOG_EVENT_OVERHEAD
        if batch and (
            len(batch) == _LOG_BATCH_EVENTS or size + cost > _LOG_BATCH_BYTES
        ):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": line.time_ms, "message": text})
        size += cost
    if batch:
        yield batch
