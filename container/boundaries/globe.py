"""Shapes in any coordinate reference system, as shapes in degrees on WGS 84.

What comes out is as RFC 7946 wants it: longitude before latitude, longitudes between
-180° and 180°, and cut there where it reaches beyond.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer, network
from pyproj.exceptions import CRSError, ProjError

from container.boundaries.parts import Geometries, Indices, as_polygons, flat
from geoclusters.errors import BoundariesError

Floats = NDArray[np.float64]

_WORLD: Final = shapely.box(-180, -90, 180, 90)
#: A tenth of a millimetre.
_DECIMALS: Final = 9
#: A straight edge on a grid is none in degrees: 10 km are off by some metres.
_LONGEST_EDGE_M: Final = 10_000.0
_MOST_ADDED: Final = 500_000
#: Nothing is drawn wider; data from 0° to 360°, or a world further, are.
_MOST: Final = np.array([540.0, 90.0 + 1e-6])
_MOST_WIDTH: Final = 720.0

_DEGREES_ADVICE: Final = (
    "Open it in a GIS program such as QGIS, set the coordinate reference system that "
    "its coordinates are in, export it in WGS 84 (EPSG:4326), and upload that."
)


class Projection:
    """The way from a coordinate reference system to degrees.

    Parameters
    ----------
    crs : str or None
        As GDAL tells it: an authority's code, or WKT.

    Raises
    ------
    BoundariesError
        If it is unknown, or has no horizontal coordinates on Earth.
    """

    def __init__(self, crs: str | None) -> None:
        network.set_network_enabled(active=False)
        if not crs:
            msg = (
                "it doesn't say which coordinate reference system its coordinates are "
                f"in. {_DEGREES_ADVICE}"
            )
            raise BoundariesError(msg)
        try:
            horizontal = _horizontal(CRS.from_user_input(crs))
            if horizontal is None:
                msg = (
                    "its coordinate reference system has no latitude and longitude, or "
                    f"northing and easting. {_DEGREES_ADVICE}"
                )
                raise BoundariesError(msg)
            #: The system's name.
            self.name: str = horizontal.name
            self._step: float | None = None
            if horizontal.is_projected:
                self._step = _LONGEST_EDGE_M / _metres(horizontal)
            self._transformer = Transformer.from_crs(
                horizontal, CRS.from_epsg(4326), always_xy=True
            )
        except (CRSError, ProjError) as error:
            msg = f"its coordinate reference system is not known. {_DEGREES_ADVICE}"
            raise BoundariesError(msg) from error

    def to_degrees(self, parts: Geometries) -> Geometries:
        """Return polygons or lines in degrees; None for those that have no place.

        Parameters
        ----------
        parts : array of Polygon or LineString, shape (n,)
            Easting (x) before northing (y), in the system's unit.

        Raises
        ------
        BoundariesError
            If coordinates in degrees are out of their range.
        """
        found = _with_good(parts, np.isfinite)
        if self._step is not None:
            added = float(np.nansum(shapely.length(found))) / _MOST_ADDED
            found = shapely.segmentize(found, max(self._step, added))
        found = shapely.transform(found, self._transform)
        found = _with_good(found, np.isfinite)
        if self._step is not None:  # further out than the projection reaches
            found = _with_good(found, _is_in_range)
        _check_range(found)
        crossing = _crossing(found)
        found[crossing] = [_unwrapped(part) for part in found[crossing]]
        west, _, east, _ = shapely.bounds(found).T
        beyond = np.flatnonzero((west < -180) | (east > 180))
        found[beyond] = [_into_the_world(part) for part in found[beyond]]
        return found

    def _transform(self, points: Floats) -> Floats:
        if not len(points):
            return points
        # pyproj takes an array of one number for a number
        x, y = (np.append(values, [np.nan] * 2) for values in points.T)
        longitude, latitude = self._transformer.transform(x, y, errcheck=False)
        rounded: Floats = np.column_stack((longitude, latitude))[:-2].round(_DECIMALS)
        return rounded


def valid_areas(polygons: Geometries) -> Geometries:
    """Return MultiPolygons, shape (n,), mended where rings cross; None if none is left.

    Parameters
    ----------
    polygons : array of Polygon, MultiPolygon or None, shape (n,)
    """
    polygons = polygons.copy()
    broken = ~shapely.is_valid(polygons) & ~shapely.is_missing(polygons)
    polygons[broken] = shapely.make_valid(
        polygons[broken], method="structure", keep_collapsed=False
    )
    parts, owner = flat(polygons)
    areal = shapely.get_dimensions(parts) == 2
    return as_polygons(parts[areal], owner[areal], len(polygons))


def _horizontal(crs: CRS) -> CRS | None:
    if crs.is_bound and crs.source_crs is not None:
        return _horizontal(crs.source_crs)
    if crs.is_compound:
        return _horizontal(crs.sub_crs_list[0])
    return crs.to_2d() if crs.is_geographic or crs.is_projected else None


def _metres(crs: CRS) -> float:
    """Return how many metres a projected system's unit is."""
    factor: float = crs.axis_info[0].unit_conversion_factor
    return factor if math.isfinite(factor) and factor > 0 else 1.0


def _with_good(
    parts: Geometries, is_good: Callable[[Floats], NDArray[np.bool_]]
) -> Geometries:
    """Return parts, None for those with a coordinate that isn't good."""
    points, owner = shapely.get_coordinates(parts, return_index=True)
    found = parts.copy()
    found[owner[~is_good(points).all(axis=1)]] = None
    return found


def _is_in_range(points: Floats) -> NDArray[np.bool_]:
    within: NDArray[np.bool_] = np.abs(points) <= _MOST
    return within


def _check_range(parts: Geometries) -> None:
    points = shapely.get_coordinates(parts)
    if not _is_in_range(points).all():
        most_x, most_y = np.abs(points).max(axis=0)
        msg = (
            "its coordinates should be degrees, but are as large as "
            f"{most_x:,.6g} (longitude) and {most_y:,.6g} (latitude). {_DEGREES_ADVICE}"
        )
        raise BoundariesError(msg)


def _crossing(parts: Geometries) -> Indices:
    """Return which parts jump from one side of the antimeridian to the other.

    An edge of more than 180° goes the short way round, unless it leads once around:
    along a pole, or along the edge of a map of the world.
    """
    if shapely.get_type_id(parts).max(initial=-1) == shapely.GeometryType.POLYGON:
        rings, owner = shapely.get_rings(parts, return_index=True)
    else:
        rings, owner = parts, np.arange(len(parts))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    width = np.abs(np.diff(points[:, 0]))
    jumps = (ring[1:] == ring[:-1]) & (width > 180) & (width != 360)
    found: Indices = np.unique(owner[ring[1:][jumps]])
    return found


def _unwrapped(part: Any) -> Any:
    """Return a part whose edges go the short way round, inside the world."""
    if part.geom_type == "LineString":
        points = shapely.get_coordinates(part)
        return _into_the_world(shapely.LineString(_continuous(points)))
    shell, *holes = (_ring_around(ring) for ring in shapely.get_rings(part))
    if shell is None:
        return None
    holes = [hole for hole in holes if hole is not None]
    return shapely.difference(shell, shapely.union_all(holes)) if holes else shell


def _ring_around(ring: Any) -> Any:
    """Return what a ring encloses; a ring around a pole is closed there."""
    points = _continuous(shapely.get_coordinates(ring))
    first, last = points[0], points[-1]
    if abs(last[0] - first[0]) > 180:
        pole = math.copysign(90.0, points[:, 1].mean())
        points = np.vstack([points, [last[0], pole], [first[0], pole], first])
    polygon = shapely.make_valid(
        shapely.Polygon(points), method="structure", keep_collapsed=False
    )
    return _into_the_world(polygon)


def _continuous(points: Floats) -> Floats:
    longitude = np.unwrap(points[:, 0], period=360)
    return np.column_stack((longitude, points[:, 1]))


def _into_the_world(geometry: Any) -> Any:
    """Return a geometry with longitudes between -180° and 180°, None if too wide."""
    if shapely.is_empty(geometry):
        return None
    west, _, east, _ = shapely.bounds(geometry)
    if east - west > _MOST_WIDTH:
        return None
    if geometry.geom_type != "LineString" and not shapely.is_valid(geometry):
        geometry = shapely.make_valid(
            geometry, method="structure", keep_collapsed=False
        )
    first = math.floor((west + 180) / 360)
    last = max(math.ceil((east - 180) / 360), first)
    pieces = [
        shapely.intersection(
            shapely.transform(geometry, np.array([-360.0 * world, 0.0]).__add__),
            _WORLD,
        )
        for world in range(first, last + 1)
    ]
    return shapely.union_all(_of_dimension(pieces, shapely.get_dimensions(geometry)))


def _of_dimension(geometries: list[Any], dimension: int) -> Geometries:
    """Return their parts without those that are cut to a point or a line."""
    parts, _ = flat(np.array(geometries, dtype=object))
    kept: Geometries = parts[shapely.get_dimensions(parts) == dimension]
    return kept
