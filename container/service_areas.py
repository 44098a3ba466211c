"""Service areas: of each centroid all that is nearer to it than to any other."""

from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from container.hulls import local_axes
from container.spherical_polygons import WORLD, cut_out, to_degrees
from container.window import Window
from geoclusters.geodesy import Geometry, Spherical

Floats = NDArray[np.float64]
Direction = tuple[float, float, float]

#: The nearest other centroids, which bound most areas; the rest is asked only where
#: these leave an area so large that another one may cut it.
_NEIGHBOURS: Final = 48
#: An area is cut out of a square about its centroid, which reaches so far at most.
_WIDEST_REACH: Final = np.radians(60.0)
#: A larger one is cut out of these eight triangles, one after the other.
_OCTANTS: Final = [
    [(x, 0.0, 0.0), (0.0, y, 0.0), (0.0, 0.0, z)][:: int(x * y * z)]
    for x in (1.0, -1.0)
    for y in (1.0, -1.0)
    for z in (1.0, -1.0)
]


def service_areas(
    latitude: Floats, longitude: Floats, geometry: Geometry, window: Window
) -> NDArray[Any]:
    """Return the service areas of centroids within a window, shape (k,).

    On the sphere they are bounded by great circles, in plain degrees by straight lines
    (a Voronoi diagram). They are valid (Multi)Polygons of longitudes and latitudes, cut
    at ±180°; None where nothing of an area lies in the window. Of centroids at one
    place all have the same area.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    geometry : Geometry
        Decides which centroid is nearest.
    window : Window
        What the areas are cut off at.
    """
    places = np.column_stack((longitude, latitude))
    distinct, which = np.unique(places, axis=0, return_inverse=True)
    if len(distinct) == 1:
        all_cells = [WORLD]
    elif isinstance(geometry, Spherical):
        all_cells = _on_the_sphere(distinct, window)
    else:
        all_cells = _in_degrees(distinct)
    cells = [
        cut_out(cell, window.west, window.south, window.east, window.north)
        for cell in all_cells
    ]
    areas: NDArray[Any] = np.full(len(cells), None)
    areas[:] = cells
    return areas[which.reshape(-1)]


def _in_degrees(places: Floats) -> list[Any]:
    cells = shapely.voronoi_polygons(
        shapely.multipoints(places),
        extend_to=shapely.box(-1e3, -1e3, 1e3, 1e3),
        ordered=True,
    )
    return list(shapely.intersection(shapely.get_parts(cells), WORLD))


def _on_the_sphere(places: Floats, window: Window) -> list[Any]:
    axes = local_axes(places[:, 1], places[:, 0])
    reach = min(_across(window), _WIDEST_REACH)
    return [_cell(i, axes, reach) for i in range(len(places))]


def _across(window: Window) -> float:
    """Return how far apart two places of a window are at most, in radians."""
    height, width = window.north - window.south, window.east - window.west
    nearest_to_equator = max(window.south, -window.north, 0.0)
    width *= float(np.cos(np.radians(nearest_to_equator)))
    return float(np.radians(np.hypot(height, width)))


def _cell(i: int, axes: Floats, reach: float) -> Any:
    """Return the part of the world that is nearest to centroid i.

    Parameters
    ----------
    i : int
    axes : array of float64, shape (k, 3, 3)
        Of all centroids.
    reach : float
        How far the cell is followed from its centroid, in radians; from _WIDEST_REACH
        on, all the way.
    """
    directions = axes[:, 2]
    towards = directions @ directions[i]
    most = min(_NEIGHBOURS + 1, len(directions))
    nearest = np.argpartition(-towards, most - 1)[:most]
    nearest = nearest[np.argsort(-towards[nearest])]
    nearest = nearest[nearest != i]
    east, north, up = axes[i]
    corners = [
        up + np.tan(reach) * (x * east + y * north)
        for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ]
    square = [_unit(corner) for corner in corners]
    ring = _clipped(square, _bisectors(i, nearest, directions))
    # A farther centroid cuts off only what lies beyond half the way to it.
    half_way = np.arccos(min(towards[nearest[-1]], 1.0)) / 2
    if len(directions) > most and _least_cosine(ring, up) < np.cos(half_way):
        sides = np.array(ring) @ (directions[i] - directions).T
        cutting = np.flatnonzero(sides.min(axis=0) < 0)
        ring = _clipped(ring, _bisectors(i, cutting, directions))
    is_whole = _least_cosine(ring, up) > np.cos(0.99 * _WIDEST_REACH)
    if is_whole or reach < _WIDEST_REACH:
        return to_degrees(np.array(ring))
    bisectors = _bisectors(i, np.delete(np.arange(len(directions)), i), directions)
    rings = [_clipped(octant, bisectors) for octant in _OCTANTS]
    return shapely.union_all([to_degrees(np.array(r)) for r in rings if len(r) > 2])


def _bisectors(i: int, others: NDArray[np.intp], directions: Floats) -> list[Direction]:
    """Return normals of the planes between i and others; i is on the positive side."""
    normals = directions[i] - directions[others]
    return [(x, y, z) for x, y, z in normals.tolist()]


def _clipped(ring: list[Direction], normals: list[Direction]) -> list[Direction]:
    """Return what of a convex ring is on the positive side of planes.

    After I. E. Sutherland and G. W. Hodgman, Reentrant polygon clipping, Communications
    of the ACM 17 (1974), on the sphere.
    """
    for a, b, c in normals:
        sides = [a * x + b * y + c * z for x, y, z in ring]
        if min(sides, default=0.0) >= 0:
            continue
        kept = []
        for j, side in enumerate(sides):
            before = sides[j - 1]
            if (before < 0) != (side < 0):
                (x1, y1, z1), (x2, y2, z2) = ring[j - 1], ring[j]
                s, t = abs(side), abs(before)
                kept.append(_unit((x1 * s + x2 * t, y1 * s + y2 * t, z1 * s + z2 * t)))
            if side >= 0:
                kept.append(ring[j])
        ring = kept
        if not ring:
            break
    return ring


def _unit(vector: Any) -> Direction:
    x, y, z = vector
    length = (x * x + y * y + z * z) ** 0.5
    return float(x / length), float(y / length), float(z / length)


def _least_cosine(ring: list[Direction], up: Floats) -> float:
    """Return the cosine of the angle between `up` and the ring's farthest corner."""
    return float((np.array(ring) @ up).min())
