"""Uploads that can't be used, each going the whole way of one.

Their owners are answered with what is wrong and what to do.
"""

import bz2
import gzip
import io
import json
import re
import sqlite3
import tarfile
from dataclasses import dataclass
from typing import Final

import polars as pl
import pytest

from geoclusters import layout
from geoclusters.status import State
from tests.unit.lambdas.conftest import Cloud
from tests.unit.lambdas.untidy import (
    BOM,
    DEGREES,
    GRID,
    LINES,
    Case,
    column,
    table,
    zipped,
)


@dataclass(frozen=True, kw_only=True)
class Refused(Case):
    """An upload, and what its owner is told."""

    #: Parts of the message, in their order: what is wrong, then what to do.
    says: tuple[str, ...]


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
#: Names and places with decimals.
SPREAD: Final = tuple((f"N{i}", *pair) for i, pair in enumerate(DEGREES))
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
    "a header alone, of projected columns": Refused(
        data="name,northing,easting\n",
        says=("names its columns, but has no rows below them.",),
    ),
    "columns that nobody filled in": Refused(
        data="name,northing,easting\nA,,\nB,,\n",
        says=("'northing' and 'easting' hold nothing in the first rows", "Put rows"),
    ),
    "a log of a GPS device, without names": Refused(
        data=2 * "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9\n",
        says=("The first line should name the columns, but here it holds '$GPGGA'",),
    ),
    "lines end as on old Macs, but for the last": Refused(
        data=table(end="\r") + "\n", says=("lines end as on old Macs", "Save it again")
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
            "Rename all but the one that is meant, and upload the table again.",
        ),
    ),
    "a header with a name in two spellings": Refused(
        data=table("lat", "lon", "LAT", rows=[(*p, 1) for p in DEGREES]),
        says=(
            "2 columns are called 'lat' and 'LAT' (columns 1, 3).",
            "name the one that is meant in the upload's metadata `latitude`.",
        ),
    ),
    "other names, and decimal commas": Refused(
        data="Quelle: Amt für Straßen, Wege, Plätze, Parks\n"
        + table("Name", "Breite", "Länge", rows=SPREAD, delimiter=";", mark=","),
        says=("columns are: 'Name', 'Breite', 'Länge'. Rename",),
    ),
    "a name with a typing error": Refused(
        data=table("Name", "Breite", "Länge", rows=SPREAD, delimiter=";", mark=","),
        metadata={"latitude": "Briete", "longitude": "Laenge"},
        says=("no such column. Its columns are: 'Name', 'Breite', 'Länge'.",),
    ),
    "longitudes up to 360": Refused(
        data=table(rows=[(22.5, 200.5), (23.5, 300.25), (-10.5, 20.25)]),
        says=("'22.5' and '200.5': longitudes go from -180", "Take 360 away from"),
    ),
    "projected, in one column": Refused(
        data=column(*(f"{y}, {x}" for y, x in GRID)),
        says=("'819069.8' and '836694.05'", "write northing and easting in two col"),
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
            "Coordinates must be degrees, such as 22.3 and 114.2, or 22.3 N",
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
        says=("3 × coordinate out of range", "longitudes from -180 to 180 ("),
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
            ("crs", "WGS72", "must be the code", "crs=EPSG:2326`."),
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
    "radians": Refused(
        data=table("latitude [rad]", "longitude [rad]", rows=[(0.84, 0.2)]),
        says=("No column for the latitude was found.", "'latitude [rad]'"),
    ),
    "a reference system that has no code": Refused(
        data=table("y", "x", rows=GRID),
        metadata={"crs": "UTM 32N"},
        says=("`crs=UTM 32N`", "must be the code of a coordinate reference system"),
    ),
    "data of JSON": Refused(
        name="overpass.json",
        data='{"version": 0.6, "elements": [{"type": "node"}]}',
        says=("The file is XML or JSON", QGIS),
    ),
    "data of JSON beside the table": Refused(
        data=table(),
        beside='{"stations": [{"id": 1}]}',
        says=("where parameters of this upload would stand, is other JSON", "Give the"),
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
