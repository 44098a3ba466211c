"""Draw the pages that the browser's tests open, and write down what they must show.

    .venv-report/bin/python -m tests.browser.pages build/pages

For each page there are `<name>.html` and `<name>.json`. Sets that aren't part of the
project (Hong Kong, the earthquakes) are left out where they are missing.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import geopandas
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from container import page
from container.sample import Sampled
from geoclusters import places
from geoclusters.geodesy import (
    EARTH_RADIUS_M,
    from_cartesian,
    great_circle_m,
    to_cartesian,
)

Floats = NDArray[np.float64]
Geometries = NDArray[Any]

DATA = Path(__file__).parents[3] / "shared" / "data"
PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#8c6d00",
    "#6a5acd",
)
#: What may stand in a file's name, an id or an area's name.
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>&lt;b&gt;&amp;",
    "\u2028\u2029line ends",
    '"quotes" \'n` ${all}',
    "\u202eright to left\u202c עברית",
    "NUL \x00 and \x1b[31m \x7f",
    "javascript:alert(1)",
    "香港 / Ελλάδα 🐙",
)


class Projection(NamedTuple):
    """A projection about a centre in degrees, by PROJ."""

    name: str
    latitude: float
    longitude: float

    @property
    def _proj(self) -> pyproj.Proj:
        return pyproj.Proj(
            proj=self.name,
            lon_0=self.longitude,
            R=EARTH_RADIUS_M,
            **({"lat_0": self.latitude} if self.name == "laea" else {}),
        )

    def forward(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
        x, y = self._proj(longitude, latitude)
        return x, y

    def inverse(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        longitude, latitude = self._proj(x, y, inverse=True)
        return latitude, longitude


class Run(NamedTuple):
    """A run's results, as `page.render` takes them."""

    table: pd.DataFrame
    sampled: Sampled
    hulls: Geometries
    areas: Geometries
    projection: Projection


def run(
    latitude: Floats,
    longitude: Floats,
    k: int,
    projection: Projection,
    *,
    id: NDArray[np.bytes_] | None = None,
) -> Run:
    """Cluster places on the sphere."""
    features = to_cartesian(latitude, longitude)
    start = features[np.random.default_rng(7).choice(len(features), k, replace=False)]
    model = KMeans(k, init=start, n_init=1, max_iter=10).fit(features / EARTH_RADIUS_M)
    centre = from_cartesian(model.cluster_centers_)
    found = pd.Series(model.labels_).value_counts().reindex(range(k), fill_value=0)
    order = np.lexsort((np.arange(k), -found.to_numpy()))
    centroid_latitude, centroid_longitude = (np.round(of[order], 7) for of in centre)
    number = np.empty(k, np.intp)
    number[order] = np.arange(k)
    cluster = number[model.labels_]
    distance_m = great_circle_m(
        latitude, longitude, centroid_latitude[cluster], centroid_longitude[cluster]
    )
    row = np.arange(2, len(latitude) + 2)
    sampled = Sampled(places.make(row, latitude, longitude, id), cluster, distance_m)
    table = _table(centroid_latitude, centroid_longitude, sampled)
    x, y = projection.forward(latitude, longitude)
    hulls = _hulls(x, y, cluster, k)
    areas = _cells(*projection.forward(centroid_latitude, centroid_longitude), x, y)
    if projection.name == "eqearth":
        areas = shapely.intersection(areas, _globe(projection))
    return Run(
        table,
        sampled,
        _to_degrees(hulls, projection),
        _to_degrees(areas, projection),
        projection,
    )


def _table(latitude: Floats, longitude: Floats, sampled: Sampled) -> pd.DataFrame:
    of_place = pd.Series(sampled.distance_m).groupby(sampled.cluster)
    every = pd.RangeIndex(len(latitude))
    size = of_place.size().reindex(every, fill_value=0)
    nearest = of_place.idxmin().reindex(every)
    is_empty = nearest.isna().to_numpy()
    near = sampled.places[nearest.fillna(0).astype(int)]
    table = pd.DataFrame(
        {
            "cluster": every + 1,
            "latitude": latitude,
            "longitude": longitude,
            "size": size,
            "share": size / size.sum(),
            "mean_distance_m": of_place.mean().reindex(every),
            "median_distance_m": of_place.median().reindex(every),
            "p95_distance_m": of_place.quantile(0.95).reindex(every),
            "max_distance_m": of_place.max().reindex(every),
            "nearest_row": pd.arrays.IntegerArray(near["row"].copy(), is_empty),
        }
    )
    if places.has_ids(near):
        table["nearest_id"] = [id.decode() for id in near[places.ID]]
    table["nearest_latitude"] = np.where(is_empty, np.nan, near["latitude"])
    table["nearest_longitude"] = np.where(is_empty, np.nan, near["longitude"])
    table["nearest_distance_m"] = of_place.min().reindex(every)
    return table


def _hulls(x: Floats, y: Floats, cluster: NDArray[np.intp], k: int) -> Geometries:
    points = shapely.points(x, y)
    return np.array(
        [
            shapely.convex_hull(shapely.multipoints(points[cluster == i])).buffer(1)
            for i in range(k)
        ]
    )


def _cells(cx: Floats, cy: Floats, x: Floats, y: Floats) -> Geometries:
    centres = shapely.points(cx, cy)
    reach = shapely.box(x.min(), y.min(), x.max(), y.max())
    around = reach.buffer(0.06 * np.sqrt(reach.area + 1))
    cells = shapely.get_parts(
        shapely.voronoi_polygons(shapely.multipoints(centres), extend_to=around)
    )
    tree = shapely.STRtree(cells)
    _, own = tree.query(centres, predicate="intersects")
    cut: Geometries = shapely.intersection(cells[own], around)
    return cut


def _globe(projection: Projection) -> Any:
    up: Floats = np.linspace(-90, 90, 181, dtype=np.float64)
    beside: Floats = np.repeat([180 - 1e-6, -180 + 1e-6], len(up))
    edge = projection.forward(np.append(up, up[::-1]), projection.longitude + beside)
    return shapely.Polygon(np.column_stack(edge))


def _to_degrees(shapes: Geometries, projection: Projection) -> Geometries:
    """Return shapes in longitude and latitude, cut at the antimeridian."""

    def inverse(xy: Floats) -> Floats:
        latitude, longitude = projection.inverse(*xy.T)
        around = np.mod(longitude - projection.longitude + 180, 360) - 180
        return np.column_stack((projection.longitude + around, latitude))

    # Nothing reaches across the meridian opposite the centre, nor around a pole.
    latitudes: Floats = np.linspace(-90, 90, 181, dtype=np.float64)
    opposite = latitudes[1:] if projection.latitude >= 0 else latitudes[:-1]
    seam = projection.forward(opposite, np.full(180, projection.longitude + 180 - 1e-9))
    cut = shapely.LineString(np.column_stack(seam)).buffer(1.0)
    dense = shapely.segmentize(shapely.difference(shapes, cut), 200_000)
    moved = shapely.make_valid(
        shapely.transform(dense, inverse), method="structure", keep_collapsed=False
    )
    parts = []
    for world_deg in (-360.0, 0.0, 360.0):
        shifted = shapely.transform(moved, np.array([world_deg, 0]).__add__)
        parts.append(shapely.clip_by_rect(shifted, -180, -90, 180, 90))
    return np.array(
        [
            shapely.MultiPolygon(
                [one for one in shapely.get_parts(of) if one.geom_type == "Polygon"]
            )
            for of in (
                np.array([one for p in three for one in shapely.get_parts(p)])
                for three in zip(*parts, strict=True)
            )
        ]
    )


def rendered(of: Run, **more: Any) -> bytes:
    """Return a run's page."""
    arguments: dict[str, Any] = {
        "title": "places.csv",
        "summary": f"{len(of.table)} clusters of {len(of.sampled.places):,} places.",
        "table": of.table,
        "sampled": of.sampled,
        "places_in_all": len(of.sampled.places),
        "palette": PALETTE,
        "colours": np.arange(len(of.table)) % len(PALETTE),
        "projection": of.projection,
        "hulls": of.hulls,
        "areas": of.areas,
    }
    return page.render(**{**arguments, **more})


def expected(of: Run, *, title: str, in_all: int) -> dict[str, Any]:
    """Return what the page must show, as `check.mjs` reads it."""
    rows = json.loads(of.table.to_json(orient="records", double_precision=15))
    sample = of.sampled.places[:: max(len(of.sampled.places) // 20, 1)]
    x, y = of.projection.forward(sample["latitude"], sample["longitude"])
    return {
        "title": title,
        "places_shown": len(of.sampled.places),
        "places_in_all": in_all,
        "clusters": rows,
        "projected": np.column_stack(
            (sample["latitude"], sample["longitude"], x, y)
        ).tolist(),
    }


def blobs(
    n: int, k: int, *, seed: int, spread_deg: float = 4.0
) -> tuple[Floats, Floats]:
    """Return places about k middles in Europe."""
    random = np.random.default_rng(seed)
    middles = np.column_stack((random.uniform(40, 58, k), random.uniform(-5, 28, k)))
    of = random.integers(0, k, n)
    scatter = random.normal(0, spread_deg / np.sqrt(k), (n, 2))
    latitude, longitude = (middles[of] + scatter).T
    return latitude, longitude


def largest() -> Run:
    """Return the most that a page can be asked to show: 10,000 clusters, long ids."""
    k, n = 10_000, 50_000
    random = np.random.default_rng(8)
    projection = Projection("laea", 48.0, 10.0)
    x, y = random.uniform(-2e6, 2e6, (2, k))
    near = random.integers(0, k, n)
    place_x, place_y = (
        x[near] + random.normal(0, 2e4, n),
        y[near] + random.normal(0, 2e4, n),
    )
    latitude, longitude = projection.inverse(x, y)
    at = projection.inverse(place_x, place_y)
    distance_m = great_circle_m(*at, latitude[near], longitude[near])
    letters = random.integers(0x3B1, 0x3C9, (n, 128)).astype("<u4")
    ids = np.char.encode(letters.view("<U128").ravel(), "utf-8")
    row = np.sort(random.choice(50_000_000, n, replace=False)) + 2
    sampled = Sampled(places.make(row, *at, ids), near, distance_m)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = random.uniform(2e4, 6e4, (k, 24))
    ring_x = x[:, np.newaxis] + reach * np.cos(angle)
    ring_y = y[:, np.newaxis] + reach * np.sin(angle)
    shapes = shapely.polygons(np.stack((ring_x, ring_y), axis=-1))
    return Run(
        _table(np.round(latitude, 7), np.round(longitude, 7), sampled),
        sampled,
        _to_degrees(shapes, projection),
        _to_degrees(_cells(x, y, place_x, place_y), projection),
        projection,
    )


def largest_borders() -> dict[str, Any]:
    """Return what else makes a page large: borders of one's own."""
    at = np.random.default_rng(9).uniform((-20, 30), (40, 65), (5_000, 2))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(at)))
    names = [f"<{'ward' * 20}{i}>" for i in range(len(cells))]
    return {"own_borders": shapely.segmentize(cells, 0.05), "own_names": names}


#: A page's name, its bytes, and what it must show.
Page = tuple[str, bytes, dict[str, Any]]


def made(name: str, of: Run, in_all: int | None = None, **more: Any) -> Page:
    """Draw a run's page."""
    title = str(more.setdefault("title", f"{name}.csv"))
    in_all = more.setdefault("places_in_all", in_all or len(of.sampled.places))
    return name, rendered(of, **more), expected(of, title=title, in_all=in_all)


def hong_kong() -> Page:
    """Draw the cameras and districts of Hong Kong."""
    table = pd.read_csv(DATA / "hong-kong" / "Traffic_Camera_Locations_En.csv")
    districts = geopandas.read_file(DATA / "hong-kong" / "Hong_Kong_18_Districts")
    name = next(c for c in districts.columns if c.upper().startswith("ENAME"))
    cameras = table["latitude"].to_numpy(), table["longitude"].to_numpy()
    keys = table["key"].to_numpy().astype("S")
    of = run(*cameras, 15, Projection("laea", 22.36, 114.12), id=keys)
    at = geopandas.points_from_xy(of.table["longitude"], of.table["latitude"])
    found = geopandas.GeoDataFrame(geometry=at, crs=4326).sjoin(districts, how="left")
    of.table.insert(3, "area", found[~found.index.duplicated()][name].to_numpy())
    return made(
        "hong-kong",
        of,
        own_borders=districts.geometry.to_numpy(),
        own_names=districts[name].tolist(),
    )


def pages() -> Iterator[Page]:
    """Make each page: its name, its bytes, what it must show."""

    europe = Projection("laea", 48.0, 10.0)
    few = blobs(200, 6, seed=1)
    ids = np.array([f"site {i}" for i in range(200)], "S")
    yield made("few", run(*few, 6, europe, id=ids))

    hostile_ids = np.array([HOSTILE[i % len(HOSTILE)].encode() for i in range(200)])
    of = run(*few, 9, europe, id=hostile_ids)
    of.table.insert(3, "area", list(HOSTILE))
    yield made(
        "hostile",
        of,
        title="".join(HOSTILE),
        summary="".join(reversed(HOSTILE)),
        own_borders=of.areas,
        own_names=list(HOSTILE),
    )

    many = run(*blobs(50_000, 40, seed=2), 40, europe)
    yield made("fifty-thousand", many, in_all=1_234_567)

    yield made("thousand", run(*blobs(20_000, 300, seed=3), 1_000, europe))

    random = np.random.default_rng(4)
    polar = (
        np.degrees(np.arcsin(random.uniform(0.94, 1, 900))),
        random.uniform(-180, 180, 900),
    )
    yield made("polar", run(*polar, 12, Projection("laea", 90.0, 0.0)))

    across = random.normal(-17, 2, 500), np.mod(random.normal(180, 3, 500), 360)
    across = across[0], np.where(across[1] > 180, across[1] - 360, across[1])
    yield made("antimeridian", run(*across, 5, Projection("laea", -17.0, 180.0)))

    cities = pd.read_csv(Path(__file__).parents[2] / "samples" / "cities.csv")
    cities = cities["latitude"].to_numpy(), cities["longitude"].to_numpy()
    yield made("cities", run(*cities, 12, europe))

    world = (
        np.degrees(np.arcsin(random.uniform(-0.9, 0.98, 3000))),
        random.uniform(-180, 180, 3000),
    )
    yield made("globe", run(*world, 30, Projection("eqearth", 0.0, 0.0)))

    yield made("largest", largest(), in_all=50_000_000, **largest_borders())

    if (DATA / "hong-kong").exists():
        yield hong_kong()
    if (DATA / "places").exists():
        table = pd.read_csv(DATA / "places" / "usgs-earthquakes-week.csv")
        quakes = table["latitude"].to_numpy(), table["longitude"].to_numpy()
        ids = table["id"].to_numpy().astype("S")
        yield made(
            "earthquakes", run(*quakes, 20, Projection("eqearth", 0.0, 0.0), id=ids)
        )
        near = (quakes[0] > 45) & ((quakes[1] > 150) | (quakes[1] < -130))
        quakes = quakes[0][near], quakes[1][near]
        yield made(
            "aleutians",
            run(*quakes, 8, Projection("laea", 57.0, -165.0), id=ids[near]),
        )


def main(arguments: list[str]) -> None:
    """Write all pages to a folder."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, html, shows in pages():
        (folder / f"{name}.html").write_bytes(html)
        (folder / f"{name}.json").write_text(json.dumps(shows), "utf-8")
        print(f"{name}: {len(html):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
