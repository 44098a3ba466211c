import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from container.hulls import Hulls
from geoclusters import places
from geoclusters.geodesy import chord_to_arc_m, to_cartesian
from tests.image.test_service_areas import WHERE, Floats


def nearest(
    latitude: Floats, longitude: Floats, centroids: tuple[Floats, Floats]
) -> tuple[NDArray[np.intp], Floats]:
    xyz, at = to_cartesian(latitude, longitude), to_cartesian(*centroids)
    chords = np.linalg.norm(xyz[:, np.newaxis] - at, axis=2)
    return chords.argmin(axis=1), chord_to_arc_m(chords.min(axis=1))


def hulls_of(
    latitude: Floats, longitude: Floats, centroids: tuple[Floats, Floats], parts: int
) -> NDArray[np.object_]:
    cluster, distance_m = nearest(latitude, longitude, centroids)
    hulls = Hulls(*centroids)
    for rows in np.array_split(np.arange(len(latitude)), parts):
        part = places.make(rows, latitude[rows], longitude[rows])
        hulls.add(part, cluster[rows], distance_m[rows])
    return hulls.result()


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("k", [2, 7, 60])
def test_a_hull_holds_all_places_of_its_cluster(where: object, k: int) -> None:
    rng = np.random.default_rng(k)
    latitude, longitude = where(rng, 4_000)  # type: ignore[operator]
    centroids = latitude[:k] + 1e-3, longitude[:k]
    found = hulls_of(latitude, longitude, centroids, parts=5)
    cluster, _ = nearest(latitude, longitude, centroids)
    assert shapely.is_valid(found).all()
    west, south, east, north = shapely.total_bounds(found)
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    size = np.sqrt(shapely.area(found)).max()
    aside = shapely.distance(found[cluster], shapely.points(longitude, latitude))
    assert aside.max() < 1e-4 * size


def test_in_a_town_it_is_the_plane_convex_hull() -> None:
    rng = np.random.default_rng(3)
    latitude, longitude = rng.normal(0, 0.01, 500), rng.normal(10, 0.01, 500)
    centroids = np.array([0.0]), np.array([10.0])
    (found,) = hulls_of(latitude, longitude, centroids, parts=3)
    expected = shapely.multipoints(np.column_stack((longitude, latitude))).convex_hull
    difference = found.symmetric_difference(expected).area
    assert difference < 1e-6 * expected.area


def test_parts_of_the_places_make_no_difference() -> None:
    rng = np.random.default_rng(8)
    latitude, longitude = rng.normal(40, 2, 70_000), rng.normal(10, 2, 70_000)
    centroids = latitude[:5], longitude[:5]
    at_once = hulls_of(latitude, longitude, centroids, parts=1)
    in_parts = hulls_of(latitude, longitude, centroids, parts=9)
    for one, other in zip(at_once, in_parts, strict=True):
        assert one.symmetric_difference(other).area < 1e-9 * one.area


def test_a_hull_around_the_pole_reaches_to_it() -> None:
    longitude = np.array([30.0 * i - 180 for i in range(12)])
    latitude = np.array([80.0] * 12)
    centroids = np.array([90.0]), np.array([0.0])
    (found,) = hulls_of(latitude, longitude, centroids, parts=1)
    assert shapely.total_bounds(found).tolist() == pytest.approx([-180, 80, 180, 90])
    assert found.contains(shapely.Point(77, 89))


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [([22.3], [114.2]), ([22.3, 22.4], [114.2, 114.3]), ([0.0, 0, 0], [5.0, 6, 7])],
)
def test_few_places_get_a_strip_and_no_places_nothing(
    latitude: list[float], longitude: list[float]
) -> None:
    centroids = np.array([latitude[0], -60.0]), np.array([longitude[0], 0.0])
    strip, nothing = hulls_of(np.array(latitude), np.array(longitude), centroids, 1)
    assert nothing is None
    assert strip.is_valid
    assert 0 < strip.area < 1e-3
    # Its edges are half a metre away: 4.5e-6°.
    points = shapely.points(longitude, latitude)
    assert (shapely.distance(strip.boundary, points) > 3e-6).all()
    assert shapely.contains(strip, points).all()
