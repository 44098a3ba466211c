"""Centroids made exact: an exchange of some, then Lloyd's passes over all places.

Training computes in float32, whose rounding grows with the extent of the places. Where
clusters are small against that it costs quality, which a few exact passes bring back.
Where clusters are many, training leaves some of them in the wrong part of the map; from
there passes don't lead to a better one, so these centroids are exchanged before.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.exchange import exchange
from container.lloyd import Found, metre, moved
from container.nearest import Centroids, assigned_ahead
from container.sample import Sample
from container.statistics import ClusterStatistics
from geoclusters.deadline import SecondsLeft, unbounded
from geoclusters.geodesy import great_circle_m
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

#: Centroids are exchanged by a fair sample: so many places a cluster, within bounds; …
_PLACES_A_CLUSTER: Final = 64
_LEAST_SAMPLE, _MOST_SAMPLE = 2**14, 2**18
#: … for so long at most, and for this part of the time that there is.
_EXCHANGE_S: Final = 180.0
_EXCHANGE_PART: Final = 0.25

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
    #: rises (a pass that took back an exchange is left out). In m² on the sphere, in
    #: degrees² in the plane of degrees.
    mean_squares: tuple[float, ...]
    #: How many times all places were read.
    passes: int
    #: How many centroids without places were put where they have some.
    repaired: int
    #: SETTLED, OUT_OF_PASSES or OUT_OF_TIME.
    reason: str


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
    """Move centroids to where they are needed, until they stay where they are.

    The first pass over the places takes a fair sample of them, by which centroids are
    exchanged (`container.exchange`); all others go to the means of their places
    (`container.lloyd`).

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
    before_exchange: tuple[Centroids, Found] | None = None
    mean_squares: list[float] = []
    passes = repaired = 0
    reason = OUT_OF_PASSES
    while passes < MOST_PASSES:
        if seconds_left() - reserve_s < _SLOWER * pass_s:
            reason = OUT_OF_TIME
            break
        start = time.monotonic()
        sample = _sample_for(len(centroids)) if passes == 0 else None
        found = _look(centroids, parts(), sample)
        pass_s = time.monotonic() - start
        passes += 1
        if before_exchange and found.mean_square >= mean_squares[-1]:
            # What was better for the sample is not for all places.
            centroids, found = before_exchange
        else:
            mean_squares.append(found.mean_square)
        before_exchange = None
        if sample is not None:
            left = seconds_left() - reserve_s - _SLOWER * pass_s
            exchanged = exchange(
                *(centroids, sample.result().places),
                has_time=_for_seconds(min(_EXCHANGE_S, _EXCHANGE_PART * left)),
            )
            if exchanged is not None:
                before_exchange, centroids = (centroids, found), exchanged
                continue
        better, filled = moved(centroids, found)
        repaired += filled
        steps = np.linalg.norm(better.features - centroids.features, axis=1)
        centroids = better
        if not filled and steps.max() < _SETTLED_M * metre(centroids.geometry):
            reason = SETTLED
            break
    if before_exchange:  # there was no pass to show that it is better
        centroids, _ = before_exchange
    return Refined(
        latitude=centroids.latitude,
        longitude=centroids.longitude,
        moved_m=great_circle_m(
            *(began.latitude, began.longitude),
            *(centroids.latitude, centroids.longitude),
        ),
        mean_squares=tuple(mean_squares),
        passes=passes,
        repaired=repaired,
        reason=reason,
    )


def _sample_for(k: int) -> Sample:
    size = min(max(_PLACES_A_CLUSTER * k, _LEAST_SAMPLE), _MOST_SAMPLE)
    return Sample(size, seed=0)


def _look(
    centroids: Centroids, parts: Iterable[Places], sample: Sample | None
) -> Found:
    """Return what a pass finds; a sample, if there is one, takes its places from it."""
    found = Found(centroids)
    with assigned_ahead(centroids, parts) as ahead:
        for part, assigned in ahead:
            found.add(part, assigned)
            if sample is not None:
                sample.add(part, assigned.cluster, assigned.distance_m)
    return found


def _for_seconds(seconds: float) -> Callable[[], bool]:
    """Return what tells whether fewer seconds have passed since."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
