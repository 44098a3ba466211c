import io

import pytest

from geoclusters.errors import TableError
from geoclusters.tables.columns import ColumnHints
from geoclusters.tables.reader import Table

#: A place in Hong Kong, as EPSG:2326 has it, and in degrees.
NORTHING, EASTING = 819069.80, 836694.05
LATITUDE, LONGITUDE = 22.31060, 114.18101


def table(text: str, **hints: str) -> Table:
    return Table(io.BytesIO(text.encode()), ColumnHints(**hints))


def read(source: Table) -> list[tuple[float, float]]:
    return [
        (round(float(latitude), 5), round(float(longitude), 5))
        for chunk in source.chunks()
        for latitude, longitude in zip(chunk.latitude, chunk.longitude, strict=True)
    ]


def test_degrees_are_preferred_to_projected_columns() -> None:
    text = (
        "easting,northing,latitude,longitude\n836694.05,819069.80,22.3106,114.18101\n"
    )
    for hints in ({}, {"crs": "EPSG:2326"}):
        source = table(text, **hints)
        assert read(source) == [(LATITUDE, LONGITUDE)]
        assert source.columns["latitude"] == "latitude"
        assert source.columns["notation"] == "decimal degrees"
        assert "rather than 'northing' and 'easting'" in source.columns["why"]


def test_projected_columns_need_their_reference_system() -> None:
    text = f"name,X,Y\nA,{EASTING},{NORTHING}\n"
    with pytest.raises(TableError) as error:
        table(text)
    assert "'Y' and 'X' hold values such as '819069.8' and '836694.05'" in str(
        error.value
    )
    assert "--metadata crs=EPSG:2326" in str(error.value)

    source = table(text, crs="EPSG:2326")
    assert read(source) == [(LATITUDE, LONGITUDE)]
    assert source.columns == {
        "latitude": "Y",
        "longitude": "X",
        "notation": "projected",
        "crs": "Hong Kong 1980 Grid System",
        "why": "they are called so, in Hong Kong 1980 Grid System",
    }


def test_columns_called_latitude_may_hold_projected_coordinates() -> None:
    text = f"lat,lon\n{NORTHING},{EASTING}\n"
    with pytest.raises(TableError, match="which are no degrees"):
        table(text)
    assert read(table(text, crs="2326")) == [(LATITUDE, LONGITUDE)]


def test_the_owner_names_projected_columns_as_latitude_and_longitude() -> None:
    text = f"lat,lon,up,right\n1,2,{NORTHING},{EASTING}\n"
    source = table(text, latitude="up", longitude="right", crs="EPSG:2326")
    assert read(source) == [(LATITUDE, LONGITUDE)]
    assert "parameters name them" in source.columns["why"]


def test_northing_and_easting_the_wrong_way_round_are_told() -> None:
    text = f"a,b\n{EASTING},2495000\n"
    with pytest.raises(TableError, match=r"don't lie where WGS 84 / UTM zone 49N"):
        table(text, latitude="a", longitude="b", crs="32649")


def test_rows_that_are_nowhere_in_the_projection_are_out_of_range() -> None:
    text = f"y,x\n{NORTHING},{EASTING}\n1e12,1e12\n0,0\nx,1\n"
    source = table(text, crs="EPSG:2326")
    assert read(source) == [(LATITUDE, LONGITUDE)]
    assert source.left_out.summary() == {
        "coordinate out of range": {"rows": 1, "first": [3]},
        "both coordinates 0": {"rows": 1, "first": [4]},
        "coordinate not a number": {"rows": 1, "first": [5]},
    }


def test_x_and_y_may_be_degrees_if_their_values_are() -> None:
    source = table("X,Y,name\n114.18101,22.3106,A\n")
    assert read(source) == [(LATITUDE, LONGITUDE)]
    assert source.columns["why"] == ("they are called so, and their values are degrees")


def test_x_and_y_of_whole_numbers_are_not_taken_for_degrees() -> None:
    with pytest.raises(TableError, match="hold values such as '3' and '12'"):
        table("X,Y\n12,3\n13,4\n")


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (['"(22.3106, 114.18101)"', '"(22.5, 113.5)"'], "latitude first, as usual"),
        (['"114.18101, 22.3106"', '"113.5, 22.5"'], "longitude first, which its"),
        (['"[22.3106;114.18101]"', '"[22.5;113.5]"'], "latitude first, as usual"),
        (["POINT (114.18101 22.3106)", "POINT(113.5 22.5)"], "first, as in WKT"),
        (["POINT (22.3106 114.18101)", "POINT(22.5 113.5)"], "latitude first, which"),
        (
            ["SRID=4326;POINT(114.18101 22.3106)", "SRID=4326;POINT(113.5 22.5)"],
            "as in WKT",
        ),
    ],
)
def test_one_column_may_hold_both(values: list[str], order: str) -> None:
    source = table("id,location\n" + "".join(f"1,{value}\n" for value in values))
    found = read(source)
    assert found[0] == (LATITUDE, LONGITUDE)
    assert found[-1] == (22.5, 113.5)
    assert order in source.columns["why"]
    assert source.columns["latitude"] == source.columns["longitude"] == "location"


def test_the_order_shows_late_in_a_sorted_column() -> None:
    europe = "".join(f'"{i / 100}, 50.5"\n' for i in range(300))
    asia = "".join(f'"{100 + i / 100}, 30.5"\n' for i in range(80))
    source = table(f"coordinates\n{europe}{asia}")
    assert read(source)[0] == (50.5, 0)
    assert len(read(table(f"coordinates\n{europe}{asia}"))) == 380


def test_the_name_of_one_column_may_tell_the_order() -> None:
    source = table('lonlat\n"8.5, 47.4"\n"8.6, 47.5"\n')
    assert read(source) == [(47.4, 8.5), (47.5, 8.6)]
    assert "longitude first, as its name says" in source.columns["why"]


def test_one_column_of_projected_points_is_read_with_its_reference_system() -> None:
    text = f"the_geom\nPOINT ({EASTING} {NORTHING})\n"
    with pytest.raises(TableError, match="no degrees"):
        table(text)
    assert read(table(text, crs="EPSG:2326")) == [(LATITUDE, LONGITUDE)]
    text = f"the_geom\nSRID=2326;POINT ({EASTING} {NORTHING})\n"
    assert read(table(text)) == [(LATITUDE, LONGITUDE)]


def test_other_geometries_are_told() -> None:
    text = 'geom\n"POLYGON ((0 0, 1 0, 1 1, 0 0))"\n'
    with pytest.raises(TableError, match="Polygon"):
        table(text)


def test_a_column_called_location_with_addresses_is_told() -> None:
    with pytest.raises(TableError) as error:
        table("name,location\nA,12 Long Street\n")
    assert "holds texts such as '12 Long Street'" in str(error.value)


def test_a_column_of_coordinates_can_be_named() -> None:
    source = table('where\n"22.3106, 114.18101"\n', coordinates="where")
    assert read(source) == [(LATITUDE, LONGITUDE)]


def test_pairs_in_another_order_later_in_the_table_are_left_out() -> None:
    head = "location,note\n" + "POINT (114.18101 22.3106),a\n" * 6_000
    source = table(head + '"(22.5, 113.5)",b\n' * 100_000)
    assert len(read(source)) == 6_000
    left_out = source.left_out.summary()["coordinate not a number"]
    assert (left_out["rows"], left_out["first"][0]) == (100_000, 6_002)


def test_degrees_minutes_and_seconds_are_read_and_named() -> None:
    source = table("lat,lon\n22°18'38.16\"N,114°10'51.636\"E\n33°52'S,70°30'W\n")
    assert read(source) == [(22.3106, 114.18101), (-33.86667, -70.5)]
    assert source.columns["notation"] == "degrees, minutes, seconds"


def test_some_rows_may_be_in_minutes_where_most_are_not() -> None:
    source = table("lat,lon\n22.5,114.5\n22.5,114.5\n22.5,114.5\n22 30 00,114 30 00\n")
    assert read(source) == [(22.5, 114.5)] * 4
    assert source.columns["notation"] == "decimal degrees"


def test_degrees_of_another_datum_are_turned_into_those_of_wgs_84() -> None:
    (place,) = read(table("lat,lon\n40,-100\n", crs="EPSG:4267"))
    assert place != (40, -100)
    assert place == pytest.approx((40, -100), abs=0.001)


def test_ids_come_along_as_they_stand() -> None:
    text = 'lat,lon,no\n1,2, 007\n3,4,"a, ""b"""\n5,6,\n7,8,ü\n'
    source = table(text, id="No")
    (chunk,) = source.chunks()
    assert chunk.id is not None
    assert [value.decode() for value in chunk.id] == [" 007", 'a, "b"', "", "ü"]
    assert source.columns["id"] == "no"


def test_ids_of_left_out_rows_are_listed() -> None:
    source = table("id,lat,lon\nA,1,2\nB,,2\n", id="id")
    assert read(source) == [(1, 2)]
    assert source.left_out.to_csv() == b"row,reason,id\n3,coordinate missing,B\n"


def test_a_coordinate_column_may_be_the_id() -> None:
    source = table("lat,lon\n1.50,2\n", id="lat")
    (chunk,) = source.chunks()
    assert chunk.id is not None
    assert (chunk.id.tolist(), chunk.latitude.tolist()) == ([b"1.50"], [1.5])


def test_an_unknown_or_endless_id_is_told() -> None:
    with pytest.raises(TableError, match=r"id=key.*no such column.*'lat', 'lon'"):
        table("lat,lon\n1,2\n", id="key")
    text = "lat,lon,id\n1,2,A\n3,4," + "x" * 300 + "\n"
    with pytest.raises(TableError, match="id in row 3 has 300 bytes"):
        read(table(text, id="id"))


@pytest.mark.parametrize("bad", [1, 5, 20, 29])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,WKT", "{i},POINT (114.{i} 22.{i})"),
        ("id,lat,lon", "{i},22.{i},114.{i}"),
        ("id,location", '{i},"(22.{i}, 114.{i})"'),
    ],
)
def test_a_bad_row_doesnt_make_a_header_of_the_next(
    header: str, row: str, bad: int
) -> None:
    rows = [f"{i},?" if i == bad else row.format(i=i) for i in range(1, 201)]
    source = table("\n".join([header, *rows]) + "\n")
    assert len(read(source)) == 199
    assert source.detected["header_row"] == 1
    assert source.left_out.rows == 1


def test_a_header_that_comes_again_in_another_case_loses_no_row() -> None:
    rows = "".join(f"{i},1.5,2.5\n" for i in range(10))
    source = table(f"id,lat,lon\n{rows}id,Lat,Lon\n{rows * 20}")
    assert len(read(source)) == 210
    assert source.left_out.rows == 1


def test_x_and_y_never_stand_in_for_degrees_that_are_there() -> None:
    rows = "".join(f"{i},22.{i},114.{i},{1.5 * i},{0.7 * i}\n" for i in range(10, 30))
    source = table(f"id,lat,lon,x,y\n1,,114.1,0.5,0.5\n{rows}")
    assert len(read(source)) == 20
    assert source.columns["latitude"] == "lat"


def test_of_several_pairs_of_names_the_values_choose() -> None:
    source = table("latitude,longitude,lat,lng\n,,22.5,114.5\n,,22.6,114.6\n")
    assert read(source) == [(22.5, 114.5), (22.6, 114.6)]
    assert (source.columns["latitude"], source.columns["longitude"]) == ("lat", "lng")


def test_a_note_with_the_very_names_is_no_header() -> None:
    source = table("lat,lon\nid,lat,lon\n7,22.5,114.5\n8,22.6,114.6\n")
    assert read(source) == [(22.5, 114.5), (22.6, 114.6)]


def test_pairs_of_a_projection_in_either_order_are_not_guessed() -> None:
    with pytest.raises(TableError, match="could stand in either order"):
        table(f'coordinates\n"{EASTING}, {NORTHING}"\n', crs="EPSG:2326")
    # here only one order lies where the system is used
    utm = 'coordinates\n"767000.5, 2467000.5"\n'
    source = table(utm, crs="EPSG:32649")
    assert "longitude first, which its values prove" in source.columns["why"]
    assert read(source)[0] == pytest.approx((22.289, 113.59), abs=0.01)


def test_places_far_from_where_a_projection_is_used_are_out_of_range() -> None:
    source = table(
        f"y,x\n{NORTHING},{EASTING}\n{NORTHING},{EASTING}\n5,5\n", crs="2326"
    )
    assert len(read(source)) == 2
    assert source.left_out.summary()["coordinate out of range"]["first"] == [4]
    with pytest.raises(TableError, match="don't lie where Hong Kong 1980"):
        table(f"y,x\n{NORTHING},{EASTING}\n500,500\n600,600\n", crs="EPSG:2326")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y,x\n114.5,22.5\n", "swapped: columns 'y' and 'x' hold"),
        ("lat,lon\n114.5E,22.5N\n", "latitude=lon,longitude=lat"),
        ("x,y\na,b\n", "values such as 'b' and 'a', which are no numbers"),
        ("lat,lon\n22.0,100\n22.0,350\n22.0,-355\n", "'22.0' and '350', which are"),
        ('id,lat,lon\n"1,2,3"\n"2,3,4"\n', "Each row is one field"),
        ("location,a\n,1\n", "Put rows with coordinates first"),
    ],
)
def test_what_is_wrong_is_told_with_values_that_are(text: str, expected: str) -> None:
    with pytest.raises(TableError) as error:
        table(text)
    assert expected in str(error.value)
