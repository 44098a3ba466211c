import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from container.geodata import centroids_geojson, clusters_gpkg


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cluster": [1, 2, 3],
            "latitude": [22.3123457, -10.0, 0.5],
            "longitude": [114.1, -179.5, 3.0],
            "area": ["Sha Tin 沙田", None, "</script>"],
            "size": [5, 3, 0],
            "share": [0.625, 0.375, 0.0],
            "mean_distance_m": [1.5, 2.5, np.nan],
            "nearest_row": pd.array([7, 9, None], "Int64"),
        }
    )


def test_geojson_holds_each_centroid_with_its_figures(table: pd.DataFrame) -> None:
    text = centroids_geojson(table).decode()
    document = json.loads(text, parse_constant=lambda _: pytest.fail("no JSON"))
    assert document.keys() == {"type", "features"}
    first, second, third = document["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [114.1, 22.3123457]}
    assert first["properties"] == {
        "cluster": 1,
        "area": "Sha Tin 沙田",
        "size": 5,
        "share": 0.625,
        "mean_distance_m": 1.5,
        "nearest_row": 7,
    }
    assert second["properties"]["area"] is None
    assert third["properties"]["mean_distance_m"] is None
    assert third["properties"]["nearest_row"] is None


def test_gdal_reads_the_geojson(table: pd.DataFrame) -> None:
    frame = pyogrio.read_dataframe(centroids_geojson(table))
    assert frame.crs.to_epsg() == 4326
    assert frame["cluster"].tolist() == [1, 2, 3]
    assert frame.geometry.y.tolist() == table["latitude"].tolist()


def test_gdal_reads_every_layer_of_the_geopackage(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    box = shapely.box(1, 2, 3, 4)
    several = shapely.MultiPolygon([box, shapely.box(5, 5, 6, 6)])
    hulls = np.array([box, several, None])
    areas = np.array([several, None, box])
    path = tmp_path / "clusters.gpkg"
    path.write_bytes(clusters_gpkg(table, hulls, areas))

    layers = pyogrio.list_layers(path).tolist()
    assert layers == [
        ["centroids", "Point"],
        ["convex_hulls", "MultiPolygon"],
        ["service_areas", "MultiPolygon"],
    ]
    expected = {
        "centroids": [1, 2, 3],
        "convex_hulls": [1, 2],
        "service_areas": [1, 3],
    }
    for layer, clusters in expected.items():
        frame = pyogrio.read_dataframe(path, layer=layer)
        assert frame.crs.to_epsg() == 4326
        assert frame["cluster"].tolist() == clusters
        assert frame["size"].tolist() == [(5, 3, 0)[i - 1] for i in clusters]
        assert pyogrio.read_info(path, layer=layer)["capabilities"][
            "fast_spatial_filter"
        ]
    centroids = pyogrio.read_dataframe(path, layer="centroids")
    assert centroids["area"].tolist() == ["Sha Tin 沙田", None, "</script>"]
    assert centroids.geometry.x.tolist() == table["longitude"].tolist()
    assert np.isnan(centroids["mean_distance_m"][2])
    hull = pyogrio.read_dataframe(path, layer="convex_hulls")
    assert hull.geometry[0].equals(box)
    assert "latitude" not in hull
