"""Files of borders, as people make them and as attackers do."""

import io
import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

SQUARE: dict[str, Any] = {
    "type": "Polygon",
    "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]],
}
ROAD: dict[str, Any] = {"type": "LineString", "coordinates": [[0, 5], [1, 6]]}

Features = Iterable[tuple[Mapping[str, Any], Mapping[str, Any] | None]]


def geojson(features: Features, **members: Any) -> bytes:
    """Return GeoJSON of pairs: properties and geometry."""
    listed = [
        {"type": "Feature", "properties": properties, "geometry": geometry}
        for properties, geometry in features
    ]
    document = {"type": "FeatureCollection", "features": listed, **members}
    return json.dumps(document, ensure_ascii=False).encode()


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Return the GeoJSON of a box; east may be west of west."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def frame(n: int = 3, crs: str | int | None = 4326) -> geopandas.GeoDataFrame:
    """Return so many boxes side by side, 1° wide, on the equator."""
    boxes = [shapely.box(i, 0, i + 1, 1) for i in range(n)]
    names = [f"Area {i}" for i in range(n)]
    return geopandas.GeoDataFrame({"name": names}, geometry=boxes, crs=crs)


def geopackage(layers: Mapping[str, geopandas.GeoDataFrame]) -> bytes:
    """Return a GeoPackage of layers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "borders.gpkg"
        for name, layer in layers.items():
            layer.to_file(path, layer=name, driver="GPKG", engine="pyogrio")
        return path.read_bytes()


def altered(gpkg: bytes, *statements: str) -> bytes:
    """Return a GeoPackage after statements of SQL, without its triggers."""
    for some in (["DELETE FROM sqlite_schema WHERE type = 'trigger'"], statements):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            database.deserialize(gpkg)
            database.execute("PRAGMA writable_schema = ON")
            for statement in some:
                database.execute(statement)
            gpkg = database.serialize()
    return gpkg


def shapefile(
    layer: geopandas.GeoDataFrame, name: str = "borders", encoding: str = "UTF-8"
) -> dict[str, bytes]:
    """Return the files of a shapefile by their names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.shp"
        layer.to_file(path, engine="pyogrio", encoding=encoding)
        return {part.name: part.read_bytes() for part in Path(folder).iterdir()}


def star(n: int) -> dict[str, Any]:
    """Return a polygon whose n edges nearly all cross one another."""
    points = np.random.default_rng(0).uniform(0, 1, (n, 2))
    return {"type": "Polygon", "coordinates": [[*points.tolist(), points[0].tolist()]]}
