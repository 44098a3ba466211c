"""Land, coast and countries' borders, and borders of one's own, below the places."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from container import basemap
from container.map.style import (
    BORDER,
    COAST,
    FAINT_INK,
    LAND,
    OWN_AREA,
    OWN_BORDER,
    SEA,
    Floats,
    Geometries,
)
from container.view import Bounds, View, globe

#: Up to here the finer basemap shows more; from here on it would only look ragged.
_FINE_UP_TO_M_PER_PX: Final = 2_000.0
#: Long straight edges, as of Antarctica, become curves of so many pieces a view.
_PIECES: Final = 120
_METRES_PER_DEGREE: Final = 111_195.0
_WORLDS_DEG: Final = (-360.0, 0.0, 360.0)


def draw(axes: Axes, view: View, *, faint: bool = False) -> None:
    """Draw sea, land, coast and borders between countries.

    Parameters
    ----------
    axes : Axes
        In metres of the view's projection; see `Frame.axes`.
    view : View
        What the map shows.
    faint : bool
        Whether lines are faint, as there will be more exact ones.
    """
    opacity = 0.4 if faint else 1.0
    if view.projection.name == "eqearth":
        _draw_globe(axes, view)
    bounds = view.bounds()
    fine = view.metres_per_px <= _FINE_UP_TO_M_PER_PX
    land = basemap.land(*bounds, fine=fine)
    # The edge closes the hairline where land is cut.
    _fill(axes, view, land, facecolor=LAND, edgecolor=LAND, linewidth=0.4, zorder=1)
    coast = basemap.coast(land, *bounds)
    coast_pt = 0.8 if fine else 0.6
    _stroke(axes, view, coast, color=COAST, linewidth=coast_pt, alpha=opacity, zorder=3)
    borders = [
        shapely.get_coordinates(line) for line in basemap.borders(*bounds, fine=fine)
    ]
    _stroke(
        axes,
        view,
        borders,
        color=BORDER,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        alpha=opacity,
        zorder=3,
    )


def draw_own(axes: Axes, view: View, shapes: Geometries) -> None:
    """Draw areas and lines of one's own, on land and on sea.

    Parameters
    ----------
    axes : Axes
        In metres of the view's projection; see `Frame.axes`.
    view : View
        What the map shows.
    shapes : array of shapely (multi)polygons and (multi)linestrings, shape (m,)
        In longitude and latitude, within ±180° and ±90°; None for none. Those across
        the antimeridian are cut there (RFC 7946, 3.1.9).
    """
    bounds = view.bounds()
    areas, own_lines = _inside(shapes, bounds, 2), _inside(shapes, bounds, 1)
    _fill(axes, view, areas, facecolor=OWN_AREA, edgecolor="none", zorder=1.5)
    lines = basemap.coast(areas, *bounds)
    lines += [shapely.get_coordinates(line) for line in own_lines]
    _stroke(axes, view, lines, color=OWN_BORDER, linewidth=1.0, zorder=3.5)


def _inside(shapes: Geometries, bounds: Bounds, dimensions: int) -> Geometries:
    """Return what of areas (2) or lines (1) is inside, in single parts.

    They are moved by whole worlds where that brings them inside.
    """
    single = shapely.get_parts(shapes[shapely.get_dimensions(shapes) == dimensions])
    found = []
    for world_deg in _WORLDS_DEG:
        moved = shapely.transform(single, np.array([world_deg, 0.0]).__add__)
        west, south, east, north = shapely.bounds(moved).T
        is_near = (
            (west < bounds.east)
            & (east > bounds.west)
            & (south < bounds.north)
            & (north > bounds.south)
        )
        found.append(shapely.clip_by_rect(moved[is_near], *bounds))
    parts = shapely.get_parts(np.concatenate(found))
    of_kind: Geometries = parts[shapely.get_dimensions(parts) == dimensions]
    return of_kind


def _draw_globe(axes: Axes, view: View) -> None:
    """Draw the sea as wide as the globe; beyond it is paper."""
    outline = globe(view.projection)
    axes.set_facecolor("none")
    look = {"color": SEA, "linewidth": 0, "zorder": 0.5}
    axes.add_artist(PathPatch(Path(outline, closed=True), **look))
    ring = np.vstack((outline, outline[:1]))
    axes.plot(*ring.T, color=FAINT_INK, linewidth=0.8, zorder=5)


def _fill(axes: Axes, view: View, polygons: Geometries, **look: Any) -> None:
    """Draw polygons, as one shape: holes go the other way round."""
    if not len(polygons):
        return
    dense = shapely.segmentize(shapely.orient_polygons(polygons), _dense_deg(view))
    points, ring = shapely.get_coordinates(shapely.get_rings(dense), return_index=True)
    codes = np.full(len(points), Path.LINETO)
    codes[np.flatnonzero(np.diff(ring, prepend=-1))] = Path.MOVETO
    codes[np.flatnonzero(np.diff(ring, append=-1))] = Path.CLOSEPOLY
    on_plane = view.projection.forward_cut(points)
    # `add_patch` would look for the extremes of each piece, which takes seconds.
    axes.add_artist(PathPatch(Path(on_plane, codes), **look))


def _stroke(axes: Axes, view: View, lines: Sequence[Floats], **look: Any) -> None:
    """Draw lines of longitudes and latitudes, each of shape (n, 2)."""
    if not lines:
        return
    dense = shapely.segmentize(
        [shapely.LineString(line) for line in lines], _dense_deg(view)
    )
    points, line = shapely.get_coordinates(dense, return_index=True)
    on_plane = view.projection.forward_cut(points)
    starts = np.flatnonzero(np.diff(line)) + 1
    axes.add_collection(
        LineCollection(np.split(on_plane, starts), **look), autolim=False
    )


def _dense_deg(view: View) -> float:
    size_deg = max(view.box.width, view.box.height) / _METRES_PER_DEGREE
    return float(np.clip(size_deg / _PIECES, 0.01, 1.0))
