"""The report's passes over places, measured in this process.

    python -m benchmarks.report_passes passes|memory --places N [--cpus N]

The driver is `benchmarks/report.py`.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from statistics import median
from typing import Any, Final, NamedTuple, ParamSpec

import numpy as np
from numpy.typing import NDArray

from container.nearest import Centroids, assigned_ahead
from container.quantiles import Quantiles
from container.statistics import ClusterStatistics, Tally
from geoclusters.geodesy import GEOMETRIES
from geoclusters.places import Places, make

P = ParamSpec("P")
Floats = NDArray[np.float64]
Figures = dict[str, Any]

#: As `ingest` writes them.
_PART: Final = 2**18
_KS: Final = (15, 100, 1_000, 10_000)
#: Of so many distances scikit-learn computes a part, so that it ends today.
_MOST_DISTANCES: Final = 10**9
_SPHERE: Final = GEOMETRIES["spherical"]


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("passes", "memory"))
    parser.add_argument("--places", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--cpus", type=int)
    options = parser.parse_args()
    if options.cpus:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cpus])
    if options.what == "passes":
        figures = _passes(options.places, options.repeats)
    else:
        figures = _memory(options.places)
    print(json.dumps(figures))


def _globe(count: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    latitude: Floats = np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    return latitude, random.uniform(-180, 180, count)


def _city(count: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    return random.uniform(22.2, 22.5, count), random.uniform(113.9, 114.3, count)


def _passes(count: int, repeats: int) -> Figures:
    # scikit-learn takes a while to import, and memory that is not the report's.
    from sklearn.metrics import pairwise_distances_argmin_min

    figures = []
    for region in (_globe, _city):
        random = np.random.default_rng(1)
        latitude, longitude = region(count, random)
        places = make(np.arange(count), latitude, longitude)
        parts = [places[i : i + _PART] for i in range(0, count, _PART)]
        features = _SPHERE.features(latitude, longitude)
        for k in _KS:
            centroids = region(k, random)
            few, there = features[: _MOST_DISTANCES // k], _SPHERE.features(*centroids)
            ours: list[_Seconds] = []
            theirs: list[_Seconds] = []
            for _ in range(repeats):  # in turn: the machine's pace may drift
                ours.append(_seconds(_first_pass, centroids, parts))
                theirs.append(_seconds(pairwise_distances_argmin_min, few, there))
            per_s = [
                n / median(each.wall for each in all)
                for n, all in ((count, ours), (len(few), theirs))
            ]
            cpu_ns = [
                1e9 / n * median(each.cpu for each in all)
                for n, all in ((count, ours), (len(few), theirs))
            ]
            figures.append(
                {
                    "region": region.__name__.strip("_"),
                    "k": k,
                    "ours_per_s": per_s[0],
                    "sklearn_per_s": per_s[1],
                    "ratio": per_s[0] / per_s[1],
                    "ours_cpu_ns": cpu_ns[0],
                    "sklearn_cpu_ns": cpu_ns[1],
                    "ours_s": [each.wall for each in ours],
                    "sklearn_s": [each.wall for each in theirs],
                    "sklearn_places": len(few),
                }
            )
    return {
        "passes": figures,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scikit-learn")},
        },
    }


class _Seconds(NamedTuple):
    wall: float
    #: Of all threads.
    cpu: float


def _seconds(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> _Seconds:
    start, cpu_start = time.perf_counter(), time.process_time()
    call(*args, **kwargs)
    return _Seconds(time.perf_counter() - start, time.process_time() - cpu_start)


def _first_pass(
    centroids: tuple[Floats, Floats], parts: list[Places]
) -> ClusterStatistics:
    return _tallied(Centroids(_SPHERE, *centroids), lambda: iter(parts))


def _tallied(
    centroids: Centroids, parts: Callable[[], Iterator[Places]]
) -> ClusterStatistics:
    tally = Tally(centroids)
    with assigned_ahead(centroids, parts()) as ahead:
        for part, assigned in ahead:
            tally.add(part, assigned)
    return tally.result()


def _memory(count: int, k: int = 15) -> Figures:
    def parts() -> Iterator[Places]:
        for start in range(0, count, _PART):
            size = min(_PART, count - start)
            place = _globe(size, np.random.default_rng([2, start]))
            yield make(np.arange(start, start + size), *place)

    centroids = Centroids(_SPHERE, *_globe(k, np.random.default_rng(3)))
    start = time.perf_counter()
    statistics = _tallied(centroids, parts)
    between = time.perf_counter()
    quantiles = Quantiles(statistics.histogram)
    with assigned_ahead(centroids, parts()) as ahead:
        for _, assigned in ahead:
            quantiles.add(assigned.cluster, assigned.distance_m)
    assert quantiles.settle()
    return {
        "k": k,
        "first_pass_s": between - start,
        "last_pass_s": time.perf_counter() - between,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
