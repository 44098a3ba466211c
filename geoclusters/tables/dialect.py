"""How a table is written: delimiter, header, coordinate columns, decimal mark."""

import contextlib
import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, NoReturn

import polars as pl

from geoclusters.errors import TableError, quoted
from geoclusters.tables.blocks import Format, Lines, check_closed
from geoclusters.tables.columns import Candidate, ColumnHints, Family, Header
from geoclusters.tables.coordinates import (
    Judged,
    Quality,
    Reading,
    blank_to_null,
    judge,
    projection_of,
)

DELIMITERS: Final = (",", ";", "\t", "|")

#: Lines of notes above the header are passed over, so many at most.
_MOST_PREAMBLE: Final = 30
_ROWS_LOOKED_AT: Final = 100
_MORE_ROWS_LOOKED_AT: Final = 10_000
_FRACTION: Final = re.compile(r"[+-]?\d+[.,]\d+")
_DECIMAL_COMMA: Final = r"\d,\d"
_DECIMAL_POINT: Final = r"\.\d"
#: A quotation mark that doesn't follow the delimiter at once, and the field that it
#: opens: `1, "a, b"`.
_BLANK_BEFORE_QUOTE: Final = '{} +"'
_QUOTED_AFTER_BLANK: Final = r'(?m){0} +"(?:[^"]|"")*" *(?={0}|\r?$)'


class IdColumn(NamedTuple):
    """The column whose value tells a place from the others."""

    position: int
    name: str


class Dialect(NamedTuple):
    """How a table is written."""

    format: Format
    #: `.` or `,`.
    decimal_mark: str
    #: Records above the header.
    preamble: int
    #: Fields of the header.
    width: int
    reading: Reading
    #: None where the table's owner named none.
    id: IdColumn | None


class _Found(NamedTuple):
    """Columns that may hold the coordinates, and the header that they stand in."""

    judged: Judged
    texts: list[pl.Series]
    header: Header
    #: Records above the header.
    preamble: int
    #: Position in `DELIMITERS`.
    delimiter: int

    def order(self) -> tuple[int, int, float, int]:
        """Return what the best of several has the least of."""
        judged = self.judged
        # the earliest: what stands further below may be a row
        return judged.quality, self.preamble, -judged.share, self.delimiter


def find_dialect(sample: bytes, hints: ColumnHints) -> Dialect:
    """Return how a table is written, by the record that names its coordinates.

    Where several do, as a note above the header may, or several columns could be meant,
    the ones win that hold coordinates in the rows below: degrees before projected ones.

    Parameters
    ----------
    sample : bytes
        The start of the table, in UTF-8.
    hints : ColumnHints
        What the table's owner said about its columns.

    Raises
    ------
    TableError
        If no record names coordinate columns, or those hold none.
    ParameterError
        If the coordinate reference system that the owner named is none.
    """
    formats = [_format(sample, delimiter) for delimiter in DELIMITERS]
    found = list(_found(sample, formats, hints))
    if not found:
        _refuse(sample, formats, hints)
    best = _best(found)
    _check_fields(sample, formats[best.delimiter], best)
    rather_than = _rather_than(best, found)
    if best.judged.reading.columns.family is Family.ONE_COLUMN:
        best = _judged_by_more(best, sample, formats, hints)
    if best.judged.quality is Quality.UNUSABLE:
        raise TableError(best.judged.problem)
    id_column = None
    if hints.id is not None:
        position = best.header.position(hints.id, "id")
        id_column = IdColumn(position, best.header.names[position])
    reading = best.judged.reading
    return Dialect(
        formats[best.delimiter],
        _decimal_mark(reading.two(best.texts)),
        best.preamble,
        len(best.header.names),
        replace(reading, why=reading.why + rather_than),
        id_column,
    )


def _found(
    sample: bytes, formats: Sequence[Format], hints: ColumnHints
) -> Iterator[_Found]:
    projection = projection_of(hints.crs)
    most_preamble = _MOST_PREAMBLE
    for delimiter in _different_delimiters(sample):
        form = formats[delimiter]
        records = list(_records(sample, form, _MOST_PREAMBLE + _ROWS_LOOKED_AT))
        headers: set[tuple[str, ...]] = set()
        for preamble, record in enumerate(records[:_MOST_PREAMBLE]):
            if preamble > most_preamble:
                break
            if len(record) == 1 and _is_split_by_another(record[0], form.delimiter):
                continue
            header = Header(record)
            # where files were joined it comes again, and is none
            if header.plain in headers:
                continue
            headers.add(header.plain)
            for columns in header.candidates(hints):
                rows = [row for row in records[preamble + 1 :] if any(row)]
                texts = _texts(
                    rows[:_ROWS_LOOKED_AT], columns.needed, width=len(record)
                )
                if _is_row(columns, texts, preamble):
                    continue
                judged = judge(columns, texts, projection)
                if judged.quality is Quality.DEGREES and judged.share == 1:
                    most_preamble = preamble  # nothing further below is better
                yield _Found(judged, texts, header, preamble, delimiter)


def _is_row(columns: Candidate, texts: Sequence[pl.Series], preamble: int) -> bool:
    """Return whether an `N` and an `E` are no names of columns, but stand in a row.

    Below them is nothing, then, or the same.
    """
    is_letters = max(map(len, columns.names)) == 1
    if columns.family is not Family.NORTHING_EASTING or not is_letters:
        return False
    values = [set(column.drop_nulls()) for column in texts]
    if not any(values):
        return preamble > 0
    return all(
        found <= {name} for found, name in zip(values, columns.names, strict=True)
    )


def _different_delimiters(sample: bytes) -> list[int]:
    """Return the positions of delimiters by which a text reads differently.

    By those that don't occur in it each line is one field: the first stands for all.
    """
    occurs = [delimiter.encode() in sample for delimiter in DELIMITERS]
    return [i for i in range(len(occurs)) if occurs[i] or i == occurs.index(False)]


def _judged_by_more(
    found: _Found, sample: bytes, formats: Sequence[Format], hints: ColumnHints
) -> _Found:
    """Judge a column with both coordinates again, by more rows.

    In which order they stand the first rows may not show: those of a sorted table lie
    side by side, and they may be blank.
    """
    most = found.preamble + 1 + _MORE_ROWS_LOOKED_AT
    records = list(_records(sample, formats[found.delimiter], most))
    rows = records[found.preamble + 1 :]
    columns = found.judged.reading.columns
    texts = _texts(rows, columns.positions, width=len(found.header.names))
    judged = judge(columns, texts, projection_of(hints.crs))
    return found._replace(judged=judged, texts=texts)


def _is_split_by_another(field: str, delimiter: str) -> bool:
    """Return whether a record's only field, such as `lat,lon`, is rather several."""
    return any(other in field for other in DELIMITERS if other != delimiter)


def _best(found: Sequence[_Found]) -> _Found:
    usable = [each for each in found if each.judged.quality is not Quality.UNUSABLE]
    if not usable:
        return min(found, key=_Found.order)
    if named := [
        each
        for each in usable
        if each.judged.share > 0 and each.judged.quality is not Quality.DEGREES_BY_VALUE
    ]:
        usable = named
    most = max(each.judged.share for each in usable)
    good = [each for each in usable if each.judged.share >= most / 2]
    return min(good, key=_Found.order)


def _rather_than(best: _Found, found: Sequence[_Found]) -> str:
    """Return which other columns of the same header were passed over."""
    others = [
        " and ".join(map(quoted, each.judged.reading.columns.names))
        for each in found
        if (each.preamble, each.delimiter) == (best.preamble, best.delimiter)
        and each is not best
    ]
    return f"; rather than {', or '.join(others[:3])}" if others else ""


def _texts(
    rows: Sequence[Sequence[str]], positions: Sequence[int], *, width: int
) -> list[pl.Series]:
    """Return some columns of rows; null where a field is blank or not there.

    Of rows that go on behind the header's last column nobody knows what is what.
    """
    fitting = [row if not any(row[width:]) else () for row in rows]
    return [
        blank_to_null(
            pl.Series(
                [row[i] if i < len(row) else None for row in fitting], dtype=pl.String
            )
        )
        for i in positions
    ]


def _format(sample: bytes, delimiter: str) -> Format:
    start = "".join(itertools.islice(Lines(sample), _MOST_PREAMBLE))
    mark = re.escape(delimiter)
    opened = len(re.findall(_BLANK_BEFORE_QUOTE.format(mark), start))
    closed = len(re.findall(_QUOTED_AFTER_BLANK.format(mark), start))
    return Format(delimiter, blank_before_quote=0 < opened == closed)


def _records(sample: bytes, form: Format, most: int) -> Iterator[list[str]]:
    try:
        yield from itertools.islice(form.reader(Lines(sample)), most)
    except csv.Error:  # with this delimiter it is no table
        return


def _decimal_mark(texts: Sequence[pl.Series]) -> str:
    """Return the mark in most of the numbers."""
    values = pl.concat(texts)
    commas = values.str.contains(_DECIMAL_COMMA).sum()
    points = values.str.contains(_DECIMAL_POINT).sum()
    return "," if commas > points else "."


def _refuse(sample: bytes, formats: Sequence[Format], hints: ColumnHints) -> NoReturn:
    """Say what is wrong with a table in which no record names coordinates."""
    headers = [next(_records(sample, form, 1), []) for form in formats]
    header = _likeliest_header(sample, formats)
    if len(headers[0]) == 1 and sample.startswith(b'"') and len(header) == 1:
        inner = headers[0][0].encode()
        if max(len(next(_records(inner, form, 1), [])) for form in formats) > 1:
            raise _one_field_a_row(headers[0][0])
    for form in formats:
        _check_closed(sample, form)
    if not any(name.strip() for name in header):
        msg = (
            "The first line is blank, and none of the next ones names the columns of "
            "latitude and longitude."
        )
        raise TableError(msg)
    if (hints.latitude, hints.longitude, hints.coordinates) == (None, None, None):
        _check_names(header)
    Header(header).refuse(hints)


def _likeliest_header(sample: bytes, formats: Sequence[Format]) -> list[str]:
    """Return the first record that has as many fields as most records.

    By the delimiter by which most records have as many, but more than one.
    """
    best: tuple[int, list[str]] = (0, [])
    for form in formats:
        records = [
            each
            for each in _records(sample, form, _MOST_PREAMBLE + _ROWS_LOOKED_AT)
            if any(field.strip() for field in each)
        ]
        if not best[1] and records:
            best = (0, records[0])
        widths = Counter(len(each) for each in records if len(each) > 1)
        for width, count in widths.most_common(1):
            if count > best[0]:
                best = (count, next(each for each in records if len(each) == width))
    return best[1]


def _check_fields(sample: bytes, form: Format, found: _Found) -> None:
    """Refuse a table whose rows are one field each, unlike its header."""
    most = found.preamble + 1 + _ROWS_LOOKED_AT
    rows = list(_records(sample, form, most))[found.preamble + 1 :]
    whole = [row[0] for row in rows if len(row) == 1 and form.delimiter in row[0]]
    if len(found.header.names) > 1 and len(whole) > len(rows) / 2:
        raise _one_field_a_row(whole[0])


def _one_field_a_row(row: str) -> TableError:
    msg = (
        "Each row is one field in quotation marks, so the table has one column only: "
        f"{row[:60]!r}. Save it again without quotation marks around whole rows."
    )
    return TableError(msg)


def _check_closed(sample: bytes, form: Format) -> None:
    """Refuse a table in whose first records a quotation mark is never closed."""
    lines = Lines(sample)
    start = end = records = 0
    with contextlib.suppress(csv.Error):
        for _ in itertools.islice(form.reader(lines), _MOST_PREAMBLE + 1):
            start, end = end, lines.taken
            records += 1
    if records <= _MOST_PREAMBLE:
        check_closed(sample[start:], form)


def _check_names(header: Sequence[str]) -> None:
    """Refuse what can't be the names of a table's columns."""
    if len(header) == 1:
        msg = (
            f"The table has one column only, {quoted(header[0])}: its fields must be "
            "separated by commas, semicolons, tabs or bars (|). Open it in a "
            "spreadsheet, and save it as “CSV UTF-8”; or, if this column holds both "
            "coordinates, upload with `--metadata coordinates=NAME`."
        )
        raise TableError(msg)
    if sum(bool(_FRACTION.fullmatch(name.strip())) for name in header) > 1:
        msg = (
            "The first line should name the columns, but here it holds "
            f"{Header(header).shown()}. Put a line above it with a name for each "
            "column, two of them latitude and longitude."
        )
        raise TableError(msg)
