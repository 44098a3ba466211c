"""Tables as people upload them, each going the whole way of an upload.

What is accepted is read back as a user would: from `status.json`, and from the places
that the report will read. What is refused is answered with what is wrong and what to
do. `test_any_table.py` multiplies the ways of writing; here stand the single quirks.
"""

import bz2
import csv
import gzip
import io
import itertools
import json
import re
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from moto import mock_aws

from geoclusters import layout, places
from geoclusters.run import Upload
from geoclusters.status import State
from tests.unit.lambdas.conftest import Cloud

MOST_BYTES: Final = 200_000
#: Each upload has one of its own.
FOLDERS: Final = itertools.count()
BOM: Final = "\ufeff"
#: Row, latitude and longitude.
Place = tuple[int, float, float]
DEGREES: Final = ((22.25, 114.125), (22.5, 114.25), (-33.75, 151.5), (59.35, -18.0))
PLACES: Final = tuple((i + 2, *pair) for i, pair in enumerate(DEGREES))

#: Hong Kong's grid: its origin, and 10 km north and 5 km east of it; by the Survey and
#: Mapping Office's Explanatory Notes on Geodetic Datums in Hong Kong the origin lies at
#: 22°18'43.68"N 114°10'42.80"E, in WGS 84 5.5" further south and 8.8" further east.
GRID: Final = ((819069.80, 836694.05), (829069.80, 836694.05), (819069.80, 841694.05))
GRID_DEGREES: Final = (
    (22.310606, 114.181),
    (22.400914, 114.181),
    (22.310606, 114.229525),
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Cloud]:
    """One cloud for all of them."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        cloud = Cloud()
        cloud.settings = replace(cloud.settings, max_upload_bytes=MOST_BYTES)
        yield cloud


@dataclass(frozen=True, kw_only=True)
class Case:
    """An upload."""

    data: str | bytes
    #: The end of its key.
    name: str = "a.csv"
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The file of parameters beside it.
    beside: str | None = None

    def prepare(self, cloud: Cloud) -> tuple[Upload, Any]:
        """Upload it; return that, and its status."""
        key = f"input/{next(FOLDERS)}/{self.name}"
        if self.beside is not None:
            cloud.upload(self.beside, key=layout.parameters_key(key))
        upload = cloud.upload(self.data, key=key, **self.metadata)
        cloud.prepare(upload)
        return upload, json.loads(cloud.read(f"{upload.output_prefix}status.json"))


@dataclass(frozen=True, kw_only=True)
class Accepted(Case):
    """An upload, and what is understood of it."""

    places: Sequence[Place] = PLACES
    ids: Sequence[str] | None = None
    #: How far a place may be off, in degrees; 0 where only its spelling differs.
    tolerance_deg: float = 0
    #: What stands in the status, beside other things.
    table: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Refused(Case):
    """An upload, and what its owner is told."""

    #: Parts of the message, in their order: what is wrong, then what to do.
    says: tuple[str, ...]


# How tables are written


def text(
    rows: Sequence[Sequence[object]], *, delimiter: str = ",", end: str = "\n"
) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    return file.getvalue()


def table(
    *header: str,
    rows: Sequence[Sequence[object]] = DEGREES,
    delimiter: str = ",",
    end: str = "\n",
    mark: str = ".",
) -> str:
    names = header or ("latitude", "longitude")
    cells = [[str(cell).replace(".", mark) for cell in row] for row in rows]
    return text([names, *cells], delimiter=delimiter, end=end)


def column(*values: str, name: str = "location") -> str:
    """Return a table of names and one column with both coordinates."""
    return text([("name", name), *(("x", value) for value in values)])


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def wkb(latitude: float, longitude: float, *, srid: int = 4326) -> str:
    """Return a point as PostGIS exports it."""
    return struct.pack("<BIIdd", 1, 0x20000001, srid, longitude, latitude).hex().upper()


def dms(degrees: float, letters: str, form: str) -> str:
    """Return degrees in minutes and seconds; `form` says where and how."""
    whole, minutes = divmod(abs(degrees) * 60, 60)
    seconds = round((minutes % 1) * 60, 6)
    return form.format(
        d=int(whole), m=int(minutes), s=seconds, h=letters[int(degrees < 0)]
    )


def in_minutes(form: str) -> str:
    return table(
        *("lat", "lon"),
        rows=[(dms(lat, "NS", form), dms(lon, "EW", form)) for lat, lon in DEGREES],
    )


def at(*rows: int) -> tuple[Place, ...]:
    """Return the usual places, in other rows."""
    return tuple((row, *pair) for row, pair in zip(rows, DEGREES, strict=True))


def on_grid(tolerance_deg: float = 2e-5, **values: Any) -> Accepted:
    found = tuple((i + 2, *pair) for i, pair in enumerate(GRID_DEGREES))
    return Accepted(places=found, tolerance_deg=tolerance_deg, **values)


# Encodings: header and ids tell whether all was read right

WORDS: Final[Mapping[str, tuple[tuple[str, str, str], tuple[str, ...]]]] = {
    "German": (
        ("Straße", "Breitengrad", "Längengrad"),
        ("Äußere Weberstraße 57", "Große Bleiche", "Römerplatz", "Süßer Weg"),
    ),
    "Spanish": (
        ("Año y dirección", "Latitud", "Longitud"),
        ("Calle Peñón", "Plaza de España, Málaga", "Cádiz", "A Coruña"),
    ),
    "French": (
        ("Dénomination", "Latitude", "Longitude"),
        ("Château d'Eau", "Musée", "3 allée des Frênes", "Bibliothèque François"),
    ),
    "Polish": (
        ("Nazwa", "Szerokość geograficzna", "Długość geograficzna"),
        ("Żabka, Łódź", "Święty Józef", "Kraków", "ulica Źródlana"),
    ),
    "Russian": (
        ("название", "широта", "долгота"),
        ("Аптека номер пять", "улица Ленина", "Школа имени Пушкина", "Невский"),
    ),
    "Chinese": (
        ("名称", "纬度", "经度"),
        ("中国银行", "北京市朝阳区建国门外大街", "人民医院", "上海市黄浦区南京东路"),
    ),
    "Taiwanese": (
        ("名稱", "緯度", "經度"),
        ("臺北車站", "臺北市中正區北平西路", "高雄車站", "高雄市三民區建國二路"),
    ),
    "Japanese": (
        ("名称", "緯度", "経度"),
        (
            "東京駅",
            "東京都千代田区丸の内一丁目",
            "コンビニエンス",
            "大阪市北区梅田",
        ),
    ),
}


def in_encoding(language: str, encoding: str, found: str, mark: str = "") -> Accepted:
    header, ids = WORDS[language]
    rows = [(name, *pair) for name, pair in zip(ids, DEGREES, strict=True)]
    return Accepted(
        data=(mark + table(*header, rows=rows, delimiter=";")).encode(encoding),
        beside=json.dumps({"id": header[0]}),
        ids=ids,
        table={"encoding": found, "delimiter": ";"},
        columns={"id": header[0], "latitude": header[1], "longitude": header[2]},
    )


ENCODINGS = {
    "UTF-8": in_encoding("Chinese", "utf-8", "utf-8"),
    "UTF-8 with a byte order mark": in_encoding("French", "utf-8", "utf-8", BOM),
    "UTF-16 LE": in_encoding("German", "utf-16-le", "utf-16-le"),
    "UTF-16 LE with a mark": in_encoding("Russian", "utf-16-le", "utf-16-le", BOM),
    "UTF-16 LE, Russian": in_encoding("Russian", "utf-16-le", "utf-16-le"),
    "UTF-16 BE": in_encoding("Spanish", "utf-16-be", "utf-16-be"),
    "UTF-16 BE with a mark": in_encoding("Japanese", "utf-16-be", "utf-16-be", BOM),
    "Windows-1252, German": in_encoding("German", "cp1252", "cp1252"),
    "Windows-1252, Spanish": in_encoding("Spanish", "cp1252", "cp1252"),
    "Latin-1": in_encoding("French", "latin-1", "cp1252"),
    "Windows-1250": in_encoding("Polish", "cp1250", "cp1250"),
    "Windows-1251": in_encoding("Russian", "cp1251", "cp1251"),
    "DOS 850": in_encoding("Spanish", "cp850", "cp850"),
    "DOS 437": in_encoding("German", "cp437", "cp850"),
    "DOS 852": in_encoding("Polish", "cp852", "cp852"),
    "DOS 866": in_encoding("Russian", "cp866", "cp866"),
    "GB 18030": in_encoding("Chinese", "gb18030", "gb18030"),
    "Big5": in_encoding("Taiwanese", "big5", "big5"),
    "Shift JIS": in_encoding("Japanese", "shift_jis", "shift_jis"),
    "other columns in a code page that can't be guessed": Accepted(
        data=b"name,lat,lon\n"
        + b"".join(b"Z\xfcrich \xa4\xd0,%g,%g\n" % pair for pair in DEGREES)
    ),
}

# Delimiters, decimal marks, lines, headers, packing

LINES: Final = table("lat", "lon").splitlines(keepends=True)
NOTES: Final = "Depots, 2026\nSource: survey; latitude and longitude, in degrees\n\n"

WRITING = {
    **{
        f"separated by {delimiter!r}": Accepted(
            data=table(delimiter=delimiter),
            table={"delimiter": delimiter, "decimal_mark": ".", "header_row": 1},
        )
        for delimiter in ",;\t|"
    },
    **{
        # between commas they stand in quotation marks
        f"decimal commas, separated by {delimiter!r}": Accepted(
            data=table(delimiter=delimiter, mark=","),
            table={"delimiter": delimiter, "decimal_mark": ","},
        )
        for delimiter in ";\t|,"
    },
    "line breaks in quotation marks": Accepted(
        data=table("a", "lat", "lon", rows=[("A,\nB\r\nC", *p) for p in DEGREES])
    ),
    "lines end as on Windows": Accepted(data=table(end="\r\n")),
    "lines end in several ways": Accepted(
        data="lat,lon\r\n22.25,114.125\n22.5,114.25\r\r\n-33.75,151.5\n59.35,-18.0"
    ),
    "blank lines": Accepted(
        data="".join((*LINES[:3], "\n", *LINES[3:], "\n\n")),
        places=at(2, 3, 5, 6),
        rows={"read": 7, "usable": 4},
    ),
    "empty columns behind the last one, in the header": Accepted(
        data=table("lat", "lon", "", "", rows=[(*p, "", "") for p in DEGREES])
    ),
    "empty columns behind the last one, in rows": Accepted(
        data=table("lat", "lon", rows=[(*p, "", " ") for p in DEGREES])
    ),
    "rows that end early": Accepted(
        data=table("lat", "lon", "name", "city", rows=DEGREES)
    ),
    "notes above the header": Accepted(
        data=NOTES + table(), places=at(5, 6, 7, 8), table={"header_row": 4}
    ),
    "notes in the header's own columns": Accepted(
        data=text([("latitude", "longitude", "by name"), ("of a", "place", "")])
        + table("lat", "lon", "name", rows=[(*p, "x") for p in DEGREES]),
        places=at(4, 5, 6, 7),
    ),
    "what tells Excel the delimiter": Accepted(
        data="sep=;\n" + table(delimiter=";", mark=","), places=at(3, 4, 5, 6)
    ),
    "blanks before quotation marks": Accepted(
        data='"name", "lat", "lon"\n'
        + "".join(f'"A, b", "{lat}", {lon}\n' for lat, lon in DEGREES)
    ),
    "a mark of inches": Accepted(
        data="pipe,lat,lon\n" + "".join(f'5" pipe,{a},{b}\n' for a, b in DEGREES)
    ),
    "a byte order mark where files were joined": Accepted(
        data=BOM + "".join((*LINES[:3], BOM, *LINES[3:]))
    ),
    "files joined with their headers": Accepted(
        data="".join(("name,lat,lon\n", "A,22.25,114.125\n", "B,22.5,114.25\n"))
        + f"{BOM}name,lat,lon\nC,-33.75,151.5\nD,59.35,-18\n",
        places=at(2, 3, 5, 6),
        rows={"left_out": {"coordinate not a number": {"rows": 1, "first": [4]}}},
    ),
    "numbers with plus, blanks and apostrophes": Accepted(
        data="lat,lon\n+22.25,114.125\n 22.5 ,'114.25\n−33.75,+151.500\n"
        "+59.350,-1.8e1\n"
    ),
    "gzip": Accepted(
        data=gzip.compress(table().encode()),
        name="a.csv.gz",
        table={"compression": "gzip"},
    ),
    "gzip, in several members": Accepted(
        data=b"".join(gzip.compress(line.encode()) for line in LINES),
        name="a.gz",
        table={"compression": "gzip"},
    ),
    "zip, with what else its packers put in": Accepted(
        data=zipped(
            {
                "data/Places.CSV": table(),
                "__MACOSX/data/._Places.CSV": b"\0\5\x16\7",
                "readme.txt": "lat,lon",
            }
        ),
        name="a.zip",
        table={"compression": "zip", "member": "data/Places.CSV"},
    ),
}

HEADERS = {
    " and ".join(header): Accepted(
        data=table("name", *header, rows=[("x", *pair) for pair in DEGREES]),
        columns={"latitude": header[0], "longitude": header[1]},
    )
    for header in (
        ("LATITUDE", "Longitude [°]"),
        ("decimalLatitude", "decimalLongitude"),
        ("stop_lat", "stop_lon"),
        ("Lat.", "Long."),
        ("Latitud", "Longitud"),
        ("Geogr. Breite", "Geogr. Länge"),
        ("latitude (N)", "longitude (E)"),
        ("Breedtegraad", "Lengtegraad"),
        ("Широта", "Долгота"),
        ("緯度", "經度"),
        ("纬度", "经度"),
    )
}

# How coordinates are written

SOCRATA: Final = [f"Main St 1\nHuron, SD 57350\n({lat}, {lon})" for lat, lon in DEGREES]
NUMBERED: Final = [f"N{i}" for i in range(4)]

COORDINATES = {
    "in one column": Accepted(
        data=column(*(f"({lat}, {lon})" for lat, lon in DEGREES)),
        columns={
            "latitude": "location",
            "longitude": "location",
            "notation": "decimal degrees",
            "why": "the column 'location' holds both, latitude first, as usual",
        },
    ),
    "in one column, in an order that its values prove": Accepted(
        data=column(*(f"{lon} {lat}" for lat, lon in DEGREES)),
        columns={
            "why": "the column 'location' holds both, longitude first, which its "
            "values prove"
        },
    ),
    "WKT": Accepted(
        data=column(*(f"POINT ({lon} {lat})" for lat, lon in DEGREES), name="the_geom"),
        columns={
            "why": "the column 'the_geom' holds both, longitude first, as in WKT and "
            "GeoJSON"
        },
    ),
    "WKT with its reference system": Accepted(
        data=column(*(f"SRID=4326;Point({b} {a})" for a, b in DEGREES), name="geom")
    ),
    "WKT of a projected system": on_grid(
        data=column(*(f"SRID=2326;POINT({x} {y})" for y, x in GRID), name="geom"),
        columns={"notation": "projected", "crs": "Hong Kong 1980 Grid System"},
    ),
    "in one column with a French name": Accepted(
        data=column(*(f"{a}, {b}" for a, b in DEGREES), name="Coordonnées GPS"),
        columns={"latitude": "Coordonnées GPS"},
    ),
    "in one column, whose name and values have a comma": Accepted(
        data="".join(f'"{line.rstrip()}"\n' for line in LINES)
    ),
    "GeoJSON": Accepted(
        data=column(
            *(
                json.dumps({"type": "Point", "coordinates": [lon, lat]})
                for lat, lon in DEGREES
            ),
            name="geometry",
        )
    ),
    "WKB in hexadecimal digits": Accepted(
        data=column(*(wkb(*pair) for pair in DEGREES), name="geom")
    ),
    "behind an address": Accepted(data=column(*SOCRATA, name="Location 1")),
    "one column that its owner names": Accepted(
        data=column(*(f"{a};{b}" for a, b in DEGREES), name="wo"),
        metadata={"coordinates": "wo"},
    ),
    **{
        f"minutes such as {dms(-33.75, 'NS', form)}": Accepted(
            data=in_minutes(form), columns={"notation": "degrees, minutes, seconds"}
        )
        for form in (
            "{d}°{m}'{s}\"{h}",
            "{d}° {m:02d}′ {s:04.1f}″ {h}",
            "{h} {d} {m} {s}",
            "{d}:{m:02d}:{s}{h}",
            "{d}-{m:02d}-{s:04.1f}{h}",
            "{d}d{m}m{s}s {h}",
            "{d} deg {m} min {s} sec {h}",
            "{d}º{m}’{s}’’{h}",
        )
    },
    "letters for hemispheres": Accepted(
        data="lat,lon\n22.25N,114.125E\n22.5° n,E 114.25\n33.75S,151.5\n"
        "N59.35,18 West\n",
        columns={"notation": "decimal degrees"},
    ),
    "projected": on_grid(
        data=table("northing", "easting", rows=GRID),
        metadata={"crs": "EPSG:2326"},
        columns={
            "latitude": "northing",
            "longitude": "easting",
            "notation": "projected",
            "crs": "Hong Kong 1980 Grid System",
            "why": "they are called so, in Hong Kong 1980 Grid System",
        },
    ),
    "projected, x before y, with decimal commas": on_grid(
        data=table("X", "Y", rows=[(x, y) for y, x in GRID], delimiter=";", mark=","),
        metadata={"crs": "2326"},
    ),
    "projected, in columns that their owner names": on_grid(
        data=table("hoch", "quer", rows=GRID),
        metadata={"crs": "EPSG:2326", "latitude": "hoch", "longitude": "quer"},
    ),
    "x and y that hold degrees": Accepted(
        data=table("y", "x"),
        columns={"why": "they are called so, and their values are degrees"},
    ),
    "degrees, though a projected system is named": Accepted(
        data=table(),
        metadata={"crs": "EPSG:2326"},
        columns={
            "why": "they are called so; its values are degrees, so Hong Kong 1980 Grid "
            "System was not needed"
        },
    ),
    "degrees on another datum": Accepted(
        # there Tokyo's datum is some 12" off in both: WGS 84 says more north and west
        data=table(rows=[(35.5, 139.5), (35.6, 139.5), (35.5, 139.6)]),
        metadata={"crs": "EPSG:4301"},
        places=[(2, 35.5033, 139.4968), (3, 35.6033, 139.4968), (4, 35.5033, 139.5968)],
        tolerance_deg=2e-4,
        columns={"notation": "decimal degrees", "crs": "Tokyo"},
    ),
    "several columns that might be meant": Accepted(
        data=table(
            *("easting", "northing", "latitude", "longitude"),
            rows=[(836694.05, 819069.8, *pair) for pair in DEGREES],
        ),
        columns={
            "latitude": "latitude",
            "longitude": "longitude",
            "why": "they are called so; rather than 'northing' and 'easting'",
        },
    ),
    "several, of which the better known is not filled in": Accepted(
        data=table("lat", "lon", "y", "x", rows=[("", "", *pair) for pair in DEGREES]),
        columns={
            "latitude": "y",
            "why": "they are called so, and their values are degrees; rather than "
            "'lat' and 'lon'",
        },
    ),
    "ids, as they stand": Accepted(
        data=table(
            *("lat", "lon", "Nr."),
            rows=[
                (*pair, name)
                for pair, name in zip(
                    DEGREES, ["007", "Zürich, Nord", 'a "b"', ""], strict=True
                )
            ],
        ),
        metadata={"id": "nr"},
        ids=["007", "Zürich, Nord", 'a "b"', ""],
        columns={"id": "Nr."},
    ),
    "duplicates, which count": Accepted(
        data=table(rows=[*DEGREES, DEGREES[0], ("22.250", "114.1250")]),
        places=[*PLACES, (6, 22.25, 114.125), (7, 22.25, 114.125)],
        rows={"usable": 6, "duplicates": 2, "duplicates_exact": True},
    ),
}


def rejected_rows() -> Iterator[tuple[object, ...]]:
    yield from ((*pair, f"N{i}") for i, pair in enumerate(DEGREES))
    yield from ((1, 2, "N4", "more"), ("", 2, "N5"), ("x", 2, "N6"), (91, 2, "N7"))
    yield from ((0, 0, "N8"), (1, -181, "N9"), *[(1.5, lon, "N") for lon in range(9)])


ACCEPTED: Final = {**ENCODINGS, **WRITING, **HEADERS, **COORDINATES}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=quirk) for quirk, case in ACCEPTED.items()]
)
def test_an_untidy_table_is_read_right(bucket: Cloud, case: Accepted) -> None:
    upload, status = case.prepare(bucket)
    assert status["state"] == State.QUEUED, status["message"]
    for name in ("table", "columns", "rows"):
        wanted = getattr(case, name)
        assert {key: status[name][key] for key in wanted} == wanted
    usable, read = status["rows"]["usable"], status["rows"]["read"]
    assert usable == len(case.places)
    assert status["message"].startswith(f"{usable} of {read} rows are usable;")
    found = places.decode(bucket.read(layout.places_key(upload.run_id, 0)))
    rows, *degrees = zip(*case.places, strict=True)
    assert found["row"].tolist() == list(rows)
    for name, wanted in zip(("latitude", "longitude"), degrees, strict=True):
        assert np.abs(found[name] - wanted).max() <= case.tolerance_deg
    assert places.has_ids(found) == (case.ids is not None)
    if case.ids is not None:
        assert [name.decode() for name in found["id"]] == list(case.ids)


def test_rows_that_are_left_out_are_counted_named_and_listed(bucket: Cloud) -> None:
    case = Accepted(
        data=table("lat", "lon", "name", rows=list(rejected_rows())),
        metadata={"id": "name"},
    )
    upload, status = case.prepare(bucket)
    assert status["rows"]["left_out"] == {
        "more fields than the header": {"rows": 1, "first": [6]},
        "coordinate missing": {"rows": 1, "first": [7]},
        "coordinate not a number": {"rows": 1, "first": [8]},
        "coordinate out of range": {"rows": 2, "first": [9, 11]},
        "both coordinates 0": {"rows": 1, "first": [10]},
    }
    assert (status["rows"]["read"], status["rows"]["usable"]) == (19, 13)
    rejected = bucket.read(layout.rejected_key(upload.run_id)).decode()
    assert rejected == (
        "row,reason,id\n"
        "6,more fields than the header,N4\n"
        "7,coordinate missing,N5\n"
        "8,coordinate not a number,N6\n"
        "9,coordinate out of range,N7\n"
        "10,both coordinates 0,N8\n"
        "11,coordinate out of range,N9\n"
    )


# What is refused


def workbook() -> bytes:
    return zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})


def encrypted(archive: bytes) -> bytes:
    """Return a zip archive of one file that claims to be encrypted."""
    data = bytearray(archive)
    for flags in (6, data.index(b"PK\x01\x02") + 8):
        data[flags] |= 1
    return bytes(data)


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE places (lat REAL, lon REAL)")
    data = connection.serialize()
    connection.close()
    return data


def parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"lat": [1.5], "lon": [2.5]}).write_parquet(file)
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo("places.csv")
        member.size = len(table())
        archive.addfile(member, io.BytesIO(table().encode()))
    return file.getvalue()


QGIS: Final = "Open it in a GIS program such as QGIS, and export its points as CSV."
EXCEL: Final = "Save it as “CSV UTF-8” in Excel, and upload that."
SAVE: Final = "save it as “CSV UTF-8”"
NAME_COLUMNS: Final = "`--metadata latitude=NAME,longitude=NAME`"
TABLE_AGAIN: Final = "upload that, and then the table again."

NO_TABLES = {
    "a web page": Refused(
        data="<!DOCTYPE html><html>404 Not Found</html>",
        says=(
            "The file is a web page, not a CSV file: perhaps a download that failed",
        ),
    ),
    "a web page in UTF-16": Refused(
        data="<html><body>Sign in</body></html>".encode("utf-16"),
        says=("is a web page", "if not, fetch the table again."),
    ),
    "a web page with a byte order mark": Refused(
        data=f"{BOM}\r\n<!-- saved --><html/>", says=("is a web page",)
    ),
    "a web page that pretends to be a workbook": Refused(
        data="<table><tr><td>lat</td><td>lon</td></tr></table>",
        says=("or a table that was exported as a web page.", SAVE),
    ),
    "a workbook, .xlsx": Refused(
        data=workbook(),
        says=(
            "The file is an Excel workbook (.xlsx), not a CSV file.",
            "Save the sheet as “CSV UTF-8”, and upload that.",
        ),
    ),
    "a workbook, .xls": Refused(
        data=b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000),
        says=("The file is an Excel workbook (.xls), not a CSV file.", EXCEL),
    ),
    "a workbook, XML": Refused(
        data='<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<W/>',
        says=("is an Excel workbook (XML)", "Save the sheet as “CSV UTF-8” in Excel"),
    ),
    "a workbook, .ods": Refused(
        data=zipped({"mimetype": "application/vnd.oasis", "content.xml": "<o/>"}),
        says=("is an OpenDocument file (such as .ods)", "Save it as CSV"),
    ),
    "Parquet": Refused(
        data=parquet(), says=("is a Parquet file", "Export it as CSV, and upload that.")
    ),
    "a picture": Refused(
        data=b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(99),
        says=("is a picture", "Ask whoever made it for the places as CSV"),
    ),
    "PDF": Refused(
        data=b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        says=("is a PDF document", "Export the table as CSV"),
    ),
    "a text document": Refused(
        data=r"{\rtf1\ansi lat, lon}",
        says=("is a text document (.rtf)", "Copy its table into a CSV file"),
    ),
    "JSON": Refused(
        data=json.dumps([{"lat": 1.5, "lon": 2.5}]),
        says=("The file is XML or JSON (such as KML, GPX or GeoJSON)", QGIS),
    ),
    "GeoJSON with a byte order mark": Refused(
        data=BOM + '{"type": "FeatureCollection", "features": []}', says=(QGIS,)
    ),
    "KML": Refused(
        data='<?xml version="1.0" encoding="UTF-8"?>\n<kml></kml>', says=(QGIS,)
    ),
    "KML in UTF-16": Refused(data="<kml></kml>".encode("utf-16"), says=(QGIS,)),
    "a database": Refused(
        data=database(), says=("is a database", "Export the table as CSV")
    ),
    "7z": Refused(
        data=b"7z\xbc\xaf\x27\x1c\0\4" + bytes(99),
        says=("is a 7z archive", "Unpack it, or pack it with gzip, and upload that."),
    ),
    "RAR": Refused(data=b"Rar!\x1a\7\1\0" + bytes(99), says=("is a RAR archive",)),
    "bzip2": Refused(
        data=bz2.compress(table().encode()), says=("is packed with bzip2", "Unpack it")
    ),
    "tar": Refused(
        data=tar(), says=("is a tar archive", "Pack the table alone, with gzip")
    ),
    "part of a shapefile": Refused(
        data=b"\0\0\x27\x0a" + bytes(96),
        says=("is part of a shapefile", "GIS program such as QGIS"),
    ),
    "packed twice": Refused(
        data=gzip.compress(zipped({"a.csv": table()})),
        says=("is packed twice", "Unpack it once, and upload that."),
    ),
    "a zip archive with two tables": Refused(
        data=zipped({"hk.csv": table(), "macau.csv": table()}),
        says=(
            "holds 2 tables: 'hk.csv', 'macau.csv'.",
            "Pack the one with the places alone, and upload that.",
        ),
    ),
    "a zip archive with a shapefile": Refused(
        data=zipped({"a.shp": "", "a.dbf": "", "a.prj": ""}),
        says=("holds a shapefile ('a.shp')", "export its points as CSV"),
    ),
    "an encrypted zip archive": Refused(
        data=encrypted(zipped({"a.csv": table()})),
        says=(
            "'a.csv' in the zip archive is encrypted.",
            "without a password.",
        ),
    ),
    "a zip archive that is cut off": Refused(
        data=zipped({"a.csv": table()})[:-30],
        says=("it is damaged or cut off (its end is missing)", "Pack it again"),
    ),
    "a gzip file that is cut off": Refused(
        data=gzip.compress(table().encode())[:-20],
        says=("The gzip file is damaged (it is cut off).", "or upload it unpacked."),
    ),
    "a gzip file of garbage": Refused(
        data=b"\x1f\x8b\x08\0" + b"garbage" * 9,
        says=("damaged (what is in it can't be unpacked).", "Pack it again"),
    ),
    "a zip archive that unpacks to very much": Refused(
        data=zipped({"a.csv": table() + "\n" * 10**6}),
        says=("unpacks to more than 0.2 MB", "the most that is accepted."),
    ),
    "a gzip file that unpacks to very much": Refused(
        data=gzip.compress(table(rows=DEGREES * 10**4).encode()),
        says=("unpacks to more than 0.2 MB", "or upload a sample of the rows."),
    ),
}

UNREADABLE = {
    "each row in quotation marks": Refused(
        data='"name,lat,lon"\n"A,1.5,2.5"\n"B,3.5,4.5"\n',
        says=(
            "Each row is one field in quotation marks",
            "Save it again without quotation marks around whole rows.",
        ),
    ),
    **{
        f"nothing but {data!r}": Refused(
            data=data, says=("The file is empty: its first line should name the",)
        )
        for data in ("", " \r\n \n", BOM, gzip.compress(b""))
    },
    "a header alone": Refused(
        data="lat,lon\n",
        says=("names its columns, but has no rows below them.", "Upload it with its"),
    ),
    "lines end as on old Macs": Refused(
        data=table(end="\r"), says=("lines end as on old Macs", "Save it again")
    ),
    "a quotation mark that is never closed": Refused(
        data='name,lat,lon\nA,1,2\n"B,3,4\nC,5,6\nD,7,8\n',
        says=("can't be read on from the line '\"B,3,4'.", "never closed", "save it"),
    ),
    "one in the header": Refused(
        data='name,"lat,lon\nA,1,2\nB,3,4\n',
        says=("from the line 'name,\"lat,lon'. Perhaps a quotation mark is opened",),
    ),
    "zero bytes": Refused(
        data=table().replace("22", "2\0"),
        says=("it holds zero bytes.", "save the table as “CSV UTF-8”, and upload"),
    ),
    "zero bytes at the end": Refused(
        data=table().encode() + bytes(4096), says=("it holds zero bytes.",)
    ),
    "UTF-32 without a byte order mark": Refused(
        data=table().encode("utf-32-be"), says=("it holds zero bytes.",)
    ),
    "a header with a name twice": Refused(
        data=table("lat", "lon", "lat", rows=[(*p, 1) for p in DEGREES]),
        says=(
            "2 columns are called 'lat' (columns 1, 3).",
            "Give them different names, or name the one that is meant",
        ),
    ),
    "no header": Refused(
        data="".join(LINES[1:]),
        says=(
            "The first line should name the columns, but here it holds '22.25', '114",
            "Put a line above it with a name for each column",
        ),
    ),
    "no coordinates": Refused(
        data="name,street\nA,B\n",
        says=(
            "No column for the latitude was found.",
            "the table's columns are: 'name', 'street'.",
            "Rename the columns, or upload with their names as metadata: ",
            NAME_COLUMNS,
        ),
    ),
    "fields separated by blanks": Refused(
        data="name lat lon\nA 1.5 2.5\n",
        says=("one column only, 'name lat lon'", "commas, semicolons, tabs or", SAVE),
    ),
    "decimal commas between commas, without quotation marks": Refused(
        data="lat,lon\n22,25,114,125\n22,5,114,25\n",
        says=(
            "2 × more fields than the header (row 2, 3)",
            "such as a decimal comma in a table with commas, must stand in quotation",
        ),
    ),
    "shapes rather than points": Refused(
        data=column("POLYGON ((0 0, 1 0, 1 1, 0 0))", name="WKT"),
        says=("but holds shapes of the type Polygon.", "points of shapes: their"),
    ),
    "addresses rather than points": Refused(
        data=column("Main St 1, Huron"),
        says=(
            "column 'location' was looked at",
            "'Main St 1, Huron'",
            NAME_COLUMNS,
        ),
    ),
}

UNUSABLE = {
    "more than half is left out": Refused(
        data=table(rows=[*DEGREES[:2], ("x", 1), ("y", 2), ("", 3)]),
        says=(
            "The table has 2 usable of 5 rows (left out: 1 × coordinate missing (row "
            "6); 2 × coordinate not a number (row 4, 5)).",
            "More than 50 % of its rows can't be used",
            "Coordinates must be degrees, such as 22.3 and 114.2.",
        ),
    ),
    "blank coordinates": Refused(
        data=table("lat", "lon", "north", "east", rows=[("", "", *p) for p in DEGREES]),
        metadata={"latitude": "lat", "longitude": "lon"},
        says=("4 × coordinate missing (row 2, 3, 4, 5)", NAME_COLUMNS),
    ),
    "coordinates that are all 0": Refused(
        data=table(rows=[(0, 0)] * 4),
        says=("4 × both coordinates 0", "Fill in the coordinates, and upload the"),
    ),
    "degrees out of range": Refused(
        data=table(rows=[(99.5, 170.5), (98.5, 175.5), (97.5, 179.5), (1, 2)]),
        says=("3 × coordinate out of range", "longitudes from -180 to 180."),
    ),
    "latitude and longitude exchanged": Refused(
        data=table(rows=[(114.25, 22.5), (114.5, 22.75), (115.0, 22.25)]),
        says=(
            "Latitude and longitude look swapped: 3 of 3 rows",
            "Swap the names",
        ),
    ),
    "projected, and not said how": Refused(
        data=table("northing", "easting", rows=GRID),
        says=(
            "The columns 'northing' and 'easting' hold values such as '819069.8' and "
            "'836694.05', which are no degrees.",
            "`--metadata crs=EPSG:2326`",
            "whoever published the table knows its EPSG code.",
        ),
    ),
    "projected, in columns called otherwise": Refused(
        data=table(rows=GRID), says=("'latitude' and 'longitude' hold values", "crs=")
    ),
    "an unknown reference system": Refused(
        data=table("northing", "easting", rows=GRID),
        metadata={"crs": "EPSG:99999"},
        says=("system EPSG:99999 is unknown.", "Ask whoever publishes the table"),
    ),
    "a reference system of another place": Refused(
        data=table("northing", "easting", rows=GRID),
        metadata={"crs": "EPSG:27700"},
        says=(
            "hold values such as '819069.8' and '836694.05', which don't lie where ",
            "British National Grid (EPSG:27700) is used: United Kingdom",
            "Check the upload's metadata `crs`",
        ),
    ),
    "fewer rows than clusters": Refused(
        data=table(),
        metadata={"k": "5"},
        says=(
            "The table has 4 usable of 4 rows, fewer than the k=5 clusters asked for.",
            "Upload more places, or ask for fewer clusters, for example with "
            "`--metadata k=2`.",
        ),
    ),
    "a single place": Refused(
        data=table(rows=[(1, 2)] * 5),
        says=(
            "5 usable rows, but only 1 different places, fewer than the k=3 clusters",
            "Upload more places: there can't be fewer clusters than 2.",
        ),
    ),
    "fewer different places than clusters": Refused(
        data=table(rows=DEGREES[:2] * 5),
        says=("10 usable rows, but only 2 different places", "ask for fewer clusters"),
    ),
    "too large": Refused(
        data=table(rows=DEGREES * 5000),
        says=("at most 0.2 MB are accepted.", "Leave out columns that are not needed"),
    ),
    "a key that is too long": Refused(
        data=table(),
        name="x" * 1000 + ".csv",
        says=(
            "key is too long",
            "Use a shorter one, of 962 bytes at most",
        ),
    ),
}

PARAMETERS = {
    **{
        f"{name}={value}": Refused(
            data=table(),
            metadata={name: value},
            says=(f"The upload's metadata says `{name}={value}`", expected, example),
        )
        for name, value, expected, example in (
            (
                "k",
                "1",
                "a whole number from 2 to 10,000.",
                "`--metadata k=15`.",
            ),
            ("k", "10001", "from 2 to 10,000.", "`--metadata k=15`."),
            ("k", "many", "a whole number", "Upload again"),
            ("geometry", "flat", "one of spherical, planar.", "geometry=spherical`."),
            ("boundary", "hk.exe", "that ends in .zip", "boundary=districts.zip`."),
            ("crs", "WGS84", "must be the code", "crs=EPSG:2326`."),
        )
    },
    **{
        f"{name}, which the table hasn't": Refused(
            data=table(),
            metadata={name: "Nord", **more},
            says=(
                f"say `{name}=Nord`, but the table has no such column. Its columns "
                "are: 'latitude', 'longitude'.",
                "Name one of these, and upload the table again.",
            ),
        )
        for name, more in (
            ("latitude", {"longitude": "longitude"}),
            ("coordinates", {}),
            ("id", {}),
        )
    },
    "bad JSON beside the table": Refused(
        data=table(),
        beside='{"k": 4',
        says=("The file of parameters input/", "a.json is no JSON", TABLE_AGAIN),
    ),
    "a parameter beside the table that is none": Refused(
        data=table(),
        beside='{"klusters": 4}',
        says=("a.json says `klusters`.", "write one of these", TABLE_AGAIN),
    ),
    "a parameter beside the table that is out of bounds": Refused(
        data=table(),
        beside='{"k": 1}',
        says=("a.json says `k=1`", 'Write for example {"k": "15"}', TABLE_AGAIN),
    ),
}

REFUSED: Final = {**NO_TABLES, **UNREADABLE, **UNUSABLE, **PARAMETERS}
#: Words of programs, which no message shows.
JARGON: Final = re.compile(
    r"Error|Exception|Traceback|codec|None|NaN|\bnan\b|<class|0x|polars|zlib|pyproj"
)
ADVICE: Final = re.compile(
    r"\b(ask|check|export|fetch|give|leave out|mend|name|open|pack|put|save|swap|unpack"
    r"|upload|use|write|should)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=quirk) for quirk, case in REFUSED.items()]
)
def test_what_cant_be_used_is_answered_with_what_is_wrong_and_what_to_do(
    bucket: Cloud, case: Refused
) -> None:
    upload, status = case.prepare(bucket)
    message = status["message"]
    assert status["state"] == State.FAILED
    start = 0
    for part in case.says:
        assert part in message[start:], message
        start = message.index(part, start) + len(part)
    assert message.isprintable()
    assert message[0].isupper() or message.startswith(("'", "s3://", "2 columns"))
    assert message.endswith(".")
    assert len(message) < 700
    assert ADVICE.search(message)
    assert not JARGON.search(message)
    assert status["files"] == []
    assert layout.run_record_key(upload.run_id) not in bucket.keys("runs/")
