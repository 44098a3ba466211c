import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from container.service_areas import service_areas
from container.window import Extent, Window
from geoclusters.geodesy import GEOMETRIES

Floats = NDArray[np.float64]


def window_of(latitude: Floats, longitude: Floats) -> Window:
    extent = Extent()
    extent.add(latitude, longitude)
    return extent.window()


def on_the_globe(rng: np.random.Generator, k: int) -> tuple[Floats, Floats]:
    return np.degrees(np.arcsin(rng.uniform(-1, 1, k))), rng.uniform(-180, 180, k)


def in_a_town(rng: np.random.Generator, k: int) -> tuple[Floats, Floats]:
    return rng.uniform(22.2, 22.5, k), rng.uniform(113.9, 114.3, k)


def across_the_antimeridian(rng: np.random.Generator, k: int) -> tuple[Floats, Floats]:
    return rng.uniform(-20, -10, k), (rng.uniform(170, 190, k) + 180) % 360 - 180


def around_the_pole(rng: np.random.Generator, k: int) -> tuple[Floats, Floats]:
    return rng.uniform(-90, -70, k), rng.uniform(-180, 180, k)


WHERE = [on_the_globe, in_a_town, across_the_antimeridian, around_the_pole]


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("k", [2, 3, 5, 40, 300])
def test_every_place_lies_in_the_area_of_its_nearest_centroid(
    geometry: str, where: object, k: int
) -> None:
    rng = np.random.default_rng(k)
    latitude, longitude = where(rng, k)  # type: ignore[operator]
    window = window_of(latitude, longitude)
    areas = service_areas(latitude, longitude, GEOMETRIES[geometry], window)

    # Places anywhere in the window, but for those hardly nearer to one than to another.
    east = rng.uniform(window.west, window.east, 1_000)
    north = rng.uniform(window.south, window.north, 1_000)
    east = (east + 180) % 360 - 180
    features = GEOMETRIES[geometry].features(north, east)
    centroids = GEOMETRIES[geometry].features(latitude, longitude)
    distance = np.linalg.norm(features[:, np.newaxis] - centroids, axis=2)
    first, second = np.sort(distance, axis=1)[:, :2].T
    size = distance.min(axis=1).max()
    clear = np.flatnonzero(second - first > 0.004 * size)
    assert len(clear) > 800
    own = areas[distance[clear].argmin(axis=1)]
    assert shapely.intersects(own, shapely.points(east[clear], north[clear])).all()

    there = areas[~shapely.is_missing(areas)]
    assert shapely.is_valid(there).all()
    in_all = (window.east - window.west) * (window.north - window.south)
    assert shapely.area(there).sum() == pytest.approx(in_all, rel=2e-3)
    for west, south, far_east, far_north in shapely.bounds(there):
        assert -180 <= west < far_east <= 180
        assert window.south <= south < far_north <= window.north


def test_centroids_at_one_place_share_their_area() -> None:
    latitude, longitude = np.array([1.0, 2, 1]), np.array([1.0, 2, 1])
    window = window_of(latitude, longitude)
    for geometry in GEOMETRIES.values():
        areas = service_areas(latitude, longitude, geometry, window)
        assert areas[0].equals(areas[2])
        assert not areas[0].equals(areas[1])


def test_one_place_alone_serves_everything() -> None:
    alone = np.array([5.0, 5]), np.array([5.0, 5])
    window = window_of(*alone)
    for geometry in GEOMETRIES.values():
        first, second = service_areas(*alone, geometry, window)
        box = shapely.box(window.west, window.south, window.east, window.north)
        assert first.equals(second)
        assert first.equals(box)


def test_shells_are_counter_clockwise() -> None:
    latitude, longitude = on_the_globe(np.random.default_rng(1), 30)
    window = window_of(latitude, longitude)
    areas = service_areas(latitude, longitude, GEOMETRIES["spherical"], window)
    for polygon in shapely.get_parts(areas):
        assert polygon.exterior.is_ccw


def test_ten_thousand_areas_are_a_partition_too() -> None:
    rng = np.random.default_rng(4)
    latitude, longitude = in_a_town(rng, 10_000)
    window = window_of(latitude, longitude)
    areas = service_areas(latitude, longitude, GEOMETRIES["spherical"], window)
    in_all = (window.east - window.west) * (window.north - window.south)
    assert shapely.area(areas).sum() == pytest.approx(in_all, rel=1e-4)
    points = shapely.points(longitude, latitude)
    assert shapely.contains(areas, points).all()
