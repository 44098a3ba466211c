"""The whole way, shown: deploy, upload, watch, fetch."""

from pathlib import Path

from geoclusters import layout
from geoclusters.status import State
from local import deployment
from local.cloud import Cloud
from local.errors import LocalError
from operations.steps import (
    Document,
    as_table,
    fetch,
    follow,
    read_status,
    timed,
    upload,
)


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
    with timed("cdk bootstrap"):
        deployment.bootstrap(cloud)
    with timed("cdk deploy"):
        bucket = deployment.deploy(cloud)["DataBucketName"]

    s3 = cloud.client("s3")
    key = layout.INPUT_PREFIX + table.name
    metadata = {} if k is None else {"k": str(k)}
    print(f"{table} → s3://{bucket}/{key}" + (f" (k={k})" if k else ""))
    with table.open("rb") as body:
        version_id = upload(s3, bucket, table.name, body, **metadata)
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
