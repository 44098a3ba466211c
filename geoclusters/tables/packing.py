"""What a file is packed in, and the bytes inside it as a stream: gzip and zip."""

import contextlib
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO, Final, NamedTuple

from geoclusters import zip_archives
from geoclusters.errors import TableError
from geoclusters.zip_archives import shown

#: So much is read, and unpacked, at a time: it fits a processor's cache.
_READ_BYTES: Final = 256 * 1024
#: A gzip file may consist of several, and so many of them in a row be empty.
_MOST_EMPTY: Final = 1_000
#: A zip's list of its files is held in memory; this is that of some 50,000 files.
_MOST_DIRECTORY_BYTES: Final = 8 * 1024 * 1024
_MOST_NAMED: Final = 5
#: Numbers that count up, without anything else, are packed to a 170th; deflate packs
#: nothing but one byte to a 1,032nd. What unpacks to little may do so at any ratio.
_MOST_RATIO: Final = 250
_ANY_RATIO_BYTES: Final = 256 * 1024 * 1024

#: What to do with a table that is too large.
TOO_LARGE_ADVICE: Final = (
    "Leave out columns that are not needed, or upload a sample of the rows. What may "
    "be raised, and what comes after one file, stands in docs/scale.md of geoclusters."
)

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 16 + zlib.MAX_WBITS
#: Methods that aren't read, by PKWARE's APPNOTE 4.4.5.
_OTHER_METHODS: Final = {
    9: "Deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "xz",
    98: "PPMd",
}
#: What is told in other words: the file begins as an archive does.
_NO_END: Final = {"File is not a zip file": "its end is missing"}
_GIS: Final = "Open it in a GIS program such as QGIS, export its points as CSV"
_EXCEL: Final = "Save the sheet as “CSV UTF-8”"
_ALONE: Final = "Pack the table alone, and once"
_EXPORT: Final = "Export the table as CSV"
#: Documents that are zip archives themselves: they hold one of these files, and some
#: whose names tell which document it is.
_DOCUMENT_MARKS: Final = ("[Content_Types].xml", "mimetype", "Index/Document.iwa")
_DOCUMENTS: Final = (
    (r"xl/", "an Excel workbook (.xlsx)", _EXCEL),
    (r"word/", "a Word document (.docx)", "Copy its table into a CSV file"),
    (r"ppt/", "a PowerPoint file (.pptx)", "Copy its table into a CSV file"),
    (r"content\.xml$", "an OpenDocument file (such as .ods)", "Save it as CSV"),
    (r"Index/Document\.iwa$", "a Numbers or Pages document", _EXPORT),
)
#: What else people pack who have places, by the endings of files.
_NO_TABLES: Final = (
    ("shp", "a shapefile", _GIS),
    ("gpkg", "a GeoPackage", _GIS),
    ("gdbtable", "an Esri geodatabase", _GIS),
    ("kml|kmz", "KML", _GIS),
    ("geojson|json|topojson", "GeoJSON or other JSON", _GIS),
    ("gpx|gml|xml", "GPX or other XML", _GIS),
    ("xlsx|xlsm|xlsb|xls|ods", "a workbook", _EXCEL),
    ("parquet|feather", "a Parquet file", _EXPORT),
    ("sqlite|sqlite3|db|mdb|accdb", "a database", _EXPORT),
    ("gz|tgz|zip|bz2|xz|7z|zst|rar|tar", "what is packed itself", _ALONE),
    ("pdf", "a PDF document", _EXPORT),
)
#: Endings of tables, the surer ones first; `readme.txt` lies beside much else.
_CSV, _TSV, _TXT = "csv", "tsv|tab", "txt"


class Unpacked(NamedTuple):
    """The bytes in a file."""

    #: `gzip`, `zip`, or empty.
    compression: str
    #: The name of the one file that was read of a zip archive; else empty.
    member: str
    stream: Iterator[bytes]


def unpack(file: BinaryIO, *, most_bytes: int | None = None) -> Unpacked:
    """Return the bytes in a file, unpacked.

    Of a zip archive it is the one table in it.

    Parameters
    ----------
    file : binary file
        At its start. It is read once and forward; `seek` and `tell` are needed for zip
        archives alone, whose list of files stands at their end.
    most_bytes : int, optional
        The most that a packed file may unpack to.

    Raises
    ------
    TableError
        If it is damaged (some of it shows while the stream is read), unpacks to too
        much, by itself or for its size, or is a zip archive without one table.
    """
    start = b""
    while len(start) < 4 and (more := file.read(_READ_BYTES)):
        start += more
    if start.startswith(zip_archives.MAGICS):
        return _unzip(file, most_bytes)
    stream = itertools.chain([start], iter(partial(file.read, _READ_BYTES), b""))
    if start.startswith(_GZIP_MAGIC):
        bounds = _Bounds("gzip file", most_bytes)
        unpacked = bounds.unpacked(_gunzip(bounds.packed(stream)))
        return Unpacked("gzip", "", unpacked)
    return Unpacked("", "", stream)


class _Bounds:
    """How much a packed file may unpack to: so many bytes, and so many times its size.

    Parameters
    ----------
    what : str
        What kind of file it is, for messages.
    most_bytes : int, optional
        The most that it may unpack to.
    packed : int
        How large it is, or how much of it was read so far.
    """

    def __init__(self, what: str, most_bytes: int | None, packed: int = 0) -> None:
        self._what = what
        self._most_bytes = most_bytes
        self._packed = packed

    def packed(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Yield a packed stream, and note how much of it was read."""
        for chunk in stream:
            self._packed += len(chunk)
            yield chunk

    def unpacked(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Yield an unpacked stream, up to the bounds."""
        size = 0
        for chunk in stream:
            size += len(chunk)
            self.check(size)
            yield chunk

    def check(self, size: int) -> None:
        """Refuse what is, or will be, unpacked to so many bytes, if it is too much."""
        if self._most_bytes is not None and size > self._most_bytes:
            msg = (
                f"The {self._what} unpacks to more than {self._most_bytes / 1e6:,.1f} "
                f"MB, which is the most that is accepted. {TOO_LARGE_ADVICE}"
            )
            raise TableError(msg)
        if size > max(_ANY_RATIO_BYTES, _MOST_RATIO * self._packed):
            msg = (
                f"The {self._what} unpacks to more than {_MOST_RATIO} times its size, "
                "which no table of different places does. If it is one all the same, "
                "upload it unpacked."
            )
            raise TableError(msg)


def _gunzip(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack a gzip file, which may consist of several, one behind the other."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
    is_first, is_begun = True, False
    size = empty = 0  # of the one that is unpacked; and of those before it
    try:
        for chunk in stream:
            data = chunk
            while data:
                if not is_first and not is_begun:
                    data = data.lstrip(b"\0")  # padding behind a file
                    if not data:
                        break
                is_begun = True
                unpacked = unpacker.decompress(data, _READ_BYTES)
                yield unpacked
                size += len(unpacked)
                data = unpacker.unconsumed_tail
                if unpacker.eof:
                    # each takes time, and nobody would see an end
                    empty = 0 if size else empty + 1
                    if empty > _MOST_EMPTY:
                        raise _damaged_gzip("it consists of empty files")
                    size = 0
                    data = unpacker.unused_data
                    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
                    is_first, is_begun = False, False
    except zlib.error as error:
        raise _damaged_gzip("what is in it can't be unpacked") from error
    if is_begun:
        raise _damaged_gzip("it is cut off")


def _damaged_gzip(how: str) -> TableError:
    msg = f"The gzip file is damaged ({how}). Pack it again, or upload it unpacked."
    return TableError(msg)


def _unzip(file: BinaryIO, most_bytes: int | None) -> Unpacked:
    source = _Source(file)
    with _damage_told(source):
        archive = zipfile.ZipFile(source)
    member = _choose(archive.infolist())
    if zip_archives.is_encrypted(member):
        msg = (
            f"{shown(member)} in the zip archive is encrypted. Pack it "
            "without a password."
        )
        raise TableError(msg)
    if not zip_archives.is_unpackable(member):
        method = _OTHER_METHODS.get(
            member.compress_type, f"number {member.compress_type}"
        )
        msg = (
            f"{shown(member)} in the zip archive is compressed by a method "
            f"that is not supported ({method}). Pack it with the usual one, “deflate”, "
            "or with gzip."
        )
        raise TableError(msg)
    # (An archive may say that more is packed in it than it has.)
    packed = min(member.compress_size, file.seek(0, io.SEEK_END))
    bounds = _Bounds("zip archive", most_bytes, packed)
    bounds.check(member.file_size)
    stream = bounds.unpacked(_read(archive, member, source))
    return Unpacked("zip", member.filename, stream)


def _read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: "_Source"
) -> Iterator[bytes]:
    size = 0
    with _damage_told(source), archive.open(member) as file:
        while chunk := file.read(_READ_BYTES):
            size += len(chunk)
            yield chunk
    if size != member.file_size:
        raise _damaged_zip(f"{size:,} bytes where {member.file_size:,} should be")


class _Source:
    """A file as `zipfile` reads it.

    `zipfile` takes every OSError for damage, and a dropped connection may be one. So
    what fails while the file is read is kept.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: Exception | None = None

    def read(self, size: int = -1, /) -> bytes:
        if size > _MOST_DIRECTORY_BYTES:
            msg = (
                "The zip archive holds very many files. Pack the table of places "
                "alone, and upload that."
            )
            raise TableError(msg)
        try:
            return self._file.read(size)
        except Exception as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


@contextlib.contextmanager
def _damage_told(source: _Source) -> Iterator[None]:
    try:
        yield
    except zip_archives.ERRORS as error:
        if source.failure is not None:
            raise source.failure from None
        how = str(error) or type(error).__name__
        raise _damaged_zip(_NO_END.get(how, how)) from error


def _damaged_zip(how: str) -> TableError:
    msg = (
        "The file is a zip archive or an Excel workbook, but it is damaged or cut off "
        f"({how[:200]}). Pack it again; of a workbook, save the sheet as “CSV UTF-8”."
    )
    return TableError(msg)


def _choose(members: Sequence[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """Return the one table of a zip archive."""
    _check_document(members)
    files = [member for member in members if zip_archives.is_plain(member)]
    if tables := _ending_in(_CSV, files) or _ending_in(_TSV, files):
        return _only(tables)
    for endings, what, advice in _NO_TABLES:
        if found := _ending_in(endings, files):
            msg = (
                f"The zip archive holds {what} ({shown(found[0])}), not a "
                f"CSV file. {advice}, and upload that."
            )
            raise TableError(msg)
    if tables := _ending_in(_TXT, files):
        return _only(tables)
    if len(files) == 1:
        return files[0]
    msg = (
        f"The zip archive holds no table: {_listed(members) or 'it is empty'}. Pack "
        "one CSV file, and upload that."
    )
    raise TableError(msg)


def _check_document(members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse documents that are zip archives themselves."""
    names = [zip_archives.path(member) for member in members]
    if not any(name in _DOCUMENT_MARKS for name in names):
        return
    for pattern, what, advice in _DOCUMENTS:
        if any(re.match(pattern, name) for name in names):
            msg = f"The file is {what}, not a CSV file. {advice}, and upload that."
            raise TableError(msg)


def _only(tables: Sequence[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if len(tables) > 1:
        msg = (
            f"The zip archive holds {len(tables)} tables: {_listed(tables)}. Pack the "
            "one with the places alone, and upload that."
        )
        raise TableError(msg)
    return tables[0]


def _ending_in(
    endings: str, members: Sequence[zipfile.ZipInfo]
) -> list[zipfile.ZipInfo]:
    pattern = re.compile(rf".*\.({endings})", re.IGNORECASE | re.DOTALL)
    return [member for member in members if pattern.fullmatch(member.filename)]


def _listed(members: Sequence[zipfile.ZipInfo]) -> str:
    names = ", ".join(shown(member) for member in members[:_MOST_NAMED])
    more = len(members) - _MOST_NAMED
    return f"{names} and {more:,} more" if more > 0 else names
