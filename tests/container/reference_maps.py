"""The maps that are compared with kept ones, which someone has looked at.

    .venv-report/bin/python -m tests.container.reference_maps

draws them anew and keeps them in `references/`, a quarter as wide and high; with the
name of a folder behind it, it puts them there in full size instead, to be looked at.
Maps whose data are missing stay as they are.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from container.map import DrawnMap
from geoclusters.geodesy import from_cartesian, to_cartesian
from tests.container.maps import Latlon, draw, nearest, view_of

Floats = NDArray[np.float64]

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT.parent / "shared" / "data"
REFERENCES: Final = Path(__file__).parent / "references"
_REDUCED: Final = 4

CAMERAS: Final = DATA / "hong-kong" / "Traffic_Camera_Locations_En.csv"
DISTRICTS: Final = DATA / "hong-kong" / "Hong_Kong_18_Districts"
EARTHQUAKES: Final = DATA / "places" / "usgs-earthquakes-week.csv"
STATIONS: Final = DATA / "places" / "noaa-isd-stations.csv"


def twenty_places() -> DrawnMap:
    """Draw Italy's twenty largest cities."""
    cities = _cities()
    largest = cities[cities["country"] == "Italy"].nlargest(20, "population")
    return _draw(_latlon(largest), 4, title="clinics/italy.csv")


def europe() -> DrawnMap:
    """Draw the sample of README."""
    return _draw(_latlon(_cities()), 12, title="cities.csv")


def hong_kong(**more: Any) -> DrawnMap:
    """Draw traffic cameras over districts, as in the notebook that all this grew from.

    Hong Kong Transport Department, data.gov.hk.
    """
    return _draw(
        _latlon(pd.read_csv(CAMERAS)),
        15,
        title="traffic-cameras/hong-kong.csv",
        own_borders=geopandas.read_file(DISTRICTS).geometry.to_numpy(),
        own_name="hk-districts.zip",
        **more,
    )


def earthquakes() -> DrawnMap:
    """Draw places on both sides of the antimeridian, all over the globe. USGS."""
    return _draw(_latlon(pd.read_csv(EARTHQUAKES)), 15, title="earthquakes/week.csv")


def a_million() -> DrawnMap:
    """Draw a million places around Europe's cities, as many as these are large."""
    cities = _cities()
    rng = np.random.default_rng(0)
    share = cities["population"] / cities["population"].sum()
    city = rng.choice(len(cities), 10**6, p=share)
    distance_deg = rng.exponential(0.35, 10**6)
    bearing = rng.uniform(0, 2 * np.pi, 10**6)
    latitude, longitude = (axis[city] for axis in _latlon(cities))
    return _draw(
        (
            latitude + distance_deg * np.cos(bearing),
            longitude + distance_deg * np.sin(bearing) / np.cos(np.radians(latitude)),
        ),
        40,
        title="customers/a-million.csv.gz",
    )


def arctic() -> DrawnMap:
    """Draw weather stations around the pole. NOAA."""
    table = pd.read_csv(STATIONS).rename(
        columns={"LAT": "latitude", "LON": "longitude"}
    )
    north = table["latitude"].between(62, 90) & table["longitude"].between(-180, 180)
    return _draw(_latlon(table[north]), 12, title="arctic/weather-stations.csv")


#: What each draws from; maps without their data are left out.
MAPS: Final[dict[str, tuple[Callable[[], DrawnMap], tuple[Path, ...]]]] = {
    "twenty-places": (twenty_places, ()),
    "europe": (europe, ()),
    "hong-kong": (hong_kong, (CAMERAS, DISTRICTS)),
    "earthquakes": (earthquakes, (EARTHQUAKES,)),
    "a-million": (a_million, ()),
    "arctic": (arctic, (STATIONS,)),
}


def reduced(png: bytes) -> Image.Image:
    """Return a picture a quarter as wide and high, each pixel the mean of 16."""
    return Image.open(io.BytesIO(png)).convert("RGB").reduce(_REDUCED)


def _cities() -> pd.DataFrame:
    return pd.read_csv(ROOT / "samples" / "cities.csv", keep_default_na=False)


def _latlon(table: pd.DataFrame) -> Latlon:
    return (
        table["latitude"].to_numpy(np.float64),
        table["longitude"].to_numpy(np.float64),
    )


def _draw(places: Latlon, k: int, **more: Any) -> DrawnMap:
    centroids = _centroids(places, k)
    count = len(places[0])
    return draw(
        view_of(places, centroids),
        of=places,
        centroids=centroids,
        subtitle=f"{k} clusters of {count:,} places.",
        **more,
    )


def _centroids(places: Latlon, k: int) -> Latlon:
    """Return centroids, the largest cluster's first, the same on every machine."""
    some = slice(None, None, max(len(places[0]) // 20_000, 1))
    latitude, longitude = places[0][some], places[1][some]
    xyz = to_cartesian(latitude, longitude)
    rng = np.random.default_rng(3)
    chosen = [0]
    squares = np.full(len(xyz), np.inf)
    while len(chosen) < k:  # k-means++
        squares = np.minimum(squares, ((xyz - xyz[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(rng.choice(len(xyz), p=squares / squares.sum())))
    centroids = latitude[chosen], longitude[chosen]
    for _ in range(50):
        cluster = nearest((latitude, longitude), centroids)
        means = [xyz[cluster == i].mean(axis=0) for i in np.unique(cluster)]
        centroids = from_cartesian(np.array(means))
    size = np.bincount(nearest((latitude, longitude), centroids))
    order = np.lexsort((centroids[1], centroids[0], -size))
    return centroids[0][order], centroids[1][order]


def main(arguments: list[str]) -> None:
    """Keep the maps, or put them into a folder in full size."""
    for name, (make, needed) in MAPS.items():
        if not all(path.exists() for path in needed):
            print(f"{name}: its data are missing")
            continue
        png = make().png
        if arguments:
            path = Path(arguments[0]) / f"{name}.png"
            path.write_bytes(png)
        else:
            path = REFERENCES / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            # This method keeps colours of a few pixels: places'.
            octree, plain = Image.Quantize.FASTOCTREE, Image.Dither.NONE
            small = reduced(png).quantize(256, method=octree, dither=plain)
            small.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
