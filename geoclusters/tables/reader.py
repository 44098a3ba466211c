"""Reading places from a CSV file as a stream: memory does not grow with the file."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.errors import TableError
from geoclusters.tables import blocks, text
from geoclusters.tables.columns import CoordinateColumns
from geoclusters.tables.dialect import Dialect, find_dialect
from geoclusters.tables.left_out import USABLE, LeftOut, find_reasons

_BLOCK_BYTES = 4 * 1024 * 1024

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Chunk(NamedTuple):
    """Some rows of a table, in the file's order."""

    #: Rows in the chunk, usable or not.
    rows: int
    #: Of the usable ones: the row as a spreadsheet shows it (its first is row 1) …
    row: NDArray[np.int64]
    #: … and coordinates in degrees.
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


class Table:
    """A CSV file of places, read once, in chunks.

    Parameters
    ----------
    stream : iterable of bytes
        The file's bytes; `text.decode` and `find_dialect` say what they may be.
    latitude, longitude : str, optional
        Names of the coordinate columns where they are not the usual ones.
    most_bytes : int, optional
        The most that a compressed file may unpack to.

    Raises
    ------
    TableError
        If the file is empty or no table, or names no coordinate columns.
    """

    def __init__(
        self,
        stream: Iterable[bytes],
        *,
        latitude: str | None = None,
        longitude: str | None = None,
        most_bytes: int | None = None,
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        #: The rows that were left out so far.
        self.left_out = LeftOut()
        self._text = text.decode(stream, most_bytes=most_bytes)
        sample, utf8 = text.peek(self._text.stream, text.SAMPLE_BYTES)
        _check_lines(sample)
        self._dialect = find_dialect(sample, latitude=latitude, longitude=longitude)
        utf8 = _without(utf8, _header_bytes(sample, self._dialect))
        self._blocks = blocks.blocks(utf8, block_bytes, self._dialect.delimiter)

    @property
    def columns(self) -> CoordinateColumns:
        """The columns that coordinates are read from."""
        return self._dialect.columns

    @property
    def detected(self) -> dict[str, str | int]:
        """What was found out about the file, for the record."""
        return {
            "compression": self._text.compression,
            "encoding": self._text.encoding,
            "delimiter": self._dialect.delimiter,
            "decimal_mark": self._dialect.decimal_mark,
            "header_row": self._dialect.preamble + 1,
        }

    def chunks(self) -> Iterator[Chunk]:
        """Yield the table's rows, once."""
        first_row = self._dialect.preamble + 2  # a spreadsheet's first row is 1
        for block in self._blocks:
            yield (chunk := self._parse(block, first_row))
            first_row += chunk.rows

    def _parse(self, block: blocks.Block, first_row: int) -> Chunk:
        latitude, longitude, missing, surplus = self._coordinates(block)
        reasons = find_reasons(latitude, longitude, missing, surplus)
        row = np.arange(first_row, first_row + len(reasons))
        usable = reasons == USABLE
        wrong = np.flatnonzero(~usable)
        self.left_out.add(row[wrong], reasons[wrong], latitude[wrong], longitude[wrong])
        return Chunk(len(row), row[usable], latitude[usable], longitude[usable])

    def _coordinates(
        self, block: blocks.Block
    ) -> tuple[Numbers, Numbers, Flags, Flags]:
        """Return latitude, longitude (NaN where there is no number), blank, surplus."""
        if block.well_quoted:
            # Straight to numbers, half the time: most blocks have no bad ones.
            fields = _read_fast(block.data, self._dialect, pl.Float64())
            if not (fields.latitude.has_nulls() or fields.longitude.has_nulls()):
                latitude = fields.latitude.to_numpy()
                missing = np.zeros(len(latitude), np.bool_)
                return latitude, fields.longitude.to_numpy(), missing, fields.surplus
            fields = _read_fast(block.data, self._dialect, pl.String())
        else:
            fields = _read_leniently(block.data, self._dialect)
        texts = [_blank_to_null(fields.latitude), _blank_to_null(fields.longitude)]
        latitude, longitude = (_numbers(column) for column in texts)
        missing = (texts[0].is_null() | texts[1].is_null()).to_numpy()
        return latitude, longitude, missing, fields.surplus


def _check_lines(sample: bytes) -> None:
    """Refuse a text without lines."""
    if not sample.strip():
        msg = "The file is empty: its first line should name the columns."
        raise TableError(msg)
    if b"\r" in sample and b"\n" not in sample:
        msg = (
            "The file's lines end as on old Macs, with carriage returns alone. Save "
            "it again as “CSV UTF-8”."
        )
        raise TableError(msg)


def _header_bytes(sample: bytes, dialect: Dialect) -> int:
    """Return how many bytes the header has, with what stands above it."""
    lines = blocks.Lines(sample)
    records = blocks.records(lines, dialect.delimiter)
    for _ in itertools.islice(records, dialect.preamble + 1):
        pass
    return lines.taken


def _without(stream: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Yield a stream without its first bytes."""
    for chunk in stream:
        yield chunk[start:]
        start = max(start - len(chunk), 0)


class _Fields(NamedTuple):
    """The coordinates of a block's rows, as numbers or texts; null where there is none.

    `surplus` says which rows go on behind the header's last column. (Blank fields
    there do no harm.)
    """

    latitude: pl.Series
    longitude: pl.Series
    surplus: Flags


def _read_fast(block: bytes, dialect: Dialect, kind: pl.DataType) -> _Fields:
    schema: dict[str, pl.DataType] = {
        f"column_{i + 1}": pl.String() for i in range(dialect.width + 1)
    }
    names = list(schema)
    columns = dialect.columns
    latitude, longitude = names[columns.latitude], names[columns.longitude]
    frame = pl.read_csv(
        block,
        has_header=False,
        separator=dialect.delimiter,
        # polars has no decimal comma in fields between commas; texts are mended later
        decimal_comma=dialect.decimal_mark == "," != dialect.delimiter,
        schema={**schema, latitude: kind, longitude: kind},
        columns=[latitude, longitude, names[-1]],
        encoding="utf8-lossy",
        ignore_errors=True,
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
    )
    behind = frame[names[-1]]
    if behind.null_count() == len(behind):
        surplus = np.zeros(len(behind), np.bool_)
    else:
        surplus = (behind.fill_null("").str.strip_chars() != "").to_numpy()
    return _Fields(frame[latitude], frame[longitude], surplus)


def _read_leniently(block: bytes, dialect: Dialect) -> _Fields:
    """Do as `_read_fast`, as texts, where marks stand in the middle of a field."""
    columns = dialect.columns
    latitude, longitude, surplus = [], [], []
    lines = blocks.Lines(block)
    start = end = 0
    for record in blocks.records(lines, dialect.delimiter):
        start, end = end, lines.taken
        fields = record + [""] * (dialect.width + 1 - len(record))
        latitude.append(fields[columns.latitude])
        longitude.append(fields[columns.longitude])
        surplus.append(bool(fields[dialect.width].strip()))
    blocks.check_closed(block[start:], dialect.delimiter)
    return _Fields(pl.Series(latitude), pl.Series(longitude), np.array(surplus))


def _blank_to_null(texts: pl.Series) -> pl.Series:
    # A byte order mark stands where files were joined; polars drops some by itself.
    stripped = texts.str.strip_chars().str.strip_prefix("\ufeff")
    return stripped.set(stripped == "", None)


def _numbers(texts: pl.Series) -> Numbers:
    """Return numbers, with decimal points or commas; NaN where a text is none."""
    points = texts.str.replace(",", ".", literal=True)
    return points.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
