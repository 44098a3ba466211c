"""How a table is written: delimiter, header, coordinate columns, decimal mark."""

import csv
import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple, NoReturn

from geoclusters.errors import TableError
from geoclusters.tables.blocks import Lines
from geoclusters.tables.columns import CoordinateColumns, find_coordinates

DELIMITERS: Final = (",", ";", "\t", "|")

#: Lines of notes above the header are passed over, so many at most.
_MOST_PREAMBLE: Final = 30
_ROWS_LOOKED_AT: Final = 100
_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]*[.,]?[0-9]+\s*")
_DECIMAL_COMMA: Final = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")
_DECIMAL_POINT: Final = re.compile(r"\s*[+-]?[0-9]*\.[0-9]+\s*")


class Dialect(NamedTuple):
    """How a table is written."""

    delimiter: str
    #: `.` or `,`.
    decimal_mark: str
    #: Records above the header.
    preamble: int
    #: Fields of the header.
    width: int
    columns: CoordinateColumns


def find_dialect(
    sample: bytes, *, latitude: str | None = None, longitude: str | None = None
) -> Dialect:
    """Return how a table is written, by the record that names its coordinates.

    Where several do, as a note above the header may, it is the one that most numbers
    stand below.

    Parameters
    ----------
    sample : bytes
        The start of the table, in UTF-8.
    latitude, longitude : str, optional
        Names of the coordinate columns that the table's owner gave.

    Raises
    ------
    TableError
        If no record names coordinate columns.
    """
    best: tuple[float, int, int, CoordinateColumns, int] | None = None
    for order, delimiter in enumerate(DELIMITERS):
        records = list(_records(sample, delimiter, _MOST_PREAMBLE + _ROWS_LOOKED_AT))
        for position, record in enumerate(records[:_MOST_PREAMBLE]):
            try:
                columns = find_coordinates(
                    record, latitude=latitude, longitude=longitude
                )
            except TableError:
                continue
            share = _share_of_places(records[position + 1 :], columns)
            candidate = (-share, position, order, columns, len(record))
            best = min(best or candidate, candidate)
    if best is None:
        _refuse(sample, latitude, longitude)
    _, preamble, order, columns, width = best
    delimiter = DELIMITERS[order]
    mark = _decimal_mark(sample, delimiter, preamble, columns)
    return Dialect(delimiter, mark, preamble, width, columns)


def _share_of_places(records: list[list[str]], columns: CoordinateColumns) -> float:
    """Return the share of records with two numbers: below a mere note it is low."""
    rows = [record for record in records[:_ROWS_LOOKED_AT] if any(record)]
    last = max(columns.latitude, columns.longitude)
    places = [
        record
        for record in rows
        if last < len(record)
        and _NUMBER.fullmatch(record[columns.latitude])
        and _NUMBER.fullmatch(record[columns.longitude])
    ]
    return len(places) / max(len(rows), 1)


def _records(sample: bytes, delimiter: str, most: int) -> Iterator[list[str]]:
    reader = csv.reader(Lines(sample), delimiter=delimiter)
    try:
        yield from itertools.islice(reader, most)
    except csv.Error:  # with this delimiter it is no table
        return


def _decimal_mark(
    sample: bytes, delimiter: str, preamble: int, columns: CoordinateColumns
) -> str:
    """Return the mark in the first coordinates that have one."""
    most = preamble + 1 + _ROWS_LOOKED_AT
    commas = points = 0
    for record in itertools.islice(
        _records(sample, delimiter, most), preamble + 1, None
    ):
        for column in (columns.latitude, columns.longitude):
            value = record[column] if column < len(record) else ""
            commas += bool(_DECIMAL_COMMA.fullmatch(value))
            points += bool(_DECIMAL_POINT.fullmatch(value))
    return "," if commas > points else "."


def _refuse(sample: bytes, latitude: str | None, longitude: str | None) -> NoReturn:
    """Say what is wrong with a table in which no record names coordinates."""
    headers = [next(_records(sample, d, 1), []) for d in DELIMITERS]
    starts = [_records(sample, delimiter, _MOST_PREAMBLE) for delimiter in DELIMITERS]
    header = max(itertools.chain(*starts), key=len, default=[])
    if len(headers[0]) == 1 and sample.startswith(b'"') and len(header) == 1:
        inner = headers[0][0].encode()
        if max(len(next(_records(inner, d, 1), [])) for d in DELIMITERS) > 1:
            msg = (
                "Each row is one field in quotation marks, so the table has one column "
                f"only: {headers[0][0][:60]!r}. Save it again without quotation marks "
                "around whole rows."
            )
            raise TableError(msg)
    if not any(name.strip() for name in header):
        msg = (
            "The first line is blank, and none of the next ones names the columns of "
            "latitude and longitude."
        )
        raise TableError(msg)
    find_coordinates(header, latitude=latitude, longitude=longitude)
    raise AssertionError("these columns would have been found before")
