"""Reading places from a CSV file as a stream: memory does not grow with the file."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.errors import TableError
from geoclusters.tables import blocks
from geoclusters.tables.columns import CoordinateColumns, find_coordinates
from geoclusters.tables.usable import Reason, sort_out

_BLOCK_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Chunk(NamedTuple):
    """Some rows of a table, in the file's order."""

    #: Rows in the chunk, usable or not.
    rows: int
    #: Rows left out, by reason.
    left_out: dict[Reason, int]
    #: Of the usable ones: the row as a spreadsheet shows it (the header is row 1) …
    row: NDArray[np.int64]
    #: … and coordinates in degrees.
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


class Table:
    """A CSV file of places, read once, in chunks.

    Parameters
    ----------
    stream : iterable of bytes
        The file's bytes: UTF-8, comma-separated, its first record the header.
    latitude, longitude : str, optional
        Names of the coordinate columns where they are not the usual ones.

    Raises
    ------
    TableError
        If the file is empty, or its header has no coordinate columns.
    """

    columns: CoordinateColumns

    def __init__(
        self,
        stream: Iterable[bytes],
        *,
        latitude: str | None = None,
        longitude: str | None = None,
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        self._blocks = blocks.blocks(stream, block_bytes)
        start = next(self._blocks, blocks.Block(b"", True))
        data = start.data.removeprefix(_BOM)
        _check_start(data)
        names, rest = blocks.first_record(data)
        if not any(name.strip() for name in names):
            msg = (
                "The first line is blank, but it should name the columns. Delete the "
                "lines above the names, and upload the file again."
            )
            raise TableError(msg)
        self._rest = blocks.whole_records(rest)
        self._width = len(names)
        self.columns = find_coordinates(names, latitude=latitude, longitude=longitude)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the table's rows, once."""
        first_row = 2  # the header is row 1
        for block in itertools.chain([self._rest], self._blocks):
            if block.data:
                yield (chunk := self._parse(block, first_row))
                first_row += chunk.rows

    def _parse(self, block: blocks.Block, first_row: int) -> Chunk:
        latitude, longitude, missing = self._coordinates(block)
        usable, left_out = sort_out(latitude, longitude, missing)
        row = first_row + np.flatnonzero(usable)
        rows = len(usable)
        return Chunk(rows, left_out, row, latitude[usable], longitude[usable])

    def _coordinates(
        self, block: blocks.Block
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return numbers, NaN where there is none, and where a coordinate is blank."""
        if block.well_quoted:
            # Straight to numbers, half the time: most blocks have no bad ones.
            numbers = _read_fast(block.data, self.columns, self._width, pl.Float64())
            if not any(column.has_nulls() for column in numbers):
                latitude, longitude = (column.to_numpy() for column in numbers)
                return latitude, longitude, np.zeros(len(latitude), np.bool_)
            columns = _read_fast(block.data, self.columns, self._width, pl.String())
        else:
            columns = _read_leniently(block.data, self.columns)
        texts = [_blank_to_null(column) for column in columns]
        latitude, longitude = (_numbers(text) for text in texts)
        return latitude, longitude, (texts[0].is_null() | texts[1].is_null()).to_numpy()


def _check_start(data: bytes) -> None:
    """Refuse what is no CSV file in UTF-8 by its first bytes."""
    if not data.strip():
        msg = "The file is empty: its first line should name the columns."
        raise TableError(msg)
    for mark, name in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            msg = (
                f"The file is encoded as {name}; UTF-8 was expected. Save it again as "
                "“CSV UTF-8”."
            )
            raise TableError(msg)
    if b"\r" in data and b"\n" not in data:
        msg = (
            "The file's lines end as on old Macs, with carriage returns alone. Save "
            "it again as “CSV UTF-8”."
        )
        raise TableError(msg)


def _read_fast(
    block: bytes, columns: CoordinateColumns, width: int, kind: pl.DataType
) -> tuple[pl.Series, pl.Series]:
    """Return the two columns as numbers or texts, null where there is nothing such."""
    schema: dict[str, pl.DataType] = {
        f"column_{i + 1}": pl.String() for i in range(width)
    }
    names = list(schema)
    latitude, longitude = names[columns.latitude], names[columns.longitude]
    frame = pl.read_csv(
        block,
        has_header=False,
        schema={**schema, latitude: kind, longitude: kind},
        columns=[latitude, longitude],
        encoding="utf8-lossy",
        ignore_errors=True,
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
    )
    return frame[latitude], frame[longitude]


def _read_leniently(
    block: bytes, columns: CoordinateColumns
) -> tuple[pl.Series, pl.Series]:
    """Return the two columns as texts, where marks stand in the middle of a field."""
    latitude, longitude = [], []
    lines = blocks.Lines(block)
    start = end = 0
    for record in blocks.records(lines):
        start, end = end, lines.taken
        short = [""] * (max(columns.latitude, columns.longitude) + 1 - len(record))
        fields = record + short
        latitude.append(fields[columns.latitude])
        longitude.append(fields[columns.longitude])
    blocks.check_closed(block[start:])
    return pl.Series(latitude), pl.Series(longitude)


def _blank_to_null(texts: pl.Series) -> pl.Series:
    stripped = texts.str.strip_chars()
    return stripped.set(stripped == "", None)


def _numbers(texts: pl.Series) -> NDArray[np.float64]:
    """Return numbers; NaN where a text is none."""
    return texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
