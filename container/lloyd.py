"""One of Lloyd's passes, in float64: what the clusters are, and better centroids."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.centroids import rounded
from container.nearest import Assigned, Centroids, batches
from geoclusters.geodesy import (
    EARTH_RADIUS_M,
    Geometry,
    Spherical,
    direction_is_defined,
)
from geoclusters.places import Places

Floats = NDArray[np.float64]

#: What is rounded to a centroid's digits moves by less than half of this, in metres.
_APART_M: Final = 0.02


def metre(geometry: Geometry) -> float:
    """Return a metre in the geometry's own unit."""
    if isinstance(geometry, Spherical):
        return 1.0
    return float(np.degrees(1 / EARTH_RADIUS_M))


class Found:
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
        """Take in places and what they were assigned to, shape (n,)."""
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
        """Mean square distance, in the geometry's own unit."""
        return self._squares / int(self.size.sum())


def moved(centroids: Centroids, found: Found) -> tuple[Centroids, int]:
    """Return better centroids, and how many of them went to places farther away.

    On the sphere a mean is put back onto the surface along its direction, which is the
    point of the surface with the least mean square distance. A centroid without places
    goes to the place that is farthest from its own centroid; several go to such places
    of several clusters.

    Parameters
    ----------
    centroids : Centroids
    found : Found
        Of all places that were assigned to them.
    """
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


def _far_places(geometry: Geometry, found: Found) -> Floats:
    """Return places that deserve a centroid, the farthest first, shape (n, 2)."""
    # Nearer to its centroid a place might, once rounded, be at one.
    is_far = found.far_square > (_APART_M * metre(geometry)) ** 2
    which = np.flatnonzero(is_far)
    which = which[np.argsort(-found.far_square[which], kind="stable")]
    places = np.column_stack(
        (rounded(found.far_latitude[which]), rounded(found.far_longitude[which]))
    )
    _, first = np.unique(places, axis=0, return_index=True)
    return places[np.sort(first)]
