"""One way from a CSV file to training records, measured in this process.

    python -m benchmarks.ingest_ways ours|sdk|parse TABLE WARM_UP FOLDER [--cpus N]

The driver is `benchmarks/ingest.py`. Time is without imports, since each way turns a
small table into records before; peak memory is with them.
"""

import argparse
import json
import os
import platform
import resource
import time
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from geoclusters.environment import IngestSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SETTINGS = IngestSettings(
    data_bucket="b",
    uploads_queue_url="",
    jobs_queue_url="",
    default_k=15,
    max_upload_bytes=10**12,
    most_left_out_percent=50,
    instance_count=1,
)


def main() -> None:
    """Print a run's figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("table", type=Path)
    parser.add_argument("warm_up", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cpus", type=int)
    options = parser.parse_args()
    if options.cpus:  # before the imports: polars counts processors at its own
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, usable[: options.cpus])
    way, packages = WAYS[options.way]
    way(options.warm_up, options.folder)
    start, cpu_start = time.perf_counter(), time.process_time()
    rows = way(options.table, options.folder)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = {package: version(package) for package in packages}
    figures = {
        "rows": rows,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peak_mb": peak,
        "versions": {"python": platform.python_version(), **versions},
    }
    print(json.dumps(figures))


def _ours(path: Path, folder: Path) -> int:
    """All that `ingest` does between the upload's bytes and its run's objects."""
    from geoclusters.parameters import Parameters
    from geoclusters.run import Upload
    from geoclusters.tables.reader import Table
    from lambdas.ingest.write import write_run

    size = path.stat().st_size
    with path.open("rb") as file:
        table = Table(file)
        record = write_run(
            table,
            Upload(bucket="b", key="input/t.csv", etag="e", sequencer="1", size=size),
            Parameters(k=15),
            created_at="2020-01-15T00:00:00Z",
            settings=_SETTINGS,
            s3=cast("S3Client", _FolderClient(folder)),
        )
    return record.rows_read


class _FolderClient:
    """Stands in for the S3 client: what is put into a bucket goes into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_object(self, *, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803
        """Write an object; several threads may do so at a time."""
        path = self._folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)


def _sdk(path: Path, folder: Path) -> int:
    """As notebooks do it: read all, hand two columns to the SageMaker SDK's writer."""
    import numpy as np
    import pandas as pd
    from sagemaker.amazon.common import write_numpy_to_dense_tensor

    frame = pd.read_csv(path)
    places = frame[["latitude", "longitude"]].to_numpy(np.float32)
    records = BytesIO()
    write_numpy_to_dense_tensor(records, places)
    with (folder / "sdk.pbr").open("wb") as file:
        file.write(records.getbuffer())
    return len(places)


def _parse(path: Path, folder: Path) -> int:
    """Only what can't be left out: two columns of numbers, in blocks of whole lines."""
    del folder
    import polars as pl

    from geoclusters.tables.reader import _BLOCK_BYTES

    rows = 0
    with path.open("rb") as file:
        header = file.readline().decode().strip().split(",")
        wanted = [header.index("latitude"), header.index("longitude")]
        names = [f"column_{i + 1}" for i in range(len(header))]
        schema: Any = dict.fromkeys(names, pl.String)
        schema |= {names[i]: pl.Float64 for i in wanted}
        rest = b""
        while data := file.read(_BLOCK_BYTES):
            data = rest + data
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            frame = pl.read_csv(
                data[:end], has_header=False, schema=schema, columns=wanted
            )
            latitude, _ = (column.to_numpy() for column in frame.get_columns())
            rows += len(latitude)
    return rows


_READER = ("polars", "numpy")
WAYS = {
    "ours": (_ours, _READER),
    "sdk": (_sdk, ("sagemaker", "pandas", "numpy")),
    "parse": (_parse, _READER),
}

if __name__ == "__main__":
    main()
