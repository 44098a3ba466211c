import gzip
import io
import zipfile

import pytest

from geoclusters.errors import TableError
from geoclusters.tables import text
from tests.unit.conftest import InPieces

LINES = "Straße;Ort\nÄußere Weberstraße 57;Zürich\nGroße Bleiche;München\n" * 20


def decoded(data: bytes) -> tuple[str, str, str]:
    found = text.decode(InPieces(data))
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


def test_a_few_stray_bytes_make_no_code_page_of_utf_8() -> None:
    data = "名稱,緯度,經度\n".encode() + b"A,1,2\n" * 200 + b"caf\xe9,3,4\n"
    found = text.decode(InPieces(data))
    assert found.encoding == "utf-8"
    assert b"".join(found.stream) == data
    for words, encoding in [("Zürich,Žilina,Łódź\n", "cp1250"), ("é\n", "cp1252")]:
        assert decoded(words.encode(encoding) * 20)[1] != "utf-8"


@pytest.mark.parametrize("encoding", ["cp850", "cp437", "cp1252"])
@pytest.mark.parametrize("name", ["Place", "Öster"])
def test_degree_signs_of_dos_are_read(name: str, encoding: str) -> None:
    words = "name,lat,lon\n" + "".join(
        f"{name} {i},59°12'{i:02}\"N,18° 0{i % 9}'11\"E\n" for i in range(50)
    )
    assert decoded(words.encode(encoding))[2] == words


def test_a_letter_behind_a_number_is_no_degree_sign() -> None:
    words = "navn,adresse,lat,lon\n" + "Bjørn,Øvre gate på 5ø,1,2\nTore,Å,3,4\n" * 30
    assert decoded(words.encode("cp1252"))[2] == words


@pytest.mark.parametrize("unseen", ["\ufeff", "\ufeff\ufeff", "\u200b", "\ufeff\u200b"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_stands_unseen_before_the_header_is_passed_over(
    unseen: str, written: str
) -> None:
    for words in ("lat,lon\n\ufeff1,2\n", "é", "a", ""):
        for step in (1, 2, 1000):
            found = text.decode(InPieces((unseen + words).encode(written), step))
            assert b"".join(found.stream).decode() == words
    with pytest.raises(TableError, match="web page"):
        decoded((unseen + "<html>").encode(written))


def test_packed_text_is_read_and_told() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("places.csv", LINES.encode("cp1252"))
    for data, compression, member in [
        (gzip.compress(LINES.encode("cp1252")), "gzip", ""),
        (packed.getvalue(), "zip", "places.csv"),
    ]:
        found = text.decode(io.BytesIO(data))
        assert (found.compression, found.member) == (compression, member)
        assert b"".join(found.stream).decode() == LINES


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
        (b"<h1>502 Bad Gateway</h1>", "web page"),
        (b'<p class="x">Sorry', "web page"),
        (b"<Error><Code>NoSuchKey</Code>", "web page"),
        (b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code>', "web page"),
        (b'<places n="2">\n <place>', "XML"),
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


def test_what_was_packed_twice_is_told() -> None:
    for inner in (gzip.compress(LINES.encode()), b"PK\x03\x04 and so on"):
        with pytest.raises(TableError, match="packed twice"):
            decoded(gzip.compress(inner))


def test_a_header_in_brackets_is_no_json() -> None:
    for header in ("[id],[lat],[lon]\n", "<id>,<lat>,<lon>\n", "<p>;<lat>;<lon>\n"):
        assert decoded(header.encode())[2] == header
