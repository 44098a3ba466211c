"""The part of the world that a map shows."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Space around the outermost places, as a part of the extent.
_MARGIN: Final = 0.06
#: The least height, about 11 km: closer, the basemap has nothing to show.
_LEAST_HEIGHT_DEG: Final = 0.1
#: A map is at most this many times as wide as high, and at least the other.
_WIDEST: Final = 2.0
_NARROWEST: Final = 0.75
#: Beyond this the map shows the whole world, cut where people expect it.
_WORLD_FROM_DEG: Final = 330.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """A map's edges in degrees.

    West is between -180° and 180°; east is east of it, beyond 180° where the window
    crosses the antimeridian.
    """

    west: float
    south: float
    east: float
    north: float

    @property
    def middle_latitude(self) -> float:
        """The latitude at which the map's scale is right in both directions."""
        return (self.south + self.north) / 2

    @property
    def aspect(self) -> float:
        """Width by height on paper: a degree of longitude is cos(latitude) as wide."""
        return (
            (self.east - self.west)
            * _cosine(self.middle_latitude)
            / (self.north - self.south)
        )

    def unwrap(self, longitude: Floats) -> Floats:
        """Return longitudes between west and west + 360°."""
        return self.west + np.mod(longitude - self.west, 360.0)


def _cosine(latitude: float) -> float:
    return max(float(np.cos(np.radians(latitude))), 0.02)


class Extent:
    """Follows how far places reach, without keeping them.

    Along the equator the world is a circle: the extent of longitudes is what the
    largest gap between them leaves. It is exact for gaps of two bins or more.
    """

    _BINS = 3600

    def __init__(self) -> None:
        self._south, self._north = np.inf, -np.inf
        self._west = np.full(self._BINS, np.inf)
        self._east = np.full(self._BINS, -np.inf)

    def add(self, latitude: Floats, longitude: Floats) -> None:
        """Take in places, shape (n,), in degrees."""
        if not len(latitude):
            return
        self._south = min(self._south, float(latitude.min()))
        self._north = max(self._north, float(latitude.max()))
        bins = np.clip((longitude + 180) * (self._BINS / 360), 0, self._BINS - 1)
        reach = pd.Series(longitude).groupby(bins.astype(np.int16)).agg(["min", "max"])
        found = reach.index.to_numpy()
        self._west[found] = np.minimum(self._west[found], reach["min"])
        self._east[found] = np.maximum(self._east[found], reach["max"])

    def window(self) -> Window:
        """Return a window for all places, at least one, with a margin."""
        west, east = self._longitudes()
        middle, half_height = self._latitudes()
        half_width = (east - west) * (0.5 + _MARGIN)
        if 2 * half_width > _WORLD_FROM_DEG:
            west, east, half_width = -180.0, 180.0, 180.0
        cosine = _cosine(middle)
        half_width = max(half_width, half_height * _NARROWEST / cosine)
        half_width = min(half_width, 180.0)
        half_height = max(half_height, half_width * cosine / _WIDEST)
        centre = (west + east) / 2
        west = (centre - half_width + 180) % 360 - 180
        return Window(
            west=west,
            east=west + 2 * half_width,
            south=max(middle - half_height, -90.0),
            north=min(middle + half_height, 90.0),
        )

    def _longitudes(self) -> tuple[float, float]:
        used = np.flatnonzero(np.isfinite(self._west))
        west, east = self._west[used], self._east[used]
        gaps = np.append(west[1:], west[0] + 360) - east
        before = int(np.argmax(gaps))
        start = float(west[(before + 1) % len(used)])
        end = float(east[before])
        return start, end if end >= start else end + 360

    def _latitudes(self) -> tuple[float, float]:
        height = max((self._north - self._south) * (1 + 2 * _MARGIN), _LEAST_HEIGHT_DEG)
        return (self._south + self._north) / 2, height / 2
