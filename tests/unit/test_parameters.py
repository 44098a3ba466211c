import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoclusters.errors import ParameterError
from geoclusters.parameters import Document, NotParametersError, Parameters
from geoclusters.tables.columns import ColumnHints

KEY = "input/depots/hk.json"


def read(document: Any = None, /, **metadata: str) -> Parameters:
    """Read metadata and a document: bytes, or what is written as JSON."""
    if document is not None and not isinstance(document, bytes):
        document = json.dumps(document).encode()
    beside = None if document is None else Document(KEY, document)
    return Parameters.read(metadata, beside, default_k=15)


def refused(document: Any = None, /, **metadata: str) -> str:
    with pytest.raises(ParameterError) as error:
        read(document, **metadata)
    return str(error.value)


def test_metadata_says_what_is_wanted() -> None:
    parameters = read(k="7", latitude="north", longitude="east", other="x")
    given = {"k": 7, "latitude": "north", "longitude": "east"}
    assert parameters == Parameters(
        k=7, latitude="north", longitude="east", given=given
    )
    assert parameters.columns == ColumnHints(latitude="north", longitude="east")


def test_so_does_a_file_beside_the_upload() -> None:
    parameters = read(
        {
            "k": 20,
            "coordinates": "Standort",
            "id": "Nr",
            "crs": 2326,
            "geometry": "planar",
            "refine": "never",
            "boundary": "hk/districts.zip",
        }
    )
    assert (parameters.k, parameters.geometry) == (20, "planar")
    assert parameters.boundary == "hk/districts.zip"
    assert parameters.columns == ColumnHints(
        coordinates="Standort", id="Nr", crs="EPSG:2326"
    )
    assert parameters.file == KEY
    assert set(parameters.given) == {
        *("k", "coordinates", "id", "crs", "geometry", "refine", "boundary")
    }


def test_metadata_wins_parameter_by_parameter() -> None:
    parameters = read({"k": 20, "id": "Nr"}, k="30", crs="EPSG:4326")
    assert parameters.given == {"k": 30, "id": "Nr", "crs": "EPSG:4326"}
    assert (parameters.k, parameters.id) == (30, "Nr")


def test_without_either_the_defaults_hold() -> None:
    parameters = read()
    assert parameters == Parameters(k=15)
    assert (parameters.geometry, parameters.given) == ("spherical", {})
    assert parameters.columns == ColumnHints()
    assert read({}) == Parameters(k=15, file=KEY)


@pytest.mark.parametrize(
    "k",
    ["1", "0", "-3", "2.5", "many", "", "10001", "1e2", "1_0", "+5", "²", "9" * 5000],
)
def test_a_k_out_of_bounds_names_key_value_and_bounds(k: str) -> None:
    message = refused(k=k)
    assert f"metadata says `k={k[:40]}" in message
    assert len(message) < 300
    assert "from 2 to 10,000" in message
    assert f"{KEY} says `k={k[:40]}" in refused({"k": k})


@pytest.mark.parametrize("k", ["15", " 15 ", "015"])
def test_a_whole_number_may_be_written_loosely(k: str) -> None:
    assert read(k=k).k == 15
    assert read({"k": k}).k == 15


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("id", "", "a column's name, at most 500 characters"),
        ("id", "  ", "a column's name"),
        ("id", "x" * 501, "a column's name"),
        ("id", "\ud800", "a column's name"),
        ("crs", "WGS 72", "such as EPSG:2326 or 2326"),
        ("crs", "+proj=longlat", "such as EPSG:2326"),
        ("crs", "EPSG:", "such as EPSG:2326"),
        ("crs", "12345678", "such as EPSG:2326"),
        ("geometry", "flat", "one of spherical, planar"),
        ("refine", "often", "one of auto, always, never"),
        ("boundary", "", "the name of a file under boundaries/"),
        ("boundary", ".zip", "the name of a file under boundaries/"),
        ("boundary", "districts.shp", "ends in .zip, .geojson, .json or .gpkg"),
        ("boundary", "../runs/x.json", "without “..”"),
        ("boundary", "a\n.zip", "control characters"),
        ("boundary", "ü" * 256 + ".zip", "at most 512 bytes"),
    ],
)
def test_a_value_out_of_bounds_names_the_bounds(
    name: str, value: str, expected: str
) -> None:
    message = refused({name: value})
    assert f"{KEY} says `{name}=" in message
    assert expected in message
    assert message.encode().decode().isprintable()
    assert "upload that, and then the table again" in message
    if value.isascii():
        assert f"--metadata {name}=" in refused(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("crs", "2326", "EPSG:2326"),
        ("crs", " epsg:2326 ", "EPSG:2326"),
        ("crs", "EPSG: 2326", "EPSG:2326"),
        ("crs", "urn:ogc:def:crs:EPSG::2326", "EPSG:2326"),
        ("crs", "urn:ogc:def:crs:EPSG:9.9.1:2326", "EPSG:2326"),
        ("crs", "WGS 84", "EPSG:4326"),
        ("crs", "wgs84", "EPSG:4326"),
        ("crs", "OGC:CRS84", "OGC:CRS84"),
        ("crs", "IAU_2015:30100", "IAU_2015:30100"),
        ("geometry", "Planar", "planar"),
        ("boundary", "HK/Districts 18.ZIP", "HK/Districts 18.ZIP"),
        ("boundary", "b.gpkg", "b.gpkg"),
        ("id", " Nr. ", " Nr. "),
    ],
)
def test_values_within_bounds_are_read(name: str, value: str, read_as: str) -> None:
    for parameters in (read(**{name: value}), read({name: value})):
        assert getattr(parameters, name) == read_as
        assert parameters.given == {name: read_as}


@pytest.mark.parametrize(
    ("document", "metadata", "expected"),
    [
        (
            {"coordinates": "c"},
            {"latitude": "y", "longitude": "x"},
            "either one column",
        ),
        ({"coordinates": "c", "longitude": "x"}, {}, "either one column has both"),
    ],
)
def test_coordinates_are_named_by_two_columns_or_by_one(
    document: Any, metadata: dict[str, str], expected: str
) -> None:
    assert expected in refused(document, **metadata)


def test_one_of_two_columns_may_be_left_to_be_found() -> None:
    assert read(longitude="x").columns == ColumnHints(longitude="x")


def test_a_pair_may_be_named_in_two_places() -> None:
    parameters = read({"latitude": "y"}, longitude="x")
    assert (parameters.latitude, parameters.longitude) == ("y", "x")


def test_names_beyond_ascii_are_read_as_s3_encodes_them() -> None:
    parameters = read(
        longitude="=?UTF-8?Q?L=C3=A4nge?=", latitude="=?UTF-8?B?57ev5bqm?="
    )
    assert (parameters.latitude, parameters.longitude) == ("緯度", "Länge")


@pytest.mark.parametrize(
    "name",
    [
        *("=?utf-8?b?a?=", "=?foo?q?abc?=", "=?utf-8?q?=ff?=", "=?", "?="),
        *("=?\x80?q?abc?=", "=?\0?q?abc?=", "=?hex?q?00?=", "=?undefined?q?a?="),
    ],
)
def test_a_name_that_only_looks_encoded_stays_as_it_is(name: str) -> None:
    assert read(id=name).id == name


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    assert read(b'\xef\xbb\xbf{"id": "Stra\xc3\x9fe"}').id == "Straße"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"k": 1, "k": 2}', "says `k` twice"),
        (b'{"k": NaN}', "`k` by something else than a number or a text"),
        (b'{"k": true}', 'Write for example {"k": "15"}'),
        (b'{"k": null}', "by something else"),
        (b'{"id": ["a"]}', "by something else"),
        (b'{"id": {"a": 1}}', "by something else"),
        (b'{"k": 15.0}', "`k=15.0`, but k, the number of clusters, must be a whole"),
        (b'{"Latitude": "y"}', "Did you mean `latitude`? There are k, latitude, longi"),
        (b'{"x\\u0007": 1}', "says `x\\x07`. There are k, latitude, longitude, coord"),
        (
            b'{"k": 15,}',
            "is no JSON (Expecting property name enclosed in double quotes",
        ),
        (b"", "in line 1, column 1)"),
        ('{"id": "Straße"}'.encode("cp1252"), "is not in UTF-8"),
        (b"\xff\xfe{\0}\0", "is not in UTF-8"),
    ],
)
def test_a_file_that_cant_be_read_is_told(document: bytes, expected: str) -> None:
    message = refused(document)
    assert expected in message
    assert KEY in message
    assert message.endswith("upload that, and then the table again.")


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"15",
        b"[" * 60_000,
        b'[{"lat": 1, "lon": 2}]',
        b'{"type": "FeatureCollection", "features": []}',
        b'{"type": "Point", "coordinates": [1, 2]}',
        b'{"displayFieldName": "", "features": [{}]}',
        b'{"k": 15}' + b" " * 65_536,
    ],
)
def test_other_json_is_told_from_parameters(document: bytes) -> None:
    with pytest.raises(NotParametersError, match=rf"{KEY}.*Give the file another name"):
        read(document)


@given(st.binary(max_size=60))
def test_whatever_a_file_holds_is_read_or_refused(data: bytes) -> None:
    for document in (data, b'{"k": ' + data + b"}", b'{"id": "' + data + b'"}'):
        try:
            parameters = read(document)
        except ParameterError as error:
            assert len(str(error)) < 500
        else:
            assert set(parameters.given) <= {"k", "id"}
