import gzip
from collections.abc import Iterator

import pytest

from geoclusters.errors import TableError
from geoclusters.tables import text

LINES = "Straße;Ort\nÄußere Weberstraße 57;Zürich\nGroße Bleiche;München\n" * 20


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def decoded(data: bytes, size: int = 7) -> tuple[str, str, str]:
    found = text.decode(pieces(data, size))
    return found.compression, found.encoding, b"".join(found.stream).decode()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-16", "utf-16-le"),
    ],
)
def test_the_usual_encodings_are_told(written: str, found: str) -> None:
    assert decoded(LINES.encode(written)) == ("", found, LINES)


def test_text_in_code_pages_is_read_right() -> None:
    for words, encoding in [
        (LINES, "cp1252"),
        (LINES, "cp850"),
        ("широта,долгота,название улицы и дома\n" * 30, "cp1251"),
        ("緯度,經度,地址,香港中環德輔道中\n" * 30, "big5"),
    ]:
        assert decoded(words.encode(encoding))[2] == words


def test_a_gzip_file_is_unpacked_and_so_are_several_in_one() -> None:
    data = gzip.compress(LINES.encode()) + gzip.compress(b"more\n")
    assert decoded(data) == ("gzip", "utf-8", LINES + "more\n")


@pytest.mark.parametrize("cut", [15, 60])
def test_a_gzip_file_that_is_cut_off_is_refused(cut: int) -> None:
    data = gzip.compress(LINES.encode())[:-cut]
    with pytest.raises(TableError, match="gzip file is damaged"):
        decoded(data)


def test_a_gzip_file_of_garbage_is_refused() -> None:
    data = gzip.compress(LINES.encode())
    with pytest.raises(TableError, match="gzip file is damaged"):
        decoded(data[:30] + b"garbage" + data[37:])


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"PK\x03\x04", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel workbook"),
        (b"PAR1", "Parquet"),
        (b"\x89PNG\r\n", "picture"),
        (b"\xff\xd8\xff\xe0", "picture"),
        (b"%PDF-1.7", "PDF"),
        (b"SQLite format 3\0", "database"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\n <HTML>", "web page"),
        (b"lat,lon\n1\0,2\n", "zero bytes"),
        (b'<?xml version="1.0"?><kml>', "KML"),
        (b'{"type": "FeatureCollection"', "GeoJSON"),
        (b' [ {"lat": 1}]', "GeoJSON"),
        (b"BZh91AY", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xff\xfe\0\0l\0\0\0", "UTF-32"),
    ],
)
def test_what_is_no_table_is_told_by_name(start: bytes, expected: str) -> None:
    with pytest.raises(TableError, match=expected):
        decoded(start + b" and so on" * 100)


def test_nothing_is_nothing() -> None:
    assert decoded(b"") == ("", "utf-8", "")


def test_padding_behind_a_gzip_file_does_no_harm() -> None:
    data = gzip.compress(LINES.encode()) + bytes(512)
    assert decoded(data) == ("gzip", "utf-8", LINES)


def test_a_gzip_file_may_not_unpack_to_more_than_is_accepted() -> None:
    data = gzip.compress(bytes(b"\n" * 5_000_000))
    with pytest.raises(TableError, match=r"more than 2\.0 MB"):
        list(text.decode(pieces(data, 1000), most_bytes=2_000_000).stream)


def test_a_header_in_brackets_is_no_json() -> None:
    assert decoded(b"[id],[lat],[lon]\n")[2] == "[id],[lat],[lon]\n"
