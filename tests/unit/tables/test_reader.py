import csv
import gzip
import io
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from geoclusters.errors import TableError
from geoclusters.tables import blocks
from geoclusters.tables.columns import ColumnHints
from geoclusters.tables.reader import Table
from tests.unit.conftest import InPieces


def table(
    text: str | bytes, *, block_bytes: int = 1000, step: int = 7, **names: Any
) -> Table:
    data = text.encode() if isinstance(text, str) else text
    return Table(InPieces(data, step), ColumnHints(**names), block_bytes=block_bytes)


def read(source: Table) -> list[tuple[int, float, float]]:
    return [
        (int(row), float(latitude), float(longitude))
        for chunk in source.chunks()
        for row, latitude, longitude in zip(
            chunk.row, chunk.latitude, chunk.longitude, strict=True
        )
    ]


def test_places_are_read_with_the_row_that_a_spreadsheet_shows() -> None:
    text = 'name,lat,lon\nA,1.5,2\n"B, the\nsecond",-3,4e1\n\nD,+59.350,-0\n'
    assert read(table(text)) == [(2, 1.5, 2), (3, -3, 40), (5, 59.35, 0)]


def test_windows_files_with_a_byte_order_mark_are_read() -> None:
    assert read(table(b"\xef\xbb\xbflat,lon\r\n1,2\r\n3,4")) == [(2, 1, 2), (3, 3, 4)]


def test_other_columns_may_be_in_any_encoding() -> None:
    assert read(table(b"name,lat,lon\nZ\xfcrich,47.4,8.5\n")) == [(2, 47.4, 8.5)]


def test_rows_without_usable_coordinates_are_counted_by_the_first_reason() -> None:
    text = """lat,lon
,2
x,
1,
short
a,2
1,1 x
nan,2
inf,2
90.01,0
0,-180.5
0,0
0,7
-90,180
"""
    for block_bytes in (1, 1000):
        source = table(text, block_bytes=block_bytes)
        assert read(source) == [(13, 0, 7), (14, -90, 180)]
        assert source.left_out.summary() == {
            "coordinate missing": {"rows": 4, "first": [2, 3, 4, 5]},
            "coordinate not a number": {"rows": 4, "first": [6, 7, 8, 9]},
            "coordinate out of range": {"rows": 2, "first": [10, 11]},
            "both coordinates 0": {"rows": 1, "first": [12]},
        }
        assert source.left_out.rows == 11


def test_a_mark_of_inches_in_a_plain_field_loses_no_row() -> None:
    text = 'pipe,lat,lon\n5" long,1,2\n3",3,4\nsay ""x,5,6\n"7"" wide",7,8\n'
    for block_bytes in (10, 1000):
        rows = read(table(text, block_bytes=block_bytes))
        assert rows == [(2, 1, 2), (3, 3, 4), (4, 5, 6), (5, 7, 8)]


def test_blanks_between_delimiter_and_quotation_mark_are_passed_over() -> None:
    text = '"name", "lat", "lon"\n"A, b", "1.5", 2\n"C", "3", "4"\n'
    assert read(table(text)) == [(2, 1.5, 2), (3, 3, 4)]
    text = 'lat,name,lon\n1, "a, b",2\n3, "c\nd",4\n5, "",6\n'
    assert read(table(text, block_bytes=9)) == [(2, 1, 2), (3, 3, 4), (4, 5, 6)]


FIELDS = st.text(alphabet='ab",\n\r 5', max_size=6)
NUMBERS = st.sampled_from(["1", "-2.5", "", "x", "95", " 7 ", "+1", '"3"'])


def csv_text(rows: list[tuple[str, str, str]], *, raw: bool) -> str:
    file = io.StringIO(newline="")
    if raw:
        file.write("n,lat,m,lon\n")
        file.writelines(f"{n},{lat},{m},7\n" for n, lat, m in rows)
    else:
        writer = csv.writer(file)
        writer.writerow(["n", "lat", "m", "lon"])
        writer.writerows((n, lat, m, 7) for n, lat, m in rows)
    return file.getvalue()


def is_damaged(record: str) -> bool:
    """Return whether a record holds a field over lines that is not closed rightly.

    A mark opens a field only at its start; text may follow a field on one line only.
    """
    opened = closed = None
    for i, character in enumerate(record):
        if opened is None:
            if character == '"' and (i == 0 or record[i - 1] == ","):
                opened, closed = i, None
        elif closed is None:
            closed = i if character == '"' else None
        elif character == '"' and i == closed + 1:
            closed = None
        elif character != " ":
            if character not in ",\r\n" and "\n" in record[opened:closed]:
                return True
            opened = closed = None
    is_open = opened is not None and closed is None
    return is_open and "\n" in record.rstrip("\r\n")


def reference(text: str) -> list[tuple[int, float, float]] | None:
    """Read as the csv module does; None where a record is damaged."""
    text = re.sub(r"\r(?!\n)", " ", text)
    lines = io.StringIO(text, newline="\n")
    end = 0
    places = []
    for row, record in enumerate(csv.reader(iter(lines.readline, "")), start=1):
        start, end = end, lines.tell()
        if is_damaged(text[start:end]):
            return None
        if len(record) > 4 and record[4].strip():
            continue
        try:
            latitude, longitude = (
                float(record[i].replace(",", ".", 1)) for i in (1, 3)
            )
        except (ValueError, IndexError):
            continue
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            places.append((row, latitude, longitude))
    return places


@given(
    rows=st.lists(st.tuples(FIELDS, NUMBERS, FIELDS), max_size=12),
    raw=st.booleans(),
    block_bytes=st.integers(1, 60),
    step=st.integers(1, 9),
)
def test_whatever_the_csv_module_reads_is_read_alike_in_any_blocks(
    rows: list[tuple[str, str, str]], raw: bool, block_bytes: int, step: int
) -> None:
    text = csv_text(rows, raw=raw)
    assume(
        not re.search(r',[ \r]+"', text)
    )  # see the test of blanks before quotation marks
    expected = reference(text)
    try:
        source = table(text, block_bytes=block_bytes, step=step)
    except TableError as error:  # such as a field of fives where a degree should be
        assert re.search("which are no degrees|Each row is one field", str(error))
        assert len(expected or []) <= text.count("\n") / 2
        return
    if expected is None:
        with pytest.raises(TableError, match="opened there and never closed"):
            read(source)
    else:
        assert read(source) == expected


@given(
    body=st.text(alphabet='a1",\r\n', max_size=60),
    blocks_bytes=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_any_bytes_are_read_or_refused_and_blocks_make_no_difference(
    body: str, blocks_bytes: tuple[int, int]
) -> None:
    def outcome(block_bytes: int) -> object:
        try:
            return read(table("lat,lon,name\n" + body, block_bytes=block_bytes))
        except TableError:
            return "refused"

    assert outcome(blocks_bytes[0]) == outcome(blocks_bytes[1])


def test_doubled_carriage_returns_of_windows_text_files_are_read() -> None:
    text = '"name","lat","lon"\r\r\n"a","1","2"\r\r\nb,3,4\r\r\n'
    assert read(table(text)) == [(2, 1, 2), (3, 3, 4)]


def test_a_long_file_is_read_in_bounded_chunks() -> None:
    line = b"some text,12.5,99.25,more text\n"
    source = Table(
        InPieces(b"a,lat,lon,b\n" + line * 200_000, 31_000), block_bytes=100_000
    )
    sizes = [chunk.rows for chunk in source.chunks()]
    assert sum(sizes) == 200_000
    assert max(sizes) < 10_000


@pytest.mark.parametrize("text", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n \n"])
def test_an_empty_file_says_so(text: bytes) -> None:
    with pytest.raises(TableError, match="The file is empty"):
        table(text)


def test_notes_above_the_header_are_passed_over_and_counted_as_rows() -> None:
    text = 'Depots of 2026\n\n"Source: survey, ""B"""\nid,lat,lon\n1,2,3\n2,4,5\n'
    for block_bytes in (1, 1000):
        source = table(text, block_bytes=block_bytes)
        assert read(source) == [(5, 2, 3), (6, 4, 5)]
        assert source.detected["header_row"] == 4


def test_a_table_without_a_header_is_told_what_was_found() -> None:
    with pytest.raises(TableError, match=r"No column for the latitude.*'Depots'"):
        table("Depots;x\n1;2\n")


def test_rows_in_quotation_marks_are_told() -> None:
    with pytest.raises(TableError, match="Each row is one field in quotation marks"):
        table('"id,lat,lon"\n"1,2,3"\n')


def test_line_ends_of_old_macs_are_told() -> None:
    with pytest.raises(TableError, match="old Macs"):
        table("lat,lon\r1,2\r3,4\r")


def test_a_quotation_mark_left_open_over_lines_is_told_with_its_line() -> None:
    with pytest.raises(TableError, match=r"from the line '.B,3,4'.*never closed"):
        read(table('n,lat,lon\nA,1,2\n"B,3,4\nC,5,6\n'))


LINES = "".join(f"C{i},{i},6\n" for i in range(60))


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ('"Bob,1,2', '"Al, B",3,4'),
        ('"x,1.5,2.5', '"y",3,4'),
        ('"x"" y,1.5,2.5', 'y,3,4,"z"" y"'),
        ('"a" b,3,4,"x', '"y",3,4'),
        ('"a\nb",3,4,"x', '"y" z,3,4'),
    ],
)
def test_a_mark_that_another_fields_mark_closes_is_told_with_its_line(
    opened: str, closed: str
) -> None:
    text = f"n,lat,lon,m\nA,1,2\n{opened}\n{LINES}{closed}\nD,5,6\n"
    line = re.escape(repr(opened.split("\n")[-1]))
    for block_bytes in (1, 100, 10_000):
        with pytest.raises(TableError, match=f"from the line {line}.*never closed"):
            read(table(text, block_bytes=block_bytes))


def test_fields_over_lines_are_read_beside_carelessly_written_ones() -> None:
    text = (
        'n,lat,lon\n5" pipe,1,2\n"a\n""b""",3,4\n"a" b,5,6\n"c\r\nd" ,7,8\r\r\n'
        '"7"" wide",9,10\n"e\nf",11,"12"\r\n'
    )
    for block_bytes in (1, 30, 10_000):
        rows = read(table(text, block_bytes=block_bytes))
        assert rows == [(i + 2, 2 * i + 1, 2 * i + 2) for i in range(6)]


def test_a_last_field_left_open_is_told_behind_a_carelessly_written_one() -> None:
    text = 'n,lat,lon,m\nA,1,2\n"a" c,"a\nb",3,"x\nC,5,6\n'
    with pytest.raises(TableError, match=r"from the line 'b.*x'.*never closed"):
        read(table(text))


def test_a_long_field_is_read_in_whatever_block_it_stands() -> None:
    text = 'n,lat,lon\nA,1,2\n5" "x",3,4\n' + "y" * 200_000 + ",5,6\n"
    for block_bytes in (1000, 1_000_000):
        source = table(text, step=10_000, block_bytes=block_bytes)
        assert read(source) == [(2, 1, 2), (3, 3, 4), (4, 5, 6)]


def test_a_quotation_mark_that_is_never_closed_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "MOST_RECORD_BYTES", 5000)
    for plain in ("", '5" '):
        text = f'n,lat,lon\n{plain}A,1,2\n"a\nb",3,4,"B\n' + "C,5,6\n" * 5000
        with pytest.raises(TableError, match=r"from the line 'b.*B' on.*never closed"):
            read(table(text, block_bytes=100))


def test_lines_behind_an_open_quotation_mark_are_passed_at_once() -> None:
    class Counted(bytes):
        searches = 0

        def rfind(self, *args: Any) -> int:
            Counted.searches += 1
            return super().rfind(*args)

    data = Counted(b'A,1\n"b\nc",2\n"B' + b"\n" * 1000 + b'""' + b"\n" * 1000)
    quotes = blocks._quotes(data)
    assert blocks._end_by_count(data, quotes) == len(b'A,1\n"b\nc",2\n')
    assert Counted.searches < 5


def test_coordinates_come_as_float64() -> None:
    chunk = next(table("lat,lon\n22.2485255,114.1501576\n").chunks())
    assert chunk.latitude.dtype == np.float64
    assert chunk.latitude[0] == 22.2485255


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
COORDINATES = st.floats(-80, 80, allow_subnormal=False).map(lambda x: round(x, 6))


@given(
    rows=st.lists(
        st.tuples(st.text("Zürich ß, 'e", max_size=9), COORDINATES, COORDINATES),
        min_size=1,
        max_size=20,
    ),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(",;\t|"),
    decimal_mark=st.sampled_from(".,"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    compressed=st.booleans(),
    block_bytes=st.integers(1, 200),
)
def test_a_table_is_the_same_however_it_is_written(
    rows: list[tuple[str, float, float]],
    encoding: str,
    delimiter: str,
    decimal_mark: str,
    line_end: str,
    compressed: bool,
    block_bytes: int,
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["Straße", "latitude", "longitude", ""])
    for name, *pair in rows:
        numbers = [f"{number:.6f}".replace(".", decimal_mark) for number in pair]
        writer.writerow([name, *numbers, ""])
    data = file.getvalue().encode(encoding)
    if compressed:
        data = gzip.compress(data)
    source = table(data, block_bytes=block_bytes)
    expected = [
        (row, latitude, longitude)
        for row, (_, latitude, longitude) in enumerate(rows, start=2)
        if (latitude, longitude) != (0, 0)
    ]
    assert read(source) == expected
    assert source.detected["delimiter"] == delimiter
    assert source.detected["compression"] == ("gzip" if compressed else "")


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("lat,lon\n22,3,114,1\n22,4,114,2\n", 2),
        ('"lat","lon","name"\n"1",22.28,14.15,"a"\n', 1),
        ("name,height,lat,lon\nFoo, Bar,12,22.3,114.1\nX,1,2,3\n", 1),
        ('name,lat,lon\n5" x,1,2,3\n', 1),
        ("lat,lon\n1,2,\n3,4, ,\n", 0),
    ],
)
def test_rows_with_more_fields_than_the_header_are_left_out(
    text: str, left_out: int
) -> None:
    for block_bytes in (1, 1000):
        source = table(text, block_bytes=block_bytes)
        read(source)
        summary = source.left_out.summary()
        found = summary.get("more fields than the header", {"rows": 0})
        assert found["rows"] == left_out == source.left_out.rows


@pytest.mark.parametrize(
    "text",
    [
        "# exported: name, lat, lon\nlon,name,lat\n2,A,1\n4,B,3\n",
        "# name, lat, lon\nname;lat;lon\nA;1;2\nB;3;4\n",
    ],
)
def test_a_note_that_names_coordinates_is_not_taken_for_the_header(text: str) -> None:
    assert read(table(text)) == [(3, 1, 2), (4, 3, 4)]


def test_decimal_commas_may_begin_late() -> None:
    text = "lat;lon\n" + "1;2\n" * 200 + "1,5;2,5\n"
    assert read(table(text))[-1] == (202, 1.5, 2.5)


def test_byte_order_marks_where_files_were_joined_do_no_harm() -> None:
    text = "lat,lon\n1,2\n\ufeff3,4\n5,6\n"
    for block_bytes in (1, 1000):
        source = table(text, block_bytes=block_bytes)
        assert read(source) == [(2, 1, 2), (3, 3, 4), (4, 5, 6)]


def test_the_widest_line_is_told_where_no_header_is_found() -> None:
    with pytest.raises(TableError, match="'Stadt', 'Breite', 'Laenge'"):
        table("Bericht 2026\n\nStadt;Breite;Laenge\nA;1;2\n")
