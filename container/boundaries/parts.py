"""Geometries and the simple parts that they consist of, in arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[Any]
Indices = NDArray[np.intp]


def flat(geometries: Geometries) -> tuple[Geometries, Indices]:
    """Return the simple parts of geometries that aren't empty, and whose each is.

    Parameters
    ----------
    geometries : array of shapely geometries or None, shape (n,)

    Returns
    -------
    parts : array of Point, LineString, LinearRing or Polygon, shape (m,)
    owner : array of int, shape (m,)
        Indices into `geometries`, ascending.
    """
    parts, owner = _present(geometries, np.arange(len(geometries)))
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT).any():
        parts, of = shapely.get_parts(parts, return_index=True)
        parts, owner = _present(parts, owner[of])
    return parts, owner


def as_polygons(parts: Geometries, owner: Indices, n: int) -> Geometries:
    """Return what `flat` took apart: MultiPolygons, shape (n,), None where no part is.

    Parameters
    ----------
    parts : array of Polygon, shape (m,)
    owner : array of int, shape (m,)
        Ascending.
    """
    return _gathered(shapely.multipolygons, parts, owner, n)


def as_lines(parts: Geometries, owner: Indices, n: int) -> Geometries:
    """Return MultiLineStrings, shape (n,), of LineStrings; see `as_polygons`."""
    return _gathered(shapely.multilinestrings, parts, owner, n)


def count(geometries: Geometries) -> int:
    """Return the number of vertices of all geometries."""
    return int(shapely.get_num_coordinates(geometries).sum())


def _present(parts: Geometries, owner: Indices) -> tuple[Geometries, Indices]:
    there = ~(shapely.is_missing(parts) | shapely.is_empty(parts))
    return parts[there], owner[there]


def _gathered(
    gather: Callable[..., Any], parts: Geometries, owner: Indices, n: int
) -> Geometries:
    found = np.full(n, None, dtype=object)
    if len(parts):
        gather(parts, indices=owner, out=found)
    return found
