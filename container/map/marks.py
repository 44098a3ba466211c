"""Centroids: triangles, and numbers that cover neither each other nor a triangle."""

from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from container import labels
from container.map.frame import Frame
from container.map.style import CENTROID, INK, PX_PER_POINT, RIM, Floats, font

_HALO_PT = 1.4


class MarkStyle(NamedTuple):
    """How centroids look, in points."""

    triangle_pt: float
    rim_pt: float
    font_pt: float

    @classmethod
    def of(cls, k: int) -> "MarkStyle":
        """Return the style for so many centroids."""
        for up_to, style in (
            (30, cls(11.0, 1.1, 9.5)),
            (200, cls(8.0, 0.9, 8.0)),
            (1000, cls(5.0, 0.7, 6.5)),
        ):
            if k <= up_to:
                return style
        return cls(3.2, 0.4, 6.0)

    @property
    def font(self) -> FontProperties:
        """Of the numbers."""
        return font(self.font_pt, "bold")

    @property
    def reach_px(self) -> float:
        """From a triangle's middle to its corners, its rim included."""
        return (self.triangle_pt / 2 + self.rim_pt) * PX_PER_POINT


def label_boxes(
    canvas: FigureCanvasAgg,
    centroids: Floats,
    places: Floats,
    frame: Frame,
    style: MarkStyle,
) -> Floats:
    """Return boxes for the numbers, shape (k, 4); NaN where there is no room.

    Parameters
    ----------
    canvas : FigureCanvasAgg
        Measures text.
    centroids, places : array, shapes (k, 2) and (n, 2)
        Where they are on the sheet, in pixels; places are rather not covered.
    frame : Frame
        The numbers stay inside.
    style : MarkStyle
        How large all is.
    """
    renderer = canvas.get_renderer()
    # Digits are equally wide, and none is higher than the 8.
    most = len(str(len(centroids)))
    sizes = np.array(
        [
            renderer.get_text_width_height_descent("8" * n, style.font, False)[:2]
            for n in range(1, most + 1)
        ]
    )
    digits = np.array([len(str(i + 1)) for i in range(len(centroids))])
    halo_px = 2 * _HALO_PT * PX_PER_POINT
    return labels.place(
        centroids,
        sizes[digits - 1] + halo_px,
        style.reach_px,
        frame.box_px,
        avoid=places,
    )


def draw(
    canvas: FigureCanvasAgg,
    centroids: Floats,
    boxes: Floats,
    frame: Frame,
    style: MarkStyle,
) -> None:
    """Draw triangles, and numbers into their boxes; see `label_boxes`."""
    figure = canvas.figure
    for i, box in enumerate(boxes):
        if np.isnan(box[0]):
            continue
        nearest = np.clip(centroids[i], box[:2], box[2:])
        if np.abs(nearest - centroids[i]).max() > 1.6 * style.reach_px:
            line = frame.upwards(np.array([centroids[i], nearest]))
            figure.add_artist(
                Line2D(*line.T, color=CENTROID, linewidth=0.7, transform=None)
            )
        x, y = frame.upwards((box[:2] + box[2:]) / 2)
        figure.text(
            x,
            y,
            str(i + 1),
            fontproperties=style.font,
            color=INK,
            ha="center",
            va="center_baseline",
            transform=None,
            path_effects=[withStroke(linewidth=2 * _HALO_PT, foreground=RIM)],
        )
    figure.add_artist(
        Line2D(*frame.upwards(centroids).T, transform=None, **triangle(style))
    )


def triangle(style: MarkStyle) -> dict[str, object]:
    """Return the look of a triangle, for `Line2D`."""
    return {
        "linestyle": "none",
        "marker": "^",
        "color": CENTROID,
        "markersize": style.triangle_pt,
        "markeredgecolor": RIM,
        "markeredgewidth": style.rim_pt,
    }
