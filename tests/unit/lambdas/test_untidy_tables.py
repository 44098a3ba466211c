"""Tables as people upload them, each going the whole way of an upload.

What is accepted is read back as a user would: from `status.json`, and from the places
that the report will read. `test_any_table.py` multiplies the ways of writing; here
stand the single quirks. `test_refused_tables.py` has what can't be read.
"""

import gzip
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pytest

from geoclusters import layout, places
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
    text,
    zipped,
)

#: Row, latitude and longitude.
Place = tuple[int, float, float]
PLACES: Final = tuple((i + 2, *pair) for i, pair in enumerate(DEGREES))
#: `GRID` in WGS 84.
GRID_DEGREES: Final = (
    (22.310606, 114.181),
    (22.400914, 114.181),
    (22.310606, 114.229525),
)


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


PARTS: Final = ("deg", "min", "sec", "dir")

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
        rows={"read": 4, "usable": 4, "left_out": {}},
    ),
    "rows that a spreadsheet left empty": Accepted(
        data=table("lat", "lon", "name", rows=[(*pair, "x") for pair in DEGREES])
        + 50 * ",,\n"
        + 50 * '"", ,\n',
        rows={"read": 4, "usable": 4, "left_out": {}},
    ),
    "empty rows between others, and a mark of inches": Accepted(
        data='lat,lon,name\n22.25,114.125,5" pipe\n,,\n22.5,114.25,\n\n'
        "-33.75,151.5,\n, ,\n,,Nowhere\n59.35,-18,\n",
        places=at(2, 4, 6, 9),
        rows={"read": 5, "usable": 4},
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
    "in one column that is blank at first": Accepted(
        data=column(*(120 * [""]), *(f"({a}, {b})" for a, b in DEGREES * 30)),
        places=[(122 + i, *DEGREES[i % 4]) for i in range(120)],
        columns={"why": "the column 'location' holds both, latitude first, as usual"},
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
    "hemispheres in columns of their own": Accepted(
        data=table(
            *("LATITUDE", "N/S", "LONGITUDE", "E/W"),
            rows=[
                (abs(lat), "NS"[lat < 0], abs(lon), "ew"[lon < 0])
                for lat, lon in DEGREES
            ],
        ),
        columns={"why": "they are called so, with hemispheres"},
    ),
    "minutes, seconds and hemispheres in columns of their own": Accepted(
        data=text(
            [
                [f"{axis}_{part}" for axis in ("lat", "lon") for part in PARTS],
                *((22, 15, 0, "N", 114, 7, 30, "E"), (22, 30, "", "", 114, 15, 0, "")),
                *(
                    (33, 45, 0, "S", 151, 30, 0, "E"),
                    (59.0, 21, 0, "N", 18, 0.0, "", "w"),
                ),
            ]
        ),
        columns={"notation": "degrees, minutes, seconds", "latitude": "lat_deg"},
    ),
    "degrees and minutes, with a mark of inches": Accepted(
        data='latitude,lat_min,longitude,lon_min,name\n22,15,114,7.5,5" pipe\n'
        "22,30,114,15,\n-33,45,151,30,\n59,21,-18,,\n"
    ),
    "hemispheres in the names": Accepted(
        data=table(
            *("Latitud (°S)", "Longitud (°O)"),
            rows=[
                (-lat, -lon) if lat < 0 < lon else (lat, lon) for lat, lon in DEGREES
            ],
        ),
        places=tuple((row, -abs(lat), -abs(lon)) for row, lat, lon in PLACES),
        columns={"why": "they are called so, with hemispheres in the names"},
    ),
    **{
        f"not beside the coordinates: {header}": Accepted(
            data=f"{header}\n" + "".join(f"{row}\n" for row in rows),
            metadata={"k": "2", **metadata},
            places=found,
            columns={"notation": "decimal degrees"},
        )
        for header, rows, metadata, found in (
            (
                "lat,lon,lat_min,lat_max,lon_min,lon_max",
                ("31,1,30,32,0,2", "33,3,32,34,2,4"),
                {},
                ((2, 31.0, 1.0), (3, 33.0, 3.0)),
            ),
            (
                "street,ns,ew,lat,lon",
                ("a,S,W,41.5,-87.5", "b,N,E,41.25,-87.5"),
                {},
                ((2, 41.5, -87.5), (3, 41.25, -87.5)),
            ),
            (
                "lat,lon,lat_dir,lon_dir",
                ("22,114,30,10", "23,114,31,11"),
                {},
                ((2, 22.0, 114.0), (3, 23.0, 114.0)),
            ),
            (
                "lat_min,lat_sec,lon_min,lon_sec",
                ("22,24,14,16", "23,25,15,17"),
                {"latitude": "lat_min", "longitude": "lon_min"},
                ((2, 22.0, 14.0), (3, 23.0, 15.0)),
            ),
            (
                "fid,ftype,lat,lon",
                ("1,a,22,114", "2,b,23,114"),
                {},
                ((2, 22.0, 114.0), (3, 23.0, 114.0)),
            ),
            (
                "Latitude (N);Longitude (O)",
                ("52,5;13,5", "48,5;11,5"),
                {},
                ((2, 52.5, 13.5), (3, 48.5, 11.5)),
            ),
        )
    },
    "minutes, though a projected system is named": Accepted(
        data="lat_deg,lat_min,lon_deg,lon_min\n22,15,114,7.5\n22,30,114,15\n",
        metadata={"crs": "EPSG:2326", "k": "2"},
        places=PLACES[:2],
    ),
    "boxes around the places": Accepted(
        data=table(
            *("latitude", "longitude", "lat_min", "lon_min", "ns", "ew"),
            rows=[(*pair, 22, 114, 3, 0) for pair in DEGREES],
        ),
        columns={"why": "they are called so"},
    ),
    **{
        name: Accepted(
            data=column(*(f"{lon}, {lat}" for lat, lon in DEGREES[:2]), name=name),
            metadata={"coordinates": name, "k": "2"},
            places=PLACES[:2],
            columns={
                "why": f"the column {name!r} holds both, longitude first, as its name "
                "says"
            },
        )
        for name in ("Location (lon, lat)", "Koordinaten (Laenge/Breite)", "geom_x_y")
    },
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
    "projected, with separators of thousands": on_grid(
        data='y,x\n"819,069.80","836.694,05"\n829 069.80,836\'694.05\n'
        '819069.8,"841\u202f694,05"\n',
        metadata={"crs": "urn:ogc:def:crs:EPSG::2326"},
    ),
    "grads, from Paris": Accepted(
        # 0.9° a grad; Paris lies 2.337° east of Greenwich
        data=table("lat", "lon", rows=[(54.2, 0.1), (54.3, 0.1), (54.2, 0.2)]),
        metadata={"crs": "EPSG:4807"},
        places=[(2, 48.78, 2.427), (3, 48.87, 2.427), (4, 48.78, 2.517)],
        tolerance_deg=1e-3,
        columns={"crs": "NTF (Paris)"},
    ),
    "a row with the letters of hemispheres is no header": Accepted(
        data="lat,lon,ns,ew\n22.25,114.125,N,E\n22.5,114.25,N,E\n,,N,E\n",
        places=PLACES[:2],
        metadata={"k": "2"},
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
