"""How fast `ingest` turns tables into training records, against two measures.

    make bench-ingest
    python -m benchmarks.ingest --kinds --cpus 1
    python -m benchmarks.ingest --rows 50000000 --only ours --folder /data

- `ours`: all that `ingest` does but the network; its objects become files.
- `sdk`: as notebooks do it, with pandas and the SageMaker SDK's writer.
- `parse`: nothing but polars' parse of the two columns.

Each runs in a process of its own, on the same generated file, in turn. A small table
goes through it first, so the time is without imports but with everything else; the
peak memory is the whole process's. MB are 10⁶ bytes of the table as text, unpacked.
Where others use the machine too, the processor's time (`cpu_s`) tells more than the
clock's.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.tables import KINDS, ROOT, generate

RESULTS: Final = ROOT / "benchmarks/results"
ROWS: Final = (100_000, 1_000_000, 5_000_000)
KINDS_ROWS: Final = (1_000_000,)
WAYS: Final = ("ours", "sdk", "parse")
_ROOMY_BYTES: Final = 4_000_000_000
_WARM_UP_ROWS: Final = 200_000
#: Tables with fewer rows are over in a moment, of which chance takes its share: they
#: are read so many times as often.
_FEW_ROWS: Final = 1_000_000
_MORE_OFTEN: Final = 5
#: From so many rows on the SDK's way, which takes long, is gone once.
_MANY_ROWS: Final = 5_000_000
_PYTHON: Final = {"sdk": ROOT / ".venv-sdk/bin/python"}
_OUR_PYTHON: Final = ROOT / ".venv/bin/python"
_ENVIRONMENT: Final = {
    "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    # As the functions have it: OpenBLAS's threads, which nobody uses, wait busily.
    "OPENBLAS_NUM_THREADS": "1",
}

Figures = dict[str, Any]


def main() -> None:
    """Measure, print a table, write the results."""
    options = _options()
    kinds = [*KINDS] if options.kinds else ["plain"]
    ways = ["ours"] if options.kinds else options.only
    found: dict[str, dict[str, Figures]] = {}
    print(f"{'rows':>11s} {'':11s} M rows/s     MB/s  peak MB  CPU s  wall")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for rows in options.rows:
            for kind in kinds:
                table = _Table(Path(folder), rows, kind)
                figures = table.measure(ways, options.repeats, options.cpus)
                table.remove()
                for name, each in figures.items():
                    label = kind if options.kinds else name
                    found.setdefault(str(rows), {})[label] = each
                    _print(rows, label, each)
    name = "ingest-kinds" if options.kinds else "ingest"
    if not options.kinds and len(ways) < len(WAYS):  # the full results stay
        name += "-" + "-".join(ways)
    if options.cpus:
        name += f"-{options.cpus}-cpus"
    document = {} if options.kinds else _ratios(found)
    document |= {"cpus": options.cpus, "figures": found}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument(
        "--kinds", action="store_true", help="ours alone, on tables that slow it down"
    )
    parser.add_argument("--cpus", type=int, help="processors that a process may use")
    parser.add_argument(
        "--folder",
        type=Path,
        default=_in_memory(),
        help="where the tables lie meanwhile; by default in memory, if there is room",
    )
    options = parser.parse_args()
    options.rows = options.rows or (KINDS_ROWS if options.kinds else ROWS)
    return options


def _in_memory() -> Path | None:
    """Return a folder in memory, so that no disk has a part in what is measured."""
    folder = Path("/dev/shm")
    is_roomy = folder.is_dir() and shutil.disk_usage(folder).free > _ROOMY_BYTES
    return folder if is_roomy else None


class _Table:
    """A generated table, and what the ways need beside it."""

    def __init__(self, folder: Path, rows: int, kind: str) -> None:
        self._rows = rows
        self._warm_up = folder / "warm-up.csv"
        self._table = folder / "table.csv"
        self._written = folder / "written"
        generate(self._warm_up, _WARM_UP_ROWS, kind)
        self._megabytes = generate(self._table, rows, kind) / 1e6

    def measure(
        self, ways: list[str], repeats: int, cpus: int | None
    ) -> dict[str, Figures]:
        """Return the figures of each way."""
        runs: dict[str, list[Figures]] = {way: [] for way in ways}
        if self._rows < _FEW_ROWS:
            repeats *= _MORE_OFTEN
        for turn in range(repeats):
            for way in ways:  # in turn: the machine's pace may drift
                if way == "sdk" and turn and self._rows >= _MANY_ROWS:
                    continue
                runs[way].append(self._run(way, cpus))
        return {way: self._figures(each) for way, each in runs.items()}

    def remove(self) -> None:
        """Make room for the next."""
        self._table.unlink()
        self._warm_up.unlink()

    def _run(self, way: str, cpus: int | None) -> Figures:
        self._written.mkdir()
        done = subprocess.run(
            [
                *(_PYTHON.get(way, _OUR_PYTHON), "-W", "ignore"),
                *("-m", "benchmarks.ingest_ways"),
                *(way, self._table, self._warm_up, self._written),
                *(() if cpus is None else ("--cpus", str(cpus))),
            ],
            cwd=ROOT,
            env={**os.environ, **_ENVIRONMENT},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        shutil.rmtree(self._written)
        # the SDK talks before
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        if figures["rows"] != self._rows:
            msg = f"{way} read {figures['rows']:,} of {self._rows:,} rows"
            raise ValueError(msg)
        return figures

    def _figures(self, runs: list[Figures]) -> Figures:
        seconds = median(run["seconds"] for run in runs)
        return {
            "rows_per_s": self._rows / seconds,
            "mb_per_s": self._megabytes / seconds,
            "peak_mb": max(run["peak_mb"] for run in runs),
            "seconds": [run["seconds"] for run in runs],
            "cpu_s": [run["cpu_s"] for run in runs],
            "table_mb": self._megabytes,
            "versions": runs[0]["versions"],
        }


def _ratios(found: dict[str, dict[str, Figures]]) -> Figures:
    """Return how many times as fast as the others ours is, and its peak memory."""
    ratios: Figures = {
        f"ratio_to_{other}": {
            rows: ways["ours"]["rows_per_s"] / ways[other]["rows_per_s"]
            for rows, ways in found.items()
            if "ours" in ways and other in ways
        }
        for other in ("sdk", "parse")
    }
    peaks = {
        rows: ways["ours"]["peak_mb"] for rows, ways in found.items() if "ours" in ways
    }
    return {**ratios, "peak_mb": peaks}


def _print(rows: int, label: str, figures: Figures) -> None:
    seconds = figures["seconds"]
    print(
        f"{rows:11,d} {label:11s} {figures['rows_per_s'] / 1e6:8.2f}"
        f" {figures['mb_per_s']:8.0f} {figures['peak_mb']:8.0f}"
        f" {median(figures['cpu_s']):6.2f}  {min(seconds):.2f} to {max(seconds):.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
