"""Service areas: what is nearer to a centroid than to all others.

An area begins as the whole window and is cut by the bisectors between its centroid and
others: on the sphere great circles, in plain degrees straight lines. It is right once
none of its corners is nearer to another centroid.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.shapes.rings import (
    Geometries,
    Indices,
    Rings,
    clip,
    cut,
    join,
    lay_out,
    polygons,
    starts,
    tiles,
)
from container.window import Window
from geoclusters.geodesy import EARTH_RADIUS_M, Geometry, Spherical, to_cartesian

Floats = NDArray[np.float64]

#: Numbers in a block's table of corners × centroids: it fits a processor's cache.
_BLOCK_NUMBERS: Final = 2**18
#: The nearest centroids, which most probably are neighbours.
_LIKELY: Final = 16
#: Digits of coordinates (radii of the sphere, or degrees) in which centroids differ.
_DISTINCT_DECIMALS: Final = 12
#: A corner as little beyond a bisector (6 µm; in degrees 0.1 µm) is on it.
_ON_BISECTOR: Final = 1e-12


def service_areas(
    latitude: Floats, longitude: Floats, geometry: Geometry, window: Window
) -> Geometries:
    """Return the area of each centroid: what is nearer to it than to all others.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    geometry : Geometry
        Decides what is nearer: the globe, or plain degrees.
    window : Window
        Where areas end.

    Returns
    -------
    array of shapely Polygon or MultiPolygon, shape (k,)
        In degrees (longitude, latitude). None if nothing in the window is nearest to
        the centroid; so it is for the second of two at the same place.
    """
    k = len(latitude)
    bisectors = _Bisectors(geometry, latitude, longitude)
    found = []
    for tile in tiles(window.west, window.south, window.east, window.north):
        if isinstance(geometry, Spherical):
            cells = _cells(bisectors, tile.outline)
            pieces, cluster = lay_out(cells, tile, bisectors.places)
        else:
            cells = _cells(bisectors, tile.corners_deg)
            pieces, cluster = polygons(cells.points[:, :2], cells.cluster)
        found.append(clip(pieces, cluster, tile))
    pieces = np.concatenate([pieces for pieces, _ in found])
    cluster = bisectors.index[np.concatenate([cluster for _, cluster in found])]
    return join(pieces, cluster, k)


class _Bisectors:
    """The planes that part the different ones of k centroids."""

    def __init__(self, geometry: Geometry, latitude: Floats, longitude: Floats) -> None:
        self._on_sphere = isinstance(geometry, Spherical)
        if self._on_sphere:
            places = to_cartesian(latitude, longitude) / EARTH_RADIUS_M
        else:
            places = np.column_stack((longitude, latitude))
        _, index = np.unique(
            np.round(places, _DISTINCT_DECIMALS), axis=0, return_index=True
        )
        #: Of the centroids that differ, shape (d,): the first of equal ones.
        self.index: Indices = np.sort(index)
        #: These: unit vectors, or longitudes and latitudes.
        self.places = places[self.index]
        # The nearest centroid has the least ‖c‖²/2 − x·c; centred on the centroids,
        # that is right to some 10⁻¹⁶ of the squared extent.
        self._middle = self.places.mean(axis=0)
        centred = self.places - self._middle
        self._weights = np.column_stack((-centred, (centred**2).sum(axis=1) / 2)).T

    def __len__(self) -> int:
        return len(self.index)

    def between(self, one: Indices, other: Indices) -> Floats:
        """Return unit normals towards `one`, shape (n, 3)."""
        towards = self.places[one] - self.places[other]
        midway = (self.places[one] + self.places[other]) / 2
        length = np.linalg.norm(towards, axis=1)[:, np.newaxis]
        if not self._on_sphere:
            towards /= length
            offset = np.einsum("ij,ij->i", towards, midway)
            return np.column_stack((towards, -offset))
        # The plane goes through the middle; the rounding of neighbours a metre apart
        # would move it by millimetres.
        square = np.einsum("ij,ij->i", midway, midway)
        excess = np.einsum("ij,ij->i", towards, midway)
        excess = np.where(square > 0.5, excess / np.maximum(square, 0.5), 0.0)
        normals: Floats = (towards - excess[:, np.newaxis] * midway) / length
        return normals

    def nearest(self, points: Floats) -> Indices:
        """Return the centroid that is nearest to each point, shape (n,)."""
        if self._on_sphere:
            points = points / np.linalg.norm(points, axis=1)[:, np.newaxis]
        ones = np.ones((len(points), 1))
        dimensions = self.places.shape[1]
        centred = np.hstack((points[:, :dimensions] - self._middle, ones))
        nearest = np.empty(len(points), np.intp)
        rows = max(_BLOCK_NUMBERS // len(self), 1)
        for start in range(0, len(points), rows):
            block = slice(start, start + rows)
            nearest[block] = np.argmin(centred[block] @ self._weights, axis=1)
        return nearest

    def likely(self) -> Indices:
        """Return other centroids near to each, the nearest first, shape (d, ≤ 16)."""
        count = min(_LIKELY, len(self) - 1)
        likely = np.empty((len(self), count), np.intp)
        rows = max(_BLOCK_NUMBERS // len(self), 1)
        for start in range(0, len(self), rows):
            block = np.arange(start, min(start + rows, len(self)))
            centred = self.places[block] - self._middle
            far = np.hstack((centred, np.ones((len(block), 1)))) @ self._weights
            far[np.arange(len(block)), block] = np.inf
            if count < len(self) - 1:
                near = np.argpartition(far, count, axis=1)[:, :count]
            else:
                near = np.argsort(far, axis=1)[:, :count]
            order = np.argsort(np.take_along_axis(far, near, axis=1), axis=1)
            likely[block] = np.take_along_axis(near, order, axis=1)
        return likely


def _cells(bisectors: _Bisectors, outline: Floats) -> Rings:
    """Return what of a convex outline is nearest to each centroid."""
    count = len(bisectors)
    every = np.arange(count)
    cells = Rings(np.tile(outline, (count, 1)), np.repeat(every, len(outline)))
    for neighbour in bisectors.likely().T:
        cells = _cut(cells, bisectors.between(every, neighbour)[cells.cluster])
    settled = []
    while len(cells.points):
        nearest = bisectors.nearest(cells.points)
        is_other = np.flatnonzero(nearest != cells.cluster)
        normals = bisectors.between(cells.cluster[is_other], nearest[is_other])
        side = _side(cells.points[is_other], normals)
        is_beyond = is_other[side < -_ON_BISECTOR]
        pairs = np.column_stack((cells.cluster[is_beyond], nearest[is_beyond]))
        is_wrong = np.zeros(count, np.bool_)
        is_wrong[pairs[:, 0]] = True
        settled.append(cells.take(~is_wrong[cells.cluster]))
        cells = cells.take(is_wrong[cells.cluster])
        cells = _cut_by_pairs(cells, bisectors, np.unique(pairs, axis=0))
    points = np.concatenate([cells.points for cells in settled])
    cluster = np.concatenate([cells.cluster for cells in settled])
    order = np.argsort(cluster, kind="stable")
    return Rings(points[order], cluster[order])


def _cut_by_pairs(
    cells: Rings, bisectors: _Bisectors, pairs: NDArray[np.intp]
) -> Rings:
    """Cut cells by bisectors to others; sorted pairs of both, shape (p, 2)."""
    if not len(pairs):
        return cells
    first = starts(pairs[:, 0])
    count = np.diff(np.append(first, len(pairs)))
    for turn in range(int(count.max())):
        clusters, others = pairs[first[count > turn] + turn].T
        normals = np.zeros((len(bisectors), 3))  # the others stay as they are
        normals[clusters] = bisectors.between(clusters, others)
        cells = _cut(cells, normals[cells.cluster])
    return cells


def _cut(cells: Rings, normals: Floats) -> Rings:
    return cut(cells, _side(cells.points, normals))


def _side(points: Floats, normals: Floats) -> Floats:
    side: Floats = np.einsum("ij,ij->i", points, normals)
    return side
