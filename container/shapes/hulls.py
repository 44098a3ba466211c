"""Convex hulls of clusters, in one pass over their places.

Each cluster is looked at in a plane of its own. On the sphere that is the gnomonic
projection, in which great circles are straight lines: a hull there is the hull on the
globe. In plain degrees it is the plane of degrees. Only places outside the hull so far
can change it; two quick looks leave out nearly all others.
"""

from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from container.shapes.rings import (
    OCTANTS,
    Geometries,
    Indices,
    Rings,
    Tile,
    clip,
    cut,
    following,
    join,
    lay_out,
    polygons,
    starts,
)
from geoclusters.geodesy import EARTH_RADIUS_M, Geometry, Spherical, to_cartesian
from geoclusters.places import Places

Floats = NDArray[np.float64]

#: Places whose plane coordinates are worked out at a time.
_BATCH: Final = 2**15
#: New places outside their hulls that are worth looking at, for each cluster.
_WORTH_A_LOOK: Final = 32
#: A cluster that reaches farther (75°) has its plane touch the globe elsewhere.
_WIDE_FROM_M: Final = np.radians(75) * EARTH_RADIUS_M
#: The least cosine of a place in the gnomonic projection: 6 m from the horizon.
_LEAST_COSINE: Final = 1e-6
#: A place as little outside a hull (6 µm; in degrees 0.1 µm) is no news.
_NO_NEWS: Final = 1e-12
#: A hull is thin whose middle is nearer to an edge than this part of its radius.
_THIN: Final = 1e-8
#: Rounding of distances, and more.
_ROUNDING_M: Final = 1e-3
#: The least width of a hull.
_STRIP_M: Final = 1.0
_STRIP_DEG: Final = np.degrees(_STRIP_M / EARTH_RADIUS_M)
_WHOLE_WORLD: Final = Tile(-180, -90, 180, 90)


class Hulls:
    """Follows the convex hulls of k clusters, a part of the places at a time.

    On the sphere every edge is a great circle, and hulls lie inside the clusters'
    service areas; in plain degrees edges are straight lines of degrees. What is drawn
    deviates from a great circle by up to 0.05 % of the way to the centroid; so a place
    on an edge may show as little outside.

    Parameters
    ----------
    geometry : Geometry
        That by which the places' centroids are nearest.
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees; on the sphere at least two that differ, unless all
        places lie within 90° of their centroid.
    """

    def __init__(self, geometry: Geometry, latitude: Floats, longitude: Floats) -> None:
        k = len(latitude)
        self._on_sphere = isinstance(geometry, Spherical)
        self._latitude = latitude
        self._frames = (
            _tangent_frames(latitude, longitude)
            if self._on_sphere
            else _shifts(latitude, longitude)
        )
        self._centroids = self._vectors(latitude, longitude)
        self._is_wide = np.zeros(k, np.bool_)
        self._hulls = Rings(np.empty((0, 3)), np.empty(0, np.intp))
        self._inner_m = np.full(k, -np.inf)
        self._within = _Within(np.empty((0, 2)), np.empty(0, np.intp), k)
        self._new = [self._hulls]
        self._new_count = 0

    def add(self, part: Places, cluster: Indices, distance_m: Floats) -> None:
        """Take in places, shape (n,).

        Parameters
        ----------
        part : Places
            The places.
        cluster : array of int, shape (n,)
            Indices of their nearest centroids.
        distance_m : array of float64, shape (n,)
            Great-circle distances to these, in metres.
        """
        for start in range(0, len(part), _BATCH):
            batch = slice(start, start + _BATCH)
            self._add_batch(part[batch], cluster[batch], distance_m[batch])

    def _add_batch(self, part: Places, cluster: Indices, distance_m: Floats) -> None:
        # No place inside the largest circle about the centroid inside its hull …
        is_outside = np.flatnonzero(distance_m > self._inner_m[cluster])
        cluster, distance_m = cluster[is_outside], distance_m[is_outside]
        if self._on_sphere:
            self._widen(np.unique(cluster[distance_m > _WIDE_FROM_M]))
        places = self._vectors(
            part["latitude"][is_outside], part["longitude"][is_outside]
        )
        # … and none inside the hull itself can change it.
        is_news = ~self._within(self._project(places, cluster), cluster)
        self._new.append(Rings(places[is_news], cluster[is_news]))
        self._new_count += int(is_news.sum())
        if self._new_count > _WORTH_A_LOOK * len(self._frames):
            self._grow()

    def result(self) -> Geometries:
        """Return the hulls in degrees (longitude, latitude).

        A hull is at least a strip a metre wide: so one place, two, or places in a line
        have an area too.

        Returns
        -------
        array of shapely Polygon or MultiPolygon, shape (k,)
            None for a cluster without places.
        """
        self._grow()
        flat, clusters = self._flat(self._hulls)
        rings = self._corners(self._at_least_strips(flat, clusters), clusters)
        if self._on_sphere:
            pieces, cluster = _on_map(rings, self._centroids)
        else:
            pieces, cluster = polygons(rings.points[:, :2], rings.cluster)
            pieces, cluster = clip(pieces, cluster, _WHOLE_WORLD)
        return join(pieces, cluster, len(self._frames))

    def _vectors(self, latitude: Floats, longitude: Floats) -> Floats:
        if self._on_sphere:
            return to_cartesian(latitude, longitude) / EARTH_RADIUS_M
        return np.column_stack((longitude, latitude, np.ones(len(latitude))))

    def _project(self, vectors: Floats, cluster: Indices) -> Floats:
        """Return vectors in their clusters' planes, shape (n, 2)."""
        turned = np.einsum("nij,nj->ni", self._frames[cluster], vectors)
        flat: Floats = turned[:, 1:] / np.maximum(turned[:, :1], _LEAST_COSINE)
        return flat

    def _lift(self, flat: Floats, cluster: Indices) -> Floats:
        """Return the vectors of places in their clusters' planes, shape (n, 3)."""
        turned = np.column_stack((np.ones(len(flat)), flat))
        back = np.linalg.inv(self._frames)[cluster]
        vectors: Floats = np.einsum("nij,nj->ni", back, turned)
        return vectors

    def _widen(self, clusters: Indices) -> None:
        """Let the planes of clusters that reach far touch the globe elsewhere.

        For places that are nearest to c of all centroids c', x·(c − c') ≥ 0: so none
        is more than 90° away from c less the centroids' mean.
        """
        clusters = clusters[~self._is_wide[clusters]]
        if not len(clusters):
            return
        self._is_wide[clusters] = True
        away = self._centroids[clusters] - self._centroids.mean(axis=0)
        length = np.linalg.norm(away, axis=1)[:, np.newaxis]
        away = np.where(length > 0, away, self._centroids[clusters])
        latitude = np.degrees(np.arctan2(away[:, 2], np.hypot(*away[:, :2].T)))
        longitude = np.degrees(np.arctan2(away[:, 1], away[:, 0]))
        self._frames[clusters] = _tangent_frames(latitude, longitude)
        self._look_up()

    def _grow(self) -> None:
        """Take the new places into the hulls."""
        grows = np.zeros(len(self._frames), np.bool_)
        for new in self._new:
            grows[new.cluster] = True
        stays = ~grows[self._hulls.cluster]
        points = _together(self._hulls.take(~stays), *self._new)
        grown = self._corners(*self._flat(points))
        self._hulls = _together(self._hulls.take(stays), grown)
        self._new, self._new_count = [], 0
        self._look_up()

    def _corners(self, flat: Geometries, clusters: Indices) -> Rings:
        corners, index = _corners(flat)
        cluster = clusters[index]
        return Rings(self._lift(corners, cluster), cluster)

    def _flat(self, rings: Rings) -> tuple[Geometries, Indices]:
        """Return convex hulls in their clusters' planes, and the clusters."""
        clusters, index = np.unique(rings.cluster, return_inverse=True)
        if not len(clusters):
            return np.empty(0, object), clusters
        points = self._project(rings.points, rings.cluster)
        hulls = shapely.convex_hull(shapely.multipoints(points, indices=index))
        return shapely.orient_polygons(hulls), clusters

    def _look_up(self) -> None:
        """Bring up to date by what places are left out."""
        rings = self._hulls
        flat = self._project(rings.points, rings.cluster)
        k = len(self._frames)
        self._within = _Within(flat, rings.cluster, k)
        if self._on_sphere and len(flat):
            first = starts(rings.cluster)
            seen = np.einsum("kij,kj->ki", self._frames, self._centroids)
            sine = _edge_sine(flat, flat[following(rings.cluster)], seen[rings.cluster])
            inner = np.arcsin(np.minimum.reduceat(np.clip(sine, -1, 1), first))
            self._inner_m = np.full(k, -np.inf)
            self._inner_m[rings.cluster[first]] = np.where(
                self._within.has_area[rings.cluster[first]],
                inner * EARTH_RADIUS_M - _ROUNDING_M,
                -np.inf,
            )

    def _at_least_strips(self, flat: Geometries, clusters: Indices) -> Geometries:
        if self._on_sphere:
            # The projection enlarges what is far from its middle.
            points, index = shapely.get_coordinates(flat, return_index=True)
            secant = np.hypot(1, np.hypot(*points.T))
            stretch = np.zeros(len(flat))
            np.maximum.at(stretch, index, secant)
            width = stretch * (_STRIP_M / EARTH_RADIUS_M)
        else:
            cosine = np.cos(np.radians(self._latitude[clusters]))
            width = _STRIP_DEG / np.maximum(cosine, 0.01)
        is_thin = shapely.area(flat) <= shapely.length(flat) / 2 * width
        strips = flat.copy()
        with np.errstate(all="ignore"):  # of GEOS's own arithmetic
            strips[is_thin] = shapely.buffer(
                flat[is_thin],
                width[is_thin] / 2,
                cap_style="square",
                join_style="mitre",
            )
        return strips


class _Within:
    """Tells which places of a plane lie inside the hull of their cluster.

    Parameters
    ----------
    corners : array of float64, shape (c, 2)
        Of all hulls, each counter-clockwise.
    cluster : array of int, shape (c,)
        Their clusters, ascending.
    k : int
        Number of clusters.
    """

    def __init__(self, corners: Floats, cluster: Indices, k: int) -> None:
        first = starts(cluster)
        count = np.diff(np.append(first, len(cluster)))
        # Seen from its middle, a hull's corners follow each other in direction.
        self._middle = np.zeros((k, 2))
        if len(first):
            sums = np.add.reduceat(corners, first)
            self._middle[cluster[first]] = sums / count[:, np.newaxis]
        centred = corners - self._middle[cluster]
        key = _direction(centred) + 4 * cluster
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._corner = centred[order]
        edge = centred[following(cluster)] - centred
        length = np.hypot(*edge.T)[:, np.newaxis]
        # An edge's normal, inwards; a hull's last edge ends where its first begins.
        inwards = np.column_stack((-edge[:, 1], edge[:, 0]))
        inwards /= np.where(length > 0, length, 1)
        self._inwards = inwards[order]
        #: Which clusters have a hull with an area, shape (k,). One so thin that
        #: rounding could turn it is none.
        self.has_area = np.zeros(k, np.bool_)
        if len(first):
            depth = np.minimum.reduceat(-_product(centred, inwards), first)
            radius = np.maximum.reduceat(np.hypot(*centred.T), first)
            is_thick = depth > np.maximum(_THIN * radius, _NO_NEWS)
            self.has_area[cluster[first]] = (count >= 3) & is_thick
        self._last = np.zeros(k, np.intp)
        self._last[cluster[first]] = first + count - 1
        self._first = np.zeros(k, np.intp)
        self._first[cluster[first]] = first

    def __call__(self, places: Floats, cluster: Indices) -> NDArray[np.bool_]:
        """Return whether places, shape (n, 2), lie inside."""
        is_inside = self.has_area[cluster]
        index = np.flatnonzero(is_inside)
        cluster = cluster[index]
        centred = places[index] - self._middle[cluster]
        key = _direction(centred) + 4 * cluster
        corner = np.searchsorted(self._key, key, side="right") - 1
        # Before the first corner comes the edge from the last; rounding may lead on to
        # the next cluster.
        first, last = self._first[cluster], self._last[cluster]
        corner = np.where(corner < first, last, np.minimum(corner, last))
        depth = _product(centred - self._corner[corner], self._inwards[corner])
        is_inside[index] = depth >= -_NO_NEWS
        return is_inside


def _product(a: Floats, b: Floats) -> Floats:
    product: Floats = np.einsum("ij,ij->i", a, b)
    return product


def _direction(vectors: Floats) -> Floats:
    """Return a number from 0 to 4 that grows with the angle, shape (n,)."""
    x, y = vectors.T
    around = y / np.maximum(np.abs(x) + np.abs(y), np.finfo(np.float64).tiny)
    direction: Floats = np.where(x < 0, 2 - around, np.where(y < 0, 4 + around, around))
    return direction


def _edge_sine(from_: Floats, to: Floats, seen: Floats) -> Floats:
    """Return sines of how far, on the sphere, edges are to the right of a direction.

    Parameters
    ----------
    from_, to : array of float64, shape (n, 2)
        Ends of edges in gnomonic planes.
    seen : array of float64, shape (n, 3)
        The directions as their frames see them.
    """
    (x1, y1), (x2, y2) = from_.T, to.T
    normals = np.column_stack((x1 * y2 - y1 * x2, y1 - y2, x2 - x1))
    length = np.linalg.norm(normals, axis=1)
    sine: Floats = _product(normals, seen) / np.where(length > 0, length, 1)
    return sine


def _tangent_frames(latitude: Floats, longitude: Floats) -> Floats:
    """Return unit vectors outwards, to the east and to the north, shape (n, 3, 3)."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    sin_phi, cos_phi, sin_lam, cos_lam = (
        np.sin(phi),
        np.cos(phi),
        np.sin(lam),
        np.cos(lam),
    )
    return np.stack(
        (
            np.column_stack((cos_phi * cos_lam, cos_phi * sin_lam, sin_phi)),
            np.column_stack((-sin_lam, cos_lam, np.zeros(len(phi)))),
            np.column_stack((-sin_phi * cos_lam, -sin_phi * sin_lam, cos_phi)),
        ),
        axis=1,
    )


def _shifts(latitude: Floats, longitude: Floats) -> Floats:
    """Return what makes longitude, latitude, 1 into 1 and both offsets, (n, 3, 3)."""
    shifts = np.zeros((len(latitude), 3, 3))
    shifts[:, 0, 2] = shifts[:, 1, 0] = shifts[:, 2, 1] = 1
    shifts[:, 1, 2], shifts[:, 2, 2] = -longitude, -latitude
    return shifts


def _together(*rings: Rings) -> Rings:
    points = np.concatenate([ring.points for ring in rings])
    cluster = np.concatenate([ring.cluster for ring in rings])
    order = np.argsort(cluster, kind="stable")
    return Rings(points[order], cluster[order])


def _corners(hulls: Geometries) -> tuple[Floats, Indices]:
    """Return the corners of hulls, each once, and of which hull they are."""
    corners, index = shapely.get_coordinates(hulls, return_index=True)
    # A polygon ends where it began.
    is_last = np.append(index[1:] != index[:-1], np.ones(min(len(index), 1), np.bool_))
    keeps = ~(is_last & (shapely.get_dimensions(hulls) == 2)[index])
    return corners[keeps], index[keeps]


def _on_map(rings: Rings, centroids: Floats) -> tuple[Geometries, Indices]:
    found = []
    for octant in OCTANTS:
        piece = rings
        for normal in octant.normals:
            piece = cut(piece, piece.points @ normal)
        found.append(lay_out(piece, octant, centroids))
    return (
        np.concatenate([pieces for pieces, _ in found]),
        np.concatenate([cluster for _, cluster in found]),
    )
