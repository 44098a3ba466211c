"""Clusters for geographic information systems: GeoJSON and GeoPackage."""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray

#: Longitude and latitude on WGS 84.
_CRS: Final = "EPSG:4326"
#: Figures of a cluster that a layer of areas repeats.
_OF_AREAS: Final = (
    *("cluster", "size", "share"),
    *("mean_distance_m", "median_distance_m", "p95_distance_m", "max_distance_m"),
)


def centroids_geojson(table: pd.DataFrame) -> bytes:
    """Return the centroids as GeoJSON (RFC 7946): a point for each, with its figures.

    Parameters
    ----------
    table : DataFrame
        As of `centroids.centroid_table`. What it doesn't know of a cluster is null.
    """
    names = [name for name in table if name not in ("latitude", "longitude")]
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Point",
                "coordinates": [row["longitude"], row["latitude"]],
            },
            "properties": {name: _plain(row[name]) for name in names},
        }
        for row in table.to_dict("records")
    ]
    collection = {"type": "FeatureCollection", "features": features}
    return (json.dumps(collection, ensure_ascii=False, indent=1) + "\n").encode()


def clusters_gpkg(
    table: pd.DataFrame, hulls: NDArray[Any], areas: NDArray[Any]
) -> bytes:
    """Return a GeoPackage with the layers centroids, convex_hulls and service_areas.

    Parameters
    ----------
    table : DataFrame
        As of `centroids.centroid_table`, k rows.
    hulls, areas : array of shapely (Multi)Polygons, shape (k,)
        In longitudes and latitudes. The layers leave out those that are None.
    """
    points = shapely.points(table["longitude"], table["latitude"])
    figures = table[[name for name in _OF_AREAS if name in table]]
    layers = {
        "centroids": geopandas.GeoDataFrame(table, geometry=points, crs=_CRS),
        "convex_hulls": _areas(figures, hulls),
        "service_areas": _areas(figures, areas),
    }
    # GDAL writes several layers into files only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clusters.gpkg"
        for name, layer in layers.items():
            pyogrio.write_dataframe(
                layer, path, layer=name, driver="GPKG", append=path.exists()
            )
        return path.read_bytes()


def _areas(figures: pd.DataFrame, polygons: NDArray[Any]) -> geopandas.GeoDataFrame:
    there = np.flatnonzero(~shapely.is_missing(polygons))
    several = [
        shapely.multipolygons(shapely.get_parts(polygon)) for polygon in polygons[there]
    ]
    return geopandas.GeoDataFrame(figures.iloc[there], geometry=several, crs=_CRS)


def _plain(value: Any) -> Any:
    """Return a value of a table as JSON knows it."""
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
