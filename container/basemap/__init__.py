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
#: What is so near to a window's edge lies on it: moved by a whole world, a number
#: loses its last digits.
_NEAR_DEG: Final = 1e-9

Geometries = NDArray[Any]


def land(
    west: float, south: float, east: float, north: float, *, fine: bool | None = None
) -> Geometries:
    """Return land as polygons, cut off at the window, with longitudes as in it.

    Parameters
    ----------
    west, south, east, north : float
        The window in degrees. Longitudes may lie beyond ±180°, within ±540°.
    fine : bool, optional
        Whether to use the finer scale; by default for windows up to 50° wide.
    """
    return _read("land", (west, south, east, north), fine=fine)


def borders(
    west: float, south: float, east: float, north: float, *, fine: bool | None = None
) -> Geometries:
    """Return borders between countries as lines; see `land`."""
    return _read("borders", (west, south, east, north), fine=fine)


def coast(
    polygons: Geometries, west: float, south: float, east: float, north: float
) -> list[NDArray[np.float64]]:
    """Return the outlines of land as lines of longitudes and latitudes, each (n, 2).

    Where land is cut, at the window's edges, along the antimeridian and at the south
    pole, there is no coast.

    Parameters
    ----------
    polygons : array of shapely polygons
        Land within the window.
    west, south, east, north : float
        The window in degrees.
    """
    rings = shapely.get_rings(polygons)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    x, y = points.T
    is_cut = (np.abs(x) % 360 == 180) | (y == -90)
    for values, edge in ((x, west), (x, east), (y, south), (y, north)):
        is_cut |= np.abs(values - edge) < _NEAR_DEG
    has_end = (ring[1:] != ring[:-1]) | (is_cut[1:] & is_cut[:-1])
    lines = np.split(points, np.flatnonzero(has_end) + 1)
    return [line for line in lines if len(line) > 1]


def _read(
    theme: str, window: tuple[float, float, float, float], *, fine: bool | None
) -> Geometries:
    west, south, east, north = window
    if fine is None:
        fine = east - west <= _FINE_UP_TO_DEG
    name = f"{theme}-{'10m' if fine else '50m'}.fgb.xz"
    found = []
    for world_deg in (-360.0, 0.0, 360.0):
        box = (west - world_deg, south, east - world_deg, north)
        if box[0] < 180 and box[2] > -180:
            _, _, wkb, _ = pyogrio.raw.read(unpacked(name), bbox=box, columns=[])
            cut = shapely.clip_by_rect(shapely.from_wkb(wkb), *box)
            offset = np.array([world_deg, 0.0])
            found.append(shapely.transform(cut, offset.__add__))
    parts: Geometries = shapely.get_parts(np.concatenate(found))
    not_empty: Geometries = parts[~shapely.is_empty(parts)]
    return not_empty


@cache
def unpacked(name: str) -> bytes:
    """Return the FlatGeobuf in one of the files; it is unpacked once a process."""
    return lzma.decompress((FOLDER / name).read_bytes())
