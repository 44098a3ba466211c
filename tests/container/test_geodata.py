import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from container.geodata import centroids_geojson, clusters_gpkg

LAYERS = {
    "centroids": "Point",
    "convex_hulls": "MultiPolygon",
    "service_areas": "MultiPolygon",
}
SHAPE_COLUMNS = ["cluster", "area", "size", "share", "mean_distance_m"]


@pytest.fixture
def table() -> pd.DataFrame:
    """Two clusters of Hong Kong and an empty one beyond the antimeridian."""
    return pd.DataFrame(
        {
            "cluster": [1, 2, 3],
            "latitude": [22.3123457, 22.4, -17.5],
            "longitude": [114.2, 114.1234567, -179.9],
            "area": ["中西區", "Sha Tin ” <b>", None],
            "size": [3, 1, 0],
            "share": [0.75, 0.25, 0.0],
            "mean_distance_m": [1234.56789, 0.0, np.nan],
            "nearest_row": pd.array([2, 5, None], "Int64"),
            "nearest_id": ["007", "a,\n“b”", ""],
            "nearest_latitude": [22.31234567891, 22.4, np.nan],
            "nearest_distance_m": [12.3456, 0.0, np.nan],
        }
    )


@pytest.fixture
def gpkg(table: pd.DataFrame, tmp_path: Path) -> Path:
    box = shapely.box
    hulls = np.array([box(114, 22, 114.5, 22.4), box(114.1, 22.4, 114.2, 22.5), None])
    two_parts = shapely.multipolygons(
        [box(179, -20, 180, -15), box(-180, -20, -179, -15)]
    )
    areas = np.array([box(113, 21, 115, 22.35), box(113, 22.35, 115, 23), two_parts])
    path = tmp_path / "clusters.gpkg"
    path.write_bytes(clusters_gpkg(table, hulls, areas))
    return path


def read(
    path: Path, layer: str
) -> tuple[dict[str, Any], list[Any], dict[str, list[Any]]]:
    meta, _, shapes, columns = pyogrio.raw.read(path, layer=layer)
    values = dict(zip(meta["fields"], (c.tolist() for c in columns), strict=True))
    return meta, shapely.from_wkb(shapes).tolist(), values


def test_geojson_says_what_the_table_says(table: pd.DataFrame) -> None:
    found = json.loads(centroids_geojson(table))
    assert list(found) == ["type", "features"]  # RFC 7946 has no CRS
    assert [feature["geometry"] for feature in found["features"]] == [
        {"type": "Point", "coordinates": [114.2, 22.3123457]},
        {"type": "Point", "coordinates": [114.1234567, 22.4]},
        {"type": "Point", "coordinates": [-179.9, -17.5]},
    ]
    first, second, empty = (feature["properties"] for feature in found["features"])
    assert list(first) == [
        name for name in table if name not in ("latitude", "longitude")
    ]
    assert first["area"] == "中西區"
    assert (first["size"], first["nearest_row"]) == (3, 2)
    assert (first["mean_distance_m"], first["nearest_distance_m"]) == (1234.568, 12.346)
    assert first["nearest_latitude"] == 22.31234567891
    assert second["nearest_id"] == "a,\n“b”"
    assert [name for name, value in empty.items() if value is None] == [
        "area",
        "mean_distance_m",
        "nearest_row",
        "nearest_latitude",
        "nearest_distance_m",
    ]


def test_a_text_like_a_formula_stays_as_it_is_in_a_geographic_file(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    table["nearest_id"] = ["=1+1", "+cmd", ""]
    features = json.loads(centroids_geojson(table))["features"]
    assert [f["properties"]["nearest_id"] for f in features[:2]] == ["=1+1", "+cmd"]
    none = np.full(3, None)
    path = tmp_path / "clusters.gpkg"
    path.write_bytes(clusters_gpkg(table, none, none))
    assert read(path, "centroids")[2]["nearest_id"][:2] == ["=1+1", "+cmd"]


def test_geojson_opens_in_gdal(table: pd.DataFrame) -> None:
    meta, _, shapes, _ = pyogrio.raw.read(centroids_geojson(table))
    assert (meta["crs"], meta["geometry_type"], len(shapes)) == (
        "EPSG:4326",
        "Point",
        3,
    )
    assert "nearest_row" in meta["fields"]


def test_the_geopackage_has_three_layers_in_wgs_84(gpkg: Path) -> None:
    assert dict(pyogrio.list_layers(gpkg).tolist()) == LAYERS
    for layer, count in zip(LAYERS, (3, 2, 3), strict=True):
        info = pyogrio.read_info(gpkg, layer=layer)
        assert (info["crs"], info["features"]) == ("EPSG:4326", count)


def test_layers_have_the_figures_and_null_where_there_are_none(gpkg: Path) -> None:
    _, shapes, figures = read(gpkg, "centroids")
    assert shapes[0].coords[0] == (114.2, 22.3123457)
    assert figures["area"] == ["中西區", "Sha Tin ” <b>", None]
    assert figures["nearest_id"] == ["007", "a,\n“b”", ""]
    assert figures["mean_distance_m"][:2] == [1234.568, 0.0]
    with sqlite3.connect(gpkg) as database:
        nulls = "mean_distance_m IS NULL AND nearest_row IS NULL"
        rows = database.execute(f"SELECT cluster FROM centroids WHERE {nulls}")
        assert rows.fetchall() == [(3,)]
    database.close()


def test_shapes_are_multipolygons_with_their_clusters_figures(gpkg: Path) -> None:
    meta, hulls, figures = read(gpkg, "convex_hulls")
    assert list(meta["fields"]) == [*SHAPE_COLUMNS, "latitude", "longitude"]
    assert figures["cluster"] == [1, 2]
    assert figures["size"] == [3, 1]
    assert {shape.geom_type for shape in hulls} == {"MultiPolygon"}
    _, areas, figures = read(gpkg, "service_areas")
    assert figures["cluster"] == [1, 2, 3]
    assert [len(area.geoms) for area in areas] == [1, 1, 2]
    assert hulls[0].bounds == (114, 22, 114.5, 22.4)


def test_layers_are_found_by_place(gpkg: Path) -> None:
    with sqlite3.connect(gpkg) as database:
        indexed = "SELECT table_name FROM gpkg_extensions WHERE extension_name = ?"
        rows = database.execute(indexed, ["gpkg_rtree_index"]).fetchall()
    database.close()
    assert sorted(name for (name,) in rows) == sorted(LAYERS)
    bounds, _ = pyogrio.read_bounds(
        gpkg, layer="service_areas", bbox=(114, 22.5, 115, 23)
    )
    assert len(bounds) == 1


def test_the_same_clusters_give_the_same_files(table: pd.DataFrame, gpkg: Path) -> None:
    assert centroids_geojson(table) == centroids_geojson(table.copy())
    again = gpkg.with_name("again.gpkg")
    nothing = np.array([None, None, None])
    boxes = np.array([shapely.box(113, 21, 115, 22.35)] * 3)
    contents = []
    for _ in range(2):
        again.write_bytes(clusters_gpkg(table, nothing, boxes))
        contents.append([read(again, layer)[1:] for layer in LAYERS])
    assert repr(contents[0]) == repr(contents[1])
    assert not contents[0][1][0]  # a layer may be empty
