"""Centroids exchanged: from where they are needed least to where they bring most.

Lloyd's passes end in the nearest local optimum: here two centroids share what one could
serve, there one serves what needs two. So, over and over, a few centroids are added
where the places are farthest from theirs, as many are taken away where they are missed
least, and a few passes settle the rest.

B. Fritzke, "The breathing k-means algorithm", https://arxiv.org/abs/2006.15666 (2020).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.centroids import rounded
from container.lloyd import Found, moved
from container.nearest import Assigned, Centroids
from geoclusters.places import Places

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: So many centroids are added and taken away at a time, and one less each time that
#: this doesn't help.
_AT_A_TIME: Final = 5
#: It helps if the mean square distance falls by this part.
_LEAST_GAIN: Final = 1e-4
#: The passes between end when one brings less, or after so many.
_LEAST_STEP: Final = 1e-4
_MOST_PASSES: Final = 30
#: A place's second nearest centroid is looked for among so many around its nearest.
_NEIGHBOURS: Final = 24
#: Of two centroids nearer to each other than the usual distance to the nearest one,
#: times this, only one is taken away at a time: the places of both need the other.
_CLOSE: Final = 1.1
#: Distances between centroids that are held at once.
_BLOCK_DISTANCES: Final = 2**20


class _Settled(NamedTuple):
    """Centroids after a few passes, and the places as they are assigned to them."""

    centroids: Centroids
    found: Found
    assigned: Assigned


def exchange(
    centroids: Centroids, sample: Places, *, has_time: Callable[[], bool]
) -> Centroids | None:
    """Return centroids of which some stand elsewhere, and fewer places far from one.

    Parameters
    ----------
    centroids : Centroids
    sample : Places, shape (n,)
        Places that stand for all: as many a cluster as is needed to tell where one is
        missing.
    has_time : callable
        Asked before each pass over the sample.

    Returns
    -------
    Centroids or None
        In the order of those before, a new one in the place of one taken away; None if
        no exchange makes the sample's mean square distance less.
    """
    k = len(centroids)
    count = min(_AT_A_TIME, k - 1)
    random = np.random.default_rng(0)
    best = start = _settle(centroids, sample, has_time)
    while count > 0 and has_time():
        added = _places_far_out(best, sample, count, random)
        if not len(added):  # there is a centroid at every place
            break
        with_added = Centroids(
            centroids.geometry,
            np.append(best.centroids.latitude, rounded(added["latitude"])),
            np.append(best.centroids.longitude, rounded(added["longitude"])),
        )
        more = _settle(with_added, sample, has_time)
        fewer = _without(more.centroids, _least_missed(more, sample, len(added)), k)
        found = _settle(fewer, sample, has_time)
        limit = (1 - _LEAST_GAIN) * best.found.mean_square
        if found.found.mean_square < limit:
            best = found
        else:
            count -= 1
    return None if best is start else best.centroids


def _settle(
    centroids: Centroids, sample: Places, has_time: Callable[[], bool]
) -> _Settled:
    """Return what Lloyd's passes make of centroids, until a pass brings little."""
    settled = _look(centroids, sample)
    for _ in range(_MOST_PASSES):
        if not has_time():
            break
        before = settled
        better, _filled = moved(settled.centroids, settled.found)
        settled = _look(better, sample)
        gain = before.found.mean_square - settled.found.mean_square
        if gain <= _LEAST_STEP * before.found.mean_square:
            break
    return settled


def _look(centroids: Centroids, sample: Places) -> _Settled:
    assigned = centroids.assign(sample)
    found = Found(centroids)
    found.add(sample, assigned)
    return _Settled(centroids, found, assigned)


def _places_far_out(
    settled: _Settled, sample: Places, count: int, random: np.random.Generator
) -> Places:
    """Return a place in each of the clusters with the greatest sums of squares.

    A place's chance grows with its squared distance.
    """
    cluster, square = settled.assigned.cluster, settled.assigned.square
    sums = np.bincount(cluster, square, minlength=len(settled.centroids))
    greatest = np.argsort(-sums, kind="stable")[:count]
    chosen = []
    for which in greatest[sums[greatest] > 0]:
        members = np.flatnonzero(cluster == which)
        chances = square[members]
        chosen.append(random.choice(members, p=chances / chances.sum()))
    return sample[np.array(chosen, np.intp)]


def _least_missed(settled: _Settled, sample: Places, count: int) -> Indices:
    """Return centroids without which the sample's squares grow least.

    None of them is a near neighbour of another, unless there are too few others.
    """
    centroids, assigned = settled.centroids, settled.assigned
    neighbours, distance = _neighbours(centroids)
    growth = _second_squares(centroids, sample, assigned.cluster, neighbours)
    growth -= assigned.square
    missed = np.bincount(assigned.cluster, growth, minlength=len(centroids))
    order = np.argsort(missed, kind="stable")
    close = _CLOSE * distance[:, 0].mean()
    may_go = np.ones(len(centroids), bool)
    gone: list[int] = []
    for which in order:
        if len(gone) == count:
            break
        if may_go[which]:
            gone.append(int(which))
            may_go[which] = False
            may_go[neighbours[which][distance[which] < close]] = False
    others = (int(which) for which in order if which not in gone)
    return np.array(gone + [next(others) for _ in range(count - len(gone))], np.intp)


def _neighbours(centroids: Centroids) -> tuple[Indices, Floats]:
    """Return the centroids around each, the nearest first, and how far they are.

    Both of shape (k, m); m is `_NEIGHBOURS`, or all others.
    """
    features = centroids.features
    k = len(features)
    count = min(_NEIGHBOURS, k - 1)
    nearest, distance = np.empty((k, count), np.intp), np.empty((k, count))
    rows = max(_BLOCK_DISTANCES // k, 1)
    for start in range(0, k, rows):
        block = np.arange(start, min(start + rows, k))
        squares = np.zeros((len(block), k))
        for column in features.T:
            squares += (column[block, np.newaxis] - column) ** 2
        squares[np.arange(len(block)), block] = np.inf  # itself
        some = np.argpartition(squares, count - 1, axis=1)[:, :count]
        of_some = np.take_along_axis(squares, some, axis=1)
        order = np.argsort(of_some, axis=1, kind="stable")
        nearest[block] = np.take_along_axis(some, order, axis=1)
        distance[block] = np.sqrt(np.take_along_axis(of_some, order, axis=1))
    return nearest, distance


def _second_squares(
    centroids: Centroids, sample: Places, cluster: Indices, neighbours: Indices
) -> Floats:
    """Return squared distances to the second nearest centroids, shape (n,)."""
    places = centroids.geometry.features(sample["latitude"], sample["longitude"])
    least = np.full(len(sample), np.inf)
    for each in neighbours.T:
        offsets = centroids.features[each[cluster]]
        offsets -= places
        np.minimum(least, np.einsum("ij,ij->i", offsets, offsets), out=least)
    return least


def _without(centroids: Centroids, gone: Indices, k: int) -> Centroids:
    """Return the first k centroids, those gone replaced by what is left of the rest."""
    kept = np.setdiff1d(np.arange(len(centroids)), gone)
    order = np.arange(k)
    order[gone[gone < k]] = kept[kept >= k]
    return Centroids(
        centroids.geometry, centroids.latitude[order], centroids.longitude[order]
    )
