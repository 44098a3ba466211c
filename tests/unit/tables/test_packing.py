import gzip
import io
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoclusters.errors import TableError
from geoclusters.tables import packing
from geoclusters.tables.packing import unpack
from tests.unit.conftest import InPieces

LINES = b"name,lat,lon\n" + b"".join(b"%d,1.5,2.25\n" % i for i in range(2000))


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def unpacked(file: bytes | BinaryIO, most_bytes: int | None = None) -> bytes:
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    return b"".join(unpack(source, most_bytes=most_bytes).stream)


def directory_entry(data: bytes | bytearray) -> int:
    """Return where the list of a zip's files begins."""
    return data.index(b"PK\x01\x02")


def test_a_plain_file_stays_as_it_is() -> None:
    found = unpack(InPieces(LINES))
    assert (found.compression, found.member) == ("", "")
    assert b"".join(found.stream) == LINES
    assert unpacked(b"") == b""


def test_a_gzip_file_is_unpacked_and_so_are_several_in_one() -> None:
    found = unpack(InPieces(gzip.compress(LINES) + gzip.compress(b"more\n")))
    assert (found.compression, found.member) == ("gzip", "")
    assert b"".join(found.stream) == LINES + b"more\n"


@pytest.mark.parametrize("cut", [15, 60])
def test_a_gzip_file_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(TableError, match="gzip file is damaged"):
        unpacked(InPieces(gzip.compress(LINES)[:-cut]))


def test_a_gzip_file_of_garbage_is_refused() -> None:
    data = gzip.compress(LINES)
    with pytest.raises(TableError, match="gzip file is damaged"):
        unpacked(data[:30] + b"garbage" + data[37:])


def test_padding_behind_a_gzip_file_does_no_harm() -> None:
    assert unpacked(InPieces(gzip.compress(LINES) + bytes(512))) == LINES


def test_nothing_may_unpack_to_more_than_is_accepted() -> None:
    blanks = bytes(b"\n" * 5_000_000)
    for data, what in [
        (gzip.compress(blanks), "gzip file"),
        (zipped({"a.csv": blanks}), "zip archive"),
    ]:
        assert unpacked(data, most_bytes=5_000_000) == blanks
        with pytest.raises(TableError, match=rf"{what}.*more than 2\.0 MB"):
            unpacked(data, most_bytes=2_000_000)


def test_a_bomb_is_refused_by_its_ratio_and_a_small_one_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "_ANY_RATIO_BYTES", 3_000_000)
    bomb, small = b"1,2\n" * 1_000_000, b"1,2\n" * 700_000
    counting = b"".join(b"%d,%d\n" % (i % 90, i % 180) for i in range(500_000))
    for pack in (gzip.compress, lambda data: zipped({"a.csv": data})):
        assert len(pack(bomb)) < len(bomb) / 400
        with pytest.raises(TableError, match="unpacks to more than 250 times its size"):
            unpacked(pack(bomb))
        assert unpacked(pack(small)) == small
        assert unpacked(pack(counting)) == counting


def test_a_bomb_is_refused_long_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of several in one, each packed once: 2 GB, if they were unpacked."""
    monkeypatch.setattr(packing, "_ANY_RATIO_BYTES", 8_000_000)
    one = gzip.compress(b"\n" * 20_000_000)
    stream = unpack(io.BytesIO(one * 100)).stream
    sizes: list[int] = []
    with pytest.raises(TableError, match="250 times its size"):
        sizes.extend(map(len, stream))
    assert sum(sizes) < 100_000_000


def test_a_zip_archive_that_is_said_to_be_packed_less_is_refused_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "_ANY_RATIO_BYTES", 3_000_000)
    data = bytearray(zipped({"a.csv": b"1,2\n" * 1_000_000}))
    place = directory_entry(data) + 20
    data[place : place + 4] = struct.pack("<I", 3_999_999)
    with pytest.raises(TableError, match="250 times its size"):
        unpacked(bytes(data))


@pytest.mark.parametrize(
    "name", ["../../etc/a.csv", "/etc/a.csv", "C:\\a.csv", "a/../../b.csv", "..\\a.csv"]
)
def test_the_path_of_a_file_in_an_archive_is_a_name_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    found = unpack(io.BytesIO(zipped({name: LINES})))
    assert found.member == name
    assert b"".join(found.stream) == LINES
    assert list(tmp_path.rglob("*")) == [tmp_path / "work", folder]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_one_file_of_a_zip_archive_is_unpacked(method: int, tmp_path: Path) -> None:
    data = zipped({"data/Places 2026": LINES}, method)
    found = unpack(io.BytesIO(data))
    assert (found.compression, found.member) == ("zip", "data/Places 2026")
    assert b"".join(found.stream) == LINES
    path = tmp_path / "places.zip"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert unpacked(file) == LINES


@pytest.mark.parametrize(
    "others",
    [
        ["__MACOSX/._places.csv", ".DS_Store", "sub/.hidden/a.csv", "docs/"],
        ["readme.txt", "licence.pdf", "a.tsv", "meta.xml"],
        ["places.shp", "places.dbf", "preview.png"],
    ],
)
def test_a_csv_file_is_taken_from_among_others(others: list[str]) -> None:
    files = {name: b"" if name.endswith("/") else b"x" for name in others}
    found = unpack(io.BytesIO(zipped({**files, "data/places.CSV": LINES})))
    assert found.member == "data/places.CSV"


@pytest.mark.parametrize(
    ("names", "member"),
    [
        (["a.tsv", "readme.txt"], "a.tsv"),
        (["a.txt", "logo.png"], "a.txt"),
        (["a.dat"], "a.dat"),
    ],
)
def test_other_tables_are_taken_where_there_is_no_csv_file(
    names: list[str], member: str
) -> None:
    data = zipped(dict.fromkeys(names, b"x"))
    assert unpack(io.BytesIO(data)).member == member


def test_several_tables_are_told_and_named() -> None:
    data = zipped({f"{name}.csv": b"x" for name in "abcdefg"})
    with pytest.raises(TableError) as error:
        unpacked(data)
    assert "7 tables: 'a.csv', 'b.csv', 'c.csv', 'd.csv', 'e.csv' and 2 more." in str(
        error.value
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "no table: it is empty"),
        (["a/", ".b.csv"], r"no table: 'a/', '\.b\.csv'\. Pack one CSV file"),
        (["a.dat", "b.png"], r"no table: 'a\.dat', 'b\.png'"),
        (["[Content_Types].xml", "xl/workbook.xml"], r"Excel workbook \(\.xlsx\)"),
        (["[Content_Types].xml", "word/document.xml"], r"Word document"),
        (["mimetype", "content.xml", "styles.xml"], r"OpenDocument file.*\.ods"),
        (["doc.kml", "files/icon.png"], r"holds KML \('doc\.kml'\).*GIS program"),
        (["a.shp", "a.shx", "a.dbf", "a.prj", "readme.txt"], "a shapefile"),
        (["a.gpkg"], "a GeoPackage"),
        (["a.gdb/a00000001.gdbtable"], "Esri geodatabase"),
        (["a.geojson"], "GeoJSON"),
        (["a.csv.gz"], "packed itself.*Pack the table alone, and once"),
        (["inner.zip"], "packed itself"),
        (["sheet.xlsx"], "a workbook"),
    ],
)
def test_an_archive_without_a_table_is_told_by_name(
    names: list[str], expected: str
) -> None:
    with pytest.raises(TableError, match=expected):
        unpacked(zipped(dict.fromkeys(names, b"")))


def test_names_are_shown_in_bounds_and_without_control_characters() -> None:
    with pytest.raises(TableError) as error:
        unpacked(zipped({"\x1b[2Ja\u202e.csv": b"", "x" * 60_000 + ".csv": b""}))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def test_an_encrypted_file_is_told() -> None:
    data = bytearray(zipped({"a.csv": LINES}))
    for start in (6, directory_entry(data) + 8):
        data[start] |= 1
    with pytest.raises(TableError, match=r"'a\.csv'.*encrypted.*without a password"):
        unpacked(bytes(data))


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (12, "bzip2"), (14, "LZMA"), (77, "77")]
)
def test_a_method_that_is_not_supported_is_told(method: int, name: str) -> None:
    data = bytearray(zipped({"a.csv": LINES}))
    for start in (8, directory_entry(data) + 10):
        data[start : start + 2] = struct.pack("<H", method)
    with pytest.raises(TableError, match=rf"not supported \(.*{name}\)"):
        unpacked(bytes(data))


@pytest.mark.parametrize("size", [0, 10, len(LINES) - 1, len(LINES) + 1, 2**31])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_size_that_is_not_true_is_refused(size: int, method: int) -> None:
    data = bytearray(zipped({"a.csv": LINES}, method))
    start = directory_entry(data) + 24
    data[start : start + 4] = struct.pack("<I", size)
    with pytest.raises(TableError, match=r"damaged|250 times its size"):
        unpacked(bytes(data))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:4],
        lambda data: data[:100] + data[110:],
        lambda data: data[:60] + bytes(8) + data[68:],
        lambda data: b"PK\x03\x04 a workbook",
    ],
)
def test_a_damaged_archive_is_told(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(TableError, match="Excel workbook, but it is damaged"):
        unpacked(spoil(zipped({"a.csv": LINES})))


def test_an_archive_of_very_many_files_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = zipped({f"{i}.csv": b"" for i in range(1000)})
    monkeypatch.setattr(packing, "_MOST_DIRECTORY_BYTES", 10_000)
    with pytest.raises(TableError, match="very many files"):
        unpacked(data)


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 40),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_whatever_happens_to_an_archive_it_is_read_or_refused(
    changes: list[tuple[int, int]], cut: int, method: int
) -> None:
    data = bytearray(zipped({"a.csv": LINES[:99], "ü.dat": b"x"}, method))
    for where, value in changes:
        data[where % len(data)] = value
    data[:4] = b"PK\x03\x04"
    try:
        found = unpacked(bytes(data[: len(data) - cut]), most_bytes=10_000)
    except TableError:
        return
    assert found in (LINES[:99], b"x")  # what is read is what was packed


class Dropping(io.BytesIO):
    """A file whose source fails after so many reads."""

    reads_left = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise ConnectionResetError("dropped")
        return super().read(size)


def test_a_connection_that_drops_is_no_damage() -> None:
    noise = random.Random(0).randbytes(3_000_000)
    file = Dropping(zipped({"a.csv": noise}))
    for reads in range(100):
        file.seek(0)
        file.reads_left = reads
        try:
            assert unpacked(file) == noise
        except ConnectionResetError:
            continue
        break
    assert reads > 5  # it dropped in the list of files, in the header, and behind it
