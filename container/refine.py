"""Centroids made exact: Lloyd's passes over all places, in float64.

Training computes in float32, whose rounding grows with the extent of the places. Where
clusters are small against that it costs quality, which a few exact passes bring back.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.centroids import rounded
from container.nearest import Assigned, Centroids, assigned_ahead, batches
from container.statistics import ClusterStatistics
from geoclusters.deadline import SecondsLeft, unbounded
from geoclusters.geodesy import (
    EARTH_RADIUS_M,
    Geometry,
    Spherical,
    direction_is_defined,
    great_circle_m,
)
from geoclusters.places import Places

Floats = NDArray[np.float64]

#: With `auto`, centroids are refined where the root of the mean square distance is less
#: than this part of the extent.
SMALL_CLUSTERS: Final = 1e-3
MOST_PASSES: Final = 100
#: Refinement ends when no centroid moves so far, …
_SETTLED_M: Final = 1.0
#: … and before a pass for which there may be no time: the next may last longer than
#: the last by so much.
_SLOWER: Final = 1.5

#: What is rounded to a centroid's digits moves by less than half of this.
_APART_M: Final = 0.02

#: Why refinement ended, for `Refined.reason`.
SETTLED: Final = "no centroid moved 1 m"
OUT_OF_PASSES: Final = f"{MOST_PASSES} passes"
OUT_OF_TIME: Final = "the time was up"


class Refined(NamedTuple):
    """Centroids after refinement, in the order that they had before."""

    #: In degrees, with the digits that are shown, shape (k,).
    latitude: Floats
    longitude: Floats
    #: How far each lies from where it began, in metres, shape (k,).
    moved_m: Floats
    #: For each pass, the mean square distance of the places as it began; it never
    #: rises. In m² on the sphere, in degrees² in the plane of degrees.
    mean_squares: tuple[float, ...]
    #: How many centroids without places were put where they have some.
    repaired: int
    #: SETTLED, OUT_OF_PASSES or OUT_OF_TIME.
    reason: str

    @property
    def passes(self) -> int:
        """How many times all places were read."""
        return len(self.mean_squares)


def is_wanted(refine: str, statistics: ClusterStatistics) -> bool:
    """Return whether a run's centroids are to be refined.

    Parameters
    ----------
    refine : str
        One of `parameters.REFINEMENTS`.
    statistics : ClusterStatistics
        Of the centroids as they were trained.
    """
    if refine != "auto":
        return refine == "always"
    root = statistics.mean_square_distance**0.5
    return root < SMALL_CLUSTERS * statistics.extent or statistics.empty > 0


def refine(
    centroids: Centroids,
    parts: Callable[[], Iterable[Places]],
    *,
    seconds_left: SecondsLeft = unbounded,
    reserve_s: float = 0.0,
    pass_s: float = 0.0,
) -> Refined:
    """Move centroids to the means of their places until they stay where they are.

    On the sphere a mean is put back onto the surface along its direction, which is the
    point of the surface with the least mean square distance. A centroid without places
    goes to the place that is farthest from its own centroid; several go to such places
    of several clusters.

    Parameters
    ----------
    centroids : Centroids
        As `place_on_earth` returns them.
    parts : callable
        Gives all places of the run; called once for each pass.
    seconds_left : SecondsLeft
        How long there is for this, and …
    reserve_s : float
        … for all that is done afterwards, in seconds.
    pass_s : float
        How long a pass over the places takes, if that is known.
    """
    began = centroids
    mean_squares: list[float] = []
    repaired = 0
    reason = OUT_OF_PASSES
    while len(mean_squares) < MOST_PASSES:
        if seconds_left() - reserve_s < _SLOWER * pass_s:
            reason = OUT_OF_TIME
            break
        start = time.monotonic()
        found = _look(centroids, parts())
        mean_squares.append(found.mean_square)
        better, filled = _moved(centroids, found)
        repaired += filled
        steps = np.linalg.norm(better.features - centroids.features, axis=1)
        centroids = better
        if not filled and steps.max() < _SETTLED_M * _unit(centroids.geometry):
            reason = SETTLED
            break
        pass_s = time.monotonic() - start
    return Refined(
        latitude=centroids.latitude,
        longitude=centroids.longitude,
        moved_m=great_circle_m(
            *(began.latitude, began.longitude),
            *(centroids.latitude, centroids.longitude),
        ),
        mean_squares=tuple(mean_squares),
        repaired=repaired,
        reason=reason,
    )


def _unit(geometry: Geometry) -> float:
    """Return a metre in the geometry's own unit."""
    if isinstance(geometry, Spherical):
        return 1.0
    return float(np.degrees(1 / EARTH_RADIUS_M))


class _Found:
    """What a pass finds out about the clusters."""

    def __init__(self, centroids: Centroids) -> None:
        self._centroids = centroids
        k, feature_dim = centroids.features.shape
        self.size = np.zeros(k, np.int64)
        #: Sums of the places' features, shape (k, feature_dim).
        self.sums = np.zeros((k, feature_dim))
        #: The place of each cluster that is farthest from its centroid.
        self.far_latitude, self.far_longitude = np.zeros(k), np.zeros(k)
        self.far_square = np.full(k, -np.inf)
        self._squares = 0.0

    def add(self, part: Places, assigned: Assigned) -> None:
        for batch in batches(len(part)):
            self._add_batch(
                part["latitude"][batch],
                part["longitude"][batch],
                assigned.cluster[batch],
                assigned.square[batch],
            )

    def _add_batch(
        self,
        latitude: Floats,
        longitude: Floats,
        cluster: NDArray[np.intp],
        square: Floats,
    ) -> None:
        k = len(self.size)
        self._squares += float(square.sum())
        self.size += np.bincount(cluster, minlength=k)
        features = self._centroids.geometry.features(latitude, longitude)
        for column, sums in zip(features.T, self.sums.T, strict=True):
            sums += np.bincount(cluster, column, minlength=k)
        # Few places are farther out than all before them: only these are sorted.
        far = np.flatnonzero(square > self.far_square[cluster])
        far = far[np.argsort(square[far], kind="stable")]
        # Of several of a cluster the last, the farthest, stays.
        self.far_square[cluster[far]] = square[far]
        self.far_latitude[cluster[far]] = latitude[far]
        self.far_longitude[cluster[far]] = longitude[far]

    @property
    def mean_square(self) -> float:
        return self._squares / int(self.size.sum())


def _look(centroids: Centroids, parts: Iterable[Places]) -> _Found:
    found = _Found(centroids)
    with assigned_ahead(centroids, parts) as ahead:
        for part, assigned in ahead:
            found.add(part, assigned)
    return found


def _moved(centroids: Centroids, found: _Found) -> tuple[Centroids, int]:
    """Return better centroids, and how many of them went to places farther away."""
    geometry = centroids.geometry
    latitude, longitude = centroids.latitude.copy(), centroids.longitude.copy()
    full = np.flatnonzero(found.size)
    means = found.sums[full] / found.size[full, np.newaxis]
    if isinstance(geometry, Spherical):
        # Places all around the globe: no direction is better than another.
        is_clear = direction_is_defined(means)
        full, means = full[is_clear], means[is_clear]
    exact = geometry.places(means)
    latitude[full], longitude[full] = map(rounded, exact)
    # Rounded they may be farther from the best point than what they replace.
    best = geometry.features(*exact)
    new = geometry.features(latitude[full], longitude[full]) - best
    old = centroids.features[full] - best
    is_worse = (new**2).sum(axis=1) >= (old**2).sum(axis=1)
    latitude[full[is_worse]] = centroids.latitude[full[is_worse]]
    longitude[full[is_worse]] = centroids.longitude[full[is_worse]]

    empty, places = np.flatnonzero(found.size == 0), _far_places(geometry, found)
    filled = min(len(empty), len(places))
    latitude[empty[:filled]], longitude[empty[:filled]] = places[:filled].T
    return Centroids(geometry, latitude, longitude), filled


def _far_places(geometry: Geometry, found: _Found) -> Floats:
    """Return places that deserve a centroid, the farthest first, shape (n, 2)."""
    # Nearer to its centroid a place might, once rounded, be at one.
    is_far = found.far_square > (_APART_M * _unit(geometry)) ** 2
    which = np.flatnonzero(is_far)
    which = which[np.argsort(-found.far_square[which], kind="stable")]
    places = np.column_stack(
        (rounded(found.far_latitude[which]), rounded(found.far_longitude[which]))
    )
    _, first = np.unique(places, axis=0, return_index=True)
    return places[np.sort(first)]
