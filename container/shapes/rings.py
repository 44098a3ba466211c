"""Many convex rings at once: cutting them by planes, and laying them onto a map.

A ring's points are vectors, shape (n, 3): on the sphere x, y, z of their direction, in
the plane of degrees longitude, latitude, 1. Either way a straight cut is a plane
through the origin, so a ring lies on the side where the product with its normal is
positive. There is neither an antimeridian nor a pole until a ring becomes degrees.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from geoclusters.geodesy import EARTH_RADIUS_M, from_cartesian, to_cartesian

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Geometries = NDArray[Any]

#: Digits of a shape's degrees: 0.1 mm.
_DECIMALS: Final = 9
_GRID_DEG: Final = 10.0**-_DECIMALS
#: Nearer to each other than this (6 µm in radians), points are one.
_SAME: Final = 1e-12
#: How far a drawn edge may be from its great circle, as a part of the way from there to
#: the centroid. That is the same for the areas on both sides: they stay neighbours.
_MOST_DEVIATION: Final = 0.0005
#: An edge is halved at most so often: its pieces are 150 m long then, and straight.
_MOST_HALVINGS: Final = 16


class Rings(NamedTuple):
    """Rings of clusters, at most one each, their points behind each other."""

    #: Shape (n, 3); the ring closes from its last point to its first.
    points: Floats
    #: The cluster of each point, shape (n,), ascending.
    cluster: Indices

    def take(self, which: NDArray[np.bool_]) -> "Rings":
        """Return some points, shape (n,), with their clusters."""
        return Rings(self.points[which], self.cluster[which])


class Tile(NamedTuple):
    """A box in degrees in which no edge of a ring is longer than a quarter turn.

    It crosses neither the antimeridian nor the equator nor another multiple of 90°.
    """

    west: float
    south: float
    east: float
    north: float

    @property
    def normals(self) -> Floats:
        """Planes of its meridians, and of the equator on its side, shape (3, 3)."""
        west, east = np.radians(self.west), np.radians(self.east)
        upwards = 1.0 if self.north > 0 else -1.0
        return np.array(
            [
                [-np.sin(west), np.cos(west), 0.0],
                [np.sin(east), -np.cos(east), 0.0],
                [0.0, 0.0, upwards],
            ]
        )

    @property
    def outline(self) -> Floats:
        """Corners of a convex ring on the sphere that holds the tile, shape (3|4, 3).

        A parallel is no great circle: away from the equator the great circle through
        two corners lies outside, towards it the one that touches the parallel midway.
        """
        upwards = 1.0 if self.north > 0 else -1.0
        near, far = np.sort(np.abs([self.south, self.north]))
        half = np.radians((self.east - self.west) / 2)
        near = np.degrees(np.arctan(np.tan(np.radians(near)) * np.cos(half)))
        latitude = np.array([near, near, far, far]) * upwards
        longitude = np.array([self.west, self.east, self.east, self.west])
        corners = to_cartesian(latitude, longitude) / EARTH_RADIUS_M
        if far == 90:
            corners[2] = 0.0, 0.0, upwards
            corners = corners[:3]
        return corners

    @property
    def corners_deg(self) -> Floats:
        """Corners as longitude, latitude, 1, shape (4, 3)."""
        west, south, east, north = self
        return np.array(
            [[west, south, 1], [east, south, 1], [east, north, 1], [west, north, 1]]
        )


def tiles(west: float, south: float, east: float, north: float) -> Iterator[Tile]:
    """Cut a box into tiles; east may lie beyond 180°."""
    for left in np.arange(np.floor(west / 90) * 90, east, 90.0):
        from_west, to_east = max(west, left), min(east, left + 90)
        turns = 360 * np.floor((left + 180) / 360)
        for low in (-90.0, 0.0):
            from_south, to_north = max(south, low), min(north, low + 90)
            if to_east > from_west and to_north > from_south:
                yield Tile(from_west - turns, from_south, to_east - turns, to_north)


#: The whole globe.
OCTANTS: Final = tuple(tiles(-180, -90, 180, 90))


def starts(cluster: Indices) -> Indices:
    """Return where in ascending clusters, shape (n,), each one begins."""
    changes: Indices = np.flatnonzero(cluster[1:] != cluster[:-1]) + 1
    return np.concatenate((np.zeros(min(len(cluster), 1), np.intp), changes))


def following(cluster: Indices) -> Indices:
    """Return the index of the point behind each, shape (n,), around its ring."""
    index = np.arange(1, len(cluster) + 1)
    first = starts(cluster)
    last = np.append(first[1:], len(cluster))[: len(first)] - 1
    index[last] = first
    return index


def cut(rings: Rings, side: Floats) -> Rings:
    """Cut rings by a plane each and keep the positive side.

    Parameters
    ----------
    rings : Rings
        Convex ones.
    side : array of float64, shape (n,)
        Product of each point with the normal of its ring's plane.
    """
    behind = following(rings.cluster)
    stays = side >= 0
    crosses = stays != stays[behind]
    part = side[crosses] / (side[crosses] - side[behind[crosses]])
    from_, to = rings.points[crosses], rings.points[behind[crosses]]
    count = stays.astype(np.intp) + crosses
    position = np.cumsum(count) - count
    points = np.empty((int(count.sum()), 3))
    points[position[stays]] = rings.points[stays]
    points[(position + stays)[crosses]] = from_ + part[:, np.newaxis] * (to - from_)
    return Rings(points, np.repeat(rings.cluster, count))


def lay_out(rings: Rings, tile: Tile, centroids: Floats) -> tuple[Geometries, Indices]:
    """Return rings on the sphere, inside a tile, as polygons in degrees, (p,).

    Great circles become lines that deviate from them by less than 0.05 % of the way to
    the cluster's centroid, a unit vector of shape (k, 3). Beside the polygons come
    their clusters, shape (p,).
    """
    unit = rings.points / np.linalg.norm(rings.points, axis=1)[:, np.newaxis]
    rings = _without_repetitions(Rings(unit, rings.cluster))
    rings = _densified(rings, tile, centroids)
    latitude, longitude = _degrees(rings.points, tile)
    # A pole is a whole edge of the map: from where the ring comes to where it goes.
    cluster = rings.cluster
    is_pole = _is_pole(rings.points)
    behind = following(cluster)
    before = np.empty_like(behind)
    before[behind] = np.arange(len(behind))
    count = 1 + is_pole
    position = np.cumsum(count) - count
    degrees = np.repeat(np.column_stack((longitude, latitude)), count, axis=0)
    degrees[position[is_pole], 0] = longitude[before[is_pole]]
    degrees[position[is_pole] + 1, 0] = longitude[behind[is_pole]]
    return polygons(degrees, np.repeat(cluster, count))


def polygons(degrees: Floats, cluster: Indices) -> tuple[Geometries, Indices]:
    """Return rings of longitude and latitude, shape (n, 2), as polygons, (p,).

    Rings without an area are left out; beside the polygons come their clusters, (p,).
    """
    degrees = np.round(degrees, _DECIMALS) + 0.0  # no negative zeros
    differs = (degrees != degrees[following(cluster)]).any(axis=1)
    degrees, cluster = degrees[differs], cluster[differs]
    clusters, ring, count = np.unique(cluster, return_inverse=True, return_counts=True)
    is_area = count >= 3
    degrees = degrees[is_area[ring]]
    if not len(degrees):
        return np.empty(0, object), np.empty(0, np.intp)
    ring = (np.cumsum(is_area) - 1)[ring[is_area[ring]]]
    shapes = shapely.polygons(shapely.linearrings(degrees, indices=ring))
    return _valid(shapes, clusters[is_area])


def join(pieces: Geometries, cluster: Indices, k: int) -> Geometries:
    """Return the union of each cluster's pieces, shape (k,); None without pieces."""
    joined = np.full(k, None, object)
    if not len(pieces):
        return joined
    order = np.argsort(cluster, kind="stable")
    clusters, ring, count = np.unique(
        cluster[order], return_inverse=True, return_counts=True
    )
    joined[clusters] = pieces[order][starts(ring)]
    several = count > 1
    if several.any():
        chosen = several[ring]
        index = (np.cumsum(several) - 1)[ring[chosen]]
        collected = shapely.geometrycollections(pieces[order][chosen], indices=index)
        joined[clusters[several]] = shapely.union_all(
            collected[:, np.newaxis], axis=1, grid_size=_GRID_DEG
        )
    oriented: Geometries = shapely.orient_polygons(joined)
    return oriented


def clip(
    pieces: Geometries, cluster: Indices, tile: Tile
) -> tuple[Geometries, Indices]:
    """Return what of polygons, shape (p,), lies in a tile, and their clusters."""
    if not len(pieces):
        return pieces, cluster
    west, south, east, north = shapely.bounds(pieces).T
    sticks_out = (west < tile.west) | (south < tile.south)
    sticks_out |= (east > tile.east) | (north > tile.north)
    pieces = pieces.copy()
    pieces[sticks_out] = shapely.intersection(
        pieces[sticks_out], shapely.box(*tile), grid_size=_GRID_DEG
    )
    return _valid(pieces, cluster)


def _valid(pieces: Geometries, cluster: Indices) -> tuple[Geometries, Indices]:
    """Return polygons that rounding may have folded as valid ones with an area."""
    broken = ~shapely.is_valid(pieces)
    if broken.any():
        pieces = pieces.copy()
        pieces[broken] = shapely.make_valid(pieces[broken])
    parts, index = shapely.get_parts(pieces, return_index=True)
    parts, nested = shapely.get_parts(parts, return_index=True)
    index = index[nested]
    is_area = (shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts)
    return parts[is_area], cluster[index[is_area]]


def _without_repetitions(rings: Rings) -> Rings:
    step = rings.points[following(rings.cluster)] - rings.points
    return rings.take(np.einsum("ij,ij->i", step, step) > _SAME**2)


def _is_pole(points: Floats) -> NDArray[np.bool_]:
    return np.hypot(points[:, 0], points[:, 1]) < _SAME


def _degrees(points: Floats, tile: Tile) -> tuple[Floats, Floats]:
    """Return latitude and longitude; a tile at 180° has no point at -180°."""
    latitude, longitude = from_cartesian(points)
    opposite = (tile.west + tile.east) / 2 - 180
    return latitude, opposite + np.mod(longitude - opposite, 360)


def _densified(rings: Rings, tile: Tile, centroids: Floats) -> Rings:
    """Return rings with points between, so that lines in degrees stay near to them."""
    points, cluster = rings
    for _ in range(_MOST_HALVINGS):
        behind = points[following(cluster)]
        middle = points + behind
        middle /= np.linalg.norm(middle, axis=1)[:, np.newaxis]
        most = _MOST_DEVIATION * _way(points, behind, centroids[cluster])
        bends = _deviation(points, behind, middle, tile) > most
        if not bends.any():
            break
        count = 1 + bends
        position = np.cumsum(count) - count
        points, cluster = np.repeat(points, count, axis=0), np.repeat(cluster, count)
        points[position[bends] + 1] = middle[bends]
    return Rings(points, cluster)


def _way(from_: Floats, to: Floats, centroids: Floats) -> Floats:
    """Return how far, in radians and roughly, it is from centroids to edges."""
    edge = to - from_
    length = np.maximum(np.einsum("ij,ij->i", edge, edge), _SAME**2)
    part = np.einsum("ij,ij->i", centroids - from_, edge) / length
    nearest = from_ + np.clip(part, 0, 1)[:, np.newaxis] * edge
    nearest /= np.linalg.norm(nearest, axis=1)[:, np.newaxis]
    way: Floats = np.linalg.norm(nearest - centroids, axis=1)
    return way


def _deviation(from_: Floats, to: Floats, middle: Floats, tile: Tile) -> Floats:
    """Return how far, in radians, edges' middles are from where degrees put them."""
    (latitude_1, longitude_1), (latitude_2, longitude_2), (latitude, longitude) = (
        _degrees(points, tile) for points in (from_, to, middle)
    )
    # A pole is as far in the east as what it is seen from.
    longitude_1 = np.where(_is_pole(from_), longitude_2, longitude_1)
    longitude_2 = np.where(_is_pole(to), longitude_1, longitude_2)
    eastwards = longitude - (longitude_1 + longitude_2) / 2
    eastwards *= np.cos(np.radians(latitude))
    deviation: Floats = np.radians(
        np.hypot(eastwards, latitude - (latitude_1 + latitude_2) / 2)
    )
    return deviation
