"""Convex hulls of clusters: what the places of a cluster reach around."""

from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from container.spherical_polygons import to_degrees
from geoclusters.geodesy import EARTH_RADIUS_M, to_cartesian
from geoclusters.places import Places

Floats = NDArray[np.float64]

#: Places that are looked at together: the first ones spare most of the next the look.
_BATCH: Final = 2**15
#: Directions from a centroid are told apart by so much of a turn.
_SECTORS: Final = 64
#: Half the width of the strip that stands for a single place, or for places in a line.
_STRIP_M: Final = 0.5
#: Up to this size the earth is flat, to the metre.
_FLAT_M: Final = 20_000.0


class Hulls:
    """Grows the convex hull of each cluster while places are read.

    A hull is convex in the azimuthal equidistant projection about its cluster's
    centroid, on the mean sphere: the plane of distances and bearings from there.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    """

    def __init__(self, latitude: Floats, longitude: Floats) -> None:
        self._axes = local_axes(latitude, longitude)
        #: In metres eastwards and northwards of the centroid; None without places.
        self._hulls: NDArray[Any] = np.full(len(latitude), None)
        # Places nearer to their centroid than this can't change the hull: in any
        # direction, and in each sector of directions.
        self._inner_m = np.zeros(len(latitude))
        self._sector_m = np.zeros((len(latitude), _SECTORS))

    def add(self, part: Places, cluster: NDArray[np.intp], distance_m: Floats) -> None:
        """Take in n places.

        Parameters
        ----------
        part : Places, shape (n,)
        cluster : array of int, shape (n,)
            Indices of their clusters.
        distance_m : array of float64, shape (n,)
            Great-circle distances to their centroids, in metres.
        """
        for start in range(0, len(part), _BATCH):
            batch = slice(start, start + _BATCH)
            outer = np.flatnonzero(distance_m[batch] >= self._inner_m[cluster[batch]])
            outer += start
            plane = self._to_plane(part[outer], cluster[outer], distance_m[outer])
            sector = _sector(np.arctan2(plane[:, 1], plane[:, 0]))
            least_m = self._sector_m[cluster[outer], sector]
            chosen = np.flatnonzero(distance_m[outer] >= least_m)
            if len(chosen):
                self._grow(plane[chosen], cluster[outer[chosen]])

    def _grow(self, plane: Floats, cluster: NDArray[np.intp]) -> None:
        order = np.argsort(cluster, kind="stable")
        clusters, group = np.unique(cluster[order], return_inverse=True)
        new = shapely.multipoints(plane[order], indices=group)
        old = self._hulls[clusters]
        both = shapely.geometrycollections(np.column_stack((old, new)))
        hulls = shapely.convex_hull(both)
        self._hulls[clusters] = hulls
        is_around = shapely.contains_properly(hulls, shapely.Point(0, 0))
        is_around &= shapely.get_dimensions(hulls) == 2  # a point contains itself
        if is_around.any():
            self._sector_m[clusters[is_around]] = _inner_m(hulls[is_around])
        self._inner_m[clusters] = self._sector_m[clusters].min(axis=1)

    def _to_plane(
        self, part: Places, cluster: NDArray[np.intp], distance_m: Floats
    ) -> Floats:
        xyz = to_cartesian(part["latitude"], part["longitude"])
        plane: Floats = np.einsum("nij,nj->ni", self._axes[cluster, :2], xyz)
        reach = np.hypot(plane[:, 0], plane[:, 1])
        plane *= (distance_m / np.maximum(reach, 1e-9))[:, np.newaxis]
        return plane

    def result(self) -> NDArray[Any]:
        """Return the hulls, shape (k,).

        They are valid (Multi)Polygons of longitudes and latitudes, cut at ±180°; None
        for a cluster without places. A single place, or places in a line, get a strip
        one metre wide.
        """
        polygons = [
            None if hull is None else self._on_earth(hull, axes)
            for hull, axes in zip(self._hulls, self._axes, strict=True)
        ]
        found: NDArray[Any] = np.full(len(polygons), None)
        found[:] = polygons
        return found

    def _on_earth(self, hull: Any, axes: Floats) -> Any:
        if shapely.get_dimensions(hull) < 2 or shapely.area(hull) < _STRIP_M**2:
            hull = shapely.buffer(hull, _STRIP_M, quad_segs=2)
        hull = shapely.orient_polygons(hull)
        # A straight line of the plane is no great circle, but short pieces nearly are.
        west, south, east, north = shapely.bounds(hull)
        size_m = max(east - west, north - south)
        if size_m > _FLAT_M:
            hull = shapely.segmentize(hull, size_m / 32)
        ring = shapely.get_coordinates(hull)[:-1]
        distance = np.hypot(ring[:, 0], ring[:, 1])
        angle = np.minimum(distance / EARTH_RADIUS_M, np.pi)
        sideways = ring * (np.sin(angle) / np.maximum(distance, 1e-9))[:, np.newaxis]
        local = np.column_stack((sideways, np.cos(angle)))
        return to_degrees(local @ axes)


def _sector(bearing: Floats) -> NDArray[np.intp]:
    """Return in which of the sectors directions lie, given from -π to π."""
    sector = ((bearing + np.pi) * (_SECTORS / (2 * np.pi))).astype(np.intp)
    return np.minimum(sector, _SECTORS - 1)


def _inner_m(hulls: NDArray[Any]) -> Floats:
    """Return how far each sector of convex hulls about the origin reaches at least."""
    corners, hull = shapely.get_coordinates(hulls, return_index=True)
    is_edge = hull[1:] == hull[:-1]
    from_, to, hull = corners[:-1][is_edge], corners[1:][is_edge], hull[1:][is_edge]
    # An edge is where n·x = 1; in direction u the hull ends at 1 / max n·u.
    normal = np.column_stack((to[:, 1] - from_[:, 1], from_[:, 0] - to[:, 0]))
    normal /= (normal * from_).sum(axis=1)[:, np.newaxis]
    bearing = np.linspace(-np.pi, np.pi, _SECTORS + 1)
    directions = np.stack((np.cos(bearing), np.sin(bearing)))
    starts = np.searchsorted(hull, np.arange(len(hulls)))
    end = 1 / np.maximum.reduceat(normal @ directions, starts, axis=0)
    # Between two directions it reaches at least to the chord, and a hair less: what
    # lies on the hull's edge must not get lost by rounding.
    chord = np.cos(np.pi / _SECTORS) * (1 - 1e-9)
    inner: Floats = np.minimum(end[:, :-1], end[:, 1:]) * chord
    return inner


def local_axes(latitude: Floats, longitude: Floats) -> Floats:
    """Return east, north and up at n places, as unit vectors, shape (n, 3, 3)."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    zero = np.zeros(len(phi))
    east = np.column_stack((-np.sin(lam), np.cos(lam), zero))
    north = np.column_stack(
        (-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi))
    )
    up = np.column_stack(
        (np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi))
    )
    return np.stack((east, north, up), axis=1)
