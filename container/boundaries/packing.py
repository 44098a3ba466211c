"""What kind of file somebody's borders are, and its bytes as GDAL gets them.

Nothing but the standard library looks at them here. Messages of errors are the reason
alone; see `BoundariesError` in `container.boundaries.read`.
"""

import codecs
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from container.boundaries import encodings, geopackage
from container.boundaries.limits import (
    MOST_ENTRIES,
    MOST_UNPACKED_BYTES,
    MOST_VERTICES,
)
from geoclusters import zip_archives
from geoclusters.errors import BoundariesError
from geoclusters.zip_archives import shown

GEOJSON: Final = "GeoJSON"
GEOPACKAGE: Final = "GeoPackage"
SHAPEFILE: Final = "shapefile"

EXPORT_ADVICE: Final = (
    "Open it in a GIS program such as QGIS, export it as GeoPackage or GeoJSON, and "
    "upload that."
)
_PACK_ADVICE: Final = (
    "Pack the .shp, .shx, .dbf and .prj files of one shapefile into a zip archive, "
    "and upload that."
)
_KINDS: Final = (
    "Borders may be a GeoJSON file, a GeoPackage, or a zip archive with a shapefile or "
    "with one of these."
)

#: How files begin that are something else, and what to do with them.
_OTHERS: Final = (
    (b"\x1f\x8b", "packed with gzip", "Upload it unpacked, or in a zip archive."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Pack it as .zip instead."),
    (b"Rar!", "a RAR archive", "Pack it as .zip instead."),
    (b"\0\0\x27\x0a", "one part of a shapefile", _PACK_ADVICE),
    (b"fgb", "a FlatGeobuf", EXPORT_ADVICE),
    (b"PAR1", "a Parquet file", EXPORT_ADVICE),
    (b"%PDF", "a PDF document", _KINDS),
    (b"<", "KML, GML or other XML", EXPORT_ADVICE),
)
_TAR_MAGIC: Final = (257, b"ustar")

#: What else people pack who have borders, by the endings of files.
_OTHERS_PACKED: Final = (
    ("kml|kmz", "KML", EXPORT_ADVICE),
    ("gdbtable", "an Esri geodatabase", EXPORT_ADVICE),
    ("topojson", "TopoJSON", EXPORT_ADVICE),
    ("gml|xml|gpx|tab|mif|fgb|parquet|dxf|dwg", "another format", EXPORT_ADVICE),
    ("zip|7z|rar|gz|tar", "another archive", "Pack the files themselves, once."),
    ("shx|dbf|prj", "a shapefile without its .shp file", _PACK_ADVICE),
)
#: ESRI's white paper of July 1998: the header of a .shp file, and its shape types.
_SHP_HEADER_BYTES: Final = 100
_SHP_POLYGONS: Final = (5, 15, 25, 31)
_SHP_LINES: Final = (3, 13, 23)
#: A vertex may have four numbers of eight bytes.
_MOST_SHP_BYTES: Final = MOST_VERTICES * 32 + 16_000_000

_Members = Mapping[str, zipfile.ZipInfo]


class Source(NamedTuple):
    """A file for GDAL to read."""

    #: `GEOJSON`, `GEOPACKAGE` or `SHAPEFILE`.
    kind: str
    data: bytes
    #: Of a shapefile's texts, and whether it says where its coordinates are.
    encoding: str | None = None
    has_crs: bool = True
    #: Sentences on what was left out.
    notes: tuple[str, ...] = ()


def unpack(data: bytes) -> Source:
    """Return what GDAL is to read of a file.

    Raises
    ------
    BoundariesError
        If it is damaged, too large, or no kind of file that is read.
    """
    if not data:
        raise BoundariesError("it is empty. " + _KINDS)
    if data.startswith(zip_archives.MAGICS):
        return _unzip(data)
    return _plain(data)


def _plain(data: bytes) -> Source:
    if data.startswith(geopackage.MAGIC):
        clean, notes = geopackage.without_code(data)
        return Source(GEOPACKAGE, clean, notes=notes)
    if (text := _json(data)) is not None:
        _check_json(text)
        return Source(GEOJSON, text)
    for magic, what, advice in _OTHERS:
        if data.lstrip().startswith(magic):
            raise BoundariesError(f"it is {what}. {advice}")
    place, magic = _TAR_MAGIC
    if data[place:].startswith(magic):
        raise BoundariesError("it is a tar archive. Pack it as .zip instead.")
    raise BoundariesError(f"it is no kind of file that is read. {_KINDS}")


def _json(data: bytes) -> bytes | None:
    """Return JSON in UTF-8 without byte order mark; None if it is none."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            return None
    text = data.removeprefix(codecs.BOM_UTF8)
    if text[:1000].lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        text.decode()
    except UnicodeDecodeError:  # as an old program for Windows writes it
        return text.decode("cp1252", "replace").encode()
    return text


def _check_json(text: bytes) -> None:
    """Refuse by its name what isn't GeoJSON, as far as both ends show it."""
    ends = text[:2000], text[-2000:]
    for pattern, what in (
        (rb'"type"\s*:\s*"Topology"', "TopoJSON"),
        (rb'"(geometryType|spatialReference)"\s*:', "Esri's JSON"),
    ):
        if any(re.search(pattern, end) for end in ends):
            raise BoundariesError(f"it is {what}, not GeoJSON. {EXPORT_ADVICE}")


def _unzip(data: bytes) -> Source:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _choose(archive)
    except zip_archives.ERRORS as error:
        how = str(error)[:200] or type(error).__name__
        msg = f"it is a damaged zip archive ({how}). Pack it again, and upload that."
        raise BoundariesError(msg) from error


def _choose(archive: zipfile.ZipFile) -> Source:
    """Return a shapefile, a GeoPackage or a GeoJSON file in an archive."""
    members = [member for member in archive.infolist() if zip_archives.is_plain(member)]
    if len(members) > MOST_ENTRIES:
        msg = f"it is a zip archive of more than {MOST_ENTRIES:,} files. {_PACK_ADVICE}"
        raise BoundariesError(msg)
    by_ending: dict[str, list[zipfile.ZipInfo]] = {}
    for member in members:
        by_ending.setdefault(_ending(member), []).append(member)
    if by_ending.get("shp"):
        return _shapefile(archive, by_ending["shp"], members)
    for ending in ("gpkg", "geojson", "json"):
        if found := by_ending.get(ending):
            source = _plain(_read(archive, found[0]))
            return source._replace(
                notes=source.notes + _notes_on_others(found[0], found, ending)
            )
    for endings, what, advice in _OTHERS_PACKED:
        if any(re.fullmatch(endings, ending) for ending in by_ending):
            raise BoundariesError(f"it is a zip archive with {what}. {advice}")
    raise BoundariesError(f"it is a zip archive without borders. {_KINDS}")


def _shapefile(
    archive: zipfile.ZipFile,
    found: Sequence[zipfile.ZipInfo],
    members: Sequence[zipfile.ZipInfo],
) -> Source:
    """Return the first shapefile with areas, else with lines, as an archive of it."""
    kinds = {shp.filename: _shape_type(archive, shp) for shp in found}
    ordered = [
        shp
        for types in (_SHP_POLYGONS, _SHP_LINES)
        for shp in found
        if kinds[shp.filename] in types
    ]
    if not ordered:
        msg = f"its shapefile {shown(found[0])} has no areas or lines, only points."
        if all(kind is None for kind in kinds.values()):
            msg = f"its {shown(found[0])} is no shapefile, or damaged. {_PACK_ADVICE}"
        raise BoundariesError(msg)
    shp = ordered[0]
    stem = zip_archives.path(shp)[:-4].casefold()
    parts = {
        _ending(member): member
        for member in members
        if zip_archives.path(member)[:-4].casefold() == stem
    }
    if "shx" not in parts:
        msg = f"the .shx file of its shapefile {shown(shp)} is missing. {_PACK_ADVICE}"
        raise BoundariesError(msg)
    notes = _notes_on_others(shp, found, "shp")
    return _packed_alone(archive, shp, parts)._replace(notes=notes)


def _packed_alone(
    archive: zipfile.ZipFile, shp: zipfile.ZipInfo, parts: _Members
) -> Source:
    """Return the parts of one shapefile in an archive without compression.

    GDAL finds them beside one another in it, wherever they were, and unpacks nothing.
    """
    wanted = ("shp", "shx", "dbf", "prj")
    _check_size(sum(parts[part].file_size for part in wanted if part in parts))
    if shp.file_size > _MOST_SHP_BYTES:
        raise BoundariesError(too_many_vertices())
    packed = io.BytesIO()
    dbf = b""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as alone:
        for part in wanted:
            if part not in parts:
                continue
            data = _read(archive, parts[part])
            alone.writestr(f"layer.{part}", data)
            if part == "shp":
                _check_length(shp, data)
            elif part == "dbf":
                dbf = data
    cpg = _read(archive, parts["cpg"]) if "cpg" in parts else b""
    return Source(
        SHAPEFILE,
        packed.getvalue(),
        encoding=encodings.of_dbf(dbf, cpg),
        has_crs="prj" in parts,
    )


def _check_length(shp: zipfile.ZipInfo, data: bytes) -> None:
    """Refuse a .shp file that ends before the length in its header."""
    if len(data) < _SHP_HEADER_BYTES or len(data) < 2 * int.from_bytes(data[24:28]):
        msg = f"its {shown(shp)} is cut off. Export or download it again."
        raise BoundariesError(msg)


def _shape_type(archive: zipfile.ZipFile, shp: zipfile.ZipInfo) -> int | None:
    """Return what shapes a .shp file holds; None if it is none."""
    _check_readable(shp)
    with archive.open(shp) as file:
        header = file.read(_SHP_HEADER_BYTES)
    if not header.startswith(b"\0\0\x27\x0a") or len(header) < _SHP_HEADER_BYTES:
        return None
    return int.from_bytes(header[32:36], "little")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a file's bytes; `zipfile` gives no more than its list says."""
    _check_readable(member)
    _check_size(member.file_size)
    return archive.read(member)


def _check_readable(member: zipfile.ZipInfo) -> None:
    if zip_archives.is_encrypted(member):
        msg = f"its {shown(member)} is encrypted. Pack it without a password."
        raise BoundariesError(msg)
    if not zip_archives.is_unpackable(member):
        msg = (
            f"its {shown(member)} is compressed by a method that is not supported. "
            "Pack it with the usual one, “deflate”."
        )
        raise BoundariesError(msg)


def _check_size(size: int) -> None:
    if size > MOST_UNPACKED_BYTES:
        msg = (
            f"it unpacks to more than {MOST_UNPACKED_BYTES / 1e6:.0f} MB, which is the "
            "most that is accepted. Leave out columns that are not needed, or simplify "
            "the borders, and upload that."
        )
        raise BoundariesError(msg)


def too_many_vertices() -> str:
    """Return the reason against borders that are drawn too finely."""
    return (
        f"its borders have more than {MOST_VERTICES:,} vertices, which is the most "
        "that is accepted. Simplify them in a GIS program such as QGIS, and upload "
        "that."
    )


def _notes_on_others(
    used: zipfile.ZipInfo, found: Sequence[zipfile.ZipInfo], ending: str
) -> tuple[str, ...]:
    if len(found) == 1:
        return ()
    return (f"Of its {len(found)} .{ending} files {shown(used)} was read.",)


def _ending(member: zipfile.ZipInfo) -> str:
    return zip_archives.path(member).rpartition("/")[2].rpartition(".")[2].lower()
