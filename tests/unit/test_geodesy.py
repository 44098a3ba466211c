import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geoclusters import geodesy

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


@given(LATITUDES, LONGITUDES)
def test_a_place_comes_back_from_the_sphere(latitude: float, longitude: float) -> None:
    xyz = geodesy.to_cartesian(np.array([latitude]), np.array([longitude]))
    np.testing.assert_allclose(np.linalg.norm(xyz), geodesy.EARTH_RADIUS_M)
    again = geodesy.to_cartesian(*geodesy.from_cartesian(xyz))
    np.testing.assert_allclose(again, xyz, atol=1e-6)


def test_known_distances() -> None:
    # a quarter of a meridian, a degree of longitude at the equator and at 60° north
    quarter = np.pi / 2 * geodesy.EARTH_RADIUS_M
    degree = quarter / 90
    distances = geodesy.great_circle_m(
        np.array([0.0, 0.0, 60.0, 0.0]),
        np.array([0.0, 0.0, 0.0, 179.5]),
        np.array([90.0, 0.0, 60.0, 0.0]),
        np.array([0.0, 1.0, 1.0, -179.5]),
    )
    np.testing.assert_allclose(distances[:2], [quarter, degree])
    np.testing.assert_allclose(distances[2], degree / 2, rtol=1e-4)
    np.testing.assert_allclose(distances[3], degree, err_msg="across the antimeridian")


def test_antipodes_are_half_the_circumference_apart() -> None:
    half = geodesy.great_circle_m(*(np.array([x]) for x in (12.0, 34.0, -12.0, -146.0)))
    np.testing.assert_allclose(half, np.pi * geodesy.EARTH_RADIUS_M)


def test_places_all_around_the_globe_have_no_mean_direction() -> None:
    ring = geodesy.to_cartesian(np.zeros(4), np.array([0.0, 90.0, 180.0, -90.0]))
    mean = ring.mean(axis=0, keepdims=True)
    assert not geodesy.direction_is_defined(mean)[0]
    assert geodesy.direction_is_defined(ring).all()


def test_planar_places_are_degrees_as_they_are() -> None:
    planar = geodesy.GEOMETRIES["planar"]
    features = planar.features(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert features.shape == (2, planar.feature_dim)
    latitude, longitude = planar.places(features)
    assert latitude.tolist() == [1, 2]
    assert longitude.tolist() == [3, 4]
