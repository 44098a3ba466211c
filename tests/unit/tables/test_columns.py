from typing import NoReturn

import pytest

from geoclusters.errors import TableError
from geoclusters.tables import columns
from geoclusters.tables.columns import Candidate, ColumnHints, Family, Header


def candidates(header: list[str], **hints: str) -> list[Candidate]:
    return list(Header(header).candidates(ColumnHints(**hints)))


def refuse(header: list[str], **hints: str) -> NoReturn:
    assert candidates(header, **hints) == []
    Header(header).refuse(ColumnHints(**hints))


@pytest.mark.parametrize(
    "header",
    [
        ["id", "latitude", "longitude"],
        ["id", "Latitude", "LONGITUDE"],
        ["id", "LAT", "LON"],
        ["id", "lat", "lng"],
        ["id", " lat ", "long"],
        ["id", "L_a t", "lon_gitude"],
        ["id", "decimalLatitude", "decimalLongitude"],
        ["id", "stop_lat", "stop_lon"],
        ["id", "Latitude (deg)", "Longitude [°]"],
        ["id", "GPS-Lat.", "GPS-Long."],
        ["id", "Latitud", "Longitud"],
        ["id", "Latitude", "Longitude"],
        ["id", "Breitengrad", "Längengrad"],
        ["id", "Geogr. Breite", "Geogr. Länge"],
        ["id", "Широта", "Долгота"],
        ["id", "緯度", "經度"],
        ["id", "@lat", "@lon"],
        ["id", "dec_lat_va", "dec_long_va"],
        ["id", "INTPTLAT", "INTPTLONG"],
        ["id", "location.latitude", "location.longitude"],
        ["id", "Geo-Breite", "Geo-Länge"],
        ["id", "Enlem", "Boylam"],
        ["id", "Γεωγραφικό πλάτος", "Γεωγραφικό μήκος"],
        ["id", "위도", "경도"],
        ["id", "纬度", "经度"],
    ],
)
def test_the_usual_names_are_found_in_any_spelling(header: list[str]) -> None:
    names = (header[1], header[2])
    found = Candidate(Family.LATITUDE_LONGITUDE, (1, 2), names, is_given=False)
    assert candidates(header) == [found]


def test_the_usual_names_are_written_as_they_are_compared() -> None:
    for name in columns._USUAL_NAMES:
        assert columns._plain(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "Location 1",
        "the_geom",
        "geo_point_2d",
        "WKT",
        "Lat/Lon",
        "Koordinaten",
        "坐标",
        "Georeference",
    ],
)
def test_one_column_may_hold_both(name: str) -> None:
    assert candidates(["id", name]) == [
        Candidate(Family.ONE_COLUMN, (1,), (name,), is_given=False)
    ]


@pytest.mark.parametrize(
    ("easting", "northing"),
    [
        *(("Easting", "Northing"), ("X", "Y"), ("POINT_X", "POINT_Y"), ("E", "N")),
        *(("Rechtswert", "Hochwert"), ("COORD_X", "COORD_Y"), ("X (m)", "Y (m)")),
    ],
)
def test_projected_columns_are_known_northing_first(
    easting: str, northing: str
) -> None:
    assert candidates(["id", easting, northing]) == [
        Candidate(Family.NORTHING_EASTING, (2, 1), (northing, easting), is_given=False)
    ]


def test_all_that_could_be_meant_is_offered_the_better_first() -> None:
    found = candidates(["x", "y", "lat", "lon", "geom"])
    assert [each.positions for each in found] == [(2, 3), (4,), (1, 0)]


def test_the_full_name_wins_over_the_short_one() -> None:
    found = candidates(["lat", "longitude", "latitude", "lon"])
    assert [each.positions for each in found] == [(2, 1), (2, 3), (0, 1), (0, 3)]


def test_names_from_the_metadata_win() -> None:
    header = ["lat", "lon", "Depot Y", "Depot X"]
    (found,) = candidates(header, latitude="depot_y", longitude="DEPOT X")
    assert (found.positions, found.is_given) == ((2, 3), True)
    (found,) = candidates(header, latitude="depot_y")
    assert found.positions == (2, 1)
    (found,) = candidates(header, coordinates="Depot Y")
    assert found == Candidate(Family.ONE_COLUMN, (2,), ("Depot Y",), is_given=True)


def test_a_missing_column_is_named_with_those_that_were_found() -> None:
    with pytest.raises(TableError) as error:
        refuse(["name", "latitude", "z"])
    assert "No column for the longitude" in str(error.value)
    assert "'name', 'latitude', 'z'" in str(error.value)
    assert "--metadata latitude=NAME,longitude=NAME" in str(error.value)


def test_a_wrong_name_in_the_metadata_is_named() -> None:
    with pytest.raises(TableError, match=r"latitude=north.*no such column"):
        refuse(["lat", "lon"], latitude="north")


def test_names_that_belong_together_make_a_pair() -> None:
    found = candidates(["name", "long", "gps_lat", "gps_lon"])
    assert [each.positions for each in found] == [(2, 3)]
    found = candidates(["lat", "stop_lat", "stop_lon"])
    assert [each.positions for each in found] == [(1, 2)]
    found = candidates(["Breitengrad", "Längengrad", "Lat"])
    assert [each.positions for each in found] == [(2, 1), (0, 1)]
    found = candidates(["gps_lat", "long"])  # no others are there
    assert [each.positions for each in found] == [(0, 1)]


def test_an_exact_name_tells_columns_apart_that_are_alike() -> None:
    header = ["lat (deg)", "lon (deg)", "lat (rad)", "lon (rad)", "ID", "id"]
    (found,) = candidates(header, latitude="lat (rad)", longitude="lon (rad)")
    assert found.positions == (2, 3)
    assert Header(header).position("id", "id") == 5


def test_a_point_is_no_name() -> None:
    assert candidates(["20", "POINT (114.2 22.3)"]) == []
    assert candidates(["id", "Location (lat, lon)"]) != []


def test_an_endless_name_takes_no_time() -> None:
    assert candidates(["lat", "lon", "[" * 1_000_000]) != []
    assert candidates(["(" * 1_000_000, ")" * 1_000_000]) == []


def test_a_wrong_name_for_one_column_with_both_is_named() -> None:
    with pytest.raises(TableError, match=r"coordinates=place.*no such column"):
        refuse(["lat", "lon"], coordinates="place")


def test_two_columns_of_one_name_are_not_guessed_between() -> None:
    with pytest.raises(
        TableError, match=r"2 columns are called 'lat' and 'LAT' \(columns"
    ):
        refuse(["lat", "lon", "LAT"])


def test_one_column_cant_be_both() -> None:
    with pytest.raises(TableError, match="both read from column 'lat'"):
        refuse(["lat", "lon"], longitude="lat")


def test_a_wide_table_is_shown_in_part() -> None:
    with pytest.raises(TableError, match="and 30 more"):
        refuse([f"c{i}" for i in range(50)])


def test_an_endless_name_is_cut_in_the_message() -> None:
    with pytest.raises(TableError) as error:
        refuse(["a" * 20_000, "tab\there"])
    assert len(str(error.value)) < 500
    assert r"'tab\there'" in str(error.value)


def test_a_name_that_is_no_columns_is_shown_without_control_characters() -> None:
    with pytest.raises(TableError, match=r"`id=L\\x00\\r\\nat`") as caught:
        Header(["lat", "lon"]).position("L\0\r\nat", "id")
    assert str(caught.value).isprintable()
