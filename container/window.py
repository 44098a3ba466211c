"""How far places reach: the part of the world that a map shows."""

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
#: A window is at most this many times as wide as high, and at least the other.
_WIDEST: Final = 2.0
_NARROWEST: Final = 0.75
#: Beyond this the window goes all around the world, cut where people expect it.
_WORLD_FROM_DEG: Final = 330.0
#: There, or in mid-Atlantic where fewer places would be torn apart: in fields of 1°, so
#: far on both sides.
_ATLANTIC_DEG: Final = -30
_BESIDE_CUT_DEG: Final = 20
#: Places that go half around the world or more, and all lie so near to a pole, are
#: places around this pole.
_POLAR_FROM_DEG: Final = 50.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of the world between two parallels and two meridians, in degrees.

    West is between -180° and 180°; east is east of it, beyond 180° where the window
    crosses the antimeridian.
    """

    west: float
    south: float
    east: float
    north: float

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

    #: Of 0.1°.
    _ROWS, _BINS = 1800, 3600

    def __init__(self) -> None:
        self._south, self._north = np.inf, -np.inf
        self._west = np.full(self._BINS, np.inf)
        self._east = np.full(self._BINS, -np.inf)
        self._is_used = np.zeros((self._ROWS, self._BINS), bool)

    def add(self, latitude: Floats, longitude: Floats) -> None:
        """Take in places, shape (n,), in degrees."""
        if not len(latitude):
            return
        self._south = min(self._south, float(latitude.min()))
        self._north = max(self._north, float(latitude.max()))
        rows = _bins(latitude + 90, self._ROWS, 180)
        bins = _bins(longitude + 180, self._BINS, 360)
        self._is_used[rows, bins] = True
        reach = pd.Series(longitude).groupby(bins).agg(["min", "max"])
        found = reach.index.to_numpy()
        self._west[found] = np.minimum(self._west[found], reach["min"])
        self._east[found] = np.maximum(self._east[found], reach["max"])

    def window(self) -> Window:
        """Return a window for all places, at least one, with a margin.

        Around a pole it reaches up to this pole.
        """
        west, east = self._longitudes()
        middle, half_height = self._latitudes()
        half_width = (east - west) * (0.5 + _MARGIN)
        if 2 * half_width > _WORLD_FROM_DEG:
            cut = self._cut_deg()
            west, east, half_width = cut, cut + 360, 180.0
        south, north = middle - half_height, middle + half_height
        nearest_deg = max(self._south, -self._north)
        if half_width >= 90 and nearest_deg >= _POLAR_FROM_DEG:
            margin = max(2 * _MARGIN * (90 - nearest_deg), _LEAST_HEIGHT_DEG / 2)
            south, north = (
                (self._south - margin, 90.0)
                if self._south > 0
                else (-90.0, self._north + margin)
            )
        else:
            cosine = _cosine(middle)
            half_width = max(half_width, half_height * _NARROWEST / cosine)
            half_width = min(half_width, 180.0)
            half_height = max(half_height, half_width * cosine / _WIDEST)
            south, north = middle - half_height, middle + half_height
        centre = (west + east) / 2
        west = (centre - half_width + 180) % 360 - 180
        return Window(
            west=west,
            east=west + 2 * half_width,
            south=max(south, -90.0),
            north=min(north, 90.0),
        )

    def outline(self) -> tuple[Floats, Floats]:
        """Return latitudes and longitudes of points between which all places lie.

        These are corners of the outermost fields of 0.1° that have places, cut off
        where the places end.
        """
        rows, columns = np.nonzero(self._is_used)
        west, east = self._longitudes()
        window = self.window()
        if window.east - window.west >= 360:  # the ends are where the world is cut
            west, east = window.west, window.east
        # Eastwards from the westernmost place.
        aside = np.mod(columns - np.floor((west + 180) * 10), self._BINS).astype(int)
        outermost = np.concatenate(
            (
                _first_and_last(rows, aside, self._ROWS),
                _first_and_last(aside, rows, self._BINS),
            )
        )
        rows, columns = rows[outermost], columns[outermost]
        south, left = rows / 10 - 90, columns / 10 - 180
        latitude = np.concatenate((south, south, south + 0.1, south + 0.1))
        longitude = np.concatenate((left, left + 0.1, left, left + 0.1))
        beside = np.mod(longitude - west + 180, 360) - 180  # from -180 to 180
        beside = np.where(beside < -0.15, beside + 360, beside)
        return (
            np.clip(latitude, self._south, self._north),
            west + np.clip(beside, 0, east - west),
        )

    def _longitudes(self) -> tuple[float, float]:
        used = np.flatnonzero(np.isfinite(self._west))
        west, east = self._west[used], self._east[used]
        gaps = np.append(west[1:], west[0] + 360) - east
        before = int(np.argmax(gaps))
        start = float(west[(before + 1) % len(used)])
        end = float(east[before])
        return start, end if end >= start else end + 360

    def _cut_deg(self) -> float:
        """Return the longitude at which a map of the world is cut.

        That is the antimeridian, or the Atlantic where the places are rather around
        the Pacific.
        """
        fields = self._is_used.reshape(self._ROWS // 10, 10, self._BINS // 10, 10)
        by_degree = fields.any(axis=(1, 3)).sum(axis=0)
        beside = np.arange(-_BESIDE_CUT_DEG, _BESIDE_CUT_DEG)
        antimeridian = by_degree[beside].sum()
        atlantic = by_degree[beside + 180 + _ATLANTIC_DEG].sum()
        return _ATLANTIC_DEG if antimeridian > 2 * atlantic + 5 else -180.0

    def _latitudes(self) -> tuple[float, float]:
        height = max((self._north - self._south) * (1 + 2 * _MARGIN), _LEAST_HEIGHT_DEG)
        return (self._south + self._north) / 2, height / 2


def _bins(degrees: Floats, count: int, range_deg: int) -> NDArray[np.int16]:
    bins = np.clip(degrees * (count / range_deg), 0, count - 1)
    return bins.astype(np.int16)


def _first_and_last(
    line: NDArray[np.intp], along: NDArray[np.intp], lines: int
) -> NDArray[np.intp]:
    """Return indices of the first and the last one of each line."""
    order = np.lexsort((along, line))
    starts = np.searchsorted(line[order], np.arange(lines + 1))
    has_any = starts[1:] > starts[:-1]
    ends: NDArray[np.intp] = np.concatenate(
        (order[starts[:-1][has_any]], order[starts[1:][has_any] - 1])
    )
    return ends
