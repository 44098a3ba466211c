"""Polygons and lines as map.html draws them: projected, simplified, packed.

The page gets them in metres on the map's plane, cut to its region, as whole numbers of
a step: differences from point to point, which mostly take a byte or two.
"""

import base64
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from container.page import encoding
from geoclusters.geodesy import EARTH_RADIUS_M

Floats = NDArray[np.float64]
Geometries = NDArray[Any]

#: Farther from an azimuthal map's centre everything is drawn out of shape; what lies
#: beyond is moved to this circle.
_FARTHEST_DEG: Final = 150.0
LIMIT_M: Final = float(2 * EARTH_RADIUS_M * np.sin(np.radians(_FARTHEST_DEG / 2)))
#: Edges are straight in degrees, not on the map: points are put in at this distance.
_LEAST_DENSE_DEG, _MOST_DENSE_DEG = 1.0, 0.02
#: Details of this part of the view are kept, until a budget says otherwise.
_FINEST, _COARSEST = 1 / 8192, 1 / 300
#: So near to the globe's cut edge it is not yet its other end.
_INSIDE_DEG: Final = 1e-7


class Projection(Protocol):
    """A map's plane, in metres about its centre; the earth is the mean sphere."""

    @property
    def name(self) -> str:
        """`laea` (Lambert azimuthal equal-area) or `eqearth` (Equal Earth)."""

    @property
    def latitude(self) -> float:
        """Of the centre, in degrees."""

    @property
    def longitude(self) -> float:
        """Of the centre, in degrees."""

    def forward(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
        """Return x, y in metres of places in degrees, shape (n,)."""

    def inverse(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return latitude, longitude in degrees of points in metres, shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """What of a projection's plane the page shows.

    Boxes are west, south, east, north.
    """

    projection: Projection
    #: What is in sight at first, in metres.
    view: tuple[float, float, float, float]
    #: As far as the page can be moved, in metres.
    region: tuple[float, float, float, float]

    @property
    def size_m(self) -> float:
        """The longer side of the view."""
        west, south, east, north = self.view
        return max(east - west, north - south)

    def bounds_deg(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north of the region; east may be beyond 180°."""
        centre = self.projection.longitude
        if self.projection.name == "eqearth":
            return centre - 180, -90.0, centre + 180, 90.0
        west, south, east, north = self.region
        x, y = np.meshgrid(np.linspace(west, east, 65), np.linspace(south, north, 65))
        near = np.hypot(x, y) <= LIMIT_M
        latitude, longitude = self.projection.inverse(x[near], y[near])
        margin = 2 * (latitude.max() - latitude.min()) / 64
        low = max(float(latitude.min()) - margin, -90.0)
        high = min(float(latitude.max()) + margin, 90.0)
        beside = np.mod(longitude - centre + 180, 360) - 180
        margin = 2 * (beside.max() - beside.min()) / 64
        left, right = float(beside.min()) - margin, float(beside.max()) + margin
        poles = [pole for pole in (-90.0, 90.0) if self._shows_pole(pole)]
        if poles or right - left > 350:
            left, right = -180.0, 180.0
        return centre + left, min([low, *poles]), centre + right, max([high, *poles])

    def _shows_pole(self, latitude: float) -> bool:
        x, y = self.projection.forward(np.array([latitude]), np.zeros(1))
        west, south, east, north = self.region
        return bool(west <= x[0] <= east and south <= y[0] <= north)


def packed(
    geometries: Geometries,
    plane: Plane,
    budget_bytes: int,
    *,
    are_neighbours: bool = False,
) -> dict[str, Any] | None:
    """Return polygons or lines for the page, or None if they can't be made to fit.

    Parameters
    ----------
    geometries : array of shapely geometries, shape (m,)
        Polygons or lines (also of several parts), longitude and latitude in degrees,
        or None. Polygons may be cut at the antimeridian; they are joined again.
    plane : Plane
        Where they are drawn.
    budget_bytes : int
        The most that they may take. The less, the more is simplified.
    are_neighbours : bool
        Whether they are polygons that share borders, which stay shared.
    """
    finest = max(_FINEST * plane.size_m, 1.0)
    drawn = on_plane(geometries, plane, finest)
    step = finest
    while step <= max(_COARSEST * plane.size_m, finest):
        data = base64.b64encode(_stream(_simplified(drawn, step, are_neighbours), step))
        if len(data) <= budget_bytes:
            return {"step": step, "data": data.decode()}
        step *= 1.5
    return None


def on_plane(geometries: Geometries, plane: Plane, step: float) -> Geometries:
    """Return geometries in metres on the map's plane, cut to its region.

    Parameters
    ----------
    geometries : array of shapely geometries, shape (m,)
        See `packed`.
    plane : Plane
        Where they are drawn.
    step : float
        Points fall on a grid of so many metres.
    """
    shapes = np.array(geometries, dtype=object)  # a copy
    is_one = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    found = shapes[is_one]
    if not len(found):
        return shapes
    is_broken = ~shapely.is_valid(found)
    found[is_broken] = shapely.make_valid(found[is_broken])
    is_area = shapely.get_dimensions(found) == 2
    projection = plane.projection
    if projection.name == "eqearth" and projection.longitude != 0:
        found = _cut_opposite(found, projection.longitude)
    dense_deg = np.clip(
        np.degrees(plane.size_m / EARTH_RADIUS_M) / 64,
        _MOST_DENSE_DEG,
        _LEAST_DENSE_DEG,
    )
    found = shapely.segmentize(found, dense_deg)
    around = np.zeros(len(found), bool)
    if projection.name == "laea":
        antipode = _antipode(projection)
        around = is_area & shapely.intersects_xy(found, *antipode)

    def forward(lonlat: Floats) -> Floats:
        return _rounded(_forward(projection, lonlat), step)

    found = shapely.transform(found, forward)
    # Also joins what was cut at the antimeridian: parts that share an edge are invalid.
    found[is_area] = _valid(found[is_area])
    if around.any():  # these rings have become holes in all that lies around
        disc = shapely.Point(0, 0).buffer(LIMIT_M, quad_segs=90)
        found[around] = shapely.symmetric_difference(disc, found[around])
    found = shapely.clip_by_rect(found, *plane.region)
    shapes[is_one] = found
    return shapes


def _valid(areas: Geometries) -> Geometries:
    """Return areas without crossings, and without what has no surface.

    GEOS gives up on a few that rounding has folded, such as slivers at the map's edge,
    if it looks for holes and shells; of their lines alone it always makes areas.
    """
    try:
        valid: Geometries = shapely.make_valid(
            areas, method="structure", keep_collapsed=False
        )
    except shapely.GEOSException:
        if len(areas) == 1:
            valid = _polygonal(shapely.make_valid(areas, method="linework"))
        else:
            each = [_valid(areas[i : i + 1]) for i in range(len(areas))]
            valid = np.concatenate(each)
    return valid


def joined(polygons: Geometries) -> Geometries:
    """Return polygons of which those cut at the antimeridian are parts of one."""
    x = shapely.bounds(polygons)[:, [0, 2]]
    is_cut = (np.abs(x) % 360 == 180).any(axis=1)
    if is_cut.sum() < 2:
        return polygons
    parts = shapely.get_parts(polygons[is_cut])
    return np.append(polygons[~is_cut], shapely.MultiPolygon(list(parts)))


def _cut_opposite(shapes: Geometries, centre_deg: float) -> Geometries:
    """Return shapes within 180° of a longitude, moved by whole worlds."""
    parts = []
    for world_deg in (-360.0, 0.0, 360.0):
        moved = shapely.transform(shapes, np.array([world_deg, 0.0]).__add__)
        parts.append(
            shapely.clip_by_rect(moved, centre_deg - 180, -90, centre_deg + 180, 90)
        )
    return np.array(
        [
            shapely.GeometryCollection([])
            if all(p.is_empty for p in of_one)
            else _collected([p for p in of_one if not p.is_empty])
            for of_one in zip(*parts, strict=True)
        ],
        dtype=object,
    )


def _collected(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    flat = list(shapely.get_parts(parts))
    kind = (
        shapely.MultiPolygon
        if flat[0].geom_type == "Polygon"
        else shapely.MultiLineString
    )
    return kind(flat)


def _antipode(projection: Projection) -> tuple[float, float]:
    opposite = projection.longitude + 180
    return (opposite + 180) % 360 - 180, -projection.latitude


def _forward(projection: Projection, lonlat: Floats) -> Floats:
    longitude, latitude = lonlat.T
    if projection.name == "eqearth":
        beside = np.clip(
            longitude - projection.longitude, -180 + _INSIDE_DEG, 180 - _INSIDE_DEG
        )
        return np.column_stack(
            projection.forward(latitude, projection.longitude + beside)
        )
    xy = np.column_stack(projection.forward(latitude, longitude))
    xy[~np.isfinite(xy).all(axis=1)] = LIMIT_M  # the antipode has no place
    distance = np.maximum(np.hypot(*xy.T), LIMIT_M)
    clamped: Floats = xy * (LIMIT_M / distance)[:, np.newaxis]
    return clamped


def _rounded(xy: Floats, step: float) -> Floats:
    rounded: Floats = np.rint(xy / step) * step
    return rounded


def _simplified(
    shapes: Geometries, tolerance: float, are_neighbours: bool
) -> Geometries:
    """Return shapes of fewer points."""
    shapes = shapes.copy()
    dimensions = shapely.get_dimensions(shapes)
    areas, lines = dimensions == 2, dimensions == 1
    shapes[~(areas | lines)] = None
    polygons = _polygonal(shapes[areas])
    if are_neighbours:
        shapes[areas] = shapely.coverage_simplify(polygons, tolerance)
    else:
        shapes[areas] = shapely.simplify(polygons, tolerance)
    # All the same way around: the page fills many at once, where they overlap as well.
    shapes[areas] = shapely.orient_polygons(shapes[areas])
    shapes[lines] = shapely.simplify(shapes[lines], tolerance)
    return shapes


def _polygonal(shapes: Geometries) -> Geometries:
    """Return shapes without the points and lines that cutting may leave."""
    is_mixed = shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    if not is_mixed.any():
        return shapes
    shapes = shapes.copy()
    for i in np.flatnonzero(is_mixed):
        parts = shapes[[i]]
        while (shapely.get_type_id(parts) > shapely.GeometryType.POLYGON).any():
            parts = shapely.get_parts(parts)  # collections may lie in collections
        shapes[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    return shapes


def _stream(shapes: Geometries, step: float) -> bytes:
    """Return shapes as numbers: of each its rings or lines, of those their points.

    A shape begins with the number of its rings, a ring with the number of its points;
    then come their differences, in steps, from the point before. Rings aren't closed.
    """
    parts, shape_of_part = shapely.get_parts(shapes, return_index=True)
    is_area = bool((shapely.get_dimensions(parts) == 2).any())
    if is_area:
        parts, part_of_ring = shapely.get_rings(parts, return_index=True)
        shape_of_part = shape_of_part[part_of_ring]
    xy, ring = shapely.get_coordinates(parts, return_index=True)
    xy = np.rint(xy / step).astype(np.int64)
    is_new = _starts(ring)
    is_new[1:] |= (xy[1:] != xy[:-1]).any(axis=1)
    xy, ring = xy[is_new], ring[is_new]
    if is_area:
        is_open = ~_starts(ring[::-1])[::-1]  # not the last, which is the first again
        xy, ring = xy[is_open], ring[is_open]
    points = np.bincount(ring, minlength=len(parts))
    is_ring = points >= (3 if is_area else 2)
    xy = xy[is_ring[ring]]
    points, shape_of_ring = points[is_ring], shape_of_part[is_ring]
    rings = np.bincount(shape_of_ring, minlength=len(shapes))
    # Where each shape, ring and point begins among the numbers.
    ends = 2 * np.cumsum(points) + np.arange(1, len(points) + 1) + shape_of_ring + 1
    heads = ends - 2 * points - 1
    rings_before = np.cumsum(rings) - rings
    ends_before = np.append(0, 2 * np.cumsum(points))[rings_before]
    numbers = np.empty(len(rings) + len(points) + 2 * len(xy), np.int64)
    is_point = np.ones(len(numbers), bool)
    for at, counts in (
        (np.arange(len(rings)) + rings_before + ends_before, rings),
        (heads, points),
    ):
        numbers[at], is_point[at] = counts, False
    numbers[is_point] = np.diff(xy, axis=0, prepend=np.zeros((1, 2), np.int64)).ravel()
    return encoding.varints(numbers)


def _starts(of: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return where a run of equal numbers begins."""
    starts = np.ones(len(of), bool)
    starts[1:] = of[1:] != of[:-1]
    return starts
