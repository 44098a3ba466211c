import pytest

from geoclusters.errors import TableError
from geoclusters.tables.columns import find_coordinates


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
        ["id", "纬度", "经度"],
    ],
)
def test_the_usual_names_are_found_in_any_spelling(header: list[str]) -> None:
    found = find_coordinates(header)
    assert (found.latitude, found.longitude) == (1, 2)
    assert (found.latitude_name, found.longitude_name) == (header[1], header[2])


def test_the_full_name_wins_over_the_short_one() -> None:
    found = find_coordinates(["lat", "longitude", "latitude", "lon"])
    assert (found.latitude, found.longitude) == (2, 1)


def test_names_from_the_metadata_win() -> None:
    header = ["lat", "lon", "Depot Y", "Depot X"]
    found = find_coordinates(header, latitude="depot_y", longitude="DEPOT X")
    assert (found.latitude, found.longitude) == (2, 3)


def test_a_missing_column_is_named_with_those_that_were_found() -> None:
    with pytest.raises(TableError) as error:
        find_coordinates(["name", "latitude", "x"])
    assert "No column for the longitude" in str(error.value)
    assert "'name', 'latitude', 'x'" in str(error.value)
    assert "--metadata longitude=NAME" in str(error.value)


def test_a_wrong_name_in_the_metadata_is_named() -> None:
    with pytest.raises(TableError, match=r"latitude=north.*no such column"):
        find_coordinates(["lat", "lon"], latitude="north")


def test_two_columns_of_one_name_are_not_guessed_between() -> None:
    with pytest.raises(TableError, match=r"2 columns are called 'lat' \(columns 1, 3"):
        find_coordinates(["lat", "lon", "LAT"])


def test_one_column_cant_be_both() -> None:
    with pytest.raises(TableError, match="both read from column 'lat'"):
        find_coordinates(["lat", "lon"], longitude="lat")


def test_a_wide_table_is_shown_in_part() -> None:
    with pytest.raises(TableError, match="and 30 more"):
        find_coordinates([f"c{i}" for i in range(50)])


def test_an_endless_name_is_cut_in_the_message() -> None:
    with pytest.raises(TableError) as error:
        find_coordinates(["a" * 20_000, "tab\there"])
    assert len(str(error.value)) < 400
    assert r"'tab\there'" in str(error.value)
