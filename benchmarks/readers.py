"""Which package reads tables for `ingest`: the bare parse of two columns, by each.

    make bench-readers

Each reader runs in a process of its own, in the versions that have wheels for Lambda's
glibc 2.26, on the same generated file of eight columns, and turns two of them into
float64, a block at a time. Writes benchmarks/results/readers.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.tables import ROOT, generate

RESULTS = Path(__file__).parent / "results/readers.json"
#: The last release of each with a manylinux2014 wheel for Python 3.11.
PACKAGES = ("polars==2.1.0", "pandas==2.3.2", "pyarrow==20.0.0", "duckdb==1.2.2")
BLOCK_BYTES = 8 * 1024 * 1024
BLOCK_ROWS = 100_000


def main() -> None:
    """Measure in a process each; print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--read", nargs=2, metavar=("READER", "FILE"))
    options = parser.parse_args()
    if options.read:
        name, path = options.read
        print(json.dumps(_measure(READERS[name], Path(path))))
        return
    with tempfile.NamedTemporaryFile(suffix=".csv") as table:
        generate(Path(table.name), options.rows)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
        for _ in range(options.repeats):
            for name in READERS:  # in turn: the machine's pace may drift
                found[name].append(_in_own_process(name, table.name))
    rows = {
        name: {
            "rows_per_s": sorted(run["rows_per_s"] for run in runs)[len(runs) // 2],
            "peak_mb": max(run["peak_mb"] for run in runs),
        }
        for name, runs in found.items()
    }
    for name, figures in rows.items():
        pace = figures["rows_per_s"]
        print(
            f"{name:8s} {pace / 1e6:6.2f} M rows/s"
            f" {pace / rows['pandas']['rows_per_s']:6.2f} × pandas"
            f" {figures['peak_mb']:6.0f} MB"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"rows": options.rows, "readers": rows}, indent=1))


def _in_own_process(name: str, table: str) -> dict[str, float]:
    packages = [word for package in PACKAGES for word in ("--with", package)]
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "run", "--quiet", "--no-project"),
            *("--python", "3.11", "--with", "numpy==2.2.6", *packages),
            *("python", "-m", "benchmarks.readers", "--read", name, table),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _measure(
    reader: Callable[[Path], Iterator[tuple[Any, Any]]], path: Path
) -> dict[str, float]:
    blocks = reader(path)
    rows = len(next(blocks)[0])  # without the time of imports
    start, first = time.perf_counter(), rows
    for latitude, _ in blocks:
        rows += len(latitude)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows_per_s": (rows - first) / seconds, "peak_mb": peak}


def _polars(path: Path) -> Iterator[tuple[Any, Any]]:
    import polars as pl

    with path.open("rb") as file:
        header = file.readline().decode().strip().split(",")
        rest = b""
        while data := file.read(BLOCK_BYTES):
            data = rest + data
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            frame = pl.read_csv(
                data[:end],
                has_header=False,
                columns=[header.index("latitude"), header.index("longitude")],
            )
            latitude, longitude = frame.get_columns()
            yield latitude.to_numpy(), longitude.to_numpy()


def _pandas(path: Path) -> Iterator[tuple[Any, Any]]:
    import pandas as pd

    columns = ["latitude", "longitude"]
    for frame in pd.read_csv(path, usecols=columns, chunksize=BLOCK_ROWS):
        yield frame["latitude"].to_numpy(), frame["longitude"].to_numpy()


def _pyarrow(path: Path) -> Iterator[tuple[Any, Any]]:
    import pyarrow.csv as pc

    reader = pc.open_csv(
        path,
        read_options=pc.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(include_columns=["latitude", "longitude"]),
    )
    for batch in reader:
        yield batch.column(0).to_numpy(), batch.column(1).to_numpy()


def _duckdb(path: Path) -> Iterator[tuple[Any, Any]]:
    import duckdb

    query = f"select latitude, longitude from read_csv('{path}')"
    for batch in duckdb.sql(query).fetch_arrow_reader(BLOCK_ROWS):
        yield batch.column(0).to_numpy(), batch.column(1).to_numpy()


READERS = {
    "polars": _polars,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "duckdb": _duckdb,
}

if __name__ == "__main__":
    main()
