"""Removes a stack that was deployed to be removed, with all that it holds.

It also takes up what was broken off: a deployment that is still going on, training jobs
that still run, a stack that is half there or not there at all.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from geoclusters import layout
from operations.cdk import Cdk
from operations.errors import OperationError

_TRAINING_LOGS: Final = "/aws/sagemaker/TrainingJobs"
#: What was still under way may write once more into the bucket that was just emptied.
_TRIES: Final = 3
_MOST_KEYS: Final = 1000
#: What outlives its stack if it isn't empty, or if somebody writes into it again.
_HOLDERS: Final = ("AWS::S3::Bucket", "AWS::Logs::LogGroup")


class Clients(Protocol):
    """Where boto3's clients come from, such as a session."""

    def client(self, service: str, /) -> Any:
        """Return a client of a service."""


def remove(
    stack: str,
    *,
    clients: Clients,
    cdk: Cdk,
    app: Path,
    poll_s: float,
    timeout_s: float = 1800.0,
) -> None:
    """Remove a stack, its bucket with all versions, and its logs.

    What stays: its training jobs' entries in SageMaker's list, which nobody can delete;
    the image in the CDK's own repository, which other deployments may share; and, for
    the 30 days that AWS demands, its disabled key.

    Raises
    ------
    OperationError
        If something of it is there afterwards; the message names it.
    """
    wait = _Wait(poll_s, timeout_s)
    wait.until(lambda: not _is_changing(stack, clients), f"the stack {stack} to settle")
    held = {kind: [*_resources(stack, kind, clients)] for kind in _HOLDERS}
    _stop_jobs(stack, clients, wait)
    for attempt in range(1, _TRIES + 1):
        for bucket in held["AWS::S3::Bucket"]:
            empty(bucket, clients)
        try:
            cdk.destroy(app=app)
        except OperationError:
            if attempt == _TRIES:
                raise
        if not _status(stack, clients):
            break
    _delete_logs(stack, held["AWS::Logs::LogGroup"], clients)
    left = [
        *([f"stack {stack}"] if _status(stack, clients) else []),
        *(f"bucket {name}" for name in held["AWS::S3::Bucket"] if empty(name, clients)),
    ]
    if left:
        raise OperationError(f"These are still there: {', '.join(left)}.")


class _Wait:
    """Polls, within one bound for all waiting."""

    def __init__(self, poll_s: float, timeout_s: float) -> None:
        self._poll_s = poll_s
        self._end = time.monotonic() + timeout_s

    def until(self, reached: Callable[[], bool], what: str) -> None:
        while not reached():
            if time.monotonic() > self._end:
                raise OperationError(f"Waited too long for {what}.")
            time.sleep(self._poll_s)


def _status(stack: str, clients: Clients) -> str:
    """Return a stack's status; empty where there is no such stack."""
    try:
        answer = clients.client("cloudformation").describe_stacks(StackName=stack)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return ""
        raise
    status: str = answer["Stacks"][0]["StackStatus"]
    return "" if status == "DELETE_COMPLETE" else status


def _is_changing(stack: str, clients: Clients) -> bool:
    status = _status(stack, clients)
    # A stack under review has nothing yet, and never will without a word of the CLI's.
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def _resources(stack: str, kind: str, clients: Clients) -> Iterator[str]:
    """Yield the physical ids of what a stack has of a type."""
    if not _status(stack, clients):
        return
    pages = clients.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] == kind and "PhysicalResourceId" in resource:
                yield resource["PhysicalResourceId"]


def _stop_jobs(stack: str, clients: Clients, wait: _Wait) -> None:
    """Stop a stack's training jobs, which would write into its bucket."""
    sagemaker = clients.client("sagemaker")

    def running(status: str) -> list[str]:
        answer = sagemaker.list_training_jobs(
            NameContains=layout.job_name_prefix(stack), StatusEquals=status
        )
        return [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]]

    for name in running("InProgress"):
        try:
            sagemaker.stop_training_job(TrainingJobName=name)
        except ClientError as error:
            # It has ended in the meantime.
            if error.response["Error"]["Code"] != "ValidationException":
                raise
    wait.until(
        lambda: not running("InProgress") and not running("Stopping"),
        "its training jobs to stop",
    )


def empty(bucket: str, clients: Clients) -> bool:
    """Delete all versions, delete markers and begun uploads; return if there is one."""
    s3 = clients.client("s3")
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            for start in range(0, len(keys), _MOST_KEYS):
                some = {"Objects": keys[start : start + _MOST_KEYS], "Quiet": True}
                errors = s3.delete_objects(Bucket=bucket, Delete=some).get("Errors")
                if errors:
                    raise OperationError(f"{bucket} can't be emptied: {errors[0]}")
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for one in page.get("Uploads", []):
                s3.abort_multipart_upload(
                    Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]
                )
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return False
        raise
    return True


def _delete_logs(stack: str, groups: list[str], clients: Clients) -> None:
    """Delete log groups that were left, and the stack's streams in SageMaker's."""
    logs = clients.client("logs")
    for group in groups:
        _unless_gone(logs.delete_log_group, logGroupName=group)
    try:
        streams = logs.describe_log_streams(
            logGroupName=_TRAINING_LOGS,
            logStreamNamePrefix=layout.job_name_prefix(stack),
        )["logStreams"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return
        raise
    for stream in streams:
        name = stream["logStreamName"]
        _unless_gone(
            logs.delete_log_stream, logGroupName=_TRAINING_LOGS, logStreamName=name
        )


def _unless_gone(delete: Callable[..., Any], **what: str) -> None:
    try:
        delete(**what)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
