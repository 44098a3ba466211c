"""How good the clusters are, step by step from raw degrees to exact passes.

    make bench-quality
    python -m benchmarks.quality --only hong-kong --ks 15 --seeds 3

Each step is one more of the product's, trained in this process by the arithmetic of
the local SageMaker (float32 throughout):

- `degrees`: latitude and longitude as they are, in the file's order, with SageMaker's
  default hyperparameters;
- `centred`: x, y, z in metres minus their centre;
- `sampled`: the fair sample first, as `ingest` writes the training records;
- `tuned`: with the hyperparameters of `start_training`;
- `refined`: exact passes over the places afterwards, as with `refine=always`.

What is judged is the mean square straight-line distance of the places to the nearest
centroid as it is drawn, on the sphere's surface, in float64. It is divided by that of
the best of many starts of scikit-learn's k-means on the same x, y, z. Where SageMaker
would refuse to train (its defaults want ten records a cluster in a mini-batch of 5,000)
there is no figure.

What was found of each set and k is in `benchmarks/results/quality.json` at once; the
best of scikit-learn stays in `build/quality` for the next run.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info

from benchmarks.quality_sets import SETS, Places
from container.centroids import place_on_earth
from container.nearest import Centroids
from container.refine import refine
from geoclusters import places as parts_of_places
from geoclusters import recordio
from geoclusters.geodesy import GEOMETRIES, Geometry
from geoclusters.hyperparameters import first_shard_rows, hyperparameters
from geoclusters.training_set import TrainingSet
from local.sagemaker.trainer.hyperparameters import Hyperparameters, parse
from local.sagemaker.trainer.kmeans import (
    LocalLloyd,
    TooFewRecordsError,
    WebScaleKMeans,
)

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks/results"
CACHE: Final = ROOT / "build/quality"
STEPS: Final = ("degrees", "centred", "sampled", "tuned", "refined")
#: The median and the worst that a step may be.
DEMANDS: Final = {"tuned": (1.05, 1.10), "refined": (1.02, 1.05)}
_KS: Final = (15, 100, 1_000)
#: With more clusters than n / 2, most would be single places.
_PLACES_A_CLUSTER: Final = 2
_SEEDS: Final = 20
#: As `ingest` writes them.
_PART: Final = 2**18

_SPHERE: Final = GEOMETRIES["spherical"]
_PLANE: Final = GEOMETRIES["planar"]

Figures = dict[str, Any]
Float32 = NDArray[np.float32]
#: The mean square distance after each step, in m²; None where training was refused.
Msds = dict[str, float | None]


class Reference(NamedTuple):
    """How scikit-learn searches for the best clusters."""

    starts: int
    #: As a part of the variance; 0 goes on until no place changes its cluster.
    tol: float


def main() -> None:
    """Measure, print a table, write the results."""
    options = _options()
    document: Figures = {
        "ratio_to_best": {},
        "best": {},
        "places": {},
        "seeds": options.seeds,
        "demands_missed": [],
        "versions": _versions(),
    }
    path = RESULTS / f"{_name(options)}.json"
    RESULTS.mkdir(exist_ok=True)
    # A seed or a start for each processor: threads of their own would be in the way.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    context = multiprocessing.get_context("spawn")
    print(f"{'':20s} {'n':>9s} {'k':>5s}", *(f"{step:>15s}" for step in STEPS))
    with ProcessPoolExecutor(options.processes, context) as pool:
        for name in options.only:
            try:
                places = SETS[name](options.data)
            except FileNotFoundError as error:
                print(f"{name:20s} left out: {error.filename} is missing")
                continue
            document["places"][name] = n = len(places.latitude)
            for k in (k for k in options.ks if _PLACES_A_CLUSTER * k <= n):
                reference = reference_of(n)
                best = best_msd(places, k, reference, pool, CACHE)
                ratios = ratios_to_best(places, k, range(options.seeds), best, pool)
                document["ratio_to_best"].setdefault(name, {})[str(k)] = ratios
                document["best"].setdefault(name, {})[str(k)] = {
                    "msd_m2": best,
                    **reference._asdict(),
                }
                document["demands_missed"] += missed(f"{name}, k = {k}", ratios)
                print(_row(name, n, k, ratios), flush=True)
                path.write_text(json.dumps(document, indent=1) + "\n")
    for miss in document["demands_missed"]:
        print(miss)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--ks", type=int, nargs="+", default=[*_KS])
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def _name(options: argparse.Namespace) -> str:
    """Return what the results are called; those of a partial run don't replace all."""
    name = "quality"
    if len(options.only) < len(SETS):
        name += "-" + "-".join(options.only)
    if tuple(options.ks) != _KS:
        name += "-k" + "-".join(map(str, options.ks))
    if options.seeds != _SEEDS:
        name += f"-{options.seeds}-seeds"
    return name


def _versions() -> dict[str, str]:
    # Rounding in float32, which decides what raw degrees end in, depends on the kernel.
    kernels = {
        each["architecture"] for each in threadpool_info() if "architecture" in each
    }
    return {
        "python": platform.python_version(),
        "blas_kernel": ", ".join(sorted(kernels)),
        **{name: version(name) for name in ("numpy", "scikit-learn")},
    }


def _row(name: str, n: int, k: int, ratios: Mapping[str, Figures | None]) -> str:
    cells = (
        f"{each['median']:.3f}, {each['worst']:.3f}" if each else "refused"
        for each in ratios.values()
    )
    return " ".join((f"{name:20s} {n:9,d} {k:5,d}", *(f"{c:>15s}" for c in cells)))


def reference_of(n: int) -> Reference:
    """Return how long scikit-learn searches with so many places.

    Of a million it has fewer starts, which end as scikit-learn's own defaults say.
    """
    return Reference(50, 0.0) if n < 500_000 else Reference(10, 1e-4)


def best_msd(
    places: Places, k: int, reference: Reference, pool: Executor, cache: Path
) -> float:
    """Return the mean square distance of the best of scikit-learn's starts, in m².

    The best is the one whose centroids, put onto the surface, are nearest.

    Parameters
    ----------
    places : Places
    k : int
    reference : Reference
    pool : Executor
        Runs the starts.
    cache : Path
        The folder where the result is kept, and found again.
    """
    digest = hashlib.sha256()
    for column in places:
        digest.update(column.tobytes())
    made_with = (k, *reference, version("scikit-learn"))
    digest.update(repr(made_with).encode())
    path = cache / f"{digest.hexdigest()}.json"
    if path.exists():
        return float(json.loads(path.read_text()))
    starts = reference.starts
    found = pool.map(
        _start, repeat(places), repeat(k), repeat(reference.tol), range(starts)
    )
    best = min(found)
    cache.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(best))
    return best


def _start(places: Places, k: int, tol: float, seed: int) -> float:
    features = _SPHERE.features(*places)
    centre = features.mean(axis=0)
    model = KMeans(k, n_init=1, max_iter=1_000, tol=tol, random_state=seed)
    model.fit(features - centre)
    centroids = model.cluster_centers_ + centre
    return mean_square(Centroids(_SPHERE, *_SPHERE.places(centroids)), places)


def mean_square(centroids: Centroids, places: Places) -> float:
    """Return the mean square distance of places to the nearest centroid, in m²."""
    total = sum(float(centroids.assign(part).square.sum()) for part in _parts(places))
    return total / len(places.latitude)


def _parts(places: Places) -> Iterator[parts_of_places.Places]:
    n = len(places.latitude)
    every = parts_of_places.make(np.arange(n), *places)
    return (every[start : start + _PART] for start in range(0, n, _PART))


def ratios_to_best(
    places: Places, k: int, seeds: range, best: float, pool: Executor
) -> dict[str, Figures | None]:
    """Return, for each step, the median and the worst ratio of the seeds."""
    found = [*pool.map(msds, repeat(places), repeat(k), seeds)]
    ratios: dict[str, Figures | None] = {}
    for step in STEPS:
        known = [each[step] for each in found]
        values = [value / best for value in known if value is not None]
        ratios[step] = (
            {"median": median(values), "worst": max(values)} if values else None
        )
    return ratios


def missed(which: str, ratios: Mapping[str, Figures | None]) -> list[str]:
    """Return what is farther from the best than demanded, a sentence each."""
    return [
        f"{which}: {name} {step} is {found[name]:.3f}, more than {most}"
        for step, demand in DEMANDS.items()
        if (found := ratios[step])
        for name, most in zip(("median", "worst"), demand, strict=True)
        if found[name] > most
    ]


def msds(places: Places, k: int, seed: int) -> Msds:
    """Return the mean square distance after each step, in m²."""
    plain = np.column_stack(places).astype(np.float32)
    sampled, centre = _training_records(places, k, seed)
    centred = (_SPHERE.features(*places) - centre).astype(np.float32)
    tuned = hyperparameters(len(plain), k, _SPHERE.feature_dim)
    trained = {
        "degrees": _trained(plain, _defaults(k, _PLANE), seed),
        "centred": _trained(centred, _defaults(k, _SPHERE), seed),
        "sampled": _trained(sampled, _defaults(k, _SPHERE), seed),
        "tuned": _trained(sampled, parse(tuned), seed),
    }
    found: Msds = {}
    for step, centroids in trained.items():
        if centroids is None:
            found[step] = None
            continue
        geometry, origin = (_PLANE, 0) if step == "degrees" else (_SPHERE, centre)
        exact = centroids.astype(np.float64) + origin
        placed = place_on_earth(exact, geometry, lambda: _parts(places))
        drawn = Centroids(_SPHERE, placed.latitude, placed.longitude)
        found[step] = mean_square(drawn, places)
    # (the last are the tuned ones)
    refined = refine(drawn, lambda: _parts(places))
    found["refined"] = mean_square(
        Centroids(_SPHERE, refined.latitude, refined.longitude), places
    )
    return found


def _defaults(k: int, geometry: Geometry) -> Hyperparameters:
    return parse({"k": k, "feature_dim": geometry.feature_dim})


def _training_records(
    places: Places, k: int, seed: int
) -> tuple[Float32, NDArray[np.float64]]:
    """Return records in the order in which SageMaker reads the shards; the centre."""
    training_set = TrainingSet(_SPHERE, first_shard_rows=first_shard_rows(k), seed=seed)
    shards = [*training_set.add(*places), *training_set.finish()]
    shards.sort(key=lambda shard: shard.part)
    # The first shard may have taken all.
    records = [recordio.decode(shard.body) for shard in shards if shard.body]
    return np.concatenate(records), np.array(training_set.centre)


def _trained(records: Float32, chosen: Hyperparameters, seed: int) -> Float32 | None:
    """Return the centroids of a training; None if SageMaker refuses it."""
    rng = np.random.default_rng(seed)
    size = chosen.mini_batch_size
    try:
        model = WebScaleKMeans(
            records[:size],
            count=chosen.k * chosen.extra_center_factor,
            init_method=chosen.init_method,
            half_life_time_size=chosen.half_life_time_size,
            rng=rng,
        )
    except TooFewRecordsError:
        return None
    for _ in range(chosen.epochs):
        for start in range(0, len(records), size):
            model.update(records[start : start + size])
    lloyd = LocalLloyd(
        init_method=chosen.local_lloyd_init_method,
        max_iter=chosen.local_lloyd_max_iter,
        num_trials=chosen.local_lloyd_num_trials,
        tol=chosen.local_lloyd_tol,
    )
    return lloyd.shrink(model.centers, model.counts, chosen.k, rng)[0]


if __name__ == "__main__":
    main()
