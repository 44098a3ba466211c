"""The figures of a run that succeeded, under the names that docs/status.md explains."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from container.cost import Compute, estimated_cost
from container.training_job import TrainingJob
from container.versions import versions
from geoclusters.geodesy import GEOMETRIES, Spherical
from geoclusters.prices import Prices
from geoclusters.run import RunRecord
from geoclusters.status import run_figures


class Quality(NamedTuple):
    """How good some centroids are for a run's places, in float64."""

    #: In the geometry's own squared unit.
    mean_square_distance: float
    mean_distance_m: float
    #: None where it isn't defined.
    davies_bouldin: float | None


class Refinement(NamedTuple):
    """What came of the passes after training."""

    passes: int
    #: Why no further pass was made, for people.
    stopped_because: str
    #: The figures of SageMaker's own centroids.
    trained: Quality


def figures(
    record: RunRecord,
    job: TrainingJob,
    quality: Quality,
    *,
    empty_clusters: int,
    refinement: Refinement | None,
    functions: Iterable[Compute],
    prices: Prices,
) -> dict[str, Any]:
    """Return what `status.json` says of a run that succeeded.

    Parameters
    ----------
    record : RunRecord
    job : TrainingJob
        The job whose centroids these are.
    quality : Quality
        Of the centroids in `centroids.csv`.
    empty_clusters : int
        Clusters without places.
    refinement : Refinement, optional
        None if the centroids are SageMaker's own.
    functions : iterable of Compute
        The functions' work, for the estimate of the cost.
    prices : Prices
        What that is multiplied with.
    """
    is_spherical = isinstance(GEOMETRIES[record.geometry], Spherical)
    return {
        **run_figures(record),
        "training_job": job.name,
        "mean_square_distance": quality.mean_square_distance,
        "mean_square_distance_unit": "m²" if is_spherical else "degrees²",
        "mean_distance_m": quality.mean_distance_m,
        "davies_bouldin": quality.davies_bouldin,
        "empty_clusters": empty_clusters,
        "training": job.figures(),
        "refinement": _refinement(record, refinement),
        "estimated_cost": estimated_cost(job, functions, prices),
        "versions": versions(),
    }


def _refinement(record: RunRecord, refinement: Refinement | None) -> dict[str, Any]:
    if refinement is None:
        return {"wanted": record.refine, "done": False}
    trained = refinement.trained
    return {
        "wanted": record.refine,
        "done": True,
        "passes": refinement.passes,
        "stopped_because": refinement.stopped_because,
        "trained": {
            "mean_square_distance": trained.mean_square_distance,
            "mean_distance_m": trained.mean_distance_m,
            "davies_bouldin": trained.davies_bouldin,
        },
    }
