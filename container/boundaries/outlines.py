"""Borders with fewer vertices, for drawing."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import shapely

from container.boundaries.parts import Geometries, as_lines, as_polygons, count, flat

#: The first tolerance, as a part of the edges' mean length, …
_FIRST: Final = 0.2
#: … and how much larger the next is, at least and at most.
_LEAST_FACTOR, _MOST_FACTOR = 1.25, 4.0


def simplified(
    polygons: Geometries, lines: Geometries, most_vertices: Iterable[int]
) -> Iterator[tuple[Geometries, Geometries]]:
    """Yield polygons and lines with few vertices, as close as that allows.

    Neighbours that share a border go on sharing it, provided that all in the file do.
    What gets too small to be seen is left out; where that is all, as on a fine grid,
    the outline of the whole is left as a line.

    Parameters
    ----------
    polygons, lines : array of MultiPolygon, MultiLineString or None, shapes (n,), (m,)
        In degrees.
    most_vertices : iterable of int
        For each time, descending.

    Yields
    ------
    polygons, lines
        With None where nothing is left; behind the lines there may be one more.
    """
    length = np.nansum(shapely.length(polygons)) + np.nansum(shapely.length(lines))
    tolerance = float(length) / max(count(polygons) + count(lines), 1) * _FIRST
    is_coverage: bool | None = None
    for most in most_vertices:
        whole = polygons
        while (vertices := count(polygons) + count(lines)) > most:
            if is_coverage is None:
                there = polygons[~shapely.is_missing(polygons)]
                is_coverage = bool(shapely.coverage_is_valid(there))
            simplify = _as_coverage if is_coverage else shapely.simplify
            polygons = _without_specks(simplify(polygons, tolerance), tolerance)
            lines = _without_short(shapely.simplify(lines, tolerance), tolerance)
            if count(whole) and not count(polygons) + count(lines):
                lines = np.append(lines, shapely.union_all(whole).boundary)
                whole = polygons
            factor = float(np.sqrt(vertices / most))
            tolerance *= min(max(factor, _LEAST_FACTOR), _MOST_FACTOR)
        yield polygons, lines


def _as_coverage(polygons: Geometries, tolerance: float) -> Geometries:
    """Simplify shared borders once; the tolerance is the root of what is cut off."""
    there = ~shapely.is_missing(polygons)
    found = polygons.copy()
    found[there] = shapely.coverage_simplify(polygons[there], tolerance)
    return found


def _without_specks(polygons: Geometries, tolerance: float) -> Geometries:
    """Leave out islands and holes that are smaller than the tolerance."""
    parts, owner = flat(polygons)
    seen = _size(parts) > tolerance
    parts, owner = parts[seen], owner[seen]
    rings, of = shapely.get_rings(parts, return_index=True)
    is_hole = np.zeros(len(rings), dtype=bool)
    is_hole[1:] = of[1:] == of[:-1]  # the first ring of a polygon is its shell
    kept = ~is_hole | (_size(rings) > tolerance)
    for i in np.unique(of[~kept]):
        first, last = np.searchsorted(of, (i, i + 1))
        shell, *holes = rings[first:last][kept[first:last]]
        parts[i] = shapely.Polygon(shell, holes)
    return as_polygons(parts, owner, len(polygons))


def _without_short(lines: Geometries, tolerance: float) -> Geometries:
    parts, owner = flat(lines)
    seen = _size(parts) > tolerance
    return as_lines(parts[seen], owner[seen], len(lines))


def _size(geometries: Geometries) -> Any:
    """Return the longer side of each geometry's box."""
    west, south, east, north = shapely.bounds(geometries).T
    return np.maximum(east - west, north - south)
