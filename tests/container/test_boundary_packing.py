"""What is looked at before GDAL is: in these tests nothing of it runs."""

import io
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.boundaries import encodings, geopackage, packing
from geoclusters.errors import BoundariesError
from tests.container.border_files import SQUARE, geojson, zipped

SHP = bytes.fromhex("0000270a") + bytes(20) + (50).to_bytes(4) + bytes(4)
AREAS = SHP + (5).to_bytes(4, "little") + bytes(64)
POINTS = SHP + (1).to_bytes(4, "little") + bytes(64)


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.shp"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (tar(), "tar archive"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"7z\xbc\xaf\x27\x1crest", "7-Zip"),
        (AREAS, "one part of a shapefile.*\\.shp, \\.shx, \\.dbf and \\.prj"),
        (b"<?xml version='1.0'?><kml/>", "KML, GML or other XML"),
        (b"<OGRVRTDataSource/>", "other XML"),
        (b'{"type": "Topology", "arcs": []}', "TopoJSON"),
        (b'{"rings": [], "spatialReference" : {}}', "Esri's JSON"),
        (b"fgb\x03fgb\x00", "FlatGeobuf"),
        (b"a,b\n1,2\n", "no kind of file that is read"),
        (zipped({}), "without borders"),
        (zipped({"readme.txt": b"x"}), "without borders"),
        (zipped({"a.kml": b"<kml/>"}), "with KML"),
        (zipped({"b.zip": zipped({"a.shp": AREAS})}), "another archive"),
        (zipped({"x.gdb/a.gdbtable": b"x"}), "Esri geodatabase"),
        (zipped({"a.dbf": b"x", "a.prj": b"x"}), "without its \\.shp"),
        (zipped({"a.shp": AREAS}), "\\.shx file .* is missing"),
        (zipped({"a.shp": b"<OGRVRTDataSource/>"}), "no shapefile, or damaged"),
        (zipped({"a.shp": AREAS[:99], "a.shx": b"x"}), "no shapefile, or damaged"),
        (zipped({"a.shp": POINTS, "a.shx": b"x"}), "only points"),
        (zipped({"a.geojson": b"<OGRVRTDataSource/>"}), "other XML"),
        (zipped({"a.json": tar()}), "tar archive"),
        (zipped({f"{i}.txt": b"" for i in range(10_001)}), "more than 10,000 files"),
        (zipped({"a.gpkg": geopackage.MAGIC}), "damaged GeoPackage"),
        (zipped({"a.geojson": b"{}"}, zipfile.ZIP_LZMA), "method .* “deflate”"),
        (zipped({"a.geojson": b"{}" * 99})[:-30], "damaged zip archive"),
    ],
)
def test_what_is_something_else_is_refused_by_its_name(data: bytes, why: str) -> None:
    with pytest.raises(BoundariesError, match=why):
        packing.unpack(data)


def test_what_a_password_protects_is_refused() -> None:
    data = bytearray(zipped({"a.geojson": geojson([({}, SQUARE)])}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BoundariesError, match="password"):
        packing.unpack(bytes(data))


def test_a_file_that_is_larger_than_the_archive_says_is_damaged() -> None:
    data = bytearray(zipped({"a.geojson": b'{"a": "' + b" " * 10_000_000 + b'"}'}))
    size = data.index(b"PK\x01\x02") + 24
    data[size : size + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(BoundariesError, match="damaged zip archive"):
        packing.unpack(bytes(data))


def test_a_shapefile_that_is_cut_off_is_refused() -> None:
    longer = AREAS[:24] + (5000).to_bytes(4) + AREAS[28:]
    with pytest.raises(BoundariesError, match=r"'x/a\.shp' is cut off"):
        packing.unpack(zipped({"x/a.shp": longer, "x/a.shx": b"x"}))


def test_a_shapefile_is_packed_anew_whatever_its_paths_are() -> None:
    files = {"../../etc/a.shp": AREAS, "../../etc/a.shx": b"x", "a.dbf": b"other"}
    source = packing.unpack(zipped(files))
    assert (source.kind, source.has_crs) == ("shapefile", False)
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        assert archive.namelist() == ["layer.shp", "layer.shx"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_geojson_becomes_utf_8(encoding: str) -> None:
    text = geojson([({"name": "Zürich"}, SQUARE)])
    found = packing.unpack(text.decode().encode(encoding))
    assert (found.kind, found.data) == ("GeoJSON", text)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
def test_damage_ends_in_a_refusal_and_nothing_else(
    noise: bytes, at: int, insert: bool
) -> None:
    whole = zipped({"a.shp": AREAS, "a.shx": b"x", "a.dbf": bytes(40), "a.cpg": b"x"})
    data = whole[:at] + noise + whole[at + (0 if insert else len(noise)) :]
    for damaged in (data, noise, geopackage.MAGIC + noise):
        try:
            packing.unpack(damaged)
        except BoundariesError as error:
            assert str(error).startswith(("it ", "its ", "the .shx"))


@pytest.mark.parametrize(
    ("cpg", "expected"),
    [
        (b"UTF-8", "utf-8"),
        (b"65001\r\n", "utf-8"),
        (b"ISO 88591", "iso8859-1"),
        (b"8859_15", "iso8859-15"),
        (b"ANSI 1251", "cp1251"),
        (b"OEM 936", "gbk"),
        (b"Big5", "big5"),
        (b"SHIFT_JIS", "shift_jis"),
        (b"EUC-KR", "euc_kr"),
        (b"rot13", "cp1252"),  # no encoding of texts
        (b"hex", "cp1252"),
        (b"\xff\0no such thing", "cp1252"),
        (b"", "cp1252"),
    ],
)
def test_a_shapefile_tells_its_encoding(cpg: bytes, expected: str) -> None:
    assert encodings.of_dbf(bytes(33), cpg) == expected


def test_a_table_in_utf_8_is_known_by_its_bytes_and_another_by_its_code_page() -> None:
    header = bytes(8) + (33).to_bytes(2, "little") + bytes(19) + b"\xc9" + bytes(3)
    assert encodings.of_dbf(header + "Москва".encode()) == "utf-8"
    in_russian = "Москва".encode("cp1251")
    assert encodings.of_dbf(header + in_russian) == "cp1251"
    assert encodings.decoded(in_russian.decode("latin-1"), "cp1251") == "Москва"
