"""What a run's clusters are like: sizes and distances, in one pass over its places.

All of it is float64 and refers to the centroids as drawn: on the earth's surface, with
the digits that `centroids.csv` shows. So its reader finds the same figures again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geoclusters.geodesy import (
    Geometry,
    Spherical,
    chord_to_arc_m,
    to_cartesian,
)
from geoclusters.places import DTYPE, Places

Floats = NDArray[np.float64]

#: Numbers in a block's table of places × centroids: it fits a processor's cache.
_BLOCK_NUMBERS: Final = 2**18
#: Places whose figures are summed up at a time.
_BATCH: Final = 2**15


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
    #: Mean over all places of the squared distance that k-means minimises: on the
    #: sphere of the straight line (the chord) in m², in plain degrees in degrees².
    mean_square_distance: float
    #: Mean over all places of the great-circle distance, in metres.
    overall_mean_distance_m: float


class Tally:
    """Counts places to their nearest centroid, a part at a time.

    Parameters
    ----------
    geometry : Geometry
        Decides which centroid is nearest.
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    """

    def __init__(self, geometry: Geometry, latitude: Floats, longitude: Floats) -> None:
        k = len(latitude)
        self._geometry = geometry
        self._centroids = geometry.features(latitude, longitude)
        self._centroids_xyz_m = to_cartesian(latitude, longitude)
        # ‖x − c‖² = ‖x‖² − 2 (x·c − ‖c‖²/2), and ‖x‖² is the same for all c: the
        # nearest centroid has the least ‖c‖²/2 − x·c. Centred on the centroids, its
        # rounding error is some 10⁻¹⁶ of the squared extent.
        self._middle = self._centroids.mean(axis=0)
        centred = self._centroids - self._middle
        self._weights = np.column_stack((-centred, (centred**2).sum(axis=1) / 2))
        self._rows = max(_BLOCK_NUMBERS // k, 1)
        self._size = np.zeros(k, np.int64)
        self._distance_m = np.zeros(k)
        self._farthest_m = np.full(k, -np.inf)
        self._closest_m = np.full(k, np.inf)
        self._closest: Places = np.zeros(k, DTYPE)
        self._squares = 0.0

    def add(self, part: Places) -> None:
        """Count places, shape (n,); either all parts have ids or none has."""
        if not self._size.any():
            self._closest = np.zeros(len(self._size), part.dtype)
        elif part.dtype != self._closest.dtype:  # ids as wide as the widest so far
            dtype = np.promote_types(part.dtype, self._closest.dtype)
            self._closest = self._closest.astype(dtype)
        for start in range(0, len(part), _BATCH):
            self._add_batch(part[start : start + _BATCH])

    def _add_batch(self, part: Places) -> None:
        k = len(self._size)
        latitude = np.ascontiguousarray(part["latitude"])
        longitude = np.ascontiguousarray(part["longitude"])
        places = self._geometry.features(latitude, longitude)
        nearest = self._nearest(places)
        offsets = places - self._centroids[nearest]
        squares = np.einsum("ij,ij->i", offsets, offsets)
        if isinstance(self._geometry, Spherical):
            chord_m = np.sqrt(squares)
        else:
            places_xyz_m = to_cartesian(latitude, longitude)
            centroids_xyz_m = self._centroids_xyz_m[nearest]
            chord_m = np.linalg.norm(places_xyz_m - centroids_xyz_m, axis=1)
        distance_m = chord_to_arc_m(chord_m)

        self._squares += float(squares.sum())
        self._size += np.bincount(nearest, minlength=k)
        self._distance_m += np.bincount(nearest, distance_m, minlength=k)
        # `maximum.at` is slow; few places are farther out than all before them.
        farther = distance_m > self._farthest_m[nearest]
        np.maximum.at(self._farthest_m, nearest[farther], distance_m[farther])
        self._keep_closest(part, nearest, distance_m)

    def _nearest(self, places: Floats) -> NDArray[np.intp]:
        nearest = np.empty(len(places), np.intp)
        for start in range(0, len(places), self._rows):
            block = slice(start, start + self._rows)
            nearest[block] = self._nearest_of_block(places[block])
        return nearest

    def _nearest_of_block(self, places: Floats) -> NDArray[np.intp]:
        centred = np.ones((places.shape[1] + 1, len(places)))
        np.subtract(places.T, self._middle[:, np.newaxis], out=centred[:-1])
        nearest: NDArray[np.intp] = np.argmin(self._weights @ centred, axis=0)
        return nearest

    def _keep_closest(
        self, part: Places, nearest: NDArray[np.intp], distance_m: Floats
    ) -> None:
        # Few places are as close as the closest before them: only these are sorted.
        close = np.flatnonzero(distance_m <= self._closest_m[nearest])
        cluster, metres, row = nearest[close], distance_m[close], part["row"][close]
        is_closer = metres < self._closest_m[cluster]
        is_closer |= row < self._closest["row"][cluster]
        order = np.lexsort((row[is_closer], metres[is_closer], cluster[is_closer]))
        close = close[is_closer][order]
        clusters, first = np.unique(nearest[close], return_index=True)
        closest = close[first]
        self._closest_m[clusters] = distance_m[closest]
        self._closest[clusters] = part[closest]

    def result(self) -> ClusterStatistics:
        """Return the figures of all places that were counted, at least one."""
        count = int(self._size.sum())
        is_empty = self._size == 0
        return ClusterStatistics(
            size=self._size.copy(),
            mean_distance_m=np.where(
                is_empty, np.nan, self._distance_m / np.maximum(self._size, 1)
            ),
            max_distance_m=np.where(is_empty, np.nan, self._farthest_m),
            nearest=self._closest.copy(),
            nearest_distance_m=np.where(is_empty, np.nan, self._closest_m),
            mean_square_distance=self._squares / count,
            overall_mean_distance_m=float(self._distance_m.sum()) / count,
        )
