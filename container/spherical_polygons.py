"""Polygons on the globe, whose edges are great circles, as GIS programs want them.

A ring is an array of directions: x, y, z on the unit sphere, shape (n, 3), not closed,
counter-clockwise seen from outside, so that the polygon lies to its left. As longitudes
and latitudes its edges are cut into short pieces, and polygons are cut at ±180°, as RFC
7946, 3.1.9, asks for.
"""

from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORLD: Final = shapely.box(-180, -90, 180, 90)
#: Longitudes at the poles mean nothing.
_POLE_DEG: Final = 90 - 1e-9
#: An edge's pieces are at most so long, …
_LONGEST_PIECE: Final = np.radians(2.0)
#: … and so short that they leave it by no more than this part of the ring's size.
_MOST_DEVIATION: Final = 0.0002


def to_degrees(ring: Floats) -> Any:
    """Return a ring as a valid (Multi)Polygon of longitudes and latitudes.

    Parameters
    ----------
    ring : array of float64, shape (n, 3)
        See the module.
    """
    longitude, latitude = _degrees(_cut_into_pieces(ring))
    # Around a pole the ring does not come back to where it began.
    turn = _wrapped(longitude[0] - longitude[-1]) + longitude[-1] - longitude[0]
    shell = np.column_stack((longitude, latitude))
    if abs(turn) > 180:
        pole = np.copysign(90.0, turn)
        end = longitude[0] + turn
        shell = np.vstack(
            (shell, (end, latitude[0]), (end, pole), (longitude[0], pole))
        )
    polygon = shapely.make_valid(shapely.Polygon(shell))
    if np.abs(shell[:, 0]).max() > 180:
        polygon = _between_the_antimeridians(polygon)
    if abs(turn) <= 180 and _signed_area(shell) < 0:  # it holds both poles
        polygon = shapely.difference(WORLD, polygon)
    return _polygons_only(polygon)


def cut_out(polygon: Any, west: float, south: float, east: float, north: float) -> Any:
    """Return what of a polygon lies in a box, or None if nothing does.

    Parameters
    ----------
    polygon : shapely (Multi)Polygon
        Between -180° and 180°.
    west, south, east, north : float
        The box in degrees; east may lie beyond 180°.
    """
    boxes = [
        shapely.box(west + turn, south, east + turn, north) for turn in (-360, 0, 360)
    ]
    box = shapely.union_all(shapely.intersection(boxes, WORLD))
    part = _polygons_only(shapely.intersection(polygon, box))
    return None if part.is_empty else part


def _cut_into_pieces(ring: Floats) -> Floats:
    """Return a ring with points along its edges."""
    following = np.roll(ring, -1, axis=0)
    length = 2 * np.arcsin(
        np.minimum(np.linalg.norm(following - ring, axis=1) / 2, 1.0)
    )
    size = np.linalg.norm(ring - ring.mean(axis=0), axis=1).max()
    # A piece of length h leaves its great circle by h²/8 · tan(latitude).
    longest = np.sqrt(8 * _MOST_DEVIATION * size / _steepest(ring, following))
    count = np.ceil(length / min(longest, _LONGEST_PIECE)).astype(int)
    count = np.maximum(count, 1)
    edge = np.repeat(np.arange(len(ring)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    share = ((np.arange(len(edge)) - first) / count[edge])[:, np.newaxis]
    points = ring[edge] * (1 - share) + following[edge] * share
    pieces: Floats = points / np.linalg.norm(points, axis=1)[:, np.newaxis]
    return pieces


def _steepest(ring: Floats, following: Floats) -> float:
    """Return the greatest tangent of the edges' latitudes, between 0.1 and 1,000."""
    along = np.linspace(0, 1, 33)[:, np.newaxis, np.newaxis]
    points = ring * (1 - along) + following * along
    upwards = np.abs(points[..., 2])
    sideways = np.hypot(points[..., 0], points[..., 1])
    return float(np.clip((upwards / np.maximum(sideways, 1e-9)).max(), 0.1, 1e3))


def _degrees(ring: Floats) -> tuple[Floats, Floats]:
    """Return longitudes without jumps, and latitudes."""
    x, y, z = ring.T
    latitude = np.degrees(np.arctan2(z, np.hypot(x, y)))
    longitude = np.degrees(np.arctan2(y, x))
    for i in np.flatnonzero(np.abs(latitude) > _POLE_DEG)[::-1]:
        # A pole is a line of longitudes: from the one before it to the one behind it.
        behind = longitude[(i + 1) % len(longitude)]
        longitude[i] = longitude[i - 1]
        longitude = np.insert(longitude, i + 1, behind)
        latitude = np.insert(latitude, i + 1, latitude[i])
    return np.unwrap(longitude, period=360), latitude


def _wrapped(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


def _between_the_antimeridians(polygon: Any) -> Any:
    offsets = [np.array([turn, 0.0]) for turn in (-720, -360, 0, 360, 720)]
    moved = [shapely.transform(polygon, offset.__add__) for offset in offsets]
    return shapely.union_all(shapely.intersection(moved, WORLD))


def _signed_area(shell: Floats) -> float:
    x, y = shell.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def _polygons_only(geometry: Any) -> Any:
    """Return a geometry without its points and lines, shells counter-clockwise."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    polygons = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    polygons = shapely.orient_polygons(polygons[shapely.area(polygons) > 0])
    if len(polygons) == 1:
        return polygons[0]
    return shapely.multipolygons(polygons)
