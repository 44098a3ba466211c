"""The sets of places that `benchmarks/quality.py` clusters, each in its file's order.

Real tables are found in a folder of data, and left out where that has none. Towns are
generated: clumps of places, town by town, as files are mostly kept.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Length of a degree of latitude.
_KM_A_DEGREE: Final = 111.2


class Places(NamedTuple):
    """Places in degrees, both of shape (n,)."""

    latitude: Floats
    longitude: Floats


def read(table: str, latitude: str, longitude: str, data: Path) -> Places:
    """Return a table's usable places: neither blank nor at (0, 0).

    Raises
    ------
    FileNotFoundError
        If the folder of data has no such table.
    """
    names = [latitude, longitude]
    # (polars reads no number that begins with a plus sign)
    text = pl.read_csv(data / table, columns=names, null_values="", infer_schema=False)
    rows = text.select(
        pl.col(name).str.strip_chars_start("+").cast(pl.Float64) for name in names
    )
    found = rows.drop_nulls().to_numpy()
    found = found[(found != 0).any(axis=1)]
    return Places(found[:, 0].copy(), found[:, 1].copy())


def towns(
    count: int,
    *,
    places: int,
    middle: tuple[float, float],
    extent_km: float,
    town_km: float,
    seed: int,
) -> Places:
    """Return places that scatter around so many towns, town by town.

    Few towns are large and many are small: the nth has 1/n of the first one's places.

    Parameters
    ----------
    count : int
        Towns.
    places : int
    middle : tuple of float
        Latitude and longitude of the square in which the towns lie, in degrees.
    extent_km : float
        Its side.
    town_km : float
        Standard deviation of places around a town's middle, in both directions.
    seed : int
        The same seed gives the same places.
    """
    random = np.random.default_rng(seed)
    north, east = random.uniform(-extent_km / 2, extent_km / 2, (2, count))
    town = _towns_of(places, count, random)
    north = north[town] + random.normal(0, town_km, places)
    east = east[town] + random.normal(0, town_km, places)
    latitude = middle[0] + north / _KM_A_DEGREE
    longitude = middle[1] + east / (_KM_A_DEGREE * np.cos(np.radians(latitude)))
    return Places(latitude, longitude)


def world_towns(count: int, *, places: int, town_km: float, seed: int) -> Places:
    """Return places around towns anywhere between 55° south and 70° north.

    Parameters as of `towns`.
    """
    random = np.random.default_rng(seed)
    south, north = np.sin(np.radians((-55, 70)))
    latitude = np.degrees(np.arcsin(random.uniform(south, north, count)))
    longitude = random.uniform(-180, 180, count)
    town = _towns_of(places, count, random)
    shift = random.normal(0, town_km / _KM_A_DEGREE, (2, places))
    latitude = latitude[town] + shift[0]
    longitude = longitude[town] + shift[1] / np.cos(np.radians(latitude))
    return Places(latitude, (longitude + 180) % 360 - 180)


def _towns_of(places: int, count: int, random: np.random.Generator) -> NDArray[np.intp]:
    share = 1 / np.arange(1, count + 1)
    # The largest shall not come first.
    town: NDArray[np.intp] = random.choice(
        random.permutation(count), places, p=share / share.sum()
    )
    town.sort()
    return town


def _city(data: Path) -> Places:
    del data
    return towns(
        *(60,), places=20_000, middle=(48.2, 16.4), extent_km=30, town_km=0.7, seed=1
    )


def _country(data: Path) -> Places:
    del data
    return towns(
        *(400,), places=20_000, middle=(47, 2.5), extent_km=900, town_km=4, seed=2
    )


def _world(data: Path) -> Places:
    del data
    return world_towns(2_000, places=20_000, town_km=10, seed=3)


def _million(data: Path) -> Places:
    del data
    places = world_towns(20_000, places=1_000_000, town_km=10, seed=4)
    order = np.argsort(places.longitude, kind="stable")
    return Places(places.latitude[order], places.longitude[order])


#: Each makes or reads a set, given the folder of data. The longest last.
SETS: Final[dict[str, Callable[[Path], Places]]] = {
    "hong-kong": partial(
        read,
        "hong-kong/Traffic_Camera_Locations_En.csv",
        *("latitude", "longitude"),
    ),
    "earthquakes": partial(
        read, "places/usgs-earthquakes-week.csv", "latitude", "longitude"
    ),
    "towns-city": _city,
    "towns-country": _country,
    "towns-world": _world,
    "stations": partial(read, "places/noaa-isd-stations.csv", "LAT", "LON"),
    "million-by-longitude": _million,
}
