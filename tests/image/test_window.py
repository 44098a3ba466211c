import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.window import Extent, Window

Floats = NDArray[np.float64]


def numbers(start: int, stop: int) -> Floats:
    return np.arange(start, stop).astype(np.float64)


def window(*latlon: tuple[float, float]) -> Window:
    extent = Extent()
    for latitude, longitude in latlon:  # one by one, as a stream
        extent.add(np.array([latitude]), np.array([longitude]))
    return extent.window()


def test_a_map_of_hong_kong_is_a_map_of_hong_kong() -> None:
    found = window((22.24, 113.94), (22.55, 114.26))
    assert 113.9 < found.west < 113.94 < 114.26 < found.east < 114.3
    assert 22.2 < found.south < 22.24 < 22.55 < found.north < 22.6


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0, 78.0])
def test_a_kilometre_is_as_long_eastwards_as_northwards(latitude: float) -> None:
    found = window((latitude - 1, 10), (latitude + 1, 14))
    height_km = found.north - found.south
    width_km = (found.east - found.west) * np.cos(np.radians(latitude))
    assert found.aspect == pytest.approx(width_km / height_km, rel=0.01)


def test_places_on_both_sides_of_the_antimeridian_are_neighbours() -> None:
    found = window((-17, 177), (-17.5, -179), (-18, -178.5))
    assert 176 < found.west < 177
    assert 181.5 < found.east < 182.5
    np.testing.assert_allclose(
        found.unwrap(np.array([177.0, -179.0, 180.0, -180.0])), [177, 181, 180, 180]
    )


def test_places_all_around_the_world_give_the_usual_map() -> None:
    found = window(*((0.0, longitude) for longitude in range(-175, 180, 10)))
    assert (found.west, found.east) == (-180, 180)


def test_one_place_has_surroundings() -> None:
    found = window((22.3, 114.17))
    assert found.north - found.south == pytest.approx(0.1)
    assert found.west < 114.17 < found.east


def test_an_empty_part_changes_nothing() -> None:
    extent = Extent()
    extent.add(np.array([1.0]), np.array([2.0]))
    before = extent.window()
    extent.add(np.empty(0), np.empty(0))
    assert extent.window() == before


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30
    )
)
def test_every_place_is_inside_and_the_map_has_a_sane_form(
    latlon: list[tuple[float, float]],
) -> None:
    latitude, longitude = np.array(latlon).T
    found = window(*latlon)
    assert -180 <= found.west < 180
    assert 0 < found.east - found.west <= 360
    assert -90 <= found.south < found.north <= 90
    assert np.all((found.south <= latitude) & (latitude <= found.north))
    assert np.all(found.unwrap(longitude) <= found.east + 1e-9)
    assert 0.3 < found.aspect < 4


def test_the_window_leaves_out_the_largest_gap() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        longitude = rng.uniform(-180, 180, rng.integers(2, 6))
        found = window(*((0.0, value) for value in longitude))
        ordered = np.sort(longitude)
        gaps = np.append(np.diff(ordered), ordered[0] + 360 - ordered[-1])
        extent = 360 - gaps.max()
        assert found.east - found.west <= max(extent * 1.12 + 0.1, 0.1)
