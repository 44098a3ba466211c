"""How long the report's map takes, against `geopandas.GeoDataFrame.plot`.

    python -m benchmarks.report_map [--places N ...] [--repeats N] [--cpus N]

Both draw the same places over the same land and borders into a PNG of the same size,
in turn, in one process, after a small one each. Ours begins with the coordinates: it
counts them (from 50,000 places on), projects all, and also draws the graticule, 15
numbered centroids and the legend. Theirs begins with the GeoDataFrame ready made, and
draws nothing but land, borders and places, in degrees. Prints the figures as JSON; the
driver is `benchmarks/report.py`.
"""

import argparse
import io
import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any, Final

import geopandas
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot
from numpy.typing import NDArray

from container import basemap, colours, map
from container.density import Density
from container.map.style import DPI
from container.sample import Sampled
from container.view import View
from container.window import Extent
from geoclusters.places import make

Floats = NDArray[np.float64]
Figures = dict[str, Any]

PLACES: Final = (10_000, 100_000, 1_000_000)
_K: Final = 15
_WARM_UP: Final = 1_000
#: As `ingest` writes them.
_PART: Final = 2**18


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--places", type=int, nargs="+", default=[*PLACES])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpus", type=int)
    options = parser.parse_args()
    if options.cpus:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cpus])
    print(json.dumps(measure(options.places, options.repeats)))


def measure(counts: list[int], repeats: int) -> Figures:
    """Return `maps`, a row of figures for each count, and `ratio_map_1m` if measured.

    Parameters
    ----------
    counts : list of int
        Numbers of places.
    repeats : int
        How often each is drawn; the median counts.
    """
    mpl.use("agg")
    _Case(_WARM_UP).measure(1)
    rows = [_Case(count).measure(repeats) for count in counts]
    at_1m = [row["ratio"] for row in rows if row["places"] == 1_000_000]
    names = ("geopandas", "matplotlib", "numpy", "pyproj")
    return {
        **({"ratio_map_1m": at_1m[0]} if at_1m else {}),
        "maps": rows,
        "map_versions": {name: version(name) for name in names},
    }


class _Case:
    """So many places around a city of every hundred, in Europe."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(1)
        cities = rng.uniform((38, -8), (58, 28), (max(count // 100, _K), 2))
        city = rng.integers(0, len(cities), count)
        self.count = count
        self.latitude = cities[city, 0] + rng.normal(0, 0.3, count)
        self.longitude = cities[city, 1] + rng.normal(0, 0.5, count)
        self.centroids = cities[:_K]
        extent = Extent()
        extent.add(self.latitude, self.longitude)
        extent.add(*self.centroids.T)
        self.view = View.of(extent)
        # What the report has at hand by then.
        some = rng.permutation(count)[: map.MOST_POINTS]
        self.sampled = Sampled(
            make(some + 2, self.latitude[some], self.longitude[some]),
            rng.integers(0, _K, len(some)),
            np.zeros(len(some)),
        )
        self.frame = geopandas.GeoDataFrame(
            geometry=geopandas.points_from_xy(self.longitude, self.latitude),
            crs="EPSG:4326",
        )

    def measure(self, repeats: int) -> Figures:
        ours: list[float] = []
        theirs: list[float] = []
        counting: list[float] = []
        for _ in range(repeats):  # in turn: the machine's pace may drift
            ours.append(_seconds(self.draw))
            theirs.append(_seconds(self.plot))
            counting.append(_seconds(self.density))
        return {
            "places": self.count,
            "ours_s": median(ours),
            "geopandas_s": median(theirs),
            "ratio": median(theirs) / median(ours),
            "counted_per_s": self.count / median(counting),
        }

    def draw(self) -> bytes:
        """Draw with geoclusters."""
        is_dense = self.count > map.MOST_POINTS
        drawn = map.draw(
            title="places.csv",
            subtitle=f"{_K} clusters of {self.count:,} places.",
            view=self.view,
            table=pd.DataFrame(self.centroids, columns=["latitude", "longitude"]),
            colours=colours.of_clusters(*self.centroids.T),
            sampled=self.sampled,
            density=self.density() if is_dense else None,
        )
        return drawn.png

    def density(self) -> Density:
        """Count, a part at a time."""
        density = Density(self.view)
        for start in range(0, self.count, _PART):
            part = slice(start, start + _PART)
            density.add(self.latitude[part], self.longitude[part])
        return density

    def plot(self) -> bytes:
        """Draw with geopandas."""
        view = self.view
        west, south, east, north = self.frame.total_bounds
        window = west - 1, south - 1, east + 1, north + 1
        size = view.width_px / DPI, view.height_px / DPI
        figure, axes = pyplot.subplots(figsize=size, dpi=DPI)
        geopandas.GeoSeries(basemap.land(*window)).plot(ax=axes, color="beige")
        geopandas.GeoSeries(basemap.borders(*window)).plot(ax=axes, color="grey")
        self.frame.plot(ax=axes, markersize=1)
        png = io.BytesIO()
        figure.savefig(png, format="png")
        pyplot.close(figure)
        return png.getvalue()


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
