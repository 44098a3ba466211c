"""Reading places from a CSV file as a stream: memory does not grow with the file."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.ahead import read_ahead
from geoclusters.errors import TableError
from geoclusters.places import MOST_ID_BYTES
from geoclusters.tables import blocks, text
from geoclusters.tables.columns import ColumnHints
from geoclusters.tables.coordinates import Flags, Numbers, blank_to_null
from geoclusters.tables.dialect import Dialect, find_dialect
from geoclusters.tables.left_out import (
    USABLE,
    LeftOut,
    Reason,
    Reasons,
    find_reasons,
    is_reason,
)

_BLOCK_BYTES: Final = 8 * 1024 * 1024
#: Blocks that are cut while an earlier one is parsed.
_BLOCKS_AHEAD: Final = 2

#: So many carriage returns alone may stand in the fields of a table of one line.
_FEW_RETURNS: Final = 3

Ids = NDArray[np.bytes_]


class Chunk(NamedTuple):
    """Some rows of a table, in the file's order."""

    #: Rows in the chunk, usable or left out; blank ones don't count.
    rows: int
    #: Of the usable ones: the row as a spreadsheet shows it (its first is row 1), …
    row: NDArray[np.int64]
    #: … coordinates in degrees, …
    latitude: Numbers
    longitude: Numbers
    #: … and what tells a place from the others, where the table's owner named a column.
    id: Ids | None


class _Rows(NamedTuple):
    """Some rows of a table, and what is wrong with them."""

    row: NDArray[np.int64]
    reasons: Reasons
    latitude: Numbers
    longitude: Numbers
    id: Ids | None

    def where(self, flags: Flags) -> "_Rows":
        """Return the rows for which something is true."""
        return _Rows(
            self.row[flags],
            self.reasons[flags],
            self.latitude[flags],
            self.longitude[flags],
            None if self.id is None else self.id[flags],
        )


class Table:
    """A CSV file of places, read once, in chunks.

    Parameters
    ----------
    file : binary file
        At its start; `text.decode` and `find_dialect` say what it may be.
    hints : ColumnHints
        What the file's owner said about its columns.
    most_bytes : int, optional
        The most that a packed file may unpack to.

    Raises
    ------
    TableError
        If the file is empty or no table, or names no coordinate columns.
    ParameterError
        If the coordinate reference system in `hints` is none.
    """

    def __init__(
        self,
        file: BinaryIO,
        hints: ColumnHints = ColumnHints(),  # noqa: B008 (it is frozen)
        *,
        most_bytes: int | None = None,
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        #: The rows that were left out so far.
        self.left_out = LeftOut()
        self._text = text.decode(file, most_bytes=most_bytes)
        sample, utf8 = text.peek(self._text.stream, text.SAMPLE_BYTES)
        _check_lines(sample)
        self._dialect = find_dialect(sample, hints)
        utf8 = _without(utf8, _header_bytes(sample, self._dialect))
        form = self._dialect.format
        self._blocks = blocks.with_fewer_lines(
            blocks.blocks(utf8, block_bytes, form), form
        )

    @property
    def columns(self) -> dict[str, str]:
        """Which columns the coordinates are read from, how, and why, for the record."""
        reading = self._dialect.reading
        columns = {
            "latitude": reading.columns.names[0],
            "longitude": reading.columns.names[-1],
            "notation": reading.notation,
        }
        if reading.projection is not None:
            columns["crs"] = reading.projection.name
        if self._dialect.id is not None:
            columns["id"] = self._dialect.id.name
        return {**columns, "why": reading.why}

    @property
    def detected(self) -> dict[str, str | int]:
        """What was found out about the file, for the record."""
        return {
            "compression": self._text.compression,
            **({"member": self._text.member} if self._text.member else {}),
            "encoding": self._text.encoding,
            "delimiter": self._dialect.format.delimiter,
            "decimal_mark": self._dialect.decimal_mark,
            "header_row": self._dialect.preamble + 1,
        }

    def chunks(self) -> Iterator[Chunk]:
        """Yield the table's rows, once.

        The file is read and cut in a thread of its own, ahead of the parsing.
        """
        first_row = self._dialect.preamble + 2  # a spreadsheet's first row is 1
        with read_ahead(self._blocks, _BLOCKS_AHEAD) as blocks_ahead:
            for block in blocks_ahead:
                rows = self._parse(block, first_row)
                first_row += len(rows.row)
                if _may_be_blank(block, self._dialect, rows.reasons):
                    rows = rows.where(~_blank_rows(block, self._dialect))
                yield self._sort_out(rows)

    def _parse(self, block: blocks.Block, first_row: int) -> _Rows:
        latitude, longitude, missing, fields = self._coordinates(block)
        reasons = find_reasons(latitude, longitude, missing, fields.surplus)
        row = np.arange(first_row, first_row + len(reasons))
        ids = _encoded(fields.id, row) if fields.id is not None else None
        return _Rows(row, reasons, latitude, longitude, ids)

    def _sort_out(self, rows: _Rows) -> Chunk:
        """Return the usable rows, and count those that are left out."""
        usable = rows.reasons == USABLE
        count = len(usable)
        if not self.left_out.has_far_longitudes:
            far = np.abs(rows.longitude[usable]) > 90
            self.left_out.has_far_longitudes = bool(far.any())
        if not usable.all():
            self.left_out.add(*rows.where(~usable))
            rows = rows.where(usable)
        return Chunk(count, rows.row, rows.latitude, rows.longitude, rows.id)

    def _coordinates(
        self, block: blocks.Block
    ) -> tuple[Numbers, Numbers, Flags, "_Fields"]:
        """Return latitude, longitude (NaN where there is no number), blank, fields."""
        reading = self._dialect.reading
        if block.well_quoted:
            if reading.is_plain:
                # Straight to numbers: most blocks have no bad ones.
                fields = _read_fast(block.data, self._dialect, pl.Float64())
                first, second = fields.coordinates
                are_numbers = first.dtype == second.dtype == pl.Float64
                if are_numbers and not (first.has_nulls() or second.has_nulls()):
                    degrees = reading.to_degrees(first.to_numpy(), second.to_numpy())
                    return *degrees, np.zeros(len(first), np.bool_), fields
            fields = _read_fast(block.data, self._dialect, pl.String())
        else:
            fields = _read_leniently(block.data, self._dialect)
        texts = [blank_to_null(column) for column in fields.coordinates]
        return *reading.read(texts), fields


def _check_lines(sample: bytes) -> None:
    """Refuse a text without lines."""
    if not sample.strip():
        msg = "The file is empty: its first line should name the columns."
        raise TableError(msg)
    returns = sample.count(b"\r") - sample.count(b"\r\n")
    most_line_feeds = 0 if returns <= _FEW_RETURNS else 1  # one may stand at the end
    if returns and sample.count(b"\n") <= most_line_feeds:
        msg = (
            "The file's lines end as on old Macs, with carriage returns alone. Save "
            "it again as “CSV UTF-8”."
        )
        raise TableError(msg)


def _header_bytes(sample: bytes, dialect: Dialect) -> int:
    """Return how many bytes the header has, with what stands above it.

    Raises
    ------
    TableError
        If it isn't all in the sample.
    """
    lines = blocks.Lines(sample)
    records = blocks.records(lines, dialect.format)
    for _ in itertools.islice(records, dialect.preamble + 1):
        pass
    if lines.taken == text.SAMPLE_BYTES and not sample.endswith(b"\n"):
        msg = (
            "The line that names the columns doesn't end within the first "
            f"{text.SAMPLE_BYTES // 1024**2} MiB of the table. Leave out columns that "
            "are not needed, and upload that."
        )
        raise TableError(msg)
    return lines.taken


def _without(stream: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Yield a stream without its first bytes."""
    for chunk in stream:
        yield chunk[start:] if start else chunk
        start = max(start - len(chunk), 0)


class _Fields(NamedTuple):
    """What is needed of a block's rows; null where there is nothing."""

    #: Texts or numbers of each of the reading's columns.
    coordinates: list[pl.Series]
    #: Texts.
    id: pl.Series | None
    #: Which rows go on behind the header's last column. (Blank fields there do no
    #: harm.)
    surplus: Flags


def _read_fast(block: bytes, dialect: Dialect, kind: pl.DataType) -> _Fields:
    names = _names(dialect)
    wanted = [names[i] for i in dialect.reading.columns.needed]
    id_name = [] if dialect.id is None else [names[dialect.id.position]]
    needed = list(dict.fromkeys((*wanted, *id_name, names[-1])))
    kinds = dict.fromkeys(wanted, kind) | dict.fromkeys(id_name, pl.String())
    frame = _read_csv(block, dialect, needed, kinds)
    behind = frame[names[-1]]
    if behind.null_count() == len(behind):
        surplus = np.zeros(len(behind), np.bool_)
    else:
        surplus = (behind.fill_null("").str.strip_chars() != "").to_numpy()
    ids = frame[id_name[0]] if id_name else None
    return _Fields([frame[name] for name in wanted], ids, surplus)


def _names(dialect: Dialect) -> list[str]:
    """Return polars' names of the header's columns, and of one behind them."""
    return [f"column_{i + 1}" for i in range(dialect.width + 1)]


def _read_csv(
    block: bytes,
    dialect: Dialect,
    needed: Sequence[str],
    kinds: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    """Return the needed columns of a block; texts where no other kind is wanted."""
    is_wide = _may_be_wide(block, dialect)
    frame = pl.read_csv(
        _narrow_line(dialect) + block if is_wide else block,
        has_header=False,
        separator=dialect.format.delimiter,
        # polars has no decimal comma in fields between commas; texts are mended later
        decimal_comma=dialect.decimal_mark == "," != dialect.format.delimiter,
        schema={**dict.fromkeys(_names(dialect), pl.String()), **kinds},
        columns=needed,
        encoding="utf8-lossy",
        ignore_errors=True,
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
    )
    return frame.slice(1) if is_wide else frame


def _may_be_blank(block: blocks.Block, dialect: Dialect, reasons: Reasons) -> bool:
    """Return whether rows may be blank, by what is quick to see."""
    delimiter = re.escape(dialect.format.delimiter.encode())
    blanks = rb'[%b \t\r"]' % delimiter
    blank_line = rb"(?:\A|\n)%b*\n|\n%b+\Z" % (blanks, blanks)
    missing = is_reason(reasons, Reason.MISSING).any()
    return bool(missing) and re.search(blank_line, block.data) is not None


def _blank_rows(block: blocks.Block, dialect: Dialect) -> Flags:
    """Return which of a block's rows have nothing in any field."""
    if not block.well_quoted:
        records = blocks.records(blocks.Lines(block.data), dialect.format)
        return np.array([not any(map(str.strip, fields)) for fields in records])
    frame = _read_csv(block.data, dialect, _names(dialect), {})
    blank = pl.all().fill_null("").str.strip_chars() == ""
    return frame.select(pl.all_horizontal(blank)).to_series().to_numpy()


def _may_be_wide(block: bytes, dialect: Dialect) -> bool:
    """Return whether a block's first record may go on behind the header's last column.

    polars makes columns of all that it holds, and they may be millions.
    """
    end = block.find(b"\n")
    line = block[:end] if end >= 0 else block
    surplus = line.count(dialect.format.delimiter.encode()) > dialect.width
    return surplus or line.count(b'"') % 2 == 1


def _narrow_line(dialect: Dialect) -> bytes:
    """Return a line before a block, by which polars counts its columns."""
    return dialect.format.delimiter.encode() * dialect.width + b"\n"


def _read_leniently(block: bytes, dialect: Dialect) -> _Fields:
    """Do as `_read_fast`, as texts, where marks stand in the middle of a field."""
    positions = dialect.reading.columns.needed
    id_position = [] if dialect.id is None else [dialect.id.position]
    wanted: list[list[str]] = [[] for _ in (*positions, *id_position)]
    surplus = []
    lines = blocks.Lines(block)
    start = end = 0
    for record in blocks.records(lines, dialect.format):
        start, end = end, lines.taken
        fields = record + [""] * (dialect.width + 1 - len(record))
        for column, position in zip(wanted, (*positions, *id_position), strict=True):
            column.append(fields[position])
        surplus.append(bool(fields[dialect.width].strip()))
    blocks.check_closed(block[start:], dialect.format)
    series = [pl.Series(column, dtype=pl.String) for column in wanted]
    return _Fields(
        series[: len(positions)],
        series[-1] if id_position else None,
        np.array(surplus, np.bool_),
    )


def _encoded(ids: pl.Series, row: NDArray[np.int64]) -> Ids:
    """Return ids as UTF-8 of equal length.

    Raises
    ------
    TableError
        If one is too long.
    """
    texts = ids.fill_null("")
    longest = texts.str.len_bytes().max()
    if isinstance(longest, int) and longest > MOST_ID_BYTES:
        first = int(texts.str.len_bytes().arg_max() or 0)
        msg = (
            f"The id in row {row[first]:,} has {longest:,} bytes: "
            f"{texts[first][:40]!r}…. An id may have {MOST_ID_BYTES} at most. Name "
            "another column in the upload's metadata `id`."
        )
        raise TableError(msg)
    return np.array([text.encode() for text in texts.to_list()], np.bytes_)
