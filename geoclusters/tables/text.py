"""From the bytes of a file to UTF-8 text, as a stream: encodings."""

import codecs
import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

import charset_normalizer

from geoclusters.errors import TableError
from geoclusters.tables.packing import unpack

#: So much of a file decides about it.
SAMPLE_BYTES: Final = 1024 * 1024

NO_CSV_BUT_JSON: Final = (
    "The file is XML or JSON (such as KML, GPX or GeoJSON), not a CSV file. Open it in "
    "a GIS program such as QGIS, and export its points as CSV."
)
#: (A header may stand in brackets: `[id],[lat],[lon]`.)
_XML_OR_JSON: Final = re.compile(rb"<\?xml|<kml|<gpx|\{|\[\s*[\[{]")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What tables that are not in UTF-8 come in: Windows and DOS code pages of the West, of
#: Central Europe, in Cyrillic and Greek, and the encodings of East Asia.
_CODE_PAGES: Final = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp850", "cp437", "cp852", "cp866"),
    *("gb18030", "big5", "shift_jis", "euc_kr"),
]
_NO_TABLES: Final = (
    (b"PAR1", "a Parquet file", "Export it as CSV"),
    (
        b"\xd0\xcf\x11\xe0",
        "an Excel workbook (.xls)",
        "Save it as “CSV UTF-8” in Excel",
    ),
    # (within another archive; otherwise it was unpacked before)
    (b"PK\x03\x04", "packed twice", "Unpack it once"),
    (b"\x1f\x8b", "packed twice", "Unpack it once"),
    (b"\x89PNG", "a picture", "Upload a table of places"),
    (b"\xff\xd8\xff", "a picture", "Upload a table of places"),
    (b"%PDF", "a PDF document", "Export the table as CSV"),
    (b"SQLite format 3", "a database", "Export the table as CSV"),
    (b"BZh", "packed with bzip2", "Unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it, or pack it with gzip"),
    (b"\xff\xfe\0\0", "text in UTF-32", "Save the table as “CSV UTF-8”"),
    (b"\0\0\xfe\xff", "text in UTF-32", "Save the table as “CSV UTF-8”"),
)


class Text(NamedTuple):
    """A file's text."""

    #: `gzip`, `zip`, or empty.
    compression: str
    #: The name of the one file that was read of a zip archive; else empty.
    member: str
    #: A name of Python's `codecs`.
    encoding: str
    #: The text in UTF-8, without a byte order mark.
    stream: Iterator[bytes]


def decode(file: BinaryIO, *, most_bytes: int | None = None) -> Text:
    """Return the text in a file.

    What the first bytes say is believed of all: the file is read once.

    Parameters
    ----------
    file : binary file
        At its start; `packing.unpack` says what it must be able to.
    most_bytes : int, optional
        The most that a packed file may unpack to.

    Raises
    ------
    TableError
        If the file is no text, or damaged; the latter also while it is read.
    """
    unpacked = unpack(file, most_bytes=most_bytes)
    sample, stream = peek(unpacked.stream, SAMPLE_BYTES)
    _check_text(sample)
    encoding, mark = _encoding(sample)
    utf8 = _to_utf8(stream, encoding, mark)
    return Text(unpacked.compression, unpacked.member, encoding, utf8)


def peek(stream: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a stream, and the stream from its start."""
    held: list[bytes] = []
    total = 0
    for chunk in stream:
        held.append(chunk)
        total += len(chunk)
        if total >= size:
            break
    return b"".join(held)[:size], itertools.chain(held, stream)


def _check_text(sample: bytes) -> None:
    for magic, what, advice in _NO_TABLES:
        if sample.startswith(magic):
            msg = f"The file is {what}, not a CSV file. {advice}, and upload that."
            raise TableError(msg)
    start = sample[:1024].lstrip().lower()
    if _XML_OR_JSON.match(start):
        raise TableError(NO_CSV_BUT_JSON)
    if start.startswith((b"<!doctype html", b"<html")):
        msg = (
            "The file is a web page, not a CSV file: perhaps a download that failed "
            "and was saved all the same. Open it in a browser, and fetch the table "
            "again."
        )
        raise TableError(msg)


def _encoding(sample: bytes) -> tuple[str, bytes]:
    """Return the encoding of a text and its byte order mark, from its first bytes."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name, mark
    for name, nul in (("utf-16-le", slice(1, 512, 2)), ("utf-16-be", slice(0, 512, 2))):
        half = sample[nul]
        if len(half) > 1 and half.count(0) > 0.4 * len(half):
            return name, b""
    if b"\0" in sample:
        msg = (
            "The file is no text: it holds zero bytes. Save the table as “CSV UTF-8”, "
            "and upload that."
        )
        raise TableError(msg)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(sample, cp_isolation=_CODE_PAGES).best()
        return (best.encoding if best else "cp1252"), b""
    return "utf-8", b""


def _to_utf8(stream: Iterator[bytes], encoding: str, mark: bytes) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    skip = len(mark)
    for chunk in stream:
        data = chunk[skip:]
        skip = max(skip - len(chunk), 0)
        # UTF-8 stays as it is: later steps replace what is wrong in it
        yield data if encoding == "utf-8" else decoder.decode(data).encode()
    if encoding != "utf-8":
        yield decoder.decode(b"", final=True).encode()
