import numpy as np
import pytest
from numpy.typing import NDArray

from container.projection import Projection, choose
from container.window import Window
from geoclusters.geodesy import EARTH_RADIUS_M, great_circle_m

Floats = NDArray[np.float64]

HONG_KONG = Window(west=113.92, south=22.23, east=114.28, north=22.56)
EUROPE = Window(west=-25, south=33, east=43, north=67)
FIJI = Window(west=165, south=-25, east=190, north=-10)
ARCTIC = Window(west=-180, south=60, east=180, north=90)
ANTARCTIC = Window(west=-180, south=-90, east=180, north=-62)
HALF_THE_ARCTIC = Window(west=-120, south=55, east=110, north=90)
WORLD = Window(west=-180, south=-90, east=180, north=90)
PACIFIC = Window(west=110, south=-60, east=290, north=65)


def equal_earth(latitude: Floats, aside_deg: Floats) -> tuple[Floats, Floats]:
    """Return x, y in metres by the formula of the paper (2019, equations 1 to 3)."""
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    m = np.sqrt(3) / 2
    t = np.arcsin(m * np.sin(np.radians(latitude)))
    slope = a1 + 3 * a2 * t**2 + t**6 * (7 * a3 + 9 * a4 * t**2)
    x = np.radians(aside_deg) * np.cos(t) / (m * slope)
    y = t * (a1 + a2 * t**2 + t**6 * (a3 + a4 * t**2))
    return EARTH_RADIUS_M * x, EARTH_RADIUS_M * y


@pytest.mark.parametrize(
    ("window", "name", "latitude", "longitude"),
    [
        (HONG_KONG, "laea", 22.395, 114.1),
        (EUROPE, "laea", 50, 9),
        (FIJI, "laea", -17.5, 177.5),
        (ARCTIC, "laea", 90, 0),
        (ANTARCTIC, "laea", -90, 0),
        (HALF_THE_ARCTIC, "laea", 90, -5),
        (WORLD, "eqearth", 0, 0),
        (PACIFIC, "eqearth", 0, -160),
        (Window(west=-30, south=-90, east=330, north=90), "eqearth", 0, 150),
    ],
)
def test_a_projection_suits_its_window(
    window: Window, name: str, latitude: float, longitude: float
) -> None:
    found = choose(window)
    assert found.name == name
    assert found.latitude == pytest.approx(latitude)
    assert found.longitude == pytest.approx(longitude)
    assert found.is_polar == (abs(latitude) == 90)


@pytest.mark.parametrize("window", [HONG_KONG, EUROPE, FIJI])
def test_a_local_map_is_true_to_scale_in_its_middle(window: Window) -> None:
    projection = choose(window)
    latitude, longitude = projection.latitude, projection.longitude
    step = 0.01
    there = (
        np.array([latitude + step, latitude]),
        np.array([longitude, longitude + step / np.cos(np.radians(latitude))]),
    )
    x, y = projection.forward(*there)
    here = np.full(2, latitude), np.full(2, longitude)
    np.testing.assert_allclose(np.hypot(x, y), great_circle_m(*here, *there), rtol=1e-6)
    assert y[0] > 0
    assert x[1] > 0


@pytest.mark.parametrize("window", [EUROPE, ARCTIC, ANTARCTIC, WORLD, PACIFIC])
def test_areas_are_true_everywhere(window: Window) -> None:
    projection = choose(window)
    rng = np.random.default_rng(2)
    latitude = rng.uniform(max(window.south, -80), min(window.north, 80), 50)
    longitude = rng.uniform(window.west + 1, window.east - 1, 50)
    step = 1e-4
    x, y = projection.forward(latitude, longitude)
    x1, y1 = projection.forward(latitude + step, longitude)
    x2, y2 = projection.forward(latitude, longitude + step)
    area = np.abs((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y))
    side = np.radians(step) * EARTH_RADIUS_M
    np.testing.assert_allclose(area, side**2 * np.cos(np.radians(latitude)), rtol=1e-4)


def test_equal_earth_is_the_published_formula() -> None:
    rng = np.random.default_rng(2)
    latitude, aside = rng.uniform(-90, 90, 50), rng.uniform(-179, 179, 50)
    found = choose(PACIFIC).forward(latitude, 200 + aside)
    np.testing.assert_allclose(found, equal_earth(latitude, aside), atol=1e-3)


@pytest.mark.parametrize("window", [HONG_KONG, FIJI, ARCTIC, ANTARCTIC, WORLD, PACIFIC])
def test_the_inverse_leads_back(window: Window) -> None:
    projection = choose(window)
    rng = np.random.default_rng(3)
    latitude = rng.uniform(window.south, window.north, 100)
    longitude = rng.uniform(window.west, window.east, 100)
    found = projection.inverse(*projection.forward(latitude, longitude))
    np.testing.assert_allclose(found[0], latitude, atol=1e-9)
    np.testing.assert_allclose((found[1] - longitude + 180) % 360, 180, atol=1e-7)


def test_a_world_more_or_less_changes_nothing() -> None:
    for window in (FIJI, ARCTIC, PACIFIC):
        projection = choose(window)
        here = projection.forward(np.array([-17.0]), np.array([179.5]))
        for world in (-360, 360):
            there = projection.forward(np.array([-17.0]), np.array([179.5 + world]))
            np.testing.assert_allclose(there, here, atol=1e-6)


def test_the_meridian_opposite_of_the_centre_is_on_both_edges() -> None:
    projection = Projection(name="eqearth", latitude=0.0, longitude=-150.0)
    west, east = projection.forward_cut(np.array([[-330.0, 20.0], [30.0, 20.0]]))
    assert west[0] == pytest.approx(-east[0])
    assert west[0] < -1e7
    assert west[1] == east[1]


def test_what_is_off_the_globe_is_infinite() -> None:
    far = np.array([1e7])
    latitude, longitude = choose(EUROPE).inverse(far, far)
    assert np.isinf(latitude).all()
    assert np.isinf(longitude).all()


def test_distances_are_of_the_mean_sphere() -> None:
    _, y = choose(ARCTIC).forward(np.array([89.0]), np.array([0.0]))
    expected = 2 * EARTH_RADIUS_M * np.sin(np.radians(0.5))
    np.testing.assert_allclose(-y, expected, rtol=1e-12)
