"""`map.png`: places and centroids over land and borders. Arrays in, bytes out.

The projection is the plate carrée that is true to scale along the window's middle
latitude: a degree of longitude is drawn cos(latitude) times as wide as one of latitude.
"""

import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import geopandas
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from container import basemap, labels
from container.window import Window

Floats = NDArray[np.float64]

#: A power of two, so that pixels divided by it are exact.
_DPI: Final = 128
_PX_PER_POINT: Final = _DPI / 72
_MOST_FRAME_PX: Final = (1440, 1080)
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 92, 36, 96, 112

#: The second font has what the first lacks: Chinese, Japanese, Korean. The image brings
#: both; elsewhere it may be missing.
_FONTS: Final = ("DejaVu Sans", "WenQuanYi Micro Hei")
SEA, LAND, COAST = "#d6e6ef", "#f6f2e7", "#7d96a5"
BORDER, GRID, INK, FAINT_INK = "#b3a68f", "#8fa3ad", "#22303a", "#5a6a74"
PLACE, CENTROID = "#1d5a8a", "#d1331f"

_RIM_PT, _HALO_PT = 0.8, 1.2

_STEPS_DEG: Final = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60])
_KM_PER_DEGREE: Final = 111.195
#: A taller map has no single scale.
_SCALE_BAR_UP_TO_DEG: Final = 25.0


@dataclass(frozen=True, kw_only=True)
class DrawnMap:
    """A map, and where on it things are; pixels count from the upper left."""

    png: bytes
    width_px: int
    height_px: int
    window: Window
    #: The map's frame: left, top, right, bottom.
    frame_px: Floats
    #: Boxes of the numbers, shape (k, 4); NaN for those that have no room.
    label_boxes_px: Floats

    def to_pixel(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return x, y of places in pixels, shape (n, 2)."""
        return _to_pixel(self.window, self.frame_px, latitude, longitude)


def draw(
    *,
    title: str,
    subtitle: str,
    window: Window,
    place_latitude: Floats,
    place_longitude: Floats,
    places_in_all: int,
    centroid_latitude: Floats,
    centroid_longitude: Floats,
) -> DrawnMap:
    """Draw a map.

    Parameters
    ----------
    title, subtitle : str
        The lines above the map.
    window : Window
        What to show; see `Extent.window`.
    place_latitude, place_longitude : array of float64, shape (n,)
        Places to draw, in degrees: all, or a sample.
    places_in_all : int
        Number of places that the drawn ones stand for.
    centroid_latitude, centroid_longitude : array of float64, shape (k,)
        Centroids in degrees; the first has number 1 and is labelled first.
    """
    frame = _frame(window)
    width, height = int(frame[2]) + _RIGHT_PX, int(frame[3]) + _BOTTOM_PX
    centroids = _to_pixel(window, frame, centroid_latitude, centroid_longitude)
    with warnings.catch_warnings(), mpl.rc_context({"font.family": _fonts()}):
        # A character that neither font has is drawn as a box; that is all right.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        axes = _axes(figure, frame)
        _draw_basemap(axes, window)
        _draw_grid(axes, window, frame)
        _draw_places(axes, window, place_latitude, place_longitude)
        style = _mark_style(len(centroids))
        places = _to_pixel(window, frame, place_latitude, place_longitude)
        boxes = _label_boxes(canvas, centroids, places, frame, style)
        _draw_centroids(figure, centroids, boxes, style)
        _draw_title(canvas, frame, title, subtitle)
        _draw_legend(figure, frame, style, len(place_latitude), places_in_all, boxes)
        _draw_scale_bar(figure, frame, window)
        png = io.BytesIO()
        canvas.print_png(png, metadata={"Title": title, "Software": None})
    return DrawnMap(
        png=png.getvalue(),
        width_px=width,
        height_px=height,
        window=window,
        frame_px=frame,
        label_boxes_px=boxes,
    )


@cache
def _fonts() -> list[str]:
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


def _frame(window: Window) -> Floats:
    """Return the largest frame of the window's aspect, in whole pixels."""
    most_width, most_height = _MOST_FRAME_PX
    width = min(most_width, round(most_height * window.aspect))
    height = min(most_height, round(most_width / window.aspect))
    return np.array([_LEFT_PX, _TOP_PX, _LEFT_PX + width, _TOP_PX + height], np.float64)


def _to_pixel(
    window: Window, frame: Floats, latitude: Floats, longitude: Floats
) -> Floats:
    left, top, right, bottom = frame
    rightwards = (window.unwrap(longitude) - window.west) / (window.east - window.west)
    downwards = (window.north - latitude) / (window.north - window.south)
    return np.column_stack(
        (left + rightwards * (right - left), top + downwards * (bottom - top))
    )


def _axes(figure: Figure, frame: Floats) -> Axes:
    """Return axes in degrees whose corners are the frame's."""
    width, height = figure.bbox.size
    left, top, right, bottom = frame
    axes = figure.add_axes(
        (
            left / width,
            1 - bottom / height,
            (right - left) / width,
            (bottom - top) / height,
        )
    )
    axes.set_facecolor(SEA)
    for spine in axes.spines.values():
        spine.set(color=FAINT_INK, linewidth=0.8)
    return axes


def _draw_basemap(axes: Axes, window: Window) -> None:
    # Wider than the window: the basemap's own cut edges stay out of sight.
    aside = 0.02 * (window.east - window.west)
    bounds = (
        window.west - aside,
        window.south - aside,
        window.east + aside,
        window.north + aside,
    )
    coast_pt = 0.8 if window.north - window.south < 15 else 0.6
    land = basemap.land(*bounds)
    if len(land):
        # The edge closes the hairline where the basemap is cut.
        geopandas.GeoSeries(land).plot(
            ax=axes, color=LAND, edgecolor=LAND, linewidth=0.4, aspect=None, zorder=1
        )
        axes.add_collection(
            LineCollection(
                basemap.coast(land), colors=COAST, linewidths=coast_pt, zorder=3
            ),
            autolim=False,
        )
    borders = basemap.borders(*bounds)
    if len(borders):
        geopandas.GeoSeries(borders).plot(
            ax=axes, color=BORDER, linewidth=0.9, linestyle="--", aspect=None, zorder=3
        )
    axes.set(
        xlim=(window.west, window.east),
        ylim=(window.south, window.north),
        aspect="auto",
    )


def _draw_grid(axes: Axes, window: Window, frame: Floats) -> None:
    width_px, height_px = frame[2] - frame[0], frame[3] - frame[1]
    across = _ticks(window.west, window.east, width_px / 120)
    upwards = _ticks(window.south, window.north, height_px / 100)
    axes.set_xticks(across, _degrees(across, "E", "W"))
    axes.set_yticks(upwards, _degrees(upwards, "N", "S"))
    axes.tick_params(labelsize=9, color=FAINT_INK, labelcolor=FAINT_INK, length=4)
    axes.grid(color=GRID, linewidth=0.5, alpha=0.35, zorder=2)
    axes.set_axisbelow(False)


def _ticks(low: float, high: float, most: float) -> Floats:
    """Return round degrees between low and high, hardly more than `most`."""
    fits = (high - low) / _STEPS_DEG <= most
    step = _STEPS_DEG[np.argmax(fits)] if fits.any() else _STEPS_DEG[-1]
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    ticks: Floats = np.arange(first, last + 1) * step
    return ticks


def _degrees(ticks: Floats, positive: str, negative: str) -> list[str]:
    """Return ticks as people write them, such as 114.2°E."""
    wrapped = np.round((ticks + 180) % 360 - 180, 2)
    decimals = next(n for n in (0, 1, 2) if np.allclose(wrapped, np.round(wrapped, n)))
    # Neither the equator nor the two meridians have a side.
    sides = np.where(wrapped % 180 == 0, "", np.where(wrapped > 0, positive, negative))
    return [
        f"{abs(value):.{decimals}f}°{side}"
        for value, side in zip(wrapped, sides, strict=True)
    ]


def _draw_places(
    axes: Axes, window: Window, latitude: Floats, longitude: Floats
) -> None:
    size_pt, opacity = _place_style(len(latitude))
    axes.plot(
        window.unwrap(longitude),
        latitude,
        "o",
        color=PLACE,
        markersize=size_pt,
        markeredgewidth=0,
        alpha=opacity,
        clip_on=False,  # a place on the edge shows as a whole
        zorder=4,
    )


def _place_style(count: int) -> tuple[float, float]:
    """Return the diameter in points, and the opacity, of so many places."""
    for up_to, style in ((300, (4.6, 0.9)), (3000, (3.0, 0.6)), (10_000, (1.8, 0.5))):
        if count <= up_to:
            return style
    return 1.2, 0.4


class _MarkStyle(NamedTuple):
    """How centroids look, in points."""

    triangle_pt: float
    font_pt: float

    @property
    def font(self) -> FontProperties:
        return FontProperties(family=_fonts(), size=self.font_pt, weight="bold")

    @property
    def reach_px(self) -> float:
        """From a triangle's middle to its corners, its rim included."""
        return (self.triangle_pt / 2 + _RIM_PT) * _PX_PER_POINT


def _mark_style(k: int) -> _MarkStyle:
    if k <= 30:
        return _MarkStyle(11.0, 9.0)
    return _MarkStyle(8.0, 7.5) if k <= 200 else _MarkStyle(4.5, 6.5)


def _label_boxes(
    canvas: FigureCanvasAgg,
    centroids: Floats,
    places: Floats,
    frame: Floats,
    style: _MarkStyle,
) -> Floats:
    renderer = canvas.get_renderer()
    sizes = [
        renderer.get_text_width_height_descent(str(i + 1), style.font, False)[:2]
        for i in range(len(centroids))
    ]
    halo_px = 2 * _HALO_PT * _PX_PER_POINT
    return labels.place(
        centroids, np.array(sizes) + halo_px, style.reach_px, frame, avoid=places
    )


def _draw_centroids(
    figure: Figure, centroids: Floats, boxes: Floats, style: _MarkStyle
) -> None:
    height = figure.bbox.height
    upwards = np.array([1.0, -1.0])
    origin = np.array([0.0, height])
    for i, box in enumerate(boxes):
        if np.isnan(box[0]):
            continue
        middle = (box[:2] + box[2:]) / 2
        nearest = np.clip(centroids[i], box[:2], box[2:])
        if np.abs(nearest - centroids[i]).max() > 1.6 * style.reach_px:
            line = np.array([centroids[i], nearest]) * upwards + origin
            figure.add_artist(
                Line2D(*line.T, color=CENTROID, linewidth=0.7, transform=None)
            )
        x, y = middle * upwards + origin
        figure.text(
            x,
            y,
            str(i + 1),
            fontproperties=style.font,
            color=INK,
            ha="center",
            va="center_baseline",
            transform=None,
            path_effects=[withStroke(linewidth=2 * _HALO_PT, foreground="white")],
        )
    x, y = (centroids * upwards + origin).T
    figure.add_artist(
        Line2D(
            x,
            y,
            linestyle="none",
            marker="^",
            color=CENTROID,
            markersize=style.triangle_pt,
            markeredgecolor="white",
            markeredgewidth=_RIM_PT,
            transform=None,
        )
    )


def _draw_title(
    canvas: FigureCanvasAgg, frame: Floats, title: str, subtitle: str
) -> None:
    width, height = canvas.figure.bbox.size
    for text, from_top_px, size, weight, ink in (
        (title, 46, 15, "bold", INK),
        (subtitle, 78, 10, "normal", FAINT_INK),
    ):
        font = FontProperties(family=_fonts(), size=size, weight=weight)
        canvas.figure.text(
            frame[0] / width,
            1 - from_top_px / height,
            _shortened(canvas, text, font, frame[2] - frame[0]),
            fontproperties=font,
            color=ink,
            parse_math=False,
        )


def _shortened(
    canvas: FigureCanvasAgg, text: str, font: FontProperties, width_px: float
) -> str:
    """Return the text, or its start and end where the whole is too wide."""
    renderer = canvas.get_renderer()

    def width(of: str) -> float:
        measured: float = renderer.get_text_width_height_descent(of, font, False)[0]
        return measured

    text = shorter = " ".join(text.split())
    kept = len(text)
    while width(shorter) > width_px:
        kept = min(kept - 1, int(len(shorter) * width_px / width(shorter)))
        shorter = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shorter


def _draw_legend(
    figure: Figure,
    frame: Floats,
    style: _MarkStyle,
    drawn: int,
    in_all: int,
    boxes: Floats,
) -> None:
    places = f"{drawn:,} of {in_all:,} places" if drawn < in_all else "place"
    numbers = "number = cluster"
    if np.isnan(boxes).any():
        numbers += ", left out where there is no room"
    marks = [
        Line2D([], [], ls="none", marker="o", color=PLACE, ms=5, mew=0, label=places),
        Line2D(
            [],
            [],
            ls="none",
            marker="^",
            color=CENTROID,
            ms=style.triangle_pt,
            mec="white",
            mew=_RIM_PT,
            label=f"centroid ({numbers})",
        ),
    ]
    width, height = figure.bbox.size
    figure.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(frame[0] / width, 16 / height),
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handletextpad=0.2,
    )
    figure.text(
        frame[2] / width,
        22 / height,
        basemap.ATTRIBUTION,
        size=8,
        color=FAINT_INK,
        ha="right",
    )


def _draw_scale_bar(figure: Figure, frame: Floats, window: Window) -> None:
    if window.north - window.south > _SCALE_BAR_UP_TO_DEG:
        return
    height_km = (window.north - window.south) * _KM_PER_DEGREE
    px_per_km = (frame[3] - frame[1]) / height_km
    power = 10.0 ** np.floor(np.log10(200 / px_per_km))
    length_km = max(n * power for n in (1, 2, 5) if n * power * px_per_km <= 200)
    left, right = frame[2] - length_km * px_per_km, frame[2]
    figure.add_artist(
        Line2D(
            [left, left, right, right],
            [62, 56, 56, 62],
            color=FAINT_INK,
            linewidth=1.2,
            transform=None,
        )
    )
    width, height = figure.bbox.size
    figure.text(
        (left - 8) / width,
        52 / height,
        f"{length_km:g} km",
        size=8,
        color=FAINT_INK,
        ha="right",
    )
