"""Parallels and meridians, and their degrees where they leave the map."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from container.map.frame import Frame
from container.map.style import FAINT_INK, GRID, LAND, Floats, font
from container.view import View

_STEPS_DEG: Final = np.array(
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60]
)
_METRES_PER_DEGREE: Final = 111_195.0
#: Hardly more lines than one in so many pixels.
_MERIDIANS_PX, _PARALLELS_PX = 130.0, 110.0
#: Around a pole.
_POLAR_STEP_DEG: Final = 30.0
_POINTS: Final = 241
#: The least distance of two degrees' middles, side by side and one above the other.
_APART_PX: Final = (52.0, 22.0)
_TICK_PX, _GAP_PX = 4.0, 5.0
#: Half the width and height of degrees inside the map, with some space.
_COVERS_PX: Final = (28.0, 14.0)

_Side = Literal["left", "right", "top", "bottom"]
_OUTWARDS: Final[dict[_Side, tuple[float, float]]] = {
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "top": (0.0, 1.0),
    "bottom": (0.0, -1.0),
}
_EDGES: Final[dict[_Side, str]] = {
    "left": "west",
    "right": "east",
    "top": "north",
    "bottom": "south",
}


class _Line(NamedTuple):
    is_parallel: bool
    degrees: float
    text: str
    #: What of it is inside the map, as x and y in metres.
    parts: list[Floats]


def draw(axes: Axes, figure: Figure, frame: Frame, places: Floats) -> None:
    """Draw the lines into the axes, and degrees and ticks around them.

    Parameters
    ----------
    axes : Axes
        In metres of the view's projection; see `Frame.axes`.
    figure : Figure
        The sheet.
    frame : Frame
        Where the map is on it.
    places : array of float64, shape (n, 2)
        What degrees inside the map rather don't cover, in pixels of the view.
    """
    view = frame.view
    lines = list(_lines(view))
    axes.add_collection(
        LineCollection(
            [part for line in lines for part in line.parts],
            colors=GRID,
            linewidths=0.5,
            alpha=0.4,
            zorder=2,
        ),
        autolim=False,
    )
    for side in _OUTWARDS:
        _draw_side(figure, frame, lines, side)
    if view.shows_pole:
        _draw_degrees_inside(axes, view, lines, places)


def _lines(view: View) -> Iterator[_Line]:
    west, south, east, north = view.bounds()
    across_deg, upwards_deg = _steps(view)
    meridians = _multiples(across_deg, west, east)
    if east - west >= 360 and view.projection.name == "laea":
        meridians = meridians[meridians < meridians[0] + 359.9]
    parallels = _multiples(upwards_deg, south, north)
    parallels = parallels[np.abs(parallels) < 90]
    along = np.linspace(0, 1, _POINTS)
    for values, is_parallel in ((parallels, True), (meridians, False)):
        for value, text in zip(values, _degrees(values, is_parallel), strict=True):
            across = west + along * (east - west)
            upwards = south + along * (north - south)
            lonlat = (
                np.column_stack((across, np.full(_POINTS, value)))
                if is_parallel
                else np.column_stack((np.full(_POINTS, value), upwards))
            )
            line = shapely.LineString(view.projection.forward_cut(lonlat))
            inside = shapely.get_parts(shapely.clip_by_rect(line, *view.box))
            parts = [shapely.get_coordinates(part) for part in inside]
            yield _Line(is_parallel, value, text, [p for p in parts if len(p) > 1])


def _steps(view: View) -> tuple[float, float]:
    """Return how many degrees meridians and parallels are apart."""
    width_deg = view.box.width / _METRES_PER_DEGREE
    height_deg = view.box.height / _METRES_PER_DEGREE
    upwards = _step(height_deg, view.height_px / _PARALLELS_PX)
    if view.shows_pole:
        return _POLAR_STEP_DEG, upwards
    middle = view.projection.latitude
    cosine = np.cos(np.radians(middle))
    return _step(width_deg / cosine, view.width_px / _MERIDIANS_PX), upwards


def _step(range_deg: float, most: float) -> float:
    fits = range_deg / _STEPS_DEG <= most
    return float(_STEPS_DEG[np.argmax(fits)] if fits.any() else _STEPS_DEG[-1])


def _multiples(step: float, low: float, high: float) -> Floats:
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    found: Floats = np.arange(first, last + 1) * step
    return found


def _degrees(values: Floats, is_parallel: bool) -> list[str]:
    """Return degrees as people write them, such as 114.2°E."""
    positive, negative = ("N", "S") if is_parallel else ("E", "W")
    wrapped = np.round((values + 180) % 360 - 180, 2)
    decimals = next(n for n in (0, 1, 2) if np.allclose(wrapped, np.round(wrapped, n)))
    # Neither the equator nor the two meridians have a side.
    sides = np.where(wrapped % 180 == 0, "", np.where(wrapped > 0, positive, negative))
    return [
        f"{abs(value):.{decimals}f}°{side}"
        for value, side in zip(wrapped, sides, strict=True)
    ]


def _draw_side(figure: Figure, frame: Frame, lines: list[_Line], side: _Side) -> None:
    """Draw degrees beside one side of the map, those that have the room."""
    axis = 1 if side in ("left", "right") else 0
    ends = [(end, line.text) for line in lines for end in _ends(frame.view, line, side)]
    outwards = np.array(_OUTWARDS[side])
    last = -np.inf
    for end, text in sorted(ends, key=lambda found: found[0][axis]):
        at = frame.on_sheet(end)
        if at[axis] - last < _APART_PX[axis]:
            continue
        last = at[axis]
        tick = np.array([at, at + outwards * _TICK_PX])
        figure.add_artist(
            Line2D(*tick.T, color=FAINT_INK, linewidth=0.8, transform=None)
        )
        x, y = at + outwards * (_TICK_PX + _GAP_PX)
        figure.text(
            x,
            y,
            text,
            fontproperties=font(9),
            color=FAINT_INK,
            ha={"left": "right", "right": "left"}.get(side, "center"),
            va={"top": "bottom", "bottom": "top"}.get(side, "center_baseline"),
            transform=None,
        )


def _ends(view: View, line: _Line, side: _Side) -> Iterator[Floats]:
    """Return where a line leaves the map, if it is labelled on this side."""
    if not line.parts:
        return
    if view.shows_pole:
        if line.is_parallel:  # it may never leave the map
            return
    elif side != ("left" if line.is_parallel else "bottom"):
        return
    axis = 1 if side in ("top", "bottom") else 0
    edge = getattr(view.box, _EDGES[side])
    points = np.concatenate(line.parts)
    if view.projection.name == "eqearth":
        outermost = points[np.argmin(points[:, axis])]
        if line.is_parallel or outermost[1] < _lowest(view):
            yield outermost
        return
    near = view.metres_per_px / 100
    for part in line.parts:
        for end in (part[0], part[-1]):
            if abs(end[axis] - edge) < near:
                yield end


def _lowest(view: View) -> float:
    """Return y in metres below which a meridian is at its end."""
    _, south_pole = view.projection.forward(np.array([-90.0]), np.array([0.0]))
    return float(max(view.box.south, south_pole[0])) + view.metres_per_px


def _draw_degrees_inside(
    axes: Axes, view: View, lines: list[_Line], places: Floats
) -> None:
    """Draw the degrees of circles around a pole, where they cover the fewest places."""
    circles = [line for line in lines if line.is_parallel and line.parts]
    latitude = np.array([line.degrees for line in circles])
    # Half-way between two meridians.
    turns = np.arange(0, 360, _POLAR_STEP_DEG) + _POLAR_STEP_DEG / 2
    longitude = view.projection.longitude + turns
    rays = [(latitude, np.full(len(latitude), one)) for one in longitude]
    covered = [_count_near(view.to_pixel(*ray), places, view) for ray in rays]
    best = rays[int(np.argmin(covered))]
    for line, x, y in zip(circles, *view.projection.forward(*best), strict=True):
        axes.text(
            x,
            y,
            line.text,
            fontproperties=font(8),
            color=FAINT_INK,
            ha="center",
            va="center_baseline",
            zorder=3.8,
            clip_on=True,
            path_effects=[withStroke(linewidth=2, foreground=LAND, alpha=0.8)],
        )


def _count_near(labels: Floats, places: Floats, view: View) -> int:
    """Return how many places labels cover; one that is out of sight counts as many."""
    size = np.array([view.width_px, view.height_px])
    margin = np.array(_COVERS_PX)
    is_in_sight = ((labels > margin) & (labels < size - margin)).all(axis=1)
    apart = np.abs(places[:, np.newaxis] - labels)
    return int((apart < margin).all(axis=2).sum() + 20 * (~is_in_sight).sum())
