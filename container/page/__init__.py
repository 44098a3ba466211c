"""`map.html`: places and clusters in one interactive file that needs no network.

`render` puts a run's data into the template, which `build` makes. README.md tells what
the page does and how it is made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from container import basemap
from container.page import encoding
from container.page.outlines import LIMIT_M, Plane, Projection, joined, on_plane, packed
from container.sample import Sampled
from geoclusters.geodesy import EARTH_RADIUS_M
from geoclusters.places import ID, has_ids

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Geometries = NDArray[Any]

#: What `build` makes, and where in it the data come.
TEMPLATE: Final = Path(__file__).with_name("template.html")
DATA_MARK: Final = b"@DATA@"
#: The page is never larger.
MOST_BYTES: Final = 2_990_000

#: Parts of the bytes that places and figures leave, the most that each may take; what
#: remains is for ids.
_SHARES: Final = {"land": 0.3, "borders": 0.1, "own": 0.3, "areas": 0.4, "hulls": 0.6}
#: Which of them share borders with one another.
_NEIGHBOURS: Final = ("own", "areas")
_SHARE_OF_NAMES: Final = 0.1
_SHARE_OF_NEAREST_IDS: Final = 0.7
#: The map is at least so large, and can be moved this much farther than its view.
_LEAST_VIEW_M: Final = 2_000.0
_REGION: Final = 1.1

_DISTANCES: Final = (
    "mean_distance_m",
    "median_distance_m",
    "p95_distance_m",
    "max_distance_m",
    "nearest_distance_m",
)


def render(
    *,
    title: str,
    summary: str,
    table: "pd.DataFrame",
    sampled: Sampled,
    places_in_all: int,
    palette: Sequence[str],
    colours: NDArray[np.integer[Any]],
    projection: Projection,
    hulls: Geometries | None = None,
    areas: Geometries | None = None,
    own_borders: Geometries | None = None,
    own_names: Sequence[str] = (),
) -> bytes:
    """Return map.html: at most `MOST_BYTES` of UTF-8, whatever it is given.

    What doesn't fit is simplified (shapes), shortened (ids, names) or at last left out,
    and the page says so. Places and figures are always there.

    Parameters
    ----------
    title, summary : str
        The lines above the map.
    table : pandas.DataFrame
        The clusters, as in centroids.csv: row i is cluster i + 1. Needs `latitude`,
        `longitude` and `size`; shows `area`, `share`, the distances and the nearest
        place where it has them.
    sampled : Sampled
        The places to show, at most 50,000; `cluster` counts the table's rows from 0.
    places_in_all : int
        Number of places that they stand for.
    palette : sequence of str
        Colours, such as `#0072b2`.
    colours : array of int, shape (k,)
        The clusters' colours, as indices into the palette.
    projection : Projection
        The map's; the page computes the same.
    hulls, areas : array of shapely polygons, shape (k,), optional
        The clusters' convex hulls and service areas in longitude and latitude; None
        for a cluster without.
    own_borders : array of shapely polygons, shape (m,), optional
        Borders of the user's own, in longitude and latitude.
    own_names : sequence of str, length m, optional
        What their areas are called.
    """
    plane = _plane(projection, table, sampled, hulls)
    data: dict[str, Any] = {
        "title": title,
        "summary": summary,
        "attribution": basemap.ATTRIBUTION,
        "projection": {
            "name": projection.name,
            "latitude": projection.latitude,
            "longitude": projection.longitude,
            "radius": EARTH_RADIUS_M,
            "limit": LIMIT_M,
        },
        "view": list(plane.view),
        "region": list(plane.region),
        "palette": list(palette),
        "clusters": _clusters(table, colours),
        "places": _places(sampled, places_in_all),
    }
    template = TEMPLATE.read_bytes()
    space = _Space(MOST_BYTES - len(template) - 1_000, data)
    data["shapes"] = _shapes(plane, hulls, areas, own_borders, space.left())
    data["ownLabels"] = _own_labels(
        plane, own_borders, own_names, int(_SHARE_OF_NAMES * space.left())
    )
    data["clusters"]["area"] = _areas(table, int(_SHARE_OF_NAMES * space.left()))
    data["clusters"]["nearestId"] = _texts(
        _nearest_ids(table), int(_SHARE_OF_NEAREST_IDS * space.left())
    )
    data["places"]["id"] = _texts(_ids(sampled), space.left())
    return template.replace(DATA_MARK, encoding.to_json(data))


class _Space:
    """How many bytes are left for more."""

    def __init__(self, most: int, data: dict[str, Any]) -> None:
        self._most, self._data = most, data

    def left(self) -> int:
        return max(self._most - len(encoding.to_json(self._data)), 0)


def _plane(
    projection: Projection,
    table: "pd.DataFrame",
    sampled: Sampled,
    hulls: Geometries | None,
) -> Plane:
    """Return what the page shows: all places and centroids, and what lies around."""
    latitude = np.append(sampled.places["latitude"], table["latitude"].to_numpy())
    longitude = np.append(sampled.places["longitude"], table["longitude"].to_numpy())
    x, y = projection.forward(latitude, longitude)
    known = np.isfinite(x) & np.isfinite(y)
    bounds = np.array(
        [[x[known].min(), y[known].min(), x[known].max(), y[known].max()]]
    )
    is_globe = projection.name == "eqearth"
    edge = (
        _globe_edge(projection) if is_globe else (-LIMIT_M, -LIMIT_M, LIMIT_M, LIMIT_M)
    )
    if hulls is not None:  # the sample may lack the outermost places
        whole = Plane(projection=projection, view=edge, region=edge)
        drawn = shapely.bounds(on_plane(hulls, whole, 1.0))
        bounds = np.vstack((bounds, drawn[~np.isnan(drawn).any(axis=1)]))
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    middle = (low + high) / 2
    half = np.maximum((high - low) / 2, _LEAST_VIEW_M / 2)
    around = _REGION * 2 * half.max()
    region = (
        edge
        if is_globe
        else (
            *np.maximum(middle - around, edge[:2]),
            *np.minimum(middle + around, edge[2:]),
        )
    )
    view = (*(middle - half), *(middle + half))
    return Plane(
        projection=projection,
        view=tuple(float(side) for side in view),  # type: ignore[arg-type]
        region=tuple(float(side) for side in region),  # type: ignore[arg-type]
    )


def _globe_edge(projection: Projection) -> tuple[float, float, float, float]:
    centre = projection.longitude
    (x, _), (_, y) = projection.forward(
        np.array([0.0, 90.0]), np.array([centre + 180 - 1e-7, centre])
    )
    return -abs(x), -abs(y), abs(x), abs(y)


def _clusters(
    table: "pd.DataFrame", colours: NDArray[np.integer[Any]]
) -> dict[str, Any]:
    size = table["size"].to_numpy()
    share = table["share"] if "share" in table else size / max(size.sum(), 1)
    nearest = {}
    if "nearest_row" in table:
        nearest = {
            "nearestRow": encoding.counts(
                table["nearest_row"].fillna(0).to_numpy(np.int64)
            ),
            "nearestLatitude": encoding.degrees(table["nearest_latitude"].to_numpy()),
            "nearestLongitude": encoding.degrees(table["nearest_longitude"].to_numpy()),
        }
    return {
        "count": len(table),
        "latitude": encoding.degrees(table["latitude"].to_numpy()),
        "longitude": encoding.degrees(table["longitude"].to_numpy()),
        "colour": encoding.counts(np.asarray(colours)),
        "size": encoding.counts(size),
        "share": encoding.array(np.asarray(share), "f4"),
        **nearest,
        **{
            _camel(name): encoding.array(table[name].to_numpy(np.float64), "f4")
            for name in _DISTANCES
            if name in table
        },
    }


def _camel(name: str) -> str:
    """Return a column's name as the page's script calls it, without the unit."""
    first, *others = name.removesuffix("_m").split("_")
    return first + "".join(other.capitalize() for other in others)


def _places(sampled: Sampled, in_all: int) -> dict[str, Any]:
    places, cluster, distance_m = sampled
    return {
        "count": len(places),
        "inAll": in_all,
        "row": encoding.counts(places["row"]),
        "latitude": encoding.degrees(places["latitude"]),
        "longitude": encoding.degrees(places["longitude"]),
        "cluster": encoding.counts(cluster),
        "distance": encoding.array(distance_m, "f4"),
    }


def _shapes(
    plane: Plane,
    hulls: Geometries | None,
    areas: Geometries | None,
    own: Geometries | None,
    space_bytes: int,
) -> dict[str, Any]:
    """Return what is drawn beneath the places, and which of it doesn't fit."""
    bounds = plane.bounds_deg()
    wanted = {
        "land": joined(basemap.land(*bounds)),
        "borders": basemap.borders(*bounds),
        "own": own,
        "areas": areas,
        "hulls": hulls,
    }
    shapes: dict[str, Any] = {"leftOut": []}
    for name, geometries in wanted.items():
        if geometries is None or not len(geometries):
            continue
        shape = packed(
            geometries,
            plane,
            int(_SHARES[name] * space_bytes),
            are_neighbours=name in _NEIGHBOURS,
        )
        if shape is None:
            shapes["leftOut"].append(name)
        else:
            shapes[name] = shape
            space_bytes -= len(shape["data"])
    return shapes


def _own_labels(
    plane: Plane, own: Geometries | None, names: Sequence[str], budget_bytes: int
) -> dict[str, Any] | None:
    """Return the areas' names and where they can be written, in metres."""
    if own is None or not len(names):
        return None
    drawn = on_plane(own, plane, 1.0)
    points = shapely.point_on_surface(drawn)
    known = ~(shapely.is_missing(points) | shapely.is_empty(points))
    texts, _ = encoding.fitting(
        [name for name, is_known in zip(names, known, strict=True) if is_known],
        budget_bytes - 16 * int(known.sum()),
    )
    if texts is None:
        return None
    left, _, right, _ = shapely.bounds(drawn[known]).T
    return {
        "text": texts,
        "x": encoding.array(shapely.get_x(points[known]), "f4"),
        "y": encoding.array(shapely.get_y(points[known]), "f4"),
        "width": encoding.array(right - left, "f4"),
    }


def _areas(table: "pd.DataFrame", budget_bytes: int) -> dict[str, Any] | None:
    """Return which areas there are, and for each cluster its number from 1, or 0."""
    if "area" not in table:
        return None
    codes, names = table["area"].factorize()
    texts, _ = encoding.fitting([str(name) for name in names], budget_bytes)
    if texts is None:
        return None
    return {"names": texts, "number": encoding.counts(codes + 1)}


def _nearest_ids(table: "pd.DataFrame") -> list[str | None] | None:
    if "nearest_id" not in table:
        return None
    has_none = table["nearest_row"].isna()
    return [
        None if is_empty else str(id)
        for id, is_empty in zip(table["nearest_id"], has_none, strict=True)
    ]


def _ids(sampled: Sampled) -> list[str | None] | None:
    if not has_ids(sampled.places):
        return None
    return [id.decode("utf-8", "replace") for id in sampled.places[ID]]


def _texts(texts: list[str | None] | None, budget_bytes: int) -> dict[str, Any] | None:
    if texts is None:
        return None
    fitting, longest = encoding.fitting(texts, budget_bytes)
    return {"texts": fitting, "longest": longest}
