from collections.abc import Callable

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.shapes import service_areas
from container.window import Extent, Window
from geoclusters.geodesy import GEOMETRIES

Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]
Latlon = tuple[Floats, Floats]

GLOBE = Window(west=-180, south=-90, east=180, north=90)
WINDOWS = {
    "globe": GLOBE,
    "globe, cut elsewhere": Window(west=20, south=-90, east=380, north=90),
    "city": Window(west=113.8, south=22.1, east=114.5, north=22.6),
    "across the antimeridian": Window(west=170, south=-30, east=200, north=10),
    "around a pole": Window(west=-180, south=-90, east=180, north=-60),
    "across the equator and Greenwich": Window(west=-2, south=-1, east=1, north=2),
}


def scattered(window: Window, n: int, seed: int) -> Latlon:
    random = np.random.default_rng(seed)
    low, high = np.sin(np.radians([window.south, window.north]))
    latitude = np.degrees(np.arcsin(random.uniform(low, high, n)))
    longitude = random.uniform(window.west, window.east, n)
    return latitude, (longitude + 180) % 360 - 180


def assert_partition(
    centroids: Latlon, geometry: str, window: Window, *, blur: float = 1e-3
) -> Geometries:
    """Areas hold what is nearest to their centroid, and cover the window once.

    A place may show outside its area by `blur` of the window's size, at most.
    """
    areas = service_areas(*centroids, GEOMETRIES[geometry], window)
    places = scattered(window, 2000, seed=99)
    features = GEOMETRIES[geometry].features
    offsets = features(*places)[:, np.newaxis] - features(*centroids)
    nearest = np.linalg.norm(offsets, axis=2).argmin(axis=1)
    points = shapely.points(places[1], places[0])
    aside = shapely.distance(areas[nearest], points)
    # A place without an area is NaN, which is not below.
    most = blur * min(window.north - window.south, window.east - window.west)
    assert (aside <= most).all()
    assert (aside == 0).mean() > 0.99
    there = areas[~shapely.is_missing(areas)]
    assert shapely.is_valid(there).all()
    parts = shapely.get_parts(there)
    assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()
    assert (np.abs(shapely.get_coordinates(there)) <= [180, 90]).all()
    in_all = (window.east - window.west) * (window.north - window.south)
    assert shapely.area(there).sum() == pytest.approx(in_all, rel=1e-7)
    assert shapely.area(shapely.union_all(there)) == pytest.approx(in_all, rel=1e-7)
    return areas


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("k", [2, 3, 15, 200])
def test_areas_part_the_window_by_the_nearest_centroid(
    geometry: str, name: str, k: int
) -> None:
    window = WINDOWS[name]
    areas = assert_partition(scattered(window, k, seed=k), geometry, window)
    assert not shapely.is_missing(areas).any()
    assert shapely.get_num_coordinates(areas).max() < 600


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(
        st.tuples(
            st.floats(-90, 90).map(lambda degrees: round(degrees, 7)),
            st.floats(-180, 180).map(lambda degrees: round(degrees, 7)),
        ),
        min_size=2,
        max_size=12,
    ),
    geometry=st.sampled_from(["spherical", "planar"]),
)
def test_any_centroids_part_the_window(
    places: list[tuple[float, float]], geometry: str
) -> None:
    latitude, longitude = np.array(places).T
    extent = Extent()
    extent.add(latitude, longitude)
    window = extent.window()
    areas = service_areas(latitude, longitude, GEOMETRIES[geometry], window)
    there = areas[~shapely.is_missing(areas)]
    assert shapely.is_valid(there).all()
    in_all = (window.east - window.west) * (window.north - window.south)
    assert shapely.area(there).sum() == pytest.approx(in_all, rel=1e-6)


@pytest.mark.parametrize(
    ("centroids", "window"),
    [
        # Both poles; antipodes; the six faces of a cube, whose corners are ties.
        ([(90, 0), (-90, 0)], GLOBE),
        ([(10, 20), (-10, -160)], GLOBE),
        ([(90, 0), (-90, 0), (0, 0), (0, 90), (0, 180), (0, -90)], GLOBE),
        # Lunes that meet at the poles, and at the poles of another circle.
        ([(0, longitude) for longitude in range(-175, 180, 10)], GLOBE),
        ([(latitude, 90) for latitude in range(-80, 81, 20)], GLOBE),
        ([(85, longitude) for longitude in range(-170, 180, 30)], GLOBE),
        # Five cities with all the rest of the globe around them.
        (
            [
                (latitude + i / 100, longitude + j / 100)
                for latitude, longitude in [(50, 8), (22, 114), (-34, 151)]
                for i in range(4)
                for j in range(4)
            ],
            GLOBE,
        ),
    ],
)
def test_awkward_centroids_part_the_globe(
    centroids: list[tuple[float, float]], window: Window
) -> None:
    latitude, longitude = np.array(centroids, np.float64).T
    assert_partition((latitude, longitude), "spherical", window)


def test_the_pole_belongs_to_the_centroid_around_which_others_stand() -> None:
    latitude = np.array([90.0, 80, 80, 80])
    longitude = np.array([0.0, -120, 0, 120])
    window = Window(west=-180, south=70, east=180, north=90)
    areas = assert_partition((latitude, longitude), "spherical", window)
    assert shapely.intersects(areas[0], shapely.points([-180, 10, 77], 90)).all()
    assert shapely.intersects(areas[0], shapely.points([-120, 0, 120], 85.01)).all()
    assert not shapely.intersects(areas[0], shapely.points([-120, 0, 120], 84.99)).any()


def test_a_hemisphere_is_bounded_by_a_great_circle() -> None:
    """The bisector of 30°N 0°E and 30°S 0°E is the equator; seen from 45° it is not."""
    north, _ = service_areas(
        np.array([30.0, -30]), np.zeros(2), GEOMETRIES["spherical"], GLOBE
    )
    assert north.equals(shapely.box(-180, 0, 180, 90))
    tilted, _ = service_areas(
        np.array([45.0, -45]), np.array([0.0, 180]), GEOMETRIES["spherical"], GLOBE
    )
    longitude = np.linspace(-179, 179, 359)
    latitude = np.degrees(np.arctan(-np.cos(np.radians(longitude))))
    border = shapely.points(longitude, latitude)
    assert shapely.distance(tilted.boundary, border).max() < 0.1


def test_neighbours_a_metre_apart_are_parted_midway() -> None:
    latitude, longitude = np.array([22.3, 22.30001]), np.array([114.2, 114.2])
    window = Window(west=114.1, south=22.2, east=114.3, north=22.4)
    south, north = service_areas(latitude, longitude, GEOMETRIES["spherical"], window)
    at = shapely.LineString([(114.2, 22.2), (114.2, 22.4)])
    assert at.intersection(south).bounds[3] == pytest.approx(22.300005, abs=1e-8)
    assert at.intersection(north).bounds[1] == pytest.approx(22.300005, abs=1e-8)


def test_the_second_of_two_at_one_place_has_no_area() -> None:
    latitude, longitude = np.array([22.3, 22.4, 22.3]), np.array([114.2, 114.2, 114.2])
    window = WINDOWS["city"]
    for geometry in GEOMETRIES.values():
        one, other, second = service_areas(latitude, longitude, geometry, window)
        assert second is None
        assert one.area + other.area == pytest.approx(0.35)


def test_what_lies_beyond_the_window_has_no_area() -> None:
    latitude, longitude = np.array([22.3, 22.4, 60.0]), np.array([114.2, 114.2, 10])
    areas = service_areas(latitude, longitude, GEOMETRIES["spherical"], WINDOWS["city"])
    assert shapely.is_missing(areas).tolist() == [False, False, True]


def star(k: int) -> Latlon:
    angle = np.linspace(0, 2 * np.pi, k)[1:]
    return (
        np.append(22.35, 22.35 + 0.1 * np.sin(angle)),
        np.append(114.15, 114.15 + 0.1 * np.cos(angle)),
    )


def row(k: int) -> Latlon:
    latitude: Floats = np.full(k, 22.3)
    return latitude, np.linspace(113.9, 114.4, k).astype(np.float64)


@pytest.mark.parametrize("shape", [star, row])
def test_one_of_very_many_neighbours_is_no_trouble(
    shape: Callable[[int], Latlon],
) -> None:
    assert_partition(shape(1500), "spherical", WINDOWS["city"], blur=2e-3)


def test_shapes_of_a_city_have_few_corners() -> None:
    window = WINDOWS["city"]
    areas = service_areas(
        *scattered(window, 500, seed=1), GEOMETRIES["spherical"], window
    )
    assert shapely.get_num_coordinates(areas).mean() < 9
