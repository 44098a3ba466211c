"""Make the basemap's layers from the npm package `world-atlas`.

    npm ci
    .venv-report/bin/python -m container.basemap.build node_modules/world-atlas

The result depends on nothing but the package and the pinned GDAL: the same bytes each
time, which a test checks. README.md tells what the layers are.
"""

import json
import lzma
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray

from container.basemap import FOLDER

SCALES = ("10m", "50m")
#: The world's longitudes, and a world to the left and to the right of it.
_WORLDS_DEG = (-360.0, 0.0, 360.0)
_WORLD = shapely.box(-180, -90, 180, 90)

Geometries = NDArray[Any]


def build(package: Path) -> dict[str, bytes]:
    """Return the layers: a file's name and its FlatGeobuf, not yet compressed.

    Parameters
    ----------
    package : Path
        The folder of world-atlas 2.0.2.
    """
    layers = {}
    for scale in SCALES:
        text = (package / f"countries-{scale}.json").read_text("utf-8")
        topology = json.loads(text)
        layers[f"land-{scale}.fgb.xz"] = _flatgeobuf(_land(topology))
        layers[f"borders-{scale}.fgb.xz"] = _flatgeobuf(_borders(topology))
    return layers


def _land(topology: dict[str, Any]) -> Geometries:
    arcs = _arcs(topology)
    (land,) = topology["objects"]["land"]["geometries"]
    polygons = [
        _polygon([_ring(arcs, indices) for indices in rings]) for rings in land["arcs"]
    ]
    # Quantised rings touch themselves.
    valid = shapely.make_valid(
        np.array(polygons), method="structure", keep_collapsed=False
    )
    return _cut_at_the_antimeridian(valid, shapely.GeometryType.POLYGON)


def _borders(topology: dict[str, Any]) -> Geometries:
    """Return the arcs that two countries share; the others are coast."""
    arcs = _arcs(topology)
    uses: Counter[int] = Counter()
    for country in topology["objects"]["countries"]["geometries"]:
        uses.update(set(_arc_numbers(country["arcs"])))
    shared = [shapely.LineString(arcs[i]) for i in sorted(uses) if uses[i] > 1]
    return _cut_at_the_antimeridian(np.array(shared), shapely.GeometryType.LINESTRING)


def _arcs(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Return longitudes and latitudes of the arcs, each of shape (n, 2).

    TopoJSON's delta encoding: https://github.com/topojson/topojson-specification
    """
    scale = np.array(topology["transform"]["scale"])
    translate = np.array(topology["transform"]["translate"])
    return [
        _unwrapped(np.cumsum(np.array(arc), axis=0) * scale + translate)
        for arc in topology["arcs"]
    ]


def _arc_numbers(arcs: Iterable[Any]) -> Iterator[int]:
    for arc in arcs:
        if isinstance(arc, int):
            yield arc if arc >= 0 else ~arc
        else:
            yield from _arc_numbers(arc)


def _unwrapped(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the line without jumps of 360° where it crosses the antimeridian."""
    line = line.copy()
    line[:, 0] = np.unwrap(line[:, 0], period=360)
    return line


def _ring(arcs: list[NDArray[np.float64]], indices: list[int]) -> NDArray[np.float64]:
    parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
    return _unwrapped(np.concatenate([parts[0], *(part[1:] for part in parts[1:])]))


def _polygon(rings: list[NDArray[np.float64]]) -> shapely.Polygon:
    shell, *holes = rings
    first, last = shell[0], shell[-1]
    if abs(last[0] - first[0]) > 180:  # around a pole: Antarctica
        shell = np.vstack([shell, [last[0], -90], [first[0], -90], first])
    if len(shell) < 4:  # an islet that quantisation has made a line
        return shapely.Polygon()
    for hole in holes:
        hole[:, 0] += 360 * np.round((shell[:, 0].mean() - hole[:, 0].mean()) / 360)
    return shapely.Polygon(shell, holes)


def _cut_at_the_antimeridian(
    geometries: Geometries, kind: shapely.GeometryType
) -> Geometries:
    """Return what lies between -180° and 180°, in parts of one kind."""
    parts = []
    for world_deg in _WORLDS_DEG:
        offset = np.array([world_deg, 0])
        moved = shapely.transform(geometries, offset.__add__)
        parts.append(shapely.get_parts(shapely.intersection(moved, _WORLD)))
    flat = np.concatenate(parts)
    of_kind: Geometries = flat[
        (shapely.get_type_id(flat) == kind) & ~shapely.is_empty(flat)
    ]
    return of_kind


def _flatgeobuf(geometries: Geometries) -> bytes:
    """Return a FlatGeobuf with its spatial index; GDAL writes files only."""
    frame = geopandas.GeoDataFrame(geometry=geometries, crs="EPSG:4326")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.fgb"
        frame.to_file(path, driver="FlatGeobuf", engine="pyogrio")
        return path.read_bytes()


def main(arguments: list[str]) -> None:
    """Write the layers beside this module."""
    (package,) = arguments
    for name, data in build(Path(package)).items():
        compressed = lzma.compress(data, preset=9)
        (FOLDER / name).write_bytes(compressed)
        print(f"{name}: {len(data)} bytes, {len(compressed)} compressed")


if __name__ == "__main__":
    main(sys.argv[1:])
