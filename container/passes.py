"""What a run's places say about its clusters, pass by pass.

The places are read a part at a time, so that memory doesn't grow with them: once to
measure SageMaker's clusters; as often as refining takes, and once to measure what it
found; and a last time, when the clusters have their numbers, for all that lists,
outlines or counts single places.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.assignments import AssignmentsFile
from container.density import Density
from container.map import MOST_POINTS
from container.nearest import Assigned, Centroids, assigned_ahead
from container.quantiles import Quantiles
from container.sample import Sample, Sampled
from container.shapes import Hulls
from container.statistics import ClusterStatistics, Tally
from container.view import View
from container.window import Extent
from geoclusters.deadline import SecondsLeft
from geoclusters.errors import InputError
from geoclusters.places import Places

Floats = NDArray[np.float64]

#: Drawing and writing what follows the last pass takes some seconds; the rest is for a
#: slow hour.
LEAST_SECONDS_LEFT: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every pass needs to know."""

    #: Gives all places, as often as it is iterated over.
    parts: Iterable[Places]
    seconds_left: SecondsLeft

    @contextmanager
    def assigned(
        self, centroids: Centroids
    ) -> Iterator[Iterator[tuple[Places, Assigned]]]:
        """Yield an iterator of all parts, and of each place's nearest centroid.

        Raises
        ------
        InputError
            If the time is nearly over. A function that is ended tells nobody, and would
            read the same places again.
        """
        with assigned_ahead(centroids, self.parts) as ahead:
            yield self._in_time(ahead)

    def _in_time(
        self, ahead: Iterable[tuple[Places, Assigned]]
    ) -> Iterator[tuple[Places, Assigned]]:
        read = 0
        for part, assigned in ahead:
            if self.seconds_left() < LEAST_SECONDS_LEFT:
                msg = (
                    "The clusters take too long to measure in one go: the time was "
                    f"over after {read:,} places. Ask for fewer clusters, or upload a "
                    "sample of the places."
                )
                raise InputError(msg)
            yield part, assigned
            read += len(part)


class Measured(NamedTuple):
    """What a pass finds out about clusters, in the centroids' order."""

    statistics: ClusterStatistics
    #: How far places and centroids reach.
    extent: Extent


def measure(run: Run, centroids: Centroids) -> Measured:
    """Measure the clusters of some centroids, in a pass over the run's places."""
    tally, extent = Tally(centroids), Extent()
    extent.add(centroids.latitude, centroids.longitude)
    with run.assigned(centroids) as parts:
        for part, assigned in parts:
            tally.add(part, assigned)
            extent.add(part["latitude"], part["longitude"])
    return Measured(tally.result(), extent)


class Details(NamedTuple):
    """What the last pass finds out."""

    #: Medians and 95th percentiles in metres, shape (k, 2).
    quantiles_m: Floats
    #: As of `Hulls.result`, shape (k,).
    hulls: NDArray[Any]
    #: Places to show; all if there are no more.
    sampled: Sampled
    density: Density


def detail(
    run: Run,
    centroids: Centroids,
    statistics: ClusterStatistics,
    *,
    view: View,
    listing: AssignmentsFile,
    seed: int,
) -> Details:
    """Look at each place for the last time, and list it.

    Parameters
    ----------
    run : Run
    centroids : Centroids
        In the order in which they are numbered.
    statistics : ClusterStatistics
        What `measure` found out about them, in the same order.
    view : View
        What the map shows.
    listing : AssignmentsFile
        Where each place is written.
    seed : int
        The same seed gives the same sample.
    """
    quantiles = Quantiles(statistics.histogram)
    hulls = Hulls(centroids.geometry, centroids.latitude, centroids.longitude)
    sample = Sample(MOST_POINTS, seed=seed)
    density = Density(view)
    with run.assigned(centroids) as parts:
        for part, assigned in parts:
            cluster, distance_m = assigned.cluster, assigned.distance_m
            listing.add(part, cluster, distance_m)
            quantiles.add(cluster, distance_m)
            hulls.add(part, cluster, distance_m)
            sample.add(part, cluster, distance_m)
            density.add(part["latitude"], part["longitude"])
    while not quantiles.settle():
        with run.assigned(centroids) as parts:
            for _, assigned in parts:
                quantiles.add(assigned.cluster, assigned.distance_m)
    return Details(quantiles.result(), hulls.result(), sample.result(), density)
