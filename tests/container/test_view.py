import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.view import View, globe
from container.window import Extent

Floats = NDArray[np.float64]

HONG_KONG = (np.array([22.24, 22.55]), np.array([113.94, 114.26]))
FIJI = (np.array([-17.0, -18.0]), np.array([177.0, -179.0]))
ARCTIC = (np.repeat([62.0, 75.0], 36), np.tile(np.arange(-180.0, 180, 10), 2))
WORLD = (np.repeat([-60.0, 70.0], 36), np.tile(np.arange(-180.0, 180, 10), 2))


def view_of(places: tuple[Floats, Floats]) -> View:
    extent = Extent()
    extent.add(*places)
    return View.of(extent)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30
    ),
    st.sampled_from([1.0, 0.1, 1e-3]),
)
@example([(0.0, 0.0), (0.0, -140.0), (65.0, 80.0)], 1.0)
def test_every_place_is_in_sight_and_the_map_has_a_sane_form(
    latlon: list[tuple[float, float]], part: float
) -> None:
    latitude, longitude = np.array(latlon).T * part
    view = view_of((latitude, longitude))
    x, y = view.to_pixel(latitude, longitude).T
    assert ((x >= 0) & (x <= view.width_px)).all()
    assert ((y >= 0) & (y <= view.height_px)).all()
    assert 0.7 < view.width_px / view.height_px < 2.2
    assert view.width_px in (1438, 1440) or view.height_px in (1078, 1080)
    assert view.width_px % 2 == view.height_px % 2 == 0
    assert view.box.height / view.height_px == pytest.approx(view.metres_per_px)
    west, south, east, north = view.bounds()
    aside = np.mod(longitude - west + 1e-9, 360)
    assert (aside <= east - west + 1e-6).all()
    assert ((latitude >= south) & (latitude <= north)).all()
    assert -540 <= west < east <= 540
    assert east - west <= 360 + 1e-9


@pytest.mark.parametrize("south", [-90.0, 20.0, 60.0])
def test_of_many_places_all_around_the_world_every_one_is_in_sight(
    south: float,
) -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(south, 90, 10**5), rng.uniform(-180, 180, 10**5)
    view = view_of(places)
    x, y = view.to_pixel(*places).T
    assert 0 <= x.min() < 0.06 * view.width_px < 0.94 * view.width_px < x.max()
    assert x.max() <= view.width_px
    assert y.min() >= 0
    assert y.max() <= view.height_px


@pytest.mark.parametrize("places", [HONG_KONG, FIJI, ARCTIC])
def test_the_outermost_places_are_near_the_edge(places: tuple[Floats, Floats]) -> None:
    view = view_of(places)
    x, y = view.to_pixel(*places).T
    gaps = x.min(), view.width_px - x.max(), y.min(), view.height_px - y.max()
    assert min(gaps) > 20
    assert min(gaps) < 0.07 * view.width_px


def test_one_place_has_surroundings() -> None:
    view = view_of((np.array([22.3]), np.array([114.17])))
    np.testing.assert_allclose(
        view.to_pixel(np.array([22.3]), np.array([114.17])),
        [[view.width_px / 2, view.height_px / 2]],
        atol=1e-3,
    )
    assert view.box.height == pytest.approx(11_000)


@pytest.mark.parametrize("places", [HONG_KONG, FIJI, ARCTIC, WORLD])
def test_the_bounds_cover_all_that_is_in_sight(places: tuple[Floats, Floats]) -> None:
    view = view_of(places)
    west, south, east, north = view.bounds()
    rng = np.random.default_rng(0)
    x = rng.uniform(view.box.west, view.box.east, 2000)
    y = rng.uniform(view.box.south, view.box.north, 2000)
    latitude, longitude = view.projection.inverse(x, y)
    seen = np.isfinite(latitude)
    assert seen.mean() > 0.5
    assert (latitude[seen] >= south).all()
    assert (latitude[seen] <= north).all()
    assert (np.mod(longitude[seen] - west, 360) <= east - west).all()


def test_neighbours_across_the_antimeridian_are_side_by_side() -> None:
    view = view_of(FIJI)
    assert view.bounds().west < 177
    assert view.bounds().east > 181
    (x1, _), (x2, _) = view.to_pixel(np.full(2, -17.0), np.array([179.99, -179.99]))
    assert 0 < x2 - x1 < 15


def test_a_polar_map_shows_the_pole_in_its_midst() -> None:
    view = view_of(ARCTIC)
    assert view.shows_pole
    ((x, y),) = view.to_pixel(np.array([90.0]), np.array([0.0]))
    assert x == pytest.approx(view.width_px / 2, abs=20)
    assert y == pytest.approx(view.height_px / 2, abs=20)
    assert not view_of(HONG_KONG).shows_pole


def test_places_all_over_the_world_show_the_whole_globe() -> None:
    view = view_of(WORLD)
    assert view.is_globe
    x, y = globe(view.projection).T
    box = view.box
    assert box.west < x.min() < x.max() < box.east
    assert box.south < y.min() < y.max() < box.north
    assert x.max() - x.min() > 0.99 * box.width
    assert not view_of(ARCTIC).is_globe


def test_a_hemisphere_and_a_half_is_a_part_of_the_globe() -> None:
    pacific = np.array([-45.0, 60.0, 0.0]), np.array([110.0, -70.0, 180.0])
    view = view_of(pacific)
    assert view.projection.name == "eqearth"
    assert not view.is_globe
    assert not view.shows_pole
