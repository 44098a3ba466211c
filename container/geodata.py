"""Clusters as files for GIS: `centroids.geojson` and `clusters.gpkg`."""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray

from container.centroids import DECIMALS

Geometries = NDArray[Any]

#: Longitude and latitude on WGS 84, in degrees; files have longitude first.
_CRS: Final = "EPSG:4326"
#: As in `centroids.csv`: metres to the millimetre.
_DISTANCE_DECIMALS: Final = 3


def centroids_geojson(table: pd.DataFrame) -> bytes:
    """Return `centroids.geojson` (RFC 7946): a point for each cluster, one a line.

    Parameters
    ----------
    table : DataFrame
        `centroid_table`'s. Its columns but latitude and longitude become properties;
        what is missing is null.
    """
    points = zip(_at(table), _figures(table).to_dict("records"), strict=True)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": coordinates},
            "properties": {name: _plain(value) for name, value in figures.items()},
        }
        for coordinates, figures in points
    ]
    lines = ",\n".join(
        json.dumps(feature, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        for feature in features
    )
    return f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'.encode()


def clusters_gpkg(table: pd.DataFrame, hulls: Geometries, areas: Geometries) -> bytes:
    """Return `clusters.gpkg` (GeoPackage) in WGS 84.

    Its layers are `centroids`, points with all figures of the table, `convex_hulls` and
    `service_areas`, multipolygons with the figures but those of the nearest place. A
    cluster without a shape is not in that layer.

    Parameters
    ----------
    table : DataFrame
        `centroid_table`'s, k rows.
    hulls, areas : array of shapely Polygon, MultiPolygon or None, shape (k,)
        In degrees (longitude, latitude), in the table's order.
    """
    points = shapely.points(_at(table))
    figures = _figures(table)
    of_shapes = table[["latitude", "longitude"]].join(figures)
    of_shapes = of_shapes[
        [
            *[name for name in figures if not name.startswith("nearest_")],
            "latitude",
            "longitude",
        ]
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clusters.gpkg"
        _write(path, "centroids", "Point", points, figures)
        _write(path, "convex_hulls", "MultiPolygon", hulls, of_shapes)
        _write(path, "service_areas", "MultiPolygon", areas, of_shapes)
        return path.read_bytes()


def _at(table: pd.DataFrame) -> list[list[float]]:
    at: list[list[float]] = (
        table[["longitude", "latitude"]].round(DECIMALS).values.tolist()
    )
    return at


def _figures(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns but the centroids' places, metres to the millimetre."""
    figures = table.drop(columns=["latitude", "longitude"])
    in_metres = [name for name in figures if name.endswith("_m")]
    return figures.round(dict.fromkeys(in_metres, _DISTANCE_DECIMALS))


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _write(
    path: Path, layer: str, kind: str, shapes: Geometries, figures: pd.DataFrame
) -> None:
    is_there = ~shapely.is_missing(shapes)
    shapes, figures = shapes[is_there], figures[is_there]
    if kind == "MultiPolygon":
        shapes = _multi(shapes)
    columns = [figures[name] for name in figures]
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapes),
        field_data=[_values(column) for column in columns],
        fields=list(figures),
        field_mask=[column.isna().to_numpy() for column in columns],
        layer=layer,
        driver="GPKG",
        geometry_type=kind,
        crs=_CRS,
        append=path.exists(),
    )


def _multi(shapes: Geometries) -> Geometries:
    parts, index = shapely.get_parts(shapes, return_index=True)
    multi: Geometries = shapely.multipolygons(parts, indices=index)
    return multi


def _values(column: "pd.Series[Any]") -> NDArray[Any]:
    """Return a column as an array that GDAL understands; gaps are masked."""
    if pd.api.types.is_integer_dtype(column.dtype):
        values = column.fillna(0).to_numpy(np.int64)
    elif pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(np.float64)
    else:
        values = column.astype(object).where(column.notna(), None).to_numpy(object)
    found: NDArray[Any] = values
    return found
