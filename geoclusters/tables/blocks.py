"""A stream of bytes, cut into blocks of whole CSV records.

Where every quotation mark opens or closes a field, as RFC 4180 has it, a line break
ends a record if an even number of them stands before it, which is quick to count. Real
files also hold marks inside plain fields (`5" pipe`). A block with such a one is cut by
the `csv` module, which reads a mark as one only where a field begins.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoclusters.errors import TableError

#: A record (with all line breaks inside its quotation marks) must be shorter.
MOST_RECORD_BYTES = 64 * 1024 * 1024

#: Each of the next ones is twice as long.
_FIRST_BLOCK_BYTES = 2 * 1024 * 1024

#: A block has no more lines than about this, so that what is made of them is bounded.
_MOST_LINES: Final = 256 * 1024
_PIECE_BYTES: Final = 32 * 1024

#: Quotation marks that are looked at together; an even number.
_MARKS_AT_ONCE = 1024 * 1024

csv.field_size_limit(MOST_RECORD_BYTES)  # a field may be as long as a record

#: Within what is held of a stream, which is at most two such records.
Positions = NDArray[np.int32]

_QUOTE, _CR, _LF = b'"\r\n'
#: So much of a line is shown in a message.
_SHOWN = 60
_BLANKS = re.compile(rb"[ \r]*")
_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_LONE_CARRIAGE_RETURN = re.compile(rb"\r(?!\n)")


class Format(NamedTuple):
    """How records are cut into fields."""

    delimiter: str
    #: Whether blanks stand between the delimiter and quotation marks: `1, "a, b"`.
    blank_before_quote: bool = False

    def reader(
        self, lines: Iterable[str], *, strict: bool = False
    ) -> Iterator[list[str]]:
        """Return the `csv` module's reader of lines."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            skipinitialspace=self.blank_before_quote,
            strict=strict,
        )


class Block(NamedTuple):
    """Whole records."""

    data: bytes
    #: Whether each quotation mark in it opens or closes a field.
    well_quoted: bool


def blocks(chunks: Iterable[bytes], block_bytes: int, form: Format) -> Iterator[Block]:
    """Yield the bytes of `chunks` in blocks that end where a record ends.

    Each block is about `block_bytes` long, but for the first ones, which are shorter so
    that work on them can begin. What is held at a time doesn't grow with the stream.

    Raises
    ------
    TableError
        If a record is longer than `MOST_RECORD_BYTES`: mostly a quotation mark that is
        opened and never closed.
    """
    held: list[bytes] = []
    marks: list[Positions] = []
    size = 0
    usual = min(block_bytes, _FIRST_BLOCK_BYTES)
    wanted = usual
    for chunk in chunks:
        held.append(chunk)
        marks.append(_quotes(chunk) + size)
        size += len(chunk)
        if size < wanted:
            continue
        # Mostly a record ends where the last line does, and no second copy is needed.
        line_end = chunk.rfind(b"\n") + 1
        data = b"".join([*held[:-1], chunk[:line_end]])
        quotes = np.concatenate(marks)
        marks.clear()  # they may be more than the data
        inside = quotes[: np.searchsorted(quotes, len(data))]
        well_quoted = _is_well_quoted(data, inside, form)
        end = _end_by_count(data, inside) if well_quoted else _end_by_csv(data, form)
        rest = data[end:] + chunk[line_end:]
        if end:
            yield Block(data[:end], well_quoted)
            usual = min(block_bytes, 2 * usual)
        elif size > MOST_RECORD_BYTES:
            line = _line_at(rest, _unclosed(rest, form) or 0)
            msg = (
                f"A record is longer than {MOST_RECORD_BYTES // 1024**2} MiB, from the "
                f"line {line!r} on. Perhaps a quotation mark is opened there and never "
                "closed, or the file is not a CSV file."
            )
            raise TableError(msg)
        held, size = [rest], len(rest)
        marks = [quotes[np.searchsorted(quotes, end) :] - end if end else quotes]
        del quotes, inside, data
        # don't copy a long record again and again
        wanted = max(usual, min(2 * size, MOST_RECORD_BYTES + 1))
    rest = b"".join(held)
    if rest:
        quotes = np.concatenate(marks)
        closed = len(quotes) % 2 == 0
        yield Block(rest, closed and _is_well_quoted(rest, quotes, form))


def with_fewer_lines(whole: Iterable[Block], form: Format) -> Iterator[Block]:
    """Yield blocks, those of very short lines cut into smaller ones."""
    for block in whole:
        # three times as quick as bytes.count, and other threads can go on
        lines = np.count_nonzero(np.frombuffer(block.data, np.uint8) == _LF)
        if lines <= _MOST_LINES:
            yield block
            continue
        size = len(block.data)
        parts = blocks(_pieces(block.data), size // -(-lines // _MOST_LINES), form)
        for part in parts:
            is_smaller = len(part.data) < size  # one record may have all the lines
            yield from with_fewer_lines([part], form) if is_smaller else [part]


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


def _quotes(data: bytes) -> Positions:
    """Return where quotation marks stand."""
    if b'"' not in data:
        return np.empty(0, np.int32)
    marks = np.flatnonzero(np.frombuffer(data, np.uint8) == _QUOTE)
    return marks.astype(np.int32)


def _is_well_quoted(data: bytes, quotes: Positions, form: Format) -> bool:
    """Return whether each quotation mark in `data` opens or closes a field.

    `data` starts where a record starts; its last record may be incomplete. A doubled
    mark inside a field counts as closing and opening it again.
    """
    if form.blank_before_quote:
        return False
    array = np.frombuffer(data, np.uint8)
    # a few at a time: a record may consist of marks alone
    return all(
        _are_beside_fields_ends(array, quotes[start : start + _MARKS_AT_ONCE], form)
        for start in range(0, len(quotes), _MARKS_AT_ONCE)
    )


def _are_beside_fields_ends(
    array: NDArray[np.uint8], quotes: Positions, form: Format
) -> bool:
    """Return whether marks, of which every other one opens, stand where fields end."""
    opening, closing = quotes[::2], quotes[1::2]
    before = array.take(opening - 1, mode="wrap")
    if not (_is_between(before, form) | (opening == 0)).all():
        return False
    after = array.take(closing + 1, mode="clip")
    may_close = _is_between(after, form) | (closing == len(array) - 1)
    if not may_close.all():
        behind = array.take(closing + 2, mode="clip")
        may_close |= (after == _CR) & (behind == _LF)
    return bool(may_close.all())


def _is_between(characters: NDArray[np.uint8], form: Format) -> NDArray[np.bool_]:
    """Return which characters may stand beside a field's quotation marks."""
    is_between: NDArray[np.bool_] = characters == ord(form.delimiter)
    is_between |= characters == _QUOTE
    is_between |= characters == _LF
    return is_between


def _end_by_count(data: bytes, quotes: Positions) -> int:
    """Return how many bytes of well quoted `data` are whole records."""
    end = len(data)
    while (end := data.rfind(b"\n", 0, end)) >= 0:
        before = int(np.searchsorted(quotes, end))
        if before % 2 == 0:
            return end + 1
        # however many line breaks stand between the marks, they are passed at once
        end = int(quotes[before - 1])
    return 0


def _end_by_csv(data: bytes, form: Format) -> int:
    """Return how many bytes of `data` are whole records, as the `csv` module reads.

    The last one is left out: the module takes the end of its input for the end of a
    record.
    """
    lines = Lines(data)
    whole = end = 0
    for _ in records(lines, form):
        whole, end = end, lines.taken
    return whole


def records(lines: "Lines", form: Format) -> Iterator[list[str]]:
    """Yield the fields of each record, as the `csv` module reads them.

    Raises
    ------
    TableError
        If it can't read on, or a quotation mark that was never closed makes one record
        of several.
    """
    start = before = 0
    try:
        for record in form.reader(lines):
            if lines.count > before + 1:
                _check_quoted(lines.since(start), form)
            before = lines.count
            start = lines.taken
            yield record
    except csv.Error as error:
        data = lines.since(start)
        raise _unreadable(data, _unclosed(data, form) or 0) from error


def check_closed(last_record: bytes, form: Format) -> None:
    """Refuse a last record that swallows lines because a quotation mark stays open.

    Raises
    ------
    TableError
        If it is such a one.
    """
    if b"\n" not in last_record.rstrip(b"\r\n"):
        return
    if (opening := _unclosed(last_record, form)) is not None:
        raise _unreadable(last_record, opening)


def _check_quoted(record: bytes, form: Format) -> None:
    """Refuse a record in which a quoted field over several lines is followed by text.

    The mark that closes it was to open another field: the one that opens it was never
    closed, and the lines between are records of their own. (On one line, such a field
    is only written carelessly.)
    """
    closed = re.compile(rb"[ \r]*(?:[%b\n]|\Z)" % re.escape(form.delimiter.encode()))
    for start, end in _quoted(record, form):
        if end and not closed.match(record, end) and b"\n" in record[start:end]:
            raise _unreadable(record, start)


def _unclosed(record: bytes, form: Format) -> int | None:
    """Return where in a record a quotation mark is opened that is never closed."""
    return next((start for start, end in _quoted(record, form) if end is None), None)


def _quoted(record: bytes, form: Format) -> Iterator[tuple[int, int | None]]:
    """Yield where each quoted field of one record starts and ends.

    The end is None if the field isn't closed.
    """
    delimiter = form.delimiter.encode()
    position = 0
    while True:
        if form.blank_before_quote and (blanks := _BLANKS.match(record, position)):
            position = blanks.end()
        if record.startswith(b'"', position):
            field = _QUOTED.match(record, position)
            yield position, field and field.end()
            if field is None:
                return
            position = field.end()
        position = record.find(delimiter, position) + 1
        if not position:
            return


def _line_at(data: bytes, position: int) -> str:
    """Return the start of the line in which a position stands."""
    start = data.rfind(b"\n", 0, position) + 1
    line = data[start : start + 4 * _SHOWN].decode("utf-8", "replace")
    return line.partition("\n")[0].rstrip()[:_SHOWN]


def _unreadable(data: bytes, position: int) -> TableError:
    msg = (
        f"The table can't be read on from the line {_line_at(data, position)!r}. "
        "Perhaps a quotation mark is opened there and never closed, or the file is not "
        "a CSV file. Open it in a spreadsheet and save it again as “CSV UTF-8”."
    )
    return TableError(msg)


class Lines:
    """The lines of some bytes as UTF-8 text, with their line breaks.

    A carriage return that ends no line is a space, which the `csv` module can read.
    """

    def __init__(self, data: bytes) -> None:
        has_returns = b"\r" in data  # to look is quicker than to replace none
        self._data = _LONE_CARRIAGE_RETURN.sub(b" ", data) if has_returns else data
        self._lines = io.BytesIO(self._data)
        #: Lines handed out so far.
        self.count = 0

    @property
    def taken(self) -> int:
        """Bytes of the lines handed out so far."""
        return self._lines.tell()

    def since(self, start: int) -> bytes:
        """Return the lines handed out that begin at a byte or later."""
        return self._data[start : self.taken]

    def __iter__(self) -> Iterator[str]:
        while line := self._lines.readline():
            self.count += 1
            yield line.decode("utf-8", "replace")
