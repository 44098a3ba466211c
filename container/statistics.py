"""What a run's clusters are like: sizes and distances, in one pass over its places.

All of it is float64 and refers to the centroids as drawn: on the earth's surface, with
the digits that `centroids.csv` shows. So its reader finds the same figures again.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.nearest import Assigned, Centroids, batches
from container.quantiles import Histogram
from geoclusters.places import DTYPE, Places

Floats = NDArray[np.float64]

#: Pairs of centroids whose distances are computed at a time.
_BLOCK_PAIRS: Final = 2**18


@dataclass(frozen=True, kw_only=True)
class ClusterStatistics:
    """Figures of k clusters, in the centroids' order, and of all places together."""

    #: Places whose nearest centroid this is, shape (k,).
    size: NDArray[np.int64]
    #: Great-circle distances of those places to it, in metres; NaN if there are none.
    mean_distance_m: Floats
    max_distance_m: Floats
    #: The nearest of those places, shape (k,); of equally near ones the one with the
    #: smallest row. All fields are 0 or empty if there is none.
    nearest: Places
    #: Its great-circle distance to the centroid, in metres; NaN if there is none.
    nearest_distance_m: Floats
    #: Mean straight-line distance of those places to it in the geometry's own unit
    #: (metres or degrees), shape (k,); NaN if there are none.
    scatter: Floats
    #: Mean over all places of the squared distance that k-means minimises: on the
    #: sphere of the straight line (the chord) in m², in plain degrees in degrees².
    mean_square_distance: float
    #: Mean over all places of the great-circle distance, in metres.
    overall_mean_distance_m: float
    #: Diagonal of the box around all places, in the geometry's own coordinates.
    extent: float
    #: What `Quantiles` needs of the first pass.
    histogram: Histogram = field(repr=False, compare=False)

    @property
    def share(self) -> Floats:
        """Each cluster's part of all places, shape (k,)."""
        share: Floats = self.size / self.size.sum()
        return share

    def reordered(self, order: NDArray[np.intp]) -> "ClusterStatistics":
        """Return the same figures of the clusters in another order."""
        return replace(
            self,
            size=self.size[order],
            mean_distance_m=self.mean_distance_m[order],
            max_distance_m=self.max_distance_m[order],
            nearest=self.nearest[order],
            nearest_distance_m=self.nearest_distance_m[order],
            scatter=self.scatter[order],
            histogram=self.histogram.reordered(order),
        )

    @property
    def empty(self) -> int:
        """How many clusters have no places."""
        return int(np.count_nonzero(self.size == 0))


class Tally:
    """Sums up what is known of places and their nearest centroids, a part at a time."""

    def __init__(self, centroids: Centroids) -> None:
        k = len(centroids)
        self._size = np.zeros(k, np.int64)
        self._distance_m = np.zeros(k)
        self._straight = np.zeros(k)
        self._farthest_m = np.full(k, -np.inf)
        self._closest_m = np.full(k, np.inf)
        self._closest: Places = np.zeros(k, DTYPE)
        self._squares = 0.0
        self._low = np.full(centroids.features.shape[1], np.inf)
        self._high = -self._low
        self._histogram = Histogram(k)

    def add(self, part: Places, assigned: Assigned) -> None:
        """Count places, shape (n,), as they were assigned to the centroids.

        Either all parts have ids or none has.
        """
        if not self._size.any():
            self._closest = np.zeros(len(self._size), part.dtype)
        elif part.dtype != self._closest.dtype:  # ids as wide as the widest so far
            dtype = np.promote_types(part.dtype, self._closest.dtype)
            self._closest = self._closest.astype(dtype)
        cluster, distance_m, square, box = assigned
        for batch in batches(len(part)):
            self._add_batch(
                part[batch], cluster[batch], distance_m[batch], square[batch]
            )
        self._low = np.minimum(self._low, box[0])
        self._high = np.maximum(self._high, box[1])
        self._histogram.add(cluster, distance_m)

    def _add_batch(
        self,
        part: Places,
        nearest: NDArray[np.intp],
        distance_m: Floats,
        squares: Floats,
    ) -> None:
        k = len(self._size)
        self._squares += float(squares.sum())
        self._size += np.bincount(nearest, minlength=k)
        self._distance_m += np.bincount(nearest, distance_m, minlength=k)
        self._straight += np.bincount(nearest, np.sqrt(squares), minlength=k)
        # Few places are farther out than all before them. Of several of a cluster the
        # last, which is the farthest, stays.
        farther = np.flatnonzero(distance_m > self._farthest_m[nearest])
        farther = farther[np.argsort(distance_m[farther])]
        self._farthest_m[nearest[farther]] = distance_m[farther]
        self._keep_closest(part, nearest, distance_m)

    def _keep_closest(
        self, part: Places, nearest: NDArray[np.intp], distance_m: Floats
    ) -> None:
        # Few places are as close as the closest before them; of these, those as close
        # as any of the batch are fewer yet, and only they are compared by row.
        close = np.flatnonzero(distance_m <= self._closest_m[nearest])
        close = close[np.argsort(-distance_m[close])]
        least_m = self._closest_m.copy()
        least_m[nearest[close]] = distance_m[close]
        close = close[distance_m[close] == least_m[nearest[close]]]
        cluster, row = nearest[close], part["row"][close]
        is_closer = least_m[cluster] < self._closest_m[cluster]
        is_closer |= row < self._closest["row"][cluster]
        close, cluster, row = close[is_closer], cluster[is_closer], row[is_closer]
        order = np.argsort(-row)  # the smallest stays
        self._closest[cluster[order]] = part[close[order]]
        self._closest_m = least_m

    def result(self) -> ClusterStatistics:
        """Return the figures of all places that were counted, at least one."""
        count = int(self._size.sum())
        is_empty = self._size == 0
        divisor = np.maximum(self._size, 1)
        return ClusterStatistics(
            size=self._size.copy(),
            mean_distance_m=np.where(is_empty, np.nan, self._distance_m / divisor),
            max_distance_m=np.where(is_empty, np.nan, self._farthest_m),
            nearest=self._closest.copy(),
            nearest_distance_m=np.where(is_empty, np.nan, self._closest_m),
            scatter=np.where(is_empty, np.nan, self._straight / divisor),
            mean_square_distance=self._squares / count,
            overall_mean_distance_m=float(self._distance_m.sum()) / count,
            extent=float(np.linalg.norm(self._high - self._low)),
            histogram=self._histogram,
        )


def davies_bouldin(centroids: Centroids, statistics: ClusterStatistics) -> float | None:
    """Return the Davies–Bouldin index: the smaller, the better clusters stand apart.

    For each cluster that has places, the most that another of them has of
    (scatter + other's scatter) ÷ (distance between the centroids); and of that the
    mean. Distances are straight lines in the geometry's own unit, to the centroids as
    drawn. D. L. Davies and D. W. Bouldin, A Cluster Separation Measure, IEEE
    Transactions on Pattern Analysis and Machine Intelligence 1 (1979).

    Returns
    -------
    float or None
        None where it isn't defined: with fewer than two clusters that have places, or
        where two of them have their centroids at one place.
    """
    full = np.flatnonzero(statistics.size)
    if len(full) < 2:
        return None
    scatter, features = statistics.scatter[full], centroids.features[full]
    worst = np.empty(len(full))
    rows = max(_BLOCK_PAIRS // len(full), 1)
    for block in batches(len(full), rows):
        # Not by ‖a‖² − 2a·b + ‖b‖²: of near neighbours nothing would be left.
        squares = np.zeros((len(scatter[block]), len(full)))
        for column in features.T:
            squares += (column[block, np.newaxis] - column) ** 2
        own = np.arange(len(squares))
        squares[own, own + block.start] = np.inf
        if not squares.all():
            return None
        both = scatter[block, np.newaxis] + scatter
        worst[block] = (both / np.sqrt(squares)).max(axis=1)
    return float(worst.mean())
