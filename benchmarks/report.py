"""How fast `report` is, against what one would use without it, and its memory.

    make bench-report
    python -m benchmarks.report --only passes

- `passes`: places → assignment and statistics, against scikit-learn's
  `pairwise_distances_argmin_min`, which is given the coordinates ready made and finds
  nothing but the nearest centroids and the distances. In turn, in one process, with
  one processor, about what Lambda gives, and with all there are.
- `memory`: the most memory that the passes over so many places take, each time in a
  process of its own, with parts that are made when they are read.
- `map`: drawing map.png, against geopandas; see `report_map.py`.

Where others use the machine too, the processor's time tells more than the clock's.
Each prints a table; what they found is in `benchmarks/results/report.json`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks/results"
_ENVIRONMENT: Final = {
    # OpenBLAS's threads, for which there is little to do, wait busily.
    "OPENBLAS_NUM_THREADS": "1",
}

Figures = dict[str, Any]


def main() -> None:
    """Measure, print tables, write the results."""
    options = _options()
    document: Figures = {}
    for section in options.only:
        document |= SECTIONS[section](options)
    RESULTS.mkdir(exist_ok=True)
    name = "report"
    if len(options.only) < len(SECTIONS):  # the full results stay
        name += "-" + "-".join(options.only)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=[*SECTIONS])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--places", type=int, default=4_000_000, help="of the passes")
    parser.add_argument(
        "--memory-places",
        type=int,
        nargs="+",
        default=[100_000, 1_000_000, 5_000_000, 50_000_000],
    )
    return parser.parse_args()


def _passes(options: argparse.Namespace) -> Figures:
    every = len(os.sched_getaffinity(0))
    document: Figures = {"passes": {}}
    for cpus in sorted({1, every}):
        found = _run(
            "passes",
            *("--places", str(options.places), "--repeats", str(options.repeats)),
            *("--cpus", str(cpus)),
        )
        _print_passes(cpus, found["passes"])
        document["passes"][str(cpus)] = found["passes"]
        document["versions"] = found["versions"]
        # Of the regions the worse one counts. Lambda gives little more than one
        # processor.
        for k in {each["k"]: None for each in found["passes"]}:
            ratio = min(each["ratio"] for each in found["passes"] if each["k"] == k)
            name = f"ratio_pass_k{k}" + ("" if cpus == 1 else f"_{cpus}_cpus")
            document[name] = ratio
    return document


def _print_passes(cpus: int, figures: list[Figures]) -> None:
    names = f"{'':6s} {'k':>6s} {'ours':>13s} {'scikit-learn':>13s}  ratio"
    print(f"{names}  processor's time a place, each; processors: {cpus}")
    for each in figures:
        print(
            f"{each['region']:6s} {each['k']:6,d}"
            f" {each['ours_per_s'] / 1e6:9.2f} M/s"
            f" {each['sklearn_per_s'] / 1e6:9.2f} M/s {each['ratio']:6.2f}"
            f" {each['ours_cpu_ns']:9,.0f} ns {each['sklearn_cpu_ns']:9,.0f} ns"
        )
    print(flush=True)


def _memory(options: argparse.Namespace) -> Figures:
    print(f"{'places':>11s} peak MB  first pass  last pass")
    figures = {}
    for places in options.memory_places:
        found = _run("memory", "--places", str(places))
        figures[str(places)] = found
        print(
            f"{places:11,d} {found['peak_mb']:7.0f}"
            f" {found['first_pass_s']:9.2f} s {found['last_pass_s']:8.2f} s",
            flush=True,
        )
    print()
    peaks = {places: found["peak_mb"] for places, found in figures.items()}
    return {"peak_mb": peaks, "memory": figures}


def _map(options: argparse.Namespace) -> Figures:
    del options
    figures = _run_module("benchmarks.report_map")
    print(f"{'places':>11s}      ours  geopandas  ratio")
    for each in figures["maps"]:
        print(
            f"{each['places']:11,d} {each['ours_s']:7.2f} s"
            f" {each['geopandas_s']:8.2f} s {each['ratio']:6.1f}"
        )
    print(flush=True)
    return figures


def _run(what: str, *arguments: str) -> Figures:
    return _run_module("benchmarks.report_passes", what, *arguments)


def _run_module(module: str, *arguments: str) -> Figures:
    """Return the figures that a module prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **_ENVIRONMENT},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: Figures = json.loads(done.stdout)
    return figures


#: Each returns what goes into the results.
SECTIONS: Final[dict[str, Callable[[argparse.Namespace], Figures]]] = {
    "passes": _passes,
    "memory": _memory,
    "map": _map,
}

if __name__ == "__main__":
    main()
