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


def test_places_around_the_pacific_are_not_torn_apart() -> None:
    ring = [(latitude, 175.0 + 10 * (latitude % 2)) for latitude in range(-40, 60)]
    elsewhere = [(0.0, longitude) for longitude in range(-175, 180, 10)]
    found = window(*ring, *elsewhere)
    assert (found.west, found.east) == (-30, 330)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("around", [range(-180, 180, 5), range(-100, 100, 5)])
def test_a_window_of_places_around_a_pole_reaches_up_to_it(
    side: int, around: range
) -> None:
    found = window(*((side * (60 + i % 20), i) for i in around))
    poleward, other = sorted((found.north, found.south), key=abs, reverse=True)
    assert poleward == side * 90
    assert 50 < side * other < 60


def test_places_on_one_side_of_a_pole_have_no_window_around_it() -> None:
    found = window((70, 10), (72, 40))
    assert found.north < 80
    assert found.east - found.west < 60


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
def test_every_place_is_inside_and_the_window_has_a_sane_form(
    latlon: list[tuple[float, float]],
) -> None:
    latitude, longitude = np.array(latlon).T
    found = window(*latlon)
    assert -180 <= found.west < 180
    assert 0 < found.east - found.west <= 360
    assert -90 <= found.south < found.north <= 90
    assert np.all((found.south <= latitude) & (latitude <= found.north))
    assert np.all(found.unwrap(longitude) <= found.east + 1e-9)
    middle = np.radians((found.south + found.north) / 2)
    aspect = (found.east - found.west) / (found.north - found.south) * np.cos(middle)
    assert 0.3 < aspect < 4 or min(abs(found.south), abs(found.north)) > 40


def test_the_window_leaves_out_the_largest_gap() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        longitude = rng.uniform(-180, 180, rng.integers(2, 6))
        found = window(*((0.0, value) for value in longitude))
        ordered = np.sort(longitude)
        gaps = np.append(np.diff(ordered), ordered[0] + 360 - ordered[-1])
        extent = 360 - gaps.max()
        assert found.east - found.west <= max(extent * 1.12 + 0.1, 0.1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30
    )
)
def test_the_outline_is_as_far_out_as_the_outermost_places(
    latlon: list[tuple[float, float]],
) -> None:
    latitude, longitude = np.array(latlon).T
    extent = Extent()
    extent.add(latitude, longitude)
    found = extent.outline()
    assert found[0].min() == pytest.approx(latitude.min())
    assert found[0].max() == pytest.approx(latitude.max())
    # Each place is next to a point of the outline in its row of 0.1°.
    west = found[1].min()
    beside = west + np.mod(longitude - west + 1e-9, 360)
    for y, x in zip(latitude, beside, strict=True):
        row = np.abs(found[0] - y) <= 0.1 + 1e-9
        assert found[1][row].min() <= x + 1e-6
        assert found[1][row].max() >= x - 1e-6


def test_a_small_extents_outline_is_exact() -> None:
    extent = Extent()
    extent.add(np.array([22.31, 22.32]), np.array([114.17, 114.185]))
    latitude, longitude = extent.outline()
    assert (latitude.min(), latitude.max()) == (22.31, 22.32)
    np.testing.assert_allclose([longitude.min(), longitude.max()], [114.17, 114.185])


def test_an_outline_stays_small_however_many_places_there_are() -> None:
    extent = Extent()
    rng = np.random.default_rng(0)
    extent.add(rng.uniform(-90, 90, 10**6), rng.uniform(-180, 180, 10**6))
    assert len(extent.outline()[0]) <= 4 * 2 * (1800 + 3600)
