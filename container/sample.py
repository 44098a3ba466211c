"""A fair sample of a run's places, for maps."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoclusters.places import DTYPE, Places

Floats = NDArray[np.float64]


class Sampled(NamedTuple):
    """Places of a run and what was found out about each, shape (n,)."""

    places: Places
    #: Indices of their clusters.
    cluster: NDArray[np.intp]
    #: Great-circle distances to their centroids, in metres.
    distance_m: Floats

    def take(self, which: NDArray[Any]) -> "Sampled":
        """Return some of them, chosen by indices or by a mask."""
        places, cluster, distance_m = self
        return Sampled(places[which], cluster[which], distance_m[which])


class Sample:
    """Keeps at most `size` places of a stream, each with the same chance.

    Every place draws a random number, and those with the least stay.

    Parameters
    ----------
    size : int
        Number of places to keep.
    seed : int
        The same seed and the same stream give the same sample.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self.seen = 0
        self._size = size
        self._random = np.random.default_rng(seed)
        self._drawn: Floats = np.empty(0)
        self._kept: Sampled | None = None

    def add(
        self, places: Places, cluster: NDArray[np.intp], distance_m: Floats
    ) -> None:
        """Take in places, shape (n,); either all parts have ids or none has."""
        self.seen += len(places)
        drawn = self._random.random(len(places))
        part = Sampled(places, cluster, distance_m)
        if len(self._drawn) == self._size:  # later ones seldom come in
            chosen = drawn < self._drawn.max()
            drawn, part = drawn[chosen], part.take(chosen)
        if self._kept is not None:
            kept = self._kept
            drawn = np.concatenate((self._drawn, drawn))
            part = Sampled(
                np.concatenate((kept.places, part.places)),
                np.concatenate((kept.cluster, part.cluster)),
                np.concatenate((kept.distance_m, part.distance_m)),
            )
        if len(drawn) > self._size:
            least = np.argpartition(drawn, self._size)[: self._size]
            drawn, part = drawn[least], part.take(least)
        self._drawn, self._kept = drawn, part

    def result(self) -> Sampled:
        """Return what was kept, in the order of the rows."""
        if self._kept is None:
            return Sampled(np.empty(0, DTYPE), np.empty(0, np.intp), np.empty(0))
        return self._kept.take(np.argsort(self._kept.places["row"]))
