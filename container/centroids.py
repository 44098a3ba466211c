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

Floats = NDArray[np.float64]

#: A centroid's digits after the decimal point: 1 cm. All that is reported of it refers
#: to the rounded centroid.
DECIMALS: Final = 7
_DISTANCE_DECIMALS: Final = 3


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
    latitude, longitude = _rounded(latitude), _rounded(longitude)
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


def _rounded(degrees: Floats) -> Floats:
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


def centroid_table(
    latitude: Floats, longitude: Floats, statistics: ClusterStatistics
) -> pd.DataFrame:
    """Return the clusters as a table, numbered from 1.

    The largest cluster is number 1; equally large ones go from south to north, and then
    from west to east. So the numbers don't depend on the order in the model.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    statistics : ClusterStatistics
        Their figures, in the same order. `nearest_id` is a column of the table only if
        places have ids.
    """
    order = np.lexsort((longitude, latitude, -statistics.size))
    nearest = statistics.nearest[order]
    is_empty = statistics.size[order] == 0
    table = pd.DataFrame(
        {
            "cluster": np.arange(1, len(order) + 1),
            "latitude": latitude[order],
            "longitude": longitude[order],
            "size": statistics.size[order],
            "mean_distance_m": statistics.mean_distance_m[order],
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


def to_csv(table: pd.DataFrame) -> bytes:
    r"""Return `centroids.csv`: UTF-8, lines that end in \n, metres to the millimetre.

    The nearest places' coordinates and ids are as the upload has them. An empty cluster
    has no distances and no nearest place: those cells are empty.
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
    if column.endswith("_m"):
        return f"{value:.{_DISTANCE_DECIMALS}f}"
    return str(value)


def _field(text: str) -> str:
    r"""Return a text as a field of a CSV file (RFC 4180).

    Where lines end in \n, the `csv` module and pandas leave a lone \r bare, which
    readers take for the end of a line.
    """
    if not any(mark in text for mark in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'
