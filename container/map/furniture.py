"""What stands around a map: title, legend, scale bar, attribution."""

from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import IdentityTransform

from container import basemap
from container.colours import PALETTE
from container.density import Density
from container.map import places
from container.map.frame import Frame
from container.map.marks import MarkStyle, triangle
from container.map.style import FAINT_INK, INK, OWN_AREA, OWN_BORDER, RIM, font
from container.view import View
from geoclusters.geodesy import EARTH_RADIUS_M, great_circle_m

#: A map that reaches farther has no single scale: at its corners Lambert's projection
#: is off by 3 %.
_SCALE_UP_TO_DEG: Final = 30.0
_LONGEST_BAR_PX: Final = 200.0

_TITLE_PX, _SUBTITLE_PX = 46, 76
_LEGEND_PX, _LEGEND_ROW_PX = 14, 23
#: As a part of the map's width; the rest is the scale bar's.
_WIDEST_LEGEND: Final = 0.6
_COLOUR_BAR_PX: Final = (180, 11)
#: Its line and its ends.
_SCALE_BAR_PX: Final = (50, 56)


def draw_title(
    canvas: FigureCanvasAgg, frame: Frame, title: str, subtitle: str
) -> None:
    """Draw the two lines above the map, shortened to its width."""
    for text, from_top_px, used, ink in (
        (title, _TITLE_PX, font(15, "bold"), INK),
        (subtitle, _SUBTITLE_PX, font(10), FAINT_INK),
    ):
        canvas.figure.text(
            frame.left,
            frame.height_px - from_top_px,
            _shortened(canvas, text, used, frame.right - frame.left),
            fontproperties=used,
            color=ink,
            parse_math=False,
            transform=None,
        )


def _shortened(
    canvas: FigureCanvasAgg, text: str, used: FontProperties, width_px: float
) -> str:
    """Return the text, or its start and end where the whole is too wide."""
    renderer = canvas.get_renderer()

    def width(of: str) -> float:
        measured: float = renderer.get_text_width_height_descent(of, used, False)[0]
        return measured

    text = shorter = " ".join(text.split())
    kept = len(text)
    while width(shorter) > width_px:
        kept = min(kept - 1, int(len(shorter) * width_px / width(shorter)))
        shorter = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shorter


def draw_legend(
    canvas: FigureCanvasAgg,
    frame: Frame,
    style: MarkStyle,
    *,
    density: Density | None,
    colours: int,
    own_borders: str | None,
    leaves_out: bool,
) -> None:
    """Draw what the marks mean.

    Parameters
    ----------
    canvas : FigureCanvasAgg
        The sheet.
    frame : Frame
        Where the map is on it.
    style : MarkStyle
        The triangles'.
    density : Density or None
        In place of points, if any.
    colours : int
        How many of the palette's colours the clusters have.
    own_borders : str or None
        What the borders of one's own are called, if any are drawn.
    leaves_out : bool
        Whether some centroids have no number.
    """
    number = "number = cluster" + (
        ", left out where there is no room" if leaves_out else ""
    )
    handles: list[object] = [Line2D([], [], **triangle(style))]
    texts = [f"centroid ({number})"]
    if density is None:
        dots = tuple(
            Line2D([], [], ls="none", marker="o", color=colour, ms=5, mew=0)
            for colour in PALETTE[: min(colours, 3)]
        )
        handles.insert(0, dots)
        texts.insert(0, "place, in the colour of its cluster")
    if own_borders is not None:
        handles.append(Patch(facecolor=OWN_AREA, edgecolor=OWN_BORDER, linewidth=1.0))
        widest_px = _WIDEST_LEGEND * (frame.right - frame.left)
        texts.append(_shortened(canvas, own_borders, font(9), widest_px))
    figure = canvas.figure
    legend = figure.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(frame.left, _LEGEND_PX),
        bbox_transform=IdentityTransform(),
        borderaxespad=0,
        borderpad=0,
        frameon=False,
        prop=font(9),
        labelcolor=INK,
        handletextpad=0.6,
        labelspacing=0.45,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.3)},
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    if density is not None:
        _draw_colour_bar(figure, frame, density, rows_below=len(handles))


def _draw_colour_bar(
    figure: Figure, frame: Frame, density: Density, rows_below: int
) -> None:
    """Draw the density's colours in one line: fewest, colours, most places a cell."""
    norm = places.norm(density)
    width_px, height_px = _COLOUR_BAR_PX
    bottom = _LEGEND_PX + rows_below * _LEGEND_ROW_PX + 5
    low = figure.text(
        frame.left,
        bottom,
        f"{norm.vmin:,.0f}",
        fontproperties=font(9),
        color=INK,
        transform=None,
    )
    left = low.get_window_extent().x1 + 8
    axes = figure.add_axes(
        (
            left / frame.width_px,
            bottom / frame.height_px,
            width_px / frame.width_px,
            height_px / frame.height_px,
        )
    )
    axes.imshow(
        np.linspace(0, 1, width_px)[np.newaxis],
        cmap=places.colour_map(),
        aspect="auto",
        extent=(0, 1, 0, 1),
    )
    decades = 10.0 ** np.arange(1, np.ceil(np.log10(norm.vmax)))
    axes.vlines(norm(decades), 0, 0.35, color=RIM, linewidth=1.0)
    axes.set_axis_off()
    side = in_metric(density.cell_m)
    drawn = ", drawn larger" if places.enlargement(density.counts) else ""
    figure.text(
        left + width_px + 8,
        bottom,
        f"{norm.vmax:,.0f} places in a square of {side}{drawn}",
        fontproperties=font(9),
        color=INK,
        transform=None,
    )


def in_metric(length_m: float) -> str:
    """Return a length with two digits, such as 2.6 km."""
    value, unit = (length_m, "m") if length_m < 999.5 else (length_m / 1000, "km")
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def draw_attribution(figure: Figure, frame: Frame) -> None:
    """Draw whose land and borders these are."""
    figure.text(
        frame.right,
        _LEGEND_PX + 4,
        basemap.ATTRIBUTION,
        fontproperties=font(8),
        color=FAINT_INK,
        ha="right",
        transform=None,
    )


def draw_scale_bar(figure: Figure, frame: Frame) -> None:
    """Draw a length that is true in the map's middle; none on maps of the globe."""
    px_per_km = scale(frame.view)
    if px_per_km is None:
        return
    power = 10.0 ** np.floor(np.log10(_LONGEST_BAR_PX / px_per_km))
    fits = [n * power for n in (1, 2, 5) if n * power * px_per_km <= _LONGEST_BAR_PX]
    length_km = max(fits)
    left, right = frame.right - length_km * px_per_km, frame.right
    low, high = _SCALE_BAR_PX
    figure.add_artist(
        Line2D(
            [left, left, right, right],
            [high, low, low, high],
            color=FAINT_INK,
            linewidth=1.2,
            transform=None,
        )
    )
    figure.text(
        left - 8,
        low - 1,
        f"{length_km:g} km" if length_km >= 1 else f"{length_km * 1000:g} m",
        fontproperties=font(8),
        color=FAINT_INK,
        ha="right",
        transform=None,
    )


def scale(view: View) -> float | None:
    """Return the pixels of a kilometre in the middle, None if there is no one scale."""
    box, projection = view.box, view.projection
    reach_m = max(np.hypot(x, y) for x in (box.west, box.east) for y in box[1::2])
    # 2 R sin(c / 2), the distance from the centre of what is seen at an angle c.
    most_m = 2 * EARTH_RADIUS_M * np.sin(np.radians(_SCALE_UP_TO_DEG) / 2)
    if projection.name != "laea" or reach_m > most_m:
        return None
    middle = (box.west + box.east) / 2
    aside = box.width / 200
    y = np.full(2, (box.south + box.north) / 2)
    latitude, longitude = projection.inverse(
        np.array([middle - aside, middle + aside]), y
    )
    (length_m,) = great_circle_m(
        latitude[:1], longitude[:1], latitude[1:], longitude[1:]
    )
    return float(2 * aside / view.metres_per_px / (length_m / 1000))
