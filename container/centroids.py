"""Centroids as places on the earth, and as `centroids.csv`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from container.statistics import ClusterStatistics
from geoclusters.errors import ModelError
from geoclusters.geodesy import Geometry, Spherical, direction_is_defined
from geoclusters.places import ID, Places, has_ids
from geoclusters.spreadsheet import as_text

Floats = NDArray[np.float64]

#: A centroid's digits after the decimal point: 1 cm. All that is reported of it refers
#: to the rounded centroid.
DECIMALS: Final = 7
_DISTANCE_DECIMALS: Final = 3
#: Significant ones: a cluster may have one place of a hundred million.
_SHARE_DIGITS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where centroids lie, in degrees, shape (k,)."""

    latitude: Floats
    longitude: Floats
    #: Centroids without a direction that were put onto their nearest place.
    moved: NDArray[np.intp]


def place_on_earth(
    centroids: Floats, geometry: Geometry, parts: Callable[[], Iterable[Places]]
) -> Placement:
    """Return the places of centroids, rounded to `DECIMALS`.

    A centroid of places all around the globe may lie so near to the sphere's centre
    that it has no direction. Such a one moves to the place nearest to it.

    Parameters
    ----------
    centroids : array of float64, shape (k, feature_dim)
        In the geometry's own coordinates, not centred.
    geometry : Geometry
        What the run's features mean.
    parts : callable
        Gives all places of the run; called only where a centroid has no direction.

    Raises
    ------
    ModelError
        If a centroid is no place on earth, which no mean of places can be.
    """
    latitude, longitude = geometry.places(centroids)
    moved: NDArray[np.intp] = np.empty(0, np.intp)
    if isinstance(geometry, Spherical):
        moved = np.flatnonzero(~direction_is_defined(centroids))
        if len(moved):
            latitude[moved], longitude[moved] = _nearest_places(
                centroids[moved], geometry, parts()
            )
    latitude, longitude = rounded(latitude), rounded(longitude)
    outside = (np.abs(latitude) > 90) | (np.abs(longitude) > 180)
    if outside.any():
        first = int(np.argmax(outside))
        found = f"{latitude[first]}, {longitude[first]}"
        msg = (
            "the run's model: expected centroids with latitudes between -90 and 90 and "
            f"longitudes between -180 and 180, found {found}. The model is not of this "
            "run's table; upload the table again."
        )
        raise ModelError(msg)
    return Placement(latitude=latitude, longitude=longitude, moved=moved)


def rounded(degrees: Floats) -> Floats:
    """Return degrees with the digits that are shown of a centroid."""
    return np.round(degrees, DECIMALS) + 0.0  # never a negative zero


def _nearest_places(
    centroids: Floats, geometry: Geometry, parts: Iterable[Places]
) -> tuple[Floats, Floats]:
    nearest = np.full(len(centroids), np.inf)
    latitude, longitude = np.zeros(len(centroids)), np.zeros(len(centroids))
    for part in parts:
        features = geometry.features(part["latitude"], part["longitude"])
        for i, centroid in enumerate(centroids):
            squares = ((features - centroid) ** 2).sum(axis=1)
            row = int(np.argmin(squares))
            if squares[row] < nearest[i]:
                nearest[i] = squares[row]
                latitude[i] = part["latitude"][row]
                longitude[i] = part["longitude"][row]
    return latitude, longitude


def cluster_order(
    latitude: Floats, longitude: Floats, size: NDArray[np.int64]
) -> NDArray[np.intp]:
    """Return the order in which clusters are numbered, as indices, shape (k,).

    The largest comes first; equally large ones go from south to north, and then from
    west to east. So the numbers don't depend on the order in the model.
    """
    order: NDArray[np.intp] = np.lexsort((longitude, latitude, -size))
    return order


def centroid_table(
    latitude: Floats,
    longitude: Floats,
    statistics: ClusterStatistics,
    quantiles_m: Floats,
) -> pd.DataFrame:
    """Return the clusters as a table, numbered from 1 in `cluster_order`.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    statistics : ClusterStatistics
        Their figures, in the same order. `nearest_id` is a column of the table only if
        places have ids.
    quantiles_m : array of float64, shape (k, 2)
        `Quantiles.result()`, in the same order.
    """
    order = cluster_order(latitude, longitude, statistics.size)
    nearest = statistics.nearest[order]
    is_empty = statistics.size[order] == 0
    median_m, p95_m = quantiles_m[order].T
    table = pd.DataFrame(
        {
            "cluster": np.arange(1, len(order) + 1),
            "latitude": latitude[order],
            "longitude": longitude[order],
            "size": statistics.size[order],
            "share": statistics.share[order],
            "mean_distance_m": statistics.mean_distance_m[order],
            "median_distance_m": median_m,
            "p95_distance_m": p95_m,
            "max_distance_m": statistics.max_distance_m[order],
            "nearest_row": pd.arrays.IntegerArray(nearest["row"], is_empty, copy=True),
        }
    )
    if has_ids(nearest):
        table["nearest_id"] = [id.decode("utf-8", "replace") for id in nearest[ID]]
    table["nearest_latitude"] = np.where(is_empty, np.nan, nearest["latitude"])
    table["nearest_longitude"] = np.where(is_empty, np.nan, nearest["longitude"])
    table["nearest_distance_m"] = statistics.nearest_distance_m[order]
    return table


def trained_table(
    latitude: Floats,
    longitude: Floats,
    statistics: ClusterStatistics,
    order: NDArray[np.intp],
) -> pd.DataFrame:
    """Return centroids as training left them, numbered as what became of them.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids before they were refined, in degrees.
    statistics : ClusterStatistics
        Their figures, in the same order.
    order : array of int, shape (k,)
        The `cluster_order` of the refined ones: refining keeps their order.
    """
    return pd.DataFrame(
        {
            "cluster": np.arange(1, len(order) + 1),
            "latitude": latitude[order],
            "longitude": longitude[order],
            "size": statistics.size[order],
            "share": statistics.share[order],
            "mean_distance_m": statistics.mean_distance_m[order],
            "max_distance_m": statistics.max_distance_m[order],
        }
    )


def to_csv(table: pd.DataFrame) -> bytes:
    r"""Return a table as CSV: UTF-8, lines that end in \n, metres to the millimetre.

    The nearest places' coordinates and ids are as the upload has them, but for an
    apostrophe before what a spreadsheet would run as a formula (`as_text`); so are the
    names of areas. An empty cluster has no distances and no nearest place: those cells
    are empty.
    """
    columns = [
        [_field("" if pd.isna(value) else _text(name, value)) for value in table[name]]
        for name in table.columns
    ]
    lines = [table.columns, *zip(*columns, strict=True)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def _text(column: str, value: Any) -> str:
    if column in ("latitude", "longitude"):
        return f"{value:.{DECIMALS}f}"
    if column in ("nearest_latitude", "nearest_longitude"):
        # The fewest digits that are read as the same number again.
        return np.format_float_positional(value + 0.0, trim="0")  # no negative zero
    if column == "share":
        return np.format_float_positional(
            value, precision=_SHARE_DIGITS, fractional=False, trim="0"
        )
    if column.endswith("_m"):
        return f"{value:.{_DISTANCE_DECIMALS}f}"
    return as_text(str(value))


def _field(text: str) -> str:
    r"""Return a text as a field of a CSV file (RFC 4180).

    Where lines end in \n, the `csv` module and pandas leave a lone \r bare, which
    readers take for the end of a line.
    """
    if not any(mark in text for mark in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'
