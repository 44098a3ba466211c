"""Borders of one's own: areas with names, and lines, to draw and to look up."""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
import shapely
from numpy.typing import NDArray

from container.boundaries.limits import MOST_AREA_SECONDS, OUTLINE_VERTICES
from container.boundaries.parts import Geometries, count
from geoclusters.errors import BoundariesError

if TYPE_CHECKING:
    from container.window import Window

Floats = NDArray[np.float64]

#: So many areas are looked at between two looks at the clock.
_AREAS_AT_ONCE: Final = 256


class Outline(NamedTuple):
    """Borders to draw, in degrees, longitude before latitude."""

    #: (Multi)Polygons, shape (n,), …
    polygons: Geometries
    #: … and the name of each.
    names: list[str]
    #: (Multi)LineStrings, shape (m,).
    lines: Geometries


@dataclass(frozen=True, kw_only=True)
class Boundaries:
    """What a file of borders holds, in degrees on WGS 84, cut at ±180°."""

    #: Valid MultiPolygons, shape (n,): the areas, …
    polygons: Geometries
    #: … and the name of each.
    names: list[str]
    #: MultiLineStrings, shape (m,).
    lines: Geometries
    #: The column that the names are from, None where the areas have numbers instead, …
    name_column: str | None
    #: … and why it was chosen, as the end of a sentence.
    name_why: str
    #: Name of the coordinate reference system that the file has.
    crs: str
    #: Sentences, for people, on what of the file was not read.
    notes: tuple[str, ...]
    #: `polygons` and `lines` with at most `OUTLINE_VERTICES`; None where too small.
    simplified: tuple[tuple[Geometries, Geometries], ...]

    def area_of(
        self,
        latitude: Floats,
        longitude: Floats,
        *,
        most_seconds: float = MOST_AREA_SECONDS,
    ) -> list[str | None]:
        """Return the name of the area that each place stands in, or on whose border.

        Where areas overlap, it is the first in the file.

        Parameters
        ----------
        latitude, longitude : array of float64, shape (k,)
            Degrees.

        Raises
        ------
        BoundariesError
            If it takes too long, as with many areas one above the other.
        """
        end = time.monotonic() + most_seconds
        area = np.full(len(latitude), -1)
        places = shapely.points(longitude, latitude)
        # 180° and -180° are one meridian, and areas may be cut there.
        other_side = np.where(np.abs(longitude) == 180, -longitude, longitude)
        mirrored = shapely.points(other_side, latitude)
        for first in range(0, len(self.polygons), _AREAS_AT_ONCE):
            open_places = np.flatnonzero(area < 0)
            if not len(open_places):
                break
            if time.monotonic() > end:
                msg = (
                    "The centroids' areas were not looked up, as the borders' areas "
                    "overlap too much for that. Upload areas side by side."
                )
                raise BoundariesError(msg)
            some = self.polygons[first : first + _AREAS_AT_ONCE]
            for points in (places, mirrored):
                found, of = shapely.STRtree(points[open_places]).query(
                    some, predicate="intersects"
                )
                lowest = np.full(len(open_places), len(self.polygons))
                np.minimum.at(lowest, of, found + first)
                hit = lowest < len(self.polygons)
                before = area[open_places[hit]]
                area[open_places[hit]] = np.where(
                    before < 0, lowest[hit], np.minimum(before, lowest[hit])
                )
        return [self.names[i] if i >= 0 else None for i in area]

    def outline(self, most_vertices: int, window: "Window | None" = None) -> Outline:
        """Return the finest borders to draw that have no more vertices than that.

        Parameters
        ----------
        most_vertices : int
            At least the last of `OUTLINE_VERTICES`.
        window : Window, optional
            Only what may show in it is returned, and counted: a part of a large file is
            drawn as finely as a small file.
        """
        if most_vertices < OUTLINE_VERTICES[-1]:
            msg = f"{most_vertices=} should be >= {OUTLINE_VERTICES[-1]}"
            raise ValueError(msg)
        for polygons, lines in ((self.polygons, self.lines), *self.simplified):
            areas, shown_lines = _showing(polygons, window), _showing(lines, window)
            if count(polygons[areas]) + count(lines[shown_lines]) <= most_vertices:
                break
        names = [self.names[i] for i in areas]
        return Outline(polygons[areas], names, lines[shown_lines])

    def to_bytes(self) -> bytes:
        """Return them as a line of JSON and geometries in WKB.

        Neither can do anything but be read: whoever takes over the process that reads a
        file of borders can hand over wrong ones, and no more.
        """
        levels = [(self.polygons, self.lines), *self.simplified]
        wkb = [[shapely.to_wkb(array) for array in level] for level in levels]
        header = {
            "names": self.names,
            "name_column": self.name_column,
            "name_why": self.name_why,
            "crs": self.crs,
            "notes": self.notes,
            "sizes": [[[len(w or b"") for w in array] for array in lv] for lv in wkb],
        }
        body = b"".join(w or b"" for level in wkb for array in level for w in array)
        return json.dumps(header).encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what `to_bytes` was called on.

        Raises
        ------
        ValueError, KeyError, TypeError, shapely.errors.GEOSException
            If the bytes are anything else.
        """
        line, _, body = data.partition(b"\n")
        header: dict[str, Any] = json.loads(line)
        place = 0
        levels = []
        for sizes in header.pop("sizes"):
            level = []
            for lengths in sizes:
                wkb = []
                for length in lengths:
                    wkb.append(body[place : place + length] or None)
                    place += length
                level.append(shapely.from_wkb(np.array(wkb, dtype=object)))
            levels.append((level[0], level[1]))
        (polygons, lines), *simplified = levels
        header["notes"] = tuple(header["notes"])
        if place != len(body) or len(header["names"]) != len(polygons):
            raise ValueError("the answer's parts don't belong together")
        return cls(
            polygons=polygons, lines=lines, simplified=tuple(simplified), **header
        )


def _showing(geometries: Geometries, window: "Window | None") -> NDArray[np.intp]:
    """Return which geometries there are, and may show in a window."""
    there = ~shapely.is_missing(geometries)
    if window is not None:
        west, south, east, north = shapely.bounds(geometries).T
        beside = np.zeros(len(geometries), dtype=bool)
        for world_deg in (0.0, 360.0):  # windows reach eastwards beyond 180°
            beside |= (west + world_deg <= window.east) & (
                east + world_deg >= window.west
            )
        there &= beside & (south <= window.north) & (north >= window.south)
    found: NDArray[np.intp] = np.flatnonzero(there)
    return found
