"""From the bytes of a file to UTF-8 text, as a stream: compression and encoding."""

import codecs
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import charset_normalizer

from geoclusters.errors import TableError

#: So much of a file decides about it.
SAMPLE_BYTES: Final = 1024 * 1024

#: (A header may stand in brackets: `[id],[lat],[lon]`.)
_XML_OR_JSON: Final = re.compile(rb"<\?xml|<kml|<gpx|\{|\[\s*[\[{]")
_GZIP_WINDOW_BITS: Final = 16 + zlib.MAX_WBITS
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
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook (.xlsx)",
        "Unpack it, or save the sheet as “CSV UTF-8” in Excel",
    ),
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

    #: `gzip`, or empty.
    compression: str
    #: A name of Python's `codecs`.
    encoding: str
    #: The text in UTF-8, without a byte order mark.
    stream: Iterator[bytes]


def decode(chunks: Iterable[bytes], *, most_bytes: int | None = None) -> Text:
    """Return the text in a file's bytes.

    What the first bytes say is believed of all: the stream is read once.

    Parameters
    ----------
    chunks : iterable of bytes
        The file.
    most_bytes : int, optional
        The most that a compressed file may unpack to.

    Raises
    ------
    TableError
        If the file is no text, or damaged; the latter while it is read.
    """
    stream = iter(chunks)
    start, stream = peek(stream, 4)
    compression = ""
    if start.startswith(b"\x1f\x8b"):
        compression = "gzip"
        stream = _gunzip(stream, most_bytes)
    sample, stream = peek(stream, SAMPLE_BYTES)
    _check_text(sample)
    encoding, mark = _encoding(sample)
    return Text(compression, encoding, _to_utf8(stream, encoding, mark))


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


def _gunzip(stream: Iterator[bytes], most_bytes: int | None) -> Iterator[bytes]:
    """Unpack a gzip file, which may consist of several, one behind the other."""
    size = 0
    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
    is_first, is_begun = True, False
    try:
        for chunk in stream:
            data = chunk
            while data:
                if not is_first and not is_begun:
                    data = data.lstrip(b"\0")  # padding behind a file
                    if not data:
                        break
                is_begun = True
                unpacked = unpacker.decompress(data, SAMPLE_BYTES)
                size += len(unpacked)
                if most_bytes is not None and size > most_bytes:
                    raise _too_large(most_bytes)
                yield unpacked
                data = unpacker.unconsumed_tail
                if unpacker.eof:
                    data = unpacker.unused_data
                    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
                    is_first, is_begun = False, False
    except zlib.error as error:
        raise _damaged(str(error)) from error
    if is_begun:
        raise _damaged("it is cut off")


def _too_large(most_bytes: int) -> TableError:
    msg = (
        f"The gzip file unpacks to more than {most_bytes / 1e6:,.1f} MB, which is the "
        "most that is accepted. Leave out columns that are not needed, or upload a "
        "sample of the rows."
    )
    return TableError(msg)


def _damaged(how: str) -> TableError:
    msg = f"The gzip file is damaged ({how}). Pack it again, or upload it unpacked."
    return TableError(msg)


def _check_text(sample: bytes) -> None:
    for magic, what, advice in _NO_TABLES:
        if sample.startswith(magic):
            msg = f"The file is {what}, not a CSV file. {advice}, and upload that."
            raise TableError(msg)
    start = sample[:1024].lstrip().lower()
    if _XML_OR_JSON.match(start):
        msg = (
            "The file is XML or JSON (such as KML, GPX or GeoJSON), not a CSV file. "
            "Open it in a GIS program such as QGIS, and export its points as CSV."
        )
        raise TableError(msg)
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
