"""Natural Earth's land and borders, as README.md tells; `build` makes the files."""

import lzma
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

#: Where the layers lie: `land-10m.fgb.xz` and so on.
FOLDER: Final = Path(__file__).parent
ATTRIBUTION: Final = "Made with Natural Earth"

#: A window that is wider than this gets by with the coarser scale.
_FINE_UP_TO_DEG: Final = 50.0

Geometries = NDArray[Any]


def land(west: float, south: float, east: float, north: float) -> Geometries:
    """Return land as polygons, cut off at the window, with longitudes as in it.

    Parameters
    ----------
    west, south, east, north : float
        The window in degrees. Longitudes may lie beyond ±180°, within ±540°.
    """
    return _read("land", west, south, east, north)


def borders(west: float, south: float, east: float, north: float) -> Geometries:
    """Return borders between countries as lines; see `land`."""
    return _read("borders", west, south, east, north)


def coast(polygons: Geometries) -> list[NDArray[np.float64]]:
    """Return the outlines of land as lines of longitudes and latitudes, each (n, 2).

    Where the basemap is cut, along the antimeridian and at the south pole, there is
    no coast.
    """
    rings = shapely.get_rings(polygons)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    is_cut = (np.abs(points[:, 0]) % 360 == 180) | (points[:, 1] == -90)
    has_end = (ring[1:] != ring[:-1]) | (is_cut[1:] & is_cut[:-1])
    lines = np.split(points, np.flatnonzero(has_end) + 1)
    return [line for line in lines if len(line) > 1]


def _read(
    theme: str, west: float, south: float, east: float, north: float
) -> Geometries:
    scale = "10m" if east - west <= _FINE_UP_TO_DEG else "50m"
    found = []
    for world_deg in (-360.0, 0.0, 360.0):
        box = (west - world_deg, south, east - world_deg, north)
        if box[0] < 180 and box[2] > -180:
            frame = pyogrio.read_dataframe(
                unpacked(f"{theme}-{scale}.fgb.xz"), bbox=box
            )
            cut = shapely.clip_by_rect(frame.geometry.to_numpy(), *box)
            offset = np.array([world_deg, 0.0])
            found.append(shapely.transform(cut, offset.__add__))
    parts: Geometries = shapely.get_parts(np.concatenate(found))
    not_empty: Geometries = parts[~shapely.is_empty(parts)]
    return not_empty


@cache
def unpacked(name: str) -> bytes:
    """Return the FlatGeobuf in one of the files; it is unpacked once a process."""
    return lzma.decompress((FOLDER / name).read_bytes())
