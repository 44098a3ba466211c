"""Places, as points in their clusters' colours or, where they are many, as density."""

from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, LogNorm, to_rgba_array
from numpy.typing import NDArray

from container.colours import PALETTE
from container.density import Density
from container.map.style import DENSITY, DENSITY_FROM, DENSITY_TO, Floats
from container.view import View

#: A share of cells with places below which these are drawn larger, and by how many
#: cells all around: else what is dense in a few spots would be a map of nothing.
_LARGER: Final = ((0.0002, 4), (0.0005, 3), (0.002, 2), (0.01, 1))


def draw_points(
    axes: Axes,
    view: View,
    latitude: Floats,
    longitude: Floats,
    colours: NDArray[np.intp],
) -> None:
    """Draw each place.

    Parameters
    ----------
    axes : Axes
        In metres of the view's projection.
    view : View
        What the map shows.
    latitude, longitude : array of float64, shape (n,)
        Degrees.
    colours : array of intp, shape (n,)
        Indices into the palette.
    """
    size_pt, opacity = point_style(len(latitude))
    x, y = view.projection.forward(latitude, longitude)
    shown = to_rgba_array(PALETTE, opacity)[colours]
    # In an order that has nothing to do with clusters: none lies on top of another.
    mixed = np.random.default_rng(0).permutation(len(x))
    axes.scatter(
        x[mixed],
        y[mixed],
        s=size_pt**2,
        c=shown[mixed],
        linewidths=0,
        clip_on=False,  # a place on the edge shows as a whole
        zorder=4,
    )


def point_style(count: int) -> tuple[float, float]:
    """Return the diameter in points, and the opacity, of so many places."""
    for up_to, style in (
        (60, (6.0, 1.0)),
        (300, (4.8, 1.0)),
        (3000, (3.4, 0.9)),
        (10_000, (2.2, 0.85)),
    ):
        if count <= up_to:
            return style
    return 1.5, 0.8


def draw_density(axes: Axes, density: Density) -> None:
    """Draw how many places there are, by their logarithm; nothing where is none."""
    shown = enlarged(density.counts).astype(np.float64)
    shown[shown == 0] = np.nan
    box = density.view.box
    axes.imshow(
        shown,
        cmap=colour_map(),
        norm=norm(density),
        extent=(box.west, box.east, box.south, box.north),
        interpolation="nearest",
        aspect="auto",
        zorder=2.8,
    )


def colour_map() -> Colormap:
    """Return the density's colours, from few places to many."""
    part = np.linspace(DENSITY_FROM, DENSITY_TO, 256)
    return ListedColormap(mpl.colormaps[DENSITY](part))


def norm(density: Density) -> LogNorm:
    """Return how counts become colours."""
    return LogNorm(1, max(int(density.counts.max()), 10))


def enlargement(counts: NDArray[np.int64]) -> int:
    """Return by how many cells all around a cell with places is drawn larger."""
    share = np.count_nonzero(counts) / counts.size
    return next((cells for below, cells in _LARGER if share < below), 0)


def enlarged(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return counts of which each is also its surroundings', where few cells have any.

    Where several could be, it is the largest.
    """
    reach = enlargement(counts)
    if not reach:
        return counts
    rows, columns = counts.shape
    padded = np.pad(counts, reach)
    larger = counts
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if np.hypot(down, right) <= reach + 0.5:  # round
                moved = padded[
                    reach + down : reach + down + rows,
                    reach + right : reach + right + columns,
                ]
                larger = np.maximum(larger, moved)
    return larger
