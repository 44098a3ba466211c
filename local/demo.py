"""The whole way, shown: deploy, upload, watch, fetch."""

import csv
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.status import State
from local import deployment
from local.cloud import Cloud
from local.errors import LocalError

_POLL_S = 0.2

Document = Mapping[str, Any]


def run(
    cloud: Cloud, *, table: Path, k: int | None, results: Path, timeout_s: float
) -> None:
    """Deploy to a running cloud, upload a table and print what comes back.

    Parameters
    ----------
    table
        A CSV of places.
    k
        Number of clusters; without it the stack's default.
    results
        Folder for the result files; what it held before is removed.
    timeout_s
        How long to wait for the answer to the upload.

    Raises
    ------
    LocalError
        When anything fails; the message says what.
    """
    _check(table, results)
    with _timed("cdk bootstrap"):
        deployment.bootstrap(cloud)
    with _timed("cdk deploy"):
        bucket = deployment.deploy(cloud)["DataBucketName"]

    s3 = cloud.client("s3")
    key = layout.INPUT_PREFIX + table.name
    metadata = {} if k is None else {"k": str(k)}
    print(f"{table} → s3://{bucket}/{key}" + (f" (k={k})" if k else ""))
    with table.open("rb") as body:
        answer = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
    version_id = answer["VersionId"]
    prefix = layout.output_prefix(key)

    def read() -> Document | None:
        cloud.check()
        return read_status(s3, bucket, prefix, version_id)

    try:
        status = follow(read, timeout_s=timeout_s)
    except TimeoutError as error:
        raise LocalError(
            f"{error} The ends of the logs:\n{cloud.log_tails()}"
        ) from None
    if status["state"] != State.SUCCEEDED:
        raise LocalError(f"The run ended {status['state']}: {status['message']}")

    fetch(s3, bucket, prefix, status, results)
    print()
    print(as_table((results / "centroids.csv").read_text()))
    print(f"\nThe map: {results / 'map.png'}")
    print(f"To explore in a browser: {results / 'map.html'}")
    print(f"All results: {', '.join(status['files'])} in {results}")


def _check(table: Path, results: Path) -> None:
    if not table.is_file():
        raise LocalError(f"{table}: there is no such file.")
    if results.exists() and not (results / layout.STATUS_NAME).is_file():
        raise LocalError(
            f"{results} is there but holds no results of an earlier run, so it is not "
            "overwritten. Move it away, or name another folder with --results."
        )


def read_status(s3: Any, bucket: str, prefix: str, version_id: str) -> Document | None:
    """Return the status of an upload, or None while there is none of this upload.

    The version tells uploads apart that have the same bytes.
    """
    try:
        answer = s3.get_object(Bucket=bucket, Key=prefix + layout.STATUS_NAME)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    status: Document = json.load(answer["Body"])
    return status if status["upload"]["version_id"] == version_id else None


def follow(
    read: Callable[[], Document | None],
    *,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Document:
    """Print each change of state until the last one, and return that status.

    Raises
    ------
    TimeoutError
        When there is no final state in time.
    """
    start = clock()
    state = None
    while True:
        status = read()
        if status and status["state"] != state:
            state = status["state"]
            print(f"{clock() - start:7.1f} s  {state}", flush=True)
        if status and State(status["state"]).is_final:
            for warning in status["warnings"]:
                print(f"Warning: {warning}")
            return status
        if clock() - start > timeout_s:
            stand = f"it is still {state}" if state else "nothing answered it"
            raise TimeoutError(f"{timeout_s:g} s after the upload {stand}.")
        sleep(_POLL_S)


def fetch(s3: Any, bucket: str, prefix: str, status: Document, results: Path) -> None:
    """Fill a folder with the files that a status names, and the status."""
    if results.exists():
        shutil.rmtree(results)
    results.mkdir(parents=True)
    for name in (*status["files"], layout.STATUS_NAME):
        target = results / name
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, prefix + name, str(target))


def as_table(text: str) -> str:
    """Return a CSV of figures as right-aligned columns, rounded for people."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    lines = [header, *(list(map(_rounded, header, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def _rounded(name: str, value: str) -> str:
    if name == "nearest_id":
        return value  # a text, even if it looks like a number
    try:
        number = float(value)
    except ValueError:
        return value
    if name == "share":
        return f"{number:.1%}"
    # Five decimal places of a degree are about a metre.
    is_degrees = name.endswith(("latitude", "longitude"))
    return f"{number:.5f}" if is_degrees else f"{number:,.0f}"


@contextmanager
def _timed(step: str) -> Iterator[None]:
    print(f"{step} … ", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - start:.1f} s")
