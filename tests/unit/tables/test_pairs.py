import json
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoclusters.tables import notation
from geoclusters.tables.pairs import Pairs, reversed_order, split

SPATIAL = 0x20000000
Z, M = 0x80000000, 0x40000000


def split_one(text: str | None) -> tuple[str | None, str | None]:
    pairs = split(pl.Series([text], dtype=pl.String))
    return pairs.first[0], pairs.second[0]


def values(pairs: Pairs) -> list[tuple[float, float]]:
    """Return latitude and longitude."""
    first, second = pairs.first, pairs.second
    if pairs.form.longitude_first:
        first, second = second, first
    latitude = notation.degrees(first, "latitude").tolist()
    longitude = notation.degrees(second, "longitude").tolist()
    return list(zip(latitude, longitude, strict=True))


def wkb(code: int, *numbers: float, srid: int | None = None, order: str = "<") -> str:
    head = struct.pack(f"{order}BI", order == "<", code)
    if srid is not None:
        head += struct.pack(f"{order}I", srid)
    return (head + struct.pack(f"{order}{len(numbers)}d", *numbers)).hex().upper()


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("(22.3, 114.2)", "22.3", "114.2"),
        ("22.3, 114.2", "22.3", "114.2"),
        ("22.3,114.2", "22.3", "114.2"),
        ("22.3 ,-114.2", "22.3", "-114.2"),
        ("[22.3, 114.2]", "22.3", "114.2"),
        ("22.3;114.2", "22.3", "114.2"),
        ("22.3|114.2", "22.3", "114.2"),
        ("22.3 114.2", "22.3", "114.2"),
        (" 22.3\t114.2\n", "22.3", "114.2"),
        ("−33.9, +18.4", "−33.9", "+18.4"),
        ("22, 114", "22", "114"),
        ("22,-114", "22", "-114"),
        ("22,114.2", "22", "114.2"),
        ("22.3,114", "22.3", "114"),
        ("819069.80, 836694.05", "819069.80", "836694.05"),
        ("22,3; 114,2", "22,3", "114,2"),
        ("(22,3; 114,2)", "22,3", "114,2"),
        ("22,3 114,2", "22,3", "114,2"),
        ("22,3, 114,2", "22,3", "114,2"),
        ("22 18.12", "22", "18.12"),
        ("10 MAIN ST\nHONG KONG\n(22.3, 114.2)", "22.3", "114.2"),
        ("(22.3, 114.2)\n(22.4, 114.3)", "22.4", "114.3"),
        ("-1.2921 36.8219 1661.2 4.5", "-1.2921", "36.8219"),
        ("22.3,114.2,15", "22.3", "114.2"),
        ("22.3N 114.2W", "22.3N", "114.2W"),
        ("22.3° N, 114.2° W", "22.3° N", "114.2° W"),
        ("22°18'07\"N, 114°10'00\"E", "22°18'07\"N", "114°10'00\"E"),
        ("(22°18'07\"N, 114°10'00\"E)", "22°18'07\"N", "114°10'00\"E"),
        ("22°18'07\"N114°10'00\"E", "22°18'07\"N", "114°10'00\"E"),
        ("22°18′7,2″N,114°10′0,5″E", "22°18′7,2″N", "114°10′0,5″E"),
        ("22°18'07\" 114°10'00\"", "22°18'07\"", "114°10'00\""),
        ("22 18 07 N 114 10 00 E", "22 18 07 N", "114 10 00 E"),
        ("22 18 07 n 114 10 00 w", "22 18 07 n", "114 10 00 w"),
        ("N 22 18 07 E 114 10 00", "N 22 18 07", "E 114 10 00"),
        ("22 18 07 114 10 00", "22 18 07", "114 10 00"),
        ("22°18.12' 114°10.5'", "22°18.12'", "114°10.5'"),
        ("22:18:07 114:10:00", "22:18:07", "114:10:00"),
        ("22d18m07s N 114d10m00s E", "22d18m07s N", "114d10m00s E"),
    ],
)
def test_two_coordinates_are_split(text: str, first: str, second: str) -> None:
    assert split_one(text) == (first, second)


@pytest.mark.parametrize(
    "text",
    [
        "114°10'00\"E, 22°18'07\"N",
        "114°10'00\"E 22°18'07\"N",
        "E114°10'00\" N22°18'07\"",
    ],
)
def test_letters_put_latitude_first(text: str) -> None:
    [(latitude, longitude)] = values(split(pl.Series([text])))
    assert (latitude, longitude) == pytest.approx((22.301944444, 114.166666667))


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "N/A", "22.3", "22,3", "-22,114", "22,3,114,2", "1, 2, 3, 4"),
        *("nan, nan", "22.3,", ", 114.2", "(22.3)", "(, )", "Main Street 5, 2nd floor"),
        *("10 MAIN ST\nHONG KONG", "Unit (3, 4)", "22°N, 33°S", "22.3N, 114.2O"),
        *("POINT EMPTY", "POINT (nan nan)", "POINT (1)", "POINT (1 2 3 4 5)"),
        *('{"type": "Point", "coordinates": []}', '{"lat": 1, "lon": 2}', "null"),
        *("d41d8cd98f00b204e9800998ecf8427e", wkb(1, np.nan, np.nan)),
        *(wkb(1, 1.0), wkb(99, 1.0, 2.0), "00" * 20),
    ],
)
def test_what_is_no_pair_is_none(text: str | None) -> None:
    pairs = split(pl.Series([text, "22.3 114.2"]))
    assert pairs.first.to_list() == [None, "22.3"]
    assert pairs.second.to_list() == [None, "114.2"]
    assert pairs[2:] == ((False, None), None)


def test_columns_without_any_text_have_no_pairs() -> None:
    for texts in (pl.Series([], dtype=pl.String), pl.Series([None, None])):
        pairs = split(texts)
        assert len(pairs.first) == len(pairs.second) == len(texts)
        assert pairs[2:] == ((False, None), None)


@pytest.mark.parametrize(
    "text",
    [
        "POINT (114.2 22.3)",
        "point(114.2 22.3)",
        "Point( 114.2  22.3 )",
        "POINT Z (114.2 22.3 15)",
        "POINTZ(114.2 22.3 15)",
        "POINT ZM (114.2 22.3 15 0)",
        '{"type": "Point", "coordinates": [114.2, 22.3]}',
        '{"coordinates":[114.2,22.3,15],"type":"Point"}',
        "{'type': 'Point', 'coordinates': [114.2, 22.3]}",
        '{"type":"Feature","geometry":{"type":"Point","coordinates":[114.2,22.3]}}',
        wkb(1, 114.2, 22.3),
        wkb(1, 114.2, 22.3, order=">"),
        wkb(1, 114.2, 22.3).lower(),
        "\\x" + wkb(1, 114.2, 22.3),
        wkb(1001, 114.2, 22.3, 15),
        wkb(3001, 114.2, 22.3, 15, 0),
        wkb(1 | Z, 114.2, 22.3, 15),
        wkb(1 | Z | M, 114.2, 22.3, 15, 0),
    ],
)
def test_geometries_say_that_longitude_stands_first(text: str) -> None:
    pairs = split(pl.Series([None, text]))
    assert pairs.first.to_list() == [None, "114.2"]
    assert pairs.second.to_list() == [None, "22.3"]
    assert pairs[2:] == ((True, None), None)


@pytest.mark.parametrize(
    "text",
    [
        "SRID=2326;POINT(836694.05 819069.8)",
        "srid=2326; Point (836694.05 819069.8)",
        wkb(1 | SPATIAL, 836694.05, 819069.8, srid=2326),
        wkb(1 | SPATIAL | Z, 836694.05, 819069.8, 5, srid=2326, order=">"),
    ],
)
def test_points_of_postgis_name_their_reference_system(text: str) -> None:
    pairs = split(pl.Series([text, None]))
    assert pairs.first.to_list() == ["836694.05", None]
    assert pairs.second.to_list() == ["819069.8", None]
    assert pairs[2:] == ((True, 2326), None)


def test_what_postgis_wrote_is_read() -> None:
    # SELECT ST_SetSRID(ST_MakePoint(-71.064544, 42.28787), 4326)
    text = "0101000020E6100000CB49287D21C451C0F0BF95ECD8244540"
    pairs = split(pl.Series([text]))
    assert values(pairs) == [(42.28787, -71.064544)]
    assert pairs.form.srid == 4326


def test_points_of_a_rarer_reference_system_are_no_pairs() -> None:
    texts = ["SRID=4326;POINT(1 2)", "SRID=2326;POINT(3 4)", "SRID=4326;POINT(5 6)"]
    pairs = split(pl.Series([*texts, "POINT (7 8)"]))
    assert pairs.first.to_list() == ["1", None, "5", None]
    assert pairs.form.srid == 4326


def test_a_reference_system_of_0_is_none() -> None:
    assert split(pl.Series(["SRID=0;POINT(1 2)"]))[2:] == ((True, None), None)


def test_of_two_orders_in_a_column_the_rarer_is_left_out() -> None:
    point, plain = "POINT (114.2 22.3)", "(22.3, 114.2)"
    pairs = split(pl.Series([point, plain, point]))
    assert pairs.first.to_list() == ["114.2", None, "114.2"]
    assert pairs.form.longitude_first
    pairs = split(pl.Series([plain, point, plain]))
    assert pairs.second.to_list() == ["114.2", None, "114.2"]
    assert not pairs.form.longitude_first


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("POLYGON ((1 2, 3 4, 5 6, 1 2))", "Polygon"),
        ("SRID=4326;MULTIPOLYGON(((1 2, 3 4, 5 6, 1 2)))", "MultiPolygon"),
        ("LINESTRING Z (1 2 3, 3 4 5)", "LineString"),
        ("LINESTRING EMPTY", "LineString"),
        ("MULTIPOINT ((1 2))", "MultiPoint"),
        ("GEOMETRYCOLLECTION (POINT (1 2))", "GeometryCollection"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}', "Polygon"),
        ('{"type": "LineString", "coordinates": [[1, 2], [3, 4]]}', "LineString"),
        (wkb(3, 0, 0, 0), "Polygon"),
        (wkb(6 | SPATIAL, 0, 0, srid=4326), "MultiPolygon"),
        (wkb(1002, 0, 0), "LineString"),
    ],
)
def test_other_geometries_are_told_by_name(text: str, kind: str) -> None:
    pairs = split(pl.Series([text]))
    assert pairs.first.to_list() == pairs.second.to_list() == [None]
    assert pairs[2:] == ((False, None), kind)


def test_the_most_frequent_other_geometry_is_told_beside_points() -> None:
    others = ["LINESTRING (1 2, 3 4)", *["POLYGON ((1 2, 3 4))"] * 2]
    pairs = split(pl.Series([*others, "POINT (1 2)"]))
    assert pairs.first.to_list() == [None, None, None, "1"]
    assert pairs.other_geometry == "Polygon"


def _dms(value: float, letters: str) -> str:
    """Write a value to a tenth of a second."""
    minutes, tenths = divmod(round(abs(value) * 36_000), 600)
    letter = letters[1 if value < 0 else 0]
    return f"{minutes // 60}°{minutes % 60:02}'{tenths / 10:04.1f}\"{letter}"


PLAIN = ["({}, {})", "[{},{}]", "{};{}", "{} {}", "{} | {}", "1 Rd\nTown\n({}, {})"]


@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    style=st.sampled_from([*PLAIN, "wkt", "ewkt", "json", "wkb", "comma"]),
)
def test_every_style_gives_its_numbers_back(
    latitude: float, longitude: float, style: str
) -> None:
    latitude, longitude = round(latitude, 9), round(longitude, 9)
    lat, lon = f"{latitude:.9f}", f"{longitude:.9f}"
    text = {
        "wkt": f"POINT ({lon} {lat})",
        "ewkt": f"SRID=4326;POINT({longitude} {latitude})",
        "json": json.dumps({"type": "Point", "coordinates": [longitude, latitude]}),
        "wkb": wkb(1, longitude, latitude),
        "comma": f"{lat}; {lon}".replace(".", ","),
    }.get(style, style.format(lat, lon))
    [found] = values(split(pl.Series([text])))
    assert found == pytest.approx((latitude, longitude), abs=1e-9)


@settings(max_examples=20)
@given(
    pairs=st.lists(
        st.tuples(
            st.floats(-90, 90),
            st.floats(-180, 180),
            st.sampled_from([", ", ",", "; ", " ", "", "\n", " | "]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_pairs_with_minutes_come_back_to_a_tenth_of_a_second(
    pairs: list[tuple[float, float, str, bool]],
) -> None:
    texts = []
    for latitude, longitude, separator, turned in pairs:
        halves = [_dms(latitude, "NS"), _dms(longitude, "EW")]
        texts.append(separator.join(halves[::-1] if turned else halves))
    expected = [pair[:2] for pair in pairs]
    assert values(split(pl.Series(texts))) == [
        pytest.approx(pair, abs=0.051 / 3600) for pair in expected
    ]


def _array(*numbers: float) -> NDArray[np.float64]:
    return np.array(numbers, np.float64)


def test_longitudes_where_latitudes_are_expected_are_proven_by_their_size() -> None:
    assert reversed_order(_array(114.2, 114.1), _array(22.3, 22.4))
    assert reversed_order(_array(-120, -95, 10), _array(40, 41, -90))
    assert reversed_order(_array(114.2), _array(22.3))


def test_values_that_fit_both_orders_prove_nothing() -> None:
    assert not reversed_order(_array(22.3, 22.4), _array(114.2, 114.1))
    assert not reversed_order(_array(8.5, 9), _array(47.4, 48))
    assert not reversed_order(_array(), _array())
    assert not reversed_order(_array(np.nan, np.inf), _array(1, 2))


def test_a_typing_error_turns_no_table() -> None:
    latitude, longitude = np.full(30, 22.3), np.full(30, 80.0)
    latitude[3] = 114.2
    assert not reversed_order(latitude, longitude)
    assert not reversed_order(latitude[:5], longitude[:5])
    longitude[7] = 114.2
    latitude[8:20] = 114.2
    assert not reversed_order(latitude, longitude)


def test_numbers_that_are_no_degrees_or_none_do_not_hide_the_proof() -> None:
    first = _array(114.2, 114.1, 999, 114.3, np.nan)
    second = _array(22.3, 22.4, 22.5, 999, 120)
    assert reversed_order(first, second)
