"""Tables that nobody writes in good faith: what they may take, and what is answered."""

import gzip
import io
import itertools
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from geoclusters.errors import TableError
from geoclusters.tables import blocks
from geoclusters.tables.columns import ColumnHints
from geoclusters.tables.packing import unpack
from geoclusters.tables.reader import Table

HEADER = b"lat,lon,name\n1,2,a\n"
#: The length of a line that is sent; nobody holds it.
_ENDLESS = 1_000_000_000


class Stream(io.RawIOBase):
    """A file that is made while it is read: a start, and then one unit forever."""

    def __init__(self, start: bytes, unit: bytes) -> None:
        unit *= 256 * 1024 // len(unit)
        pieces = itertools.chain([start], itertools.repeat(unit, _ENDLESS // len(unit)))
        self._pieces: Iterator[bytes] = pieces
        self._held = b""
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        self._held = self._held or next(self._pieces, b"")
        data, self._held = self._held[: len(buffer)], self._held[len(buffer) :]
        buffer[: len(data)] = data
        self.taken += len(data)
        return len(data)


def read(data: bytes) -> int:
    table = Table(io.BytesIO(data), ColumnHints())
    return sum(len(chunk.row) for chunk in table.chunks())


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (HEADER, b"x"),
        (HEADER, b"1"),
        (HEADER, 63 * b"x" + b","),
        (HEADER, b"x\r"),
        (HEADER + b'1,2,"', b"x"),
        (HEADER + b'1,2,"', b"x\n"),
        (HEADER + b"1,2,", b'""'),
        (HEADER + b"1,2,x", b'""x"'),
        (HEADER * 100_000, b"\0"),
    ],
)
def test_a_line_of_a_gigabyte_is_refused_before_it_is_held(
    start: bytes, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 4 * 1024 * 1024
    monkeypatch.setattr(blocks, "MOST_RECORD_BYTES", most)
    stream = Stream(start, unit)
    tracemalloc.start()
    try:
        with pytest.raises(TableError, match="A record is longer than 4 MiB"):
            for _ in Table(io.BufferedReader(stream), block_bytes=most).chunks():
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stream.taken < len(start) + 6 * most
    assert peak < 24 * most + 10 * len(start)


@pytest.mark.parametrize("start", [b"", b"lat,lon\t1,2\t"])
def test_a_table_of_one_line_is_read_no_farther_than_its_start(start: bytes) -> None:
    stream = Stream(start, b"x")
    with pytest.raises(TableError, match=r"."):
        Table(io.BufferedReader(stream))
    assert stream.taken < 3_000_000


def test_a_million_columns_are_refused_and_many_are_read() -> None:
    wide = b"lat,lon" + b",c" * 1_000_000 + b"\n" + b"1,2\n"
    with pytest.raises(TableError, match="doesn't end within the first 1 MiB"):
        Table(io.BytesIO(wide))
    assert read(b"lat,lon" + b",c" * 50_000 + b"\n1,2\n3,4\n") == 2


#: In a process of its own, whose memory is seen as a whole: polars' is not Python's.
_READING: Final = """
import resource, sys
from geoclusters.tables.columns import ColumnHints
from geoclusters.tables.reader import Table

usage = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb") as file:
    before = usage()
    rows = sum(len(chunk.row) for chunk in Table(file, ColumnHints(id="lat")).chunks())
print(rows, (usage() - before) // 1024)
"""


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        pytest.param(
            b"lat,lon\n1,2" + 5_000_000 * b"," + b"\n3,4\n", 2, id="a wide row"
        ),
        pytest.param(
            b'lat,lon\n1,"2\n"' + 5_000_000 * b"," + b"\n3,4\n",
            2,
            id="a wide row over two lines",
        ),
        pytest.param(
            b"lat,lon\n" + 500_000 * b"1,2\n" + 5_000_000 * b"," + b"\n3,4\n",
            500_001,
            id="a wide row far below",
        ),
        pytest.param(b"lat,lon\n" + 20_000_000 * b"\n" + b"1,2\n", 1, id="blank lines"),
        pytest.param(
            b"lat,lon\n" + 40 * (99_999 * b"1,2\n" + b" " * 200 + b"1,2\n"),
            4_000_000,
            id="some long ids",
        ),
    ],
)
def test_what_is_made_of_few_bytes_is_bounded(
    table: bytes, rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(table)
    command = [sys.executable, "-c", _READING, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    read, megabytes = map(int, done.stdout.split())
    assert read == rows
    assert megabytes < 400


def test_a_message_names_few_of_very_many_columns() -> None:
    with pytest.raises(TableError, match=r"20000 columns are called 'lat'") as caught:
        read(b"lat," * 20_000 + b"lon\n1,2\n")
    assert len(str(caught.value)) < 500


def test_zero_bytes_are_told_or_count_as_no_number() -> None:
    with pytest.raises(TableError, match="it holds zero bytes"):
        read(b"lat,lon\n1,\0002\n")
    table = Table(io.BytesIO(b"lat,lon\n" + b"1,2\n" * 300_000 + b"1\0,2\n\0,2\n"))
    assert sum(len(chunk.row) for chunk in table.chunks()) == 300_000
    assert table.left_out.rows == 2


def test_a_gzip_file_of_nothing_but_empty_files_has_an_end() -> None:
    empty, one = gzip.compress(b""), gzip.compress(b"1,2\n")
    some = gzip.compress(b"lat,lon\n") + (empty * 900 + one) * 3
    assert b"".join(unpack(io.BytesIO(some)).stream) == b"lat,lon\n" + b"1,2\n" * 3
    with pytest.raises(TableError, match="consists of empty files"):
        b"".join(unpack(io.BytesIO(empty * 2000)).stream)
