"""From the bytes of a file to UTF-8 text, as a stream: encodings."""

import codecs
import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

import charset_normalizer

from geoclusters.errors import TableError
from geoclusters.tables.columns import names_coordinates
from geoclusters.tables.packing import unpack

#: So much of a file decides about it.
SAMPLE_BYTES: Final = 1024 * 1024
#: So many characters hold its header.
_HEADER: Final = 16 * 1024

NO_CSV_BUT_JSON: Final = (
    "The file is XML or JSON (such as KML, GPX or GeoJSON), not a CSV file. Open it in "
    "a GIS program such as QGIS, and export its points as CSV."
)
_WEB_PAGE: Final = (
    "The file is a web page, not a CSV file: perhaps a download that failed and was "
    "saved all the same, or a table that was exported as a web page. Open it in a "
    "browser. If it shows the table, open it in a spreadsheet, and save it as “CSV "
    "UTF-8”; if not, fetch the table again."
)
_XML_WORKBOOK: Final = (
    "The file is an Excel workbook (XML), not a CSV file. Save the sheet as “CSV "
    "UTF-8” in Excel, and upload that."
)
#: How text begins that is no table, in lower case. (A header may stand in brackets:
#: `[id],[lat],[lon]`.)
_MARKUP: Final = (
    (r"<\?xml[^>]*>\s*<\?mso-application progid=.excel", _XML_WORKBOOK),
    (
        # (`<Error>` is what object stores answer with)
        r"(<\?xml[^>]*>\s*)?<(!doctype html|!--"
        r"|(html|head|meta|title|style|script|body|table|div|error)\b"
        r"|(h[1-6]|p|br|hr|center|pre|font|span|ul|ol|form)\b[^>]*>(?!\s*[,;\t|]))",
        _WEB_PAGE,
    ),
    (
        r"<\?xml|<!doctype|<(kml|gpx|osm|svg)\b|<\w+:\w|<\w[^<>]*>[ \r\n]*<\w"
        r"|\{|\[\s*[\[{]",
        NO_CSV_BUT_JSON,
    ),
)
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
#: What stands unseen before a header: byte order marks and spaces without width.
_UNSEEN: Final = "\ufeff\u200b"
_UNSEEN_BYTES: Final = re.compile(rb"(?:\xef\xbb\xbf|\xe2\x80\x8b)*")
#: A text is in UTF-8, but for stray bytes, if so much of what isn't ASCII in it is …
_LEAST_UTF8_SHARE: Final = 0.9
#: … and it is so many characters.
_LEAST_UTF8_CHARACTERS: Final = 4
_DEGREES: Final = re.compile(r"\d ?°")
_GIS: Final = "Open it in a GIS program such as QGIS, export its points as CSV"
_EXPORT: Final = "Export the table as CSV"
_PICTURE: Final = "Ask whoever made it for the places as CSV"
_REPACK: Final = "Unpack it, or pack it with gzip"
_SAVE: Final = "Save the table as “CSV UTF-8”"
#: How the bytes of what is no table begin, by the formats' own descriptions.
_NO_TABLES: Final = (
    (rb"PAR1", "a Parquet file", "Export it as CSV"),
    (rb"ARROW1", "a Feather file", "Export it as CSV"),
    (
        rb"\xd0\xcf\x11\xe0",
        "an Excel workbook (.xls)",
        "Save it as “CSV UTF-8” in Excel",
    ),
    # (within another archive; otherwise it was unpacked before)
    (rb"PK\x03\x04|\x1f\x8b", "packed twice", "Unpack it once"),
    (rb"(?s).{257}ustar", "a tar archive", "Pack the table alone, with gzip"),
    (
        rb"(?s)\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP"
        rb"|\0.{3}ftyp(?:hei[cfx]|mif1|avif)",
        "a picture",
        _PICTURE,
    ),
    (rb"(?s)\0.{3}ftyp|\x1aE\xdf\xa3", "a film", _PICTURE),
    (rb"%PDF", "a PDF document", _EXPORT),
    (rb"\{\\rtf", "a text document (.rtf)", "Copy its table into a CSV file"),
    (rb"SQLite format 3", "a database", _EXPORT),
    (rb"\0\0\x27\x0a", "part of a shapefile", _GIS),
    (rb"BZh[1-9]1AY", "packed with bzip2", _REPACK),
    (rb"\xfd7zXZ\0", "packed with xz", _REPACK),
    (rb"\x28\xb5\x2f\xfd", "packed with zstd", _REPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _REPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _REPACK),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "text in UTF-32", _SAVE),
)


class Text(NamedTuple):
    """A file's text."""

    #: `gzip`, `zip`, or empty.
    compression: str
    #: The name of the one file that was read of a zip archive; else empty.
    member: str
    #: A name of Python's `codecs`.
    encoding: str
    #: The text in UTF-8, without byte order marks before it.
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
    _check_bytes(sample)
    encoding, mark = _encoding(sample)
    _check_text(sample[len(mark) :], encoding)
    utf8 = _without_unseen(_to_utf8(stream, encoding, mark))
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


def _check_bytes(sample: bytes) -> None:
    for pattern, what, advice in _NO_TABLES:
        if re.match(pattern, sample):
            msg = f"The file is {what}, not a CSV file. {advice}, and upload that."
            raise TableError(msg)


def _check_text(sample: bytes, encoding: str) -> None:
    start = sample[:2048].decode(encoding, "replace").lower()
    start = start.lstrip(_UNSEEN).lstrip()
    for pattern, message in _MARKUP:
        if re.match(pattern, start):
            raise TableError(message)


def _encoding(sample: bytes) -> tuple[str, bytes]:
    """Return the encoding of a text and its byte order mark, from its first bytes."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name, mark
    if name := _utf16(sample[:4096]):
        return name, b""
    if b"\0" in sample:
        msg = (
            "The file is no text, and so no CSV file, or it is damaged: it holds zero "
            "bytes. Open it in the program that it comes from, save the table as “CSV "
            "UTF-8”, and upload that."
        )
        raise TableError(msg)
    if sample.isascii():
        return "utf-8", b""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "utf-8" if _is_mostly_utf8(sample) else _code_page(sample), b""
    return "utf-8", b""


def _is_mostly_utf8(sample: bytes) -> bool:
    """Return whether a text is in UTF-8 but for stray bytes.

    What comes in a code page hardly ever happens to be valid UTF-8.
    """
    characters = re.sub(r"[\0-\x7f]+", "", sample.decode("utf-8", "ignore"))
    beyond_ascii = len(re.sub(rb"[\0-\x7f]+", b"", sample))
    share = len(characters.encode()) / beyond_ascii
    return share >= _LEAST_UTF8_SHARE and len(characters) >= _LEAST_UTF8_CHARACTERS


def _utf16(start: bytes) -> str:
    """Return which UTF-16 a text without a byte order mark is in; empty if in none.

    Of digits and delimiters the first or the second byte is zero, never both; what is
    no text holds pairs of zero bytes, too.
    """
    zeros = {"utf-16-le": start[1::2].count(0), "utf-16-be": start[::2].count(0)}
    least, most = sorted(zeros, key=lambda name: zeros[name])
    is_text = (
        zeros[most] > max(0.05 * len(start), 3)
        and zeros[most] > 4 * zeros[least]
        and "\0" not in start.decode(most, "replace")
    )
    return most if is_text else ""


def _code_page(sample: bytes) -> str:
    """Return the likeliest code page of a text.

    Of those that it might be, one in which the start names coordinates (`Długość`) is
    surer than any statistics, and so is one in which most lines hold degrees (`59°12'`,
    in others `59ø12'`); of equally likely ones the first of `_CODE_PAGES` is.
    """
    matches = charset_normalizer.from_bytes(sample, cp_isolation=_CODE_PAGES)
    if not matches:
        return _CODE_PAGES[0]
    best = min(
        matches,
        key=lambda match: (
            not names_coordinates(str(match)[:_HEADER]),
            not _holds_degrees(str(match)[:_HEADER]),
            match.chaos,
            -match.coherence,
            _order(match),
        ),
    )
    return _CODE_PAGES[_order(best)]


def _holds_degrees(text: str) -> bool:
    """Return whether a degree sign stands behind a number in most lines of a text."""
    return len(_DEGREES.findall(text)) > text.count("\n") / 2


def _order(match: charset_normalizer.CharsetMatch) -> int:
    """Return where in `_CODE_PAGES` the first code page of a match stands."""
    return min(map(_CODE_PAGES.index, match.could_be_from_charset))


def _without_unseen(utf8: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a text without what stands unseen before it."""
    start = b""
    for chunk in utf8:
        start += chunk
        start = start[_unseen_bytes(start) :]
        if len(start) > 2:  # no incomplete character
            yield start
            break
    else:
        yield start
    yield from utf8


def _unseen_bytes(text: bytes) -> int:
    """Return how many bytes of a text stand unseen before it."""
    match = _UNSEEN_BYTES.match(text)
    return match.end() if match else 0


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
