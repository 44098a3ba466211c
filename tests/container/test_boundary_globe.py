from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from container.boundaries.globe import Projection, valid_areas
from geoclusters.errors import BoundariesError

WGS84 = "EPSG:4326"


def areas(crs: str, *shapes: Any) -> Any:
    return valid_areas(Projection(crs).to_degrees(np.array(shapes, dtype=object)))


def ring(*points: tuple[float, float]) -> Any:
    return shapely.Polygon(points)


@pytest.mark.parametrize("east", [-178.0, 182.0])
def test_an_area_across_the_antimeridian_is_cut_there(east: float) -> None:
    fiji = ring((177, -19), (east, -19), (east, -16), (177, -16))
    (found,) = areas(WGS84, fiji)
    expected = shapely.union_all(
        [shapely.box(177, -19, 180, -16), shapely.box(-180, -19, -178, -16)]
    )
    assert shapely.equals(found, expected)


def test_a_hole_across_the_antimeridian_stays_a_hole() -> None:
    hole = [(179, -18), (-179, -18), (-179, -17), (179, -17)]
    shell = [(177, -19), (-177, -19), (-177, -16), (177, -16)]
    (found,) = areas(WGS84, shapely.Polygon(shell, [hole]))
    assert shapely.area(found) == pytest.approx(6 * 3 - 2 * 1)
    assert not shapely.intersects_xy(found, [179.5, -179.5], [-17.5, -17.5]).any()


def test_longitudes_from_0_to_360_become_those_of_the_map() -> None:
    (found,) = areas(WGS84, shapely.box(200, 10, 220, 20))
    assert shapely.bounds(found).tolist() == [-160, 10, -140, 20]
    (world,) = areas(WGS84, shapely.box(0, -90, 360, 90))
    assert shapely.equals(world, shapely.box(-180, -90, 180, 90))


def test_the_whole_world_stays_the_whole_world() -> None:
    (found,) = areas(WGS84, shapely.box(-180, -90, 180, 90))
    assert shapely.area(found) == 360 * 180


@pytest.mark.parametrize(("crs", "sign"), [("EPSG:3031", -1), ("EPSG:3413", 1)])
def test_an_area_around_a_pole_reaches_the_pole(crs: str, sign: int) -> None:
    circle = shapely.Point(0, 0).buffer(1_000_000, quad_segs=64)
    (found,) = areas(crs, circle)
    longitude = np.linspace(-180, 180, 37)
    assert shapely.intersects_xy(found, longitude, np.full(37, sign * 89.9)).all()
    assert not shapely.intersects_xy(found, longitude, np.full(37, sign * 70.0)).any()


def test_a_ring_around_a_pole_leaves_the_pole_out() -> None:
    circles = [shapely.Point(0, 0).buffer(r, quad_segs=64) for r in (2e6, 1e6)]
    (found,) = areas("EPSG:3031", shapely.difference(*circles))
    longitude = np.linspace(-179, 179, 37)
    assert not shapely.intersects_xy(found, longitude, np.full(37, -85.0)).any()
    assert shapely.intersects_xy(found, longitude, np.full(37, -77.0)).all()


def test_a_line_across_the_antimeridian_is_cut_there() -> None:
    line = shapely.LineString([(178, 0), (-178, 4)])
    (found,) = Projection(WGS84).to_degrees(np.array([line], dtype=object))
    ends = shapely.get_coordinates(shapely.get_parts(found))
    assert {tuple(p) for p in ends} == {(178, 0), (180, 2), (-180, 2), (-178, 4)}


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:2326",
        "EPSG:32650",
        "EPSG:3857",
        "ESRI:54009",
        "EPSG:4258",
        "EPSG:4490",
        "EPSG:2263",  # feet
        "EPSG:4807",  # grads from Paris
        "EPSG:5555",  # with heights
    ],
)
def test_other_reference_systems_are_right_within_a_metre(crs: str) -> None:
    area = CRS(crs).area_of_use
    assert area is not None
    x, y = (area.west + area.east) / 2, (area.south + area.north) / 2
    box = shapely.segmentize(shapely.box(x - 0.2, y - 0.2, x + 0.2, y + 0.2), 0.01)
    there = Transformer.from_crs(4326, CRS(crs).to_2d(), always_xy=True)
    moved = shapely.transform(box, lambda p: np.column_stack(there.transform(*p.T)))
    for told in (crs, CRS(crs).to_wkt(), CRS(crs).to_wkt("WKT1_ESRI", pretty=False)):
        (found,) = areas(told, moved)
        assert shapely.hausdorff_distance(found, box) < 1e-5


def test_long_straight_edges_on_a_grid_are_bent() -> None:
    (found,) = areas("EPSG:3035", shapely.box(2.5e6, 1.5e6, 6.5e6, 5.0e6))
    middle = Transformer.from_crs(3035, 4326, always_xy=True).transform(4.5e6, 1.5e6)
    assert shapely.distance(found.boundary, shapely.Point(middle)) < 1e-4


@pytest.mark.parametrize(
    ("crs", "why"),
    [
        (None, "doesn't say"),
        ("", "doesn't say"),
        ("EPSG:99999999", "not known"),
        ("EPSG:5773", "no latitude and longitude"),  # heights
        ('LOCAL_CS["a plan",UNIT["metre",1]]', "no latitude and longitude"),
    ],
)
def test_without_a_usable_reference_system_nothing_is_drawn(
    crs: str | None, why: str
) -> None:
    with pytest.raises(BoundariesError, match=f"{why}.*EPSG:4326"):
        Projection(crs)


def test_metres_that_are_taken_for_degrees_are_told() -> None:
    with pytest.raises(BoundariesError, match=r"as large as 837,000.*EPSG:4326"):
        areas(WGS84, shapely.box(836_000, 819_000, 837_000, 820_000))


def test_what_has_no_place_is_left_out() -> None:
    points = np.array([(0, 0), (np.nan, 1), (1, 1), (0, 0)])
    broken = shapely.transform(
        shapely.box(0, 0, 1, 1), lambda _: points[[0, 1, 2, 2, 3]]
    )
    beyond = shapely.box(1e30, 1e30, 2e30, 2e30)
    square = shapely.box(0, 0, 1000, 1000)
    found = areas("EPSG:3857", broken, beyond, square)
    assert shapely.is_missing(found).tolist() == [True, True, False]


def test_a_ring_that_winds_around_the_world_again_and_again_is_left_out() -> None:
    turns = [(i * 100 % 360 - 180, i / 100) for i in range(3_000)]
    assert shapely.is_missing(areas(WGS84, shapely.Polygon(turns))).all()


def test_rings_that_cross_are_mended_and_what_is_left_of_them_are_areas() -> None:
    bow = ring((0, 0), (2, 2), (2, 0), (0, 2))
    spike = ring((0, 0), (5, 5), (0, 0))
    found = valid_areas(np.array([bow, spike, None], dtype=object))
    assert shapely.is_valid(found[0])
    assert shapely.area(found[0]) == pytest.approx(2)
    assert shapely.is_missing(found).tolist() == [False, True, True]
