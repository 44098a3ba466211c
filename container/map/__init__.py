"""`map.png`: places and centroids over land and borders. Arrays in, bytes out.

What is drawn where: `ground` (land, coast, borders), `graticule` (degrees), `places`
(points or density), `marks` (centroids and their numbers), `furniture` (title, legend,
scale bar), all into a `frame`. `container.view` says which part of the world is shown,
and in which projection.
"""

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from container.density import Density
from container.map import furniture, graticule, ground, marks, places
from container.map.frame import Frame
from container.map.style import Floats, Geometries, fonts
from container.sample import Sampled
from container.view import View

if TYPE_CHECKING:
    import pandas as pd

#: More places than these are drawn as density.
MOST_POINTS: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class DrawnMap:
    """A map, and where on it things are; pixels count from the upper left."""

    png: bytes
    width_px: int
    height_px: int
    view: View
    #: The map's frame: left, top, right, bottom.
    frame_px: Floats
    #: Boxes of the numbers, shape (k, 4); NaN for those that have no room.
    label_boxes_px: Floats

    def to_pixel(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return x, y of places in pixels, shape (n, 2)."""
        return Frame.of(self.view).to_pixel(latitude, longitude)


def draw(
    *,
    title: str,
    subtitle: str,
    view: View,
    table: "pd.DataFrame",
    colours: NDArray[np.intp],
    sampled: Sampled,
    density: Density | None = None,
    own_borders: Geometries | None = None,
    own_name: str = "borders of one's own",
) -> DrawnMap:
    """Draw a map.

    Parameters
    ----------
    title, subtitle : str
        The lines above the map.
    view : View
        What to show; see `View.of`.
    table : pandas.DataFrame
        The clusters: `latitude` and `longitude` of the centroids in degrees. Row i is
        cluster i + 1; the first is labelled first.
    colours : array of intp, shape (k,)
        The clusters' colours; see `colours.of_clusters`.
    sampled : Sampled
        All places, at most `MOST_POINTS`, or a sample of so many.
    density : Density, optional
        All places, counted in the cells of this view: drawn in place of points where
        there are more.
    own_borders : array of shapely (multi)polygons and (multi)linestrings, optional
        Areas to draw, in longitude and latitude; None for none.
    own_name : str
        What they are called.
    """
    frame = Frame.of(view)
    latitude = sampled.places["latitude"].astype(np.float64)
    longitude = sampled.places["longitude"].astype(np.float64)
    centroids = frame.to_pixel(
        table["latitude"].to_numpy(np.float64), table["longitude"].to_numpy(np.float64)
    )
    style = marks.MarkStyle.of(len(centroids))
    with warnings.catch_warnings(), mpl.rc_context({"font.family": fonts()}):
        # A character that neither font has is drawn as a box; that is all right.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure = frame.figure()
        canvas = FigureCanvasAgg(figure)
        axes = frame.axes(figure)
        ground.draw(axes, view, faint=own_borders is not None)
        if own_borders is not None:
            ground.draw_own(axes, view, own_borders)
        graticule.draw(axes, figure, frame, view.to_pixel(latitude, longitude))
        if density is None:
            in_colour = colours[sampled.cluster]
            places.draw_points(axes, view, latitude, longitude, in_colour)
        else:
            places.draw_density(axes, density)
        boxes = marks.label_boxes(
            canvas, centroids, frame.to_pixel(latitude, longitude), frame, style
        )
        marks.draw(canvas, centroids, boxes, frame, style)
        furniture.draw_title(canvas, frame, title, subtitle)
        furniture.draw_legend(
            canvas,
            frame,
            style,
            density=density,
            colours=len(np.unique(colours)),
            own_borders=None if own_borders is None else own_name,
            leaves_out=bool(np.isnan(boxes).any()),
        )
        furniture.draw_scale_bar(figure, frame)
        furniture.draw_attribution(figure, frame)
        png = io.BytesIO()
        canvas.print_png(png, metadata={"Title": title, "Software": None})
    return DrawnMap(
        png=png.getvalue(),
        width_px=frame.width_px,
        height_px=frame.height_px,
        view=view,
        frame_px=frame.box_px,
        label_boxes_px=boxes,
    )
