"""The picture's frame: where on the sheet the map is, and its axes in metres."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from container.map.style import DPI, FAINT_INK, SEA, Floats
from container.view import View

_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 80, 36, 96, 120
#: Around a pole meridians end, and are labelled, at the top and at the right as well.
_POLAR_RIGHT_PX, _POLAR_TOP_PX = 80, 124


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where the map is on the sheet; pixels count from the sheet's upper left."""

    view: View
    left: int
    top: int
    #: The sheet's size.
    width_px: int
    height_px: int

    @classmethod
    def of(cls, view: View) -> "Frame":
        """Return the frame of a view."""
        top, right = (
            (_POLAR_TOP_PX, _POLAR_RIGHT_PX)
            if view.shows_pole
            else (_TOP_PX, _RIGHT_PX)
        )
        return cls(
            view=view,
            left=_LEFT_PX,
            top=top,
            width_px=_LEFT_PX + view.width_px + right,
            height_px=top + view.height_px + _BOTTOM_PX,
        )

    @property
    def right(self) -> int:
        """Of the map."""
        return self.left + self.view.width_px

    @property
    def bottom(self) -> int:
        """Of the map."""
        return self.top + self.view.height_px

    @property
    def box_px(self) -> Floats:
        """Left, top, right, bottom."""
        return np.array([self.left, self.top, self.right, self.bottom], np.float64)

    def to_pixel(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return x, y of places in pixels on the sheet, shape (n, 2)."""
        on_map = self.view.to_pixel(latitude, longitude)
        moved: Floats = on_map + np.array([self.left, self.top], np.float64)
        return moved

    def upwards(self, pixels: Floats) -> Floats:
        """Return x, y from the sheet's lower left, as matplotlib wants them."""
        origin = np.array([0.0, self.height_px])
        turned: Floats = pixels * np.array([1.0, -1.0]) + origin
        return turned

    def on_sheet(self, metres: Floats) -> Floats:
        """Return points of the plane likewise, shape (2,) or (n, 2)."""
        box = self.view.box
        on_map = (metres - np.array([box.west, box.south])) / self.view.metres_per_px
        corner = np.array([self.left, self.height_px - self.bottom], np.float64)
        moved: Floats = on_map + corner
        return moved

    def figure(self) -> Figure:
        """Return an empty sheet."""
        size = self.width_px / DPI, self.height_px / DPI
        return Figure(figsize=size, dpi=DPI)

    def axes(self, figure: Figure) -> Axes:
        """Return axes in metres whose corners are the map's."""
        box, width, height = self.view.box, self.width_px, self.height_px
        axes = figure.add_axes(
            (
                self.left / width,
                1 - self.bottom / height,
                self.view.width_px / width,
                self.view.height_px / height,
            )
        )
        axes.set(
            xlim=(box.west, box.east),
            ylim=(box.south, box.north),
            xticks=[],
            yticks=[],
            facecolor=SEA,
        )
        axes.autoscale(False)
        for spine in axes.spines.values():
            spine.set(color=FAINT_INK, linewidth=0.8, visible=not self.view.is_globe)
        return axes
