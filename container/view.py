"""What a map shows: a rectangle of a projection's plane, and its pixels."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.projection import Projection, choose
from container.window import Extent
from geoclusters.geodesy import EARTH_RADIUS_M

Floats = NDArray[np.float64]

#: The longer sides of a map: width and height in pixels.
_MOST_PX: Final = (1440, 1080)
#: Space around the outermost places, as a part of the extent.
_MARGIN: Final = 0.06
#: The globe's own.
_GLOBE_MARGIN: Final = 0.002
#: The least height: closer, the basemap has nothing to show.
_LEAST_HEIGHT_M: Final = 11_000.0
#: A map is at most this many times as wide as high, and at least the other.
_WIDEST: Final = 2.0
_NARROWEST: Final = 0.75
#: A map of the globe that would show more of its width than this shows all of it.
_WHOLE_FROM: Final = 0.8
_STEPS: Final = 65


class Box(NamedTuple):
    """A rectangle on the plane, in metres."""

    west: float
    south: float
    east: float
    north: float

    @property
    def width(self) -> float:
        """From west to east."""
        return self.east - self.west

    @property
    def height(self) -> float:
        """From south to north."""
        return self.north - self.south


class Bounds(NamedTuple):
    """A part of the world in degrees; longitudes are within 180° of the centre's."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, kw_only=True)
class View:
    """A rectangle of a projection's plane, in pixels of one size in both directions."""

    projection: Projection
    box: Box
    #: Even numbers.
    width_px: int
    height_px: int

    @classmethod
    def of(cls, extent: Extent) -> "View":
        """Return the view of all places of an extent, at least one, with a margin."""
        projection = choose(extent.window())
        x, y = projection.forward(*extent.outline())
        found = Box(x.min(), y.min(), x.max(), y.max())
        if projection.name == "eqearth":
            return cls._of_box(projection, _on_globe(_roomy(found), globe(projection)))
        return cls._of_box(projection, _roomy(found))

    @classmethod
    def _of_box(cls, projection: Projection, box: Box) -> "View":
        """Return the view of a box, made up to whole pixels."""
        most_width, most_height = _MOST_PX
        metres = max(box.width / most_width, box.height / most_height)
        width, height = (
            2 * max(round(metre / metres / 2), 1) for metre in (box.width, box.height)
        )
        x, y = (box.west + box.east) / 2, (box.south + box.north) / 2
        half_width, half_height = width * metres / 2, height * metres / 2
        return cls(
            projection=projection,
            box=Box(x - half_width, y - half_height, x + half_width, y + half_height),
            width_px=width,
            height_px=height,
        )

    @property
    def metres_per_px(self) -> float:
        """The size of a pixel."""
        return self.box.width / self.width_px

    def to_pixel(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return x, y of places in pixels from the upper left, shape (n, 2)."""
        x, y = self.projection.forward(latitude, longitude)
        return np.column_stack((x - self.box.west, self.box.north - y)) / (
            self.metres_per_px
        )

    def bounds(self) -> Bounds:
        """Return the part of the world that covers the view, a little too large."""
        box, centre = self.box, self.projection.longitude
        x, y = np.meshgrid(
            np.linspace(box.west, box.east, _STEPS),
            np.linspace(box.south, box.north, _STEPS),
        )
        latitude, longitude = self.projection.inverse(x.ravel(), y.ravel())
        is_earth = np.isfinite(latitude)
        latitude, longitude = latitude[is_earth], longitude[is_earth]
        aside = np.mod(longitude - centre + 180, 360) - 180
        south, north = _widened(latitude)
        west, east = _widened(aside)
        poles = [pole for pole in (-90.0, 90.0) if self._shows(pole)]
        if poles or east - west > 340 or self.projection.name == "eqearth":
            west, east = -180.0, 180.0
        return Bounds(
            centre + max(west, -180.0),
            max(min([south, *poles]), -90.0),
            centre + min(east, 180.0),
            min(max([north, *poles]), 90.0),
        )

    @property
    def is_globe(self) -> bool:
        """Whether the whole globe is in sight, with its outline for a frame."""
        if self.projection.name != "eqearth":
            return False
        x, y = globe(self.projection).T
        west, south, east, north = self.box
        across = west <= x.min() and x.max() <= east
        return bool(across and south <= y.min() and y.max() <= north)

    @property
    def shows_pole(self) -> bool:
        """Whether a pole is in sight, around which all meridians go."""
        return self.projection.name == "laea" and (
            self._shows(90.0) or self._shows(-90.0)
        )

    def _shows(self, latitude: float) -> bool:
        pole = np.array([latitude]), np.array([self.projection.longitude])
        ((x, y),) = self.to_pixel(*pole)
        return bool(0 <= x <= self.width_px and 0 <= y <= self.height_px)


def globe(projection: Projection) -> Floats:
    """Return the outline of the whole globe as x, y in metres, shape (n, 2)."""
    upwards = np.linspace(-90, 90, 361)
    sides = np.repeat([-180.0, 180.0], len(upwards)) + projection.longitude
    latitude = np.concatenate((upwards[::-1], upwards))
    return projection.forward_cut(np.column_stack((sides, latitude)))


def _roomy(found: Box) -> Box:
    """Return a box with a margin, neither small nor long."""
    width, height = (side * (1 + 2 * _MARGIN) for side in (found.width, found.height))
    height = max(height, _LEAST_HEIGHT_M)
    width = max(width, height * _NARROWEST)
    height = max(height, width / _WIDEST)
    x, y = (found.west + found.east) / 2, (found.south + found.north) / 2
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _on_globe(box: Box, outline: Floats) -> Box:
    """Return what of a box shows the globe: often the whole globe."""
    margin = _GLOBE_MARGIN * 2 * np.pi * EARTH_RADIUS_M
    west, south = outline.min(axis=0) - margin
    east, north = outline.max(axis=0) + margin
    if box.width >= _WHOLE_FROM * (east - west):
        return Box(west, south, east, north)
    (west, east), (south, north) = (
        _slid(box.west, box.east, west, east),
        _slid(box.south, box.north, south, north),
    )
    return Box(west, south, east, north)


def _slid(start: float, end: float, least: float, most: float) -> tuple[float, float]:
    """Return an interval slid into another, and cut only if it is longer."""
    shift = max(least - start, 0.0) - max(end - most, 0.0)
    return max(start + shift, least), min(end + shift, most)


def _widened(degrees: Floats) -> tuple[float, float]:
    """Return the range of what was sampled, and two steps more on both sides."""
    low, high = float(degrees.min()), float(degrees.max())
    margin = 2 * (high - low) / (_STEPS - 1)
    return low - margin, high + margin
