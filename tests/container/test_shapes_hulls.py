import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.shapes import Hulls, service_areas
from container.window import Window
from geoclusters import places
from geoclusters.geodesy import GEOMETRIES, great_circle_m, to_cartesian

RNG = np.random.default_rng(11)
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]
Latlon = tuple[Floats, Floats]

GLOBE = Window(west=-180, south=-90, east=180, north=90)
METRE_DEG = 1 / 111_195


def nearest(geometry: str, at: Latlon, centroids: Latlon) -> NDArray[np.intp]:
    features = GEOMETRIES[geometry].features
    offsets = features(*at)[:, np.newaxis] - features(*centroids)
    found: NDArray[np.intp] = np.linalg.norm(offsets, axis=2).argmin(axis=1)
    return found


def hulls_of(
    at: Latlon, centroids: Latlon, geometry: str = "spherical", parts: int = 1
) -> Geometries:
    cluster = nearest(geometry, at, centroids)
    metres = great_circle_m(*at, centroids[0][cluster], centroids[1][cluster])
    hulls = Hulls(GEOMETRIES[geometry], *centroids)
    for rows in np.array_split(np.arange(len(cluster)), parts):
        part = places.make(rows, at[0][rows], at[1][rows])
        hulls.add(part, cluster[rows], metres[rows])
    return hulls.result()


def distance_deg(shapes: Geometries, at: Latlon) -> Floats:
    """Return how far places are from shapes; the antimeridian has two longitudes."""
    latitude, longitude = at
    found: Floats = np.min(
        [
            shapely.distance(shapes, shapely.points(longitude + turn, latitude))
            for turn in (-360, 0, 360)
        ],
        axis=0,
    )
    return found


def evenly(start: float, stop: float, count: int) -> Floats:
    return np.linspace(start, stop, count).astype(np.float64)


def world(n: int) -> Latlon:
    return np.degrees(np.arcsin(RNG.uniform(-1, 1, n))), RNG.uniform(-180, 180, n)


def city(n: int) -> Latlon:
    return RNG.uniform(22.2, 22.5, n), RNG.uniform(113.9, 114.3, n)


def antimeridian(n: int) -> Latlon:
    return RNG.uniform(-20, -10, n), (RNG.uniform(170, 190, n) + 180) % 360 - 180


def pole(n: int) -> Latlon:
    return 90 - np.abs(RNG.normal(0, 8, n)), RNG.uniform(-180, 180, n)


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
@pytest.mark.parametrize("region", [world, city, antimeridian, pole])
@pytest.mark.parametrize("k", [2, 3, 15, 200])
def test_a_hull_holds_its_places_and_lies_in_the_service_area(
    geometry: str, region: object, k: int
) -> None:
    at: Latlon = region(20_000)  # type: ignore[operator]
    centroids = at[0][:k], at[1][:k]
    found = hulls_of(at, centroids, geometry, parts=4)
    assert shapely.is_valid(found).all()
    parts = shapely.get_parts(found)
    assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()
    assert (np.abs(shapely.get_coordinates(found)) <= [180, 90]).all()

    own = found[nearest(geometry, at, centroids)]
    aside = distance_deg(own, at)
    size = np.sqrt(shapely.area(own))
    assert (aside < 1e-3 * size).all()
    assert (aside < 1e-8).mean() > 0.99
    areas = service_areas(*centroids, GEOMETRIES[geometry], GLOBE)
    beyond = shapely.area(shapely.difference(found, areas))
    assert (beyond < 1e-3 * shapely.area(areas)).all()


def test_in_a_city_it_is_the_plane_convex_hull_of_degrees() -> None:
    at = city(30_000)
    centroids = np.array([22.35]), np.array([114.1])
    expected = shapely.convex_hull(shapely.multipoints(np.column_stack(at[::-1])))
    for geometry, most in (("planar", 1e-8), ("spherical", 1e-4)):
        (found,) = hulls_of(at, centroids, geometry, parts=3)
        assert found.symmetric_difference(expected).area < most * expected.area


def test_corners_are_places_to_the_last_digit() -> None:
    at = np.round(np.stack(city(5000)), 6)
    (found,) = hulls_of((at[0], at[1]), (np.array([22.35]), np.array([114.1])))
    given_places = set(zip(at[1], at[0], strict=True))
    corners = {tuple(corner) for corner in shapely.get_coordinates(found)}
    assert len(corners - given_places) <= 0.1 * len(
        corners
    )  # between, on great circles


def test_an_edge_is_a_great_circle() -> None:
    """Halfway between 60°N 0°E and 60°N 90°E it is at 67.8°N."""
    at = np.array([60.0, 60, 40]), np.array([0.0, 90, 45])
    (found,) = hulls_of(at, (np.array([60.0]), np.array([45.0])))
    top = found.intersection(shapely.LineString([(45, 0), (45, 90)])).bounds[3]
    assert top == pytest.approx(np.degrees(np.arctan(np.sqrt(6))), abs=0.02)


def test_parts_of_the_places_make_no_difference() -> None:
    at = RNG.normal(40, 2, 70_000), RNG.normal(10, 2, 70_000)
    centroids = at[0][:5], at[1][:5]
    at_once, in_parts = (hulls_of(at, centroids, parts=n) for n in (1, 9))
    for one, other in zip(at_once, in_parts, strict=True):
        assert one.symmetric_difference(other).area < 1e-9 * one.area


def test_a_centroid_outside_its_cluster_is_no_trouble() -> None:
    at = RNG.normal(40, 0.1, 50_000), RNG.normal(10, 0.1, 50_000)
    (found,) = hulls_of(at, (np.array([45.0]), np.array([10.0])), parts=4)
    expected = shapely.convex_hull(shapely.multipoints(np.column_stack(at[::-1])))
    assert found.symmetric_difference(expected).area < 1e-3 * expected.area


def test_a_hull_across_the_antimeridian_has_two_parts() -> None:
    at = np.array([-17.0, -17, -18, -18]), np.array([179.0, -179, -179, 179])
    (found,) = hulls_of(at, (np.array([-17.5]), np.array([180.0])))
    west, east = sorted(part.bounds for part in found.geoms)
    assert west == pytest.approx((-180, -18, -179, -17), abs=0.01)
    assert east == pytest.approx((179, -18, 180, -17), abs=0.01)


def test_a_hull_around_a_pole_reaches_to_it() -> None:
    longitude = evenly(-180, 150, 12)
    at = np.full(12, -80.0), longitude
    (found,) = hulls_of(at, (np.array([-90.0]), np.array([0.0])))
    assert found.bounds == (-180, -90, 180, pytest.approx(-80, abs=0.01))
    assert shapely.intersects(found, shapely.points(longitude + 7, -89.9)).all()


def test_a_cluster_may_fill_a_hemisphere() -> None:
    centroids = np.array([89.0, -89]), np.array([0.0, 0])
    latitude: Floats = np.tile([10.0, 1e-6, -10.0, -1e-6], 90)
    at = latitude, evenly(-180, 179, 360)
    north, south = hulls_of(at, centroids)
    half = 180 * 360 / 2
    assert north.area == pytest.approx(half, rel=0.02)
    assert south.area == pytest.approx(half, rel=0.02)


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
@pytest.mark.parametrize(
    "latlon",
    [
        [(22.3, 114.2)],
        [(22.3, 114.2)] * 40_000,
        [(22.3, 114.2), (22.4, 114.3)],
        [(22.3, 114.2), (22.35, 114.2), (22.4, 114.2)],
        [(22.3, 114.2), (22.3, 114.2000001), (22.3000001, 114.2)],
        [(60.0, -180.0)],
        [(90.0, 0.0)],
        [(-89.9999999, 10.0), (-89.9999999, -170.0)],
        [(0.0, 100.0), (0.0, -100.0)],
    ],
)
def test_places_without_an_extent_get_a_strip(
    geometry: str, latlon: list[tuple[float, float]]
) -> None:
    latitude, longitude = np.array(latlon).T
    features = GEOMETRIES[geometry].features(latitude, longitude)
    (middle,), (at,) = GEOMETRIES[geometry].places(features.mean(axis=0)[np.newaxis])
    centroids = (
        np.array([middle, 0.01 - middle]),
        np.array([at, at - 180 if at > 0 else at + 180]),
    )
    cluster = np.zeros(len(latitude), np.intp)
    metres = great_circle_m(
        latitude, longitude, centroids[0][cluster], centroids[1][cluster]
    )
    hulls = Hulls(GEOMETRIES[geometry], *centroids)
    hulls.add(places.make(cluster, latitude, longitude), cluster, metres)
    strip, nothing = hulls.result()
    assert nothing is None
    assert strip.is_valid
    assert shapely.get_dimensions(strip) == 2
    assert shapely.distance(strip, shapely.points(longitude, latitude)).max() < 1e-8


def test_a_strip_is_a_metre_wide() -> None:
    at = np.array([22.3, 22.4]), np.array([114.2, 114.2])
    for geometry in GEOMETRIES:
        (strip,) = hulls_of(at, (at[0][:1], at[1][:1]), geometry)
        west, south, east, north = strip.bounds
        width_m = (east - west) * np.cos(np.radians(22.3)) / METRE_DEG
        assert width_m == pytest.approx(1, abs=0.02)
        assert south == pytest.approx(22.3 - METRE_DEG / 2, abs=0.1 * METRE_DEG)
        assert north == pytest.approx(22.4 + METRE_DEG / 2, abs=0.1 * METRE_DEG)


def test_places_nearly_in_a_line_lose_none() -> None:
    latitude = evenly(22, 23, 50_000)
    longitude = 114 + RNG.choice([0, 1e-13], 50_000)
    longitude[-1] += 1e-6
    (strip,) = hulls_of(
        (latitude, longitude), (np.array([22.5]), np.array([114.0])), parts=7
    )
    assert shapely.contains(strip, shapely.points(longitude, latitude)).all()


@settings(max_examples=150, deadline=None)
@given(
    latlon=st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=2, max_size=30
    ),
    k=st.integers(2, 5),
    geometry=st.sampled_from(["spherical", "planar"]),
)
def test_any_places_lie_in_a_valid_hull(
    latlon: list[tuple[float, float]], k: int, geometry: str
) -> None:
    latitude, longitude = np.array(latlon).T
    centroids = latitude[:k], longitude[:k]
    assume(np.ptp(to_cartesian(*centroids), axis=0).max() > 1)  # metre
    found = hulls_of((latitude, longitude), centroids, geometry, parts=2)
    there = found[~shapely.is_missing(found)]
    assert shapely.is_valid(there).all()
    own = found[nearest(geometry, (latitude, longitude), centroids)]
    at_pole = np.abs(latitude) > 90 - 1e-6  # where a longitude is a matter of taste
    aside = distance_deg(own, (latitude, longitude))[~at_pole]
    assert (aside < 0.1).all()  # 0.05 % of the globe, and more towards the poles
