"""The borders in a file, read by GDAL. Never to be called in the report's own process.

pyogrio reads broken layers, empty ones and coordinates that are no numbers without a
word: all of it is looked at here.
"""

import re
import warnings
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from pyogrio.errors import DataSourceError

from container.boundaries import encodings, names, packing
from container.boundaries.globe import Projection, valid_areas
from container.boundaries.limits import MOST_FEATURES, MOST_LAYERS, MOST_VERTICES
from container.boundaries.packing import Source
from container.boundaries.parts import Geometries, as_lines, as_polygons, count, flat
from geoclusters.errors import BoundariesError

#: So many features show which column names them.
_SAMPLE: Final = 2000
_COORDINATE_BYTES: Final = 16
_GEOJSON_ADVICE: Final = (
    "A GeoJSON file is one object with “features”; export it again, and upload that."
)


class Layer(NamedTuple):
    """What was read of a file."""

    #: A MultiPolygon for each feature with an area, in degrees; shape (n,).
    polygons: Geometries
    #: Their names, and which column has them, and why.
    names: list[str]
    name_column: str | None
    name_why: str
    #: A MultiLineString for each feature with lines; shape (m,).
    lines: Geometries
    #: Name of the coordinate reference system.
    crs: str
    #: Sentences on what was left out.
    notes: tuple[str, ...]


def read(source: Source) -> Layer:
    """Return the first layer with areas; if there is none, the first with lines.

    Raises
    ------
    BoundariesError
        If there is neither, or it can't be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GDAL's, about extensions of files and such
        try:
            return _read(source)
        except (DataSourceError, RuntimeError, ValueError) as error:
            # pyogrio's errors are RuntimeErrors, but that no driver takes the file
            raise BoundariesError(_reason(source, error)) from error


def _reason(source: Source, error: Exception) -> str:
    if source.kind == packing.GEOJSON and isinstance(error, DataSourceError):
        return f"it is JSON, but no GeoJSON, or cut off. {_GEOJSON_ADVICE}"
    how = re.sub(r"'?/vsi[^\s']*'?", "the file", str(error)).split("; ")[0][:200]
    return f"its {source.kind} is damaged ({how}). Export or download it again."


def _read(source: Source) -> Layer:
    layers = _candidates(source)
    with_lines = None
    for name in layers[:MOST_LAYERS]:
        layer = _read_layer(source, name)
        if len(layer.polygons):
            return _with_note_on_others(layer, source, name, len(layers))
        if len(layer.lines) and with_lines is None:
            with_lines = _with_note_on_others(layer, source, name, len(layers))
    if with_lines is None:
        advice = "Upload a file with polygons."
        msg = " ".join(("it holds neither areas nor lines.", *source.notes, advice))
        raise BoundariesError(msg)
    return with_lines


def _candidates(source: Source) -> list[str | None]:
    """Return names of layers: those with areas first, then the mixed, then lines."""
    if source.kind != packing.GEOPACKAGE:
        return [None]  # the only one
    layers = [
        (str(n), _rank(str(kind))) for n, kind in pyogrio.list_layers(source.data)
    ]
    return [n for wanted in range(3) for n, rank in layers if rank == wanted]


def _rank(kind: str) -> int | None:
    """Return how soon to look at a layer of this type of geometry, if ever."""
    for rank, words in enumerate(
        ("Polygon|Surface", "Unknown|Collection", "Line|Curve")
    ):
        if re.search(words, kind):
            return rank
    return None


def _with_note_on_others(
    layer: Layer, source: Source, name: str | None, layers: int
) -> Layer:
    notes = source.notes
    if layers > 1 and name is not None:
        notes += (f"Of its {layers} layers {names.clean(name)!r} was read.",)
    return layer._replace(notes=notes + layer.notes)


def _read_layer(source: Source, name: str | None) -> Layer:
    raw_column, column = _name_column(source, name)
    wanted = [raw_column] if raw_column else []
    meta, _, wkb, fields = _raw(source, name, columns=wanted, most=MOST_FEATURES + 1)
    if len(wkb) > MOST_FEATURES:
        msg = (
            f"it holds more than {MOST_FEATURES:,} features, which is the most that is "
            "accepted. Leave out, or merge, what isn't needed, and upload that."
        )
        raise BoundariesError(msg)
    geometries = _decoded(wkb)
    projection = Projection(meta["crs"] if source.has_crs else None)
    values = _texts(source, fields[0]) if len(fields) else [None] * len(wkb)
    parts, owner = flat(geometries)
    dimension = shapely.get_dimensions(parts)
    areal, linear = dimension == 2, dimension == 1
    polygons = _placed(parts[areal], owner[areal], len(wkb), projection)
    polygons = valid_areas(polygons)
    lines = projection.to_degrees(parts[linear])
    line_parts, line_owner = flat(lines)
    lines = as_lines(line_parts, owner[linear][line_owner], len(wkb))
    lost = shapely.is_missing(polygons) & shapely.is_missing(lines)
    notes: tuple[str, ...] = ()
    if lost.any():
        notes = (
            f"Features without an area or a line that can be drawn: {lost.sum():,}.",
        )
    found = np.flatnonzero(~shapely.is_missing(polygons))
    all_names = names.of_features(values)
    return Layer(
        polygons=polygons[found],
        names=[all_names[i] for i in found],
        name_column=column.column if column else None,
        name_why=column.why if column else "no column has names",
        lines=lines[~shapely.is_missing(lines)],
        crs=projection.name,
        notes=notes,
    )


def _placed(
    parts: Geometries, owner: Any, n: int, projection: Projection
) -> Geometries:
    single, of = flat(projection.to_degrees(parts))
    return as_polygons(single, owner[of], n)


def _name_column(
    source: Source, layer: str | None
) -> tuple[str | None, names.NameColumn | None]:
    """Return what GDAL calls the column with the names, and the column."""
    meta, _, _, fields = _raw(source, layer, most=_SAMPLE, geometry=False)
    called, columns = {}, {}
    for raw, kind, values in zip(
        meta["fields"], meta["ogr_types"], fields, strict=True
    ):
        if kind == "OFTString":
            name = encodings.decoded(raw, source.encoding)
            called[name], columns[name] = raw, _texts(source, values)
    found = names.choose(columns)
    return (called[found.column], found) if found else (None, None)


def _raw(
    source: Source,
    layer: str | None,
    *,
    columns: list[str] | None = None,
    most: int,
    geometry: bool = True,
) -> Any:
    """Return what `pyogrio.raw.read` does."""
    return pyogrio.raw.read(
        source.data,
        layer=layer,
        columns=columns,
        read_geometry=geometry,
        force_2d=True,
        max_features=most,
    )


def _texts(source: Source, values: Iterable[Any]) -> list[str | None]:
    return [
        None if value is None else encodings.decoded(str(value), source.encoding)
        for value in values
    ]


def _decoded(wkb: Any) -> Geometries:
    size = sum(len(one) for one in wkb if one is not None)
    if size > 1.5 * MOST_VERTICES * _COORDINATE_BYTES:
        raise BoundariesError(packing.too_many_vertices())
    geometries: Geometries = shapely.from_wkb(wkb, on_invalid="fix")
    if count(geometries) > MOST_VERTICES:
        raise BoundariesError(packing.too_many_vertices())
    return geometries
