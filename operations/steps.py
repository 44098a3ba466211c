"""The steps of one run, from an upload to its results, in whatever cloud it is.

`make demo`, the integration tests and `make smoke-aws` all take them.
"""

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

_POLL_S = 0.2

Document = Mapping[str, Any]


def upload(s3: Any, bucket: str, path: str, body: Any, **parameters: str) -> str:
    """Upload a table under `input/` with its parameters; return its version id."""
    answer = s3.put_object(
        Bucket=bucket,
        Key=layout.INPUT_PREFIX + path,
        Body=body,
        Metadata=parameters,
    )
    version: str = answer["VersionId"]
    return version


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
    poll_s: float = _POLL_S,
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
        sleep(poll_s)


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
def timed(step: str) -> Iterator[None]:
    """Print a step's name, and how long it took."""
    print(f"{step} … ", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - start:.1f} s")
