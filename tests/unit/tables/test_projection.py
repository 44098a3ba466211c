import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import network

from geoclusters.errors import ParameterError
from geoclusters.tables.projection import Projection

_HONG_KONG = (
    Path(__file__).parents[4] / "shared/data/hong-kong/Traffic_Camera_Locations_En.csv"
)


def to_degrees(code: str, first: float, second: float) -> tuple[float, float]:
    latitude, longitude = Projection(code).to_degrees(
        np.array([first]), np.array([second])
    )
    return float(latitude[0]), float(longitude[0])


@pytest.mark.parametrize(
    ("written", "code", "name"),
    [
        ("EPSG:2326", "EPSG:2326", "Hong Kong 1980 Grid System"),
        (" epsg:2326\n", "EPSG:2326", "Hong Kong 1980 Grid System"),
        ("2326", "EPSG:2326", "Hong Kong 1980 Grid System"),
        ("EPSG:02326", "EPSG:2326", "Hong Kong 1980 Grid System"),
        ("esri:102003", "ESRI:102003", "USA_Contiguous_Albers_Equal_Area_Conic"),
        ("IGNF:lamb93", "IGNF:LAMB93", "RGF93 Lambert 93"),
        ("ogc:crs84", "OGC:CRS84", "WGS 84 (CRS84)"),
    ],
)
def test_codes_of_the_registers_are_understood(
    written: str, code: str, name: str
) -> None:
    projection = Projection(written)
    assert (projection.code, projection.name) == (code, name)


@pytest.mark.parametrize(
    "code",
    [
        *("", "WGS84", "WGS 84", "UTM 50N", "EPSG", "EPSG:", "EPSG:2326a", "EPSG:-1"),
        *("+proj=utm +zone=50", "+init=epsg:2326", "init:2326", "@/etc/passwd"),
        *("/etc/passwd", "file.prj", "https://epsg.io/2326", "EPSG:4326+5773"),
        *("urn:ogc:def:crs:EPSG::2326", 'GEOGCRS["WGS 84"]', "{}", "IGNF:../X"),
        *("NKG:ITRF00", "IAU_2015:30100", "OGC:AnsiDate", "２３２６", "1" * 7),
    ],
)
def test_anything_but_a_code_is_refused_before_proj_sees_it(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(pyproj.CRS, "from_authority")
    with pytest.raises(ParameterError, match="is no code of a register"):
        Projection(code)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("EPSG:99999", r"EPSG:99999 is unknown\. "),
        ("IGNF:NOWHERE", r"IGNF:NOWHERE is unknown\. "),
        ("EPSG:102003", r"unknown; perhaps ESRI:102003 is meant \(USA_Contig"),
        ("ESRI:2326", r"unknown; perhaps EPSG:2326 is meant \(Hong Kong 1980 Grid"),
        ("7030", r"EPSG:7030 is unknown; the number is that of an ellipsoid \(WGS 84"),
        ("6326", r"the number is that of a datum \(World Geodetic System 1984"),
        ("16020", r"that of a conversion between systems \(UTM zone 20N\)"),
        ("EPSG:5773", r"EPSG:5773 \(EGM96 height\) is a vertical one"),
        ("EPSG:4978", r"EPSG:4978 \(WGS 84\) is a geocentric one"),
        ("ESRI:104905", r"No way is known .* ESRI:104905 \(GCS_Mars_2000\)"),
    ],
)
def test_systems_that_are_unknown_or_not_horizontal_are_refused(
    code: str, expected: str
) -> None:
    with pytest.raises(ParameterError, match=expected) as refused:
        Projection(code)
    assert "--metadata crs=EPSG:2326" in str(refused.value)


@pytest.mark.parametrize(
    ("code", "is_geographic"),
    [
        ("EPSG:4326", True),
        ("EPSG:4979", True),  # with heights
        ("EPSG:9705", True),
        ("OGC:CRS84", True),
        ("EPSG:4267", True),
        ("EPSG:2326", False),
        ("EPSG:7405", False),
        ("EPSG:4807", False),  # in grads, from Paris
    ],
)
def test_it_is_told_which_systems_are_in_degrees(
    code: str, is_geographic: bool
) -> None:
    assert Projection(code).is_geographic is is_geographic


@pytest.mark.parametrize(
    ("code", "first", "second", "expected"),
    [
        # register's order: latitude first, longitude first, with heights
        ("EPSG:4326", 22.3, 114.2, (22.3, 114.2)),
        ("OGC:CRS84", 22.3, 114.2, (22.3, 114.2)),
        ("EPSG:4979", 22.3, 114.2, (22.3, 114.2)),
        # a zone's central meridian: easting first, northing first, southing
        ("EPSG:32650", 0, 500_000, (0, 117)),
        ("EPSG:32750", 10_000_000, 500_000, (0, 117)),
        ("EPSG:3857", 0, 20037508.342789244 / 2, (0, 90)),
        ("EPSG:2193", 10_000_000, 1_600_000, (0, 173)),
        ("EPSG:2053", 0, 0, (0, 29)),
        # grads from the meridian of Paris: 50 grads are 45 degrees
        ("EPSG:4807", 50, 0, (45, 2.3372)),
        # the same point near the pole: northing first, easting first
        ("EPSG:32661", 2_000_000, 1_900_000, (89.0993, -90)),
        ("EPSG:5041", 2_000_000, 1_900_000, (89.0993, -90)),
    ],
)
def test_northing_stands_first_whatever_the_register_says(
    code: str, first: float, second: float, expected: tuple[float, float]
) -> None:
    assert to_degrees(code, first, second) == pytest.approx(expected, abs=1e-3)


def test_cameras_of_hong_kong_stand_where_their_owner_says() -> None:
    if not _HONG_KONG.is_file():
        pytest.skip(f"{_HONG_KONG} is missing: it has both kinds of coordinates")
    table = pl.read_csv(_HONG_KONG)
    latitude, longitude = Projection("EPSG:2326").to_degrees(
        table["northing"].cast(pl.Float64).to_numpy(),
        table["easting"].cast(pl.Float64).to_numpy(),
    )
    off_m = np.hypot(
        (latitude - table["latitude"].to_numpy()) * 111_000,
        (longitude - table["longitude"].to_numpy()) * 103_000,
    )
    # Three of its 210 cameras were moved in one of the two only.
    assert np.median(off_m) < 0.01
    assert np.quantile(off_m, 0.98) < 5


def test_what_cannot_be_placed_is_no_number() -> None:
    latitude, longitude = Projection("EPSG:2326").to_degrees(
        np.array([819069.8, np.nan, 819069.8, 1e30, np.inf, -np.inf]),
        np.array([836694.05, 836694.05, np.nan, 1e30, 1, np.inf]),
    )
    np.testing.assert_allclose(latitude, [22.3106, *[np.nan] * 5], atol=1e-4)
    np.testing.assert_allclose(longitude, [114.1810, *[np.nan] * 5], atol=1e-4)


def test_no_rows_are_no_places() -> None:
    latitude, longitude = Projection("EPSG:2326").to_degrees(np.empty(0), np.empty(0))
    assert len(latitude) == len(longitude) == 0


def test_what_is_given_stays_as_it_is() -> None:
    first, second = np.array([819069.8]), np.array([836694.05])
    first.flags.writeable = second.flags.writeable = False
    Projection("EPSG:2326").to_degrees(first, second)
    assert (first[0], second[0]) == (819069.8, 836694.05)


def test_the_area_of_use_tells_places_that_lie_elsewhere() -> None:
    projection = Projection("EPSG:2326")
    assert projection.area_of_use == "China - Hong Kong - onshore and offshore."
    inside = projection.covers(
        np.array([22.3, 22.3, 51.5, np.nan]), np.array([114.2, 113.0, 114.2, 114.2])
    )
    assert inside.tolist() == [True, False, False, False]


def test_an_area_of_use_may_cross_the_antimeridian() -> None:
    projection = Projection("EPSG:3832")  # from 98.69° E over 180° to 68.5° W
    inside = projection.covers(np.zeros(4), np.array([170.0, -170.0, 0.0, 90.0]))
    assert inside.tolist() == [True, True, False, False]


def test_nothing_is_fetched_from_the_network() -> None:
    network.set_network_enabled(active=True)
    Projection("EPSG:27700")
    assert not network.is_network_enabled()


def test_pyproj_is_loaded_only_when_a_system_is_named() -> None:
    code = (
        "import sys; from geoclusters.tables import projection; "
        "sys.exit('pyproj' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@given(
    latitude=st.floats(-79, 83),
    longitude=st.floats(113, 121),
    code=st.sampled_from(["EPSG:32650", "EPSG:3857", "ESRI:54009", "EPSG:4326"]),
)
def test_places_come_back_from_their_projected_coordinates(
    latitude: float, longitude: float, code: str
) -> None:
    there = pyproj.Transformer.from_crs("EPSG:4326", code, always_xy=True)
    x, y = there.transform(longitude, latitude)
    assert to_degrees(code, y, x) == pytest.approx((latitude, longitude), abs=1e-7)
