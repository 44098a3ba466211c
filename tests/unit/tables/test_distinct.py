import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from geoclusters.tables.distinct import MOST_KEPT, DistinctPlaces

Floats = NDArray[np.float64]
#: Few values, so that places repeat, and any value.
LATITUDE = st.sampled_from([0.0, -0.0, 1.5, -1.5]) | st.floats(-90, 90)
LONGITUDE = st.sampled_from([0.0, -0.0, 1.5, 180.0]) | st.floats(-180, 180)
PLACES = st.lists(st.tuples(LATITUDE, LONGITUDE), max_size=60)


def random_places(n: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng(11)
    return random.uniform(-90, 90, n), random.uniform(-180, 180, n)


def counted(
    latitude: Floats,
    longitude: Floats,
    cuts: Iterable[int] = (),
    most_kept: int = MOST_KEPT,
) -> DistinctPlaces:
    found = DistinctPlaces(most_kept)
    for start, end in itertools.pairwise([0, *cuts, len(latitude)]):
        found.add(latitude[start:end], longitude[start:end])
    return found


@given(places=PLACES, cuts=st.lists(st.integers(0, 60)).map(sorted))
@example(places=[(0.0, -0.0), (-0.0, 0.0), (-0.0, -0.0)], cuts=[1])
@example(places=[(1.5, 0.0), (0.0, 1.5), (1.5, 1.5), (-1.5, -1.5)], cuts=[])
def test_few_places_are_counted_as_a_set_counts_them(
    places: list[tuple[float, float]], cuts: list[int]
) -> None:
    latitude, longitude = np.array(places).reshape(-1, 2).T
    found = counted(latitude, longitude, [min(cut, len(places)) for cut in cuts])
    assert found.is_exact
    assert found.count == len(set(places))  # -0.0 equals 0.0 there, too


@given(cuts=st.lists(st.integers(0, 60_000), max_size=8).map(sorted))
@pytest.mark.parametrize("most_kept", [1, 100, 30_000])
def test_it_does_not_matter_how_a_stream_is_cut(
    most_kept: int, cuts: list[int]
) -> None:
    latitude, longitude = random_places(20_000)
    latitude, longitude = np.tile(latitude, 3), np.tile(longitude, 3)
    found = counted(latitude, longitude, cuts, most_kept)
    whole = counted(latitude, longitude, (), most_kept)
    assert (found.count, found.is_exact) == (whole.count, whole.is_exact)


def test_looking_at_the_count_on_the_way_changes_nothing() -> None:
    latitude, longitude = random_places(60_000)
    found = DistinctPlaces(5000)
    for part in np.array_split(np.arange(60_000), 7):
        found.add(latitude[part], longitude[part])
        assert found.count > 0
    assert found.count == counted(latitude, longitude, most_kept=5000).count


def test_the_count_is_exact_up_to_the_bound_and_an_estimate_beyond() -> None:
    latitude, longitude = random_places(1001)
    found = counted(latitude[:1000], longitude[:1000], most_kept=1000)
    assert (found.count, found.is_exact) == (1000, True)
    found.add(latitude[:500], longitude[:500])  # nothing new
    assert (found.count, found.is_exact) == (1000, True)
    found.add(latitude[1000:], longitude[1000:])
    assert not found.is_exact
    assert found.count == pytest.approx(1001, rel=0.2)


def test_a_million_different_places_are_counted_exactly() -> None:
    latitude, longitude = random_places(MOST_KEPT)
    found = counted(np.tile(latitude, 2), np.tile(longitude, 2))
    assert (found.count, found.is_exact) == (MOST_KEPT, True)


def test_five_million_different_places_are_estimated_within_a_percent() -> None:
    latitude, longitude = random_places(5_000_000)
    found = counted(latitude, longitude, range(0, 5_000_000, 70_000))
    assert not found.is_exact
    assert found.count == pytest.approx(5_000_000, rel=0.01)
    assert found.count != 5_000_000


def grid(step: float) -> tuple[Floats, Floats]:
    axis = np.arange(1000) * step
    latitude, longitude = np.meshgrid(axis - 40, axis + 100)
    return latitude.ravel(), longitude.ravel()


@pytest.mark.parametrize(
    "places",
    [
        lambda: grid(2.0**-6),  # most of their bits are 0
        lambda: grid(0.01),
        lambda: grid(1e-7),  # only their last bits differ
        lambda: (np.zeros(1_000_000), random_places(1_000_000)[1]),
        lambda: (random_places(1_000_000)[0], np.zeros(1_000_000)),
        lambda: (random_places(1_000_000)[0],) * 2,
    ],
    ids=["round", "decimal", "close", "equator", "meridian", "diagonal"],
)
def test_places_in_a_pattern_are_estimated_as_well_as_random_ones(
    places: Callable[[], tuple[Floats, Floats]],
) -> None:
    latitude, longitude = places()
    assert counted(latitude, longitude).count == 1_000_000
    estimate = counted(latitude, longitude, most_kept=2**15)
    assert not estimate.is_exact
    # Four standard errors of a sample that holds at least half of what it may.
    assert estimate.count == pytest.approx(1_000_000, rel=4 / 2**7)


def test_how_often_a_place_occurs_does_not_matter_to_the_estimate() -> None:
    latitude, longitude = random_places(100_000)
    times = np.random.default_rng(3).geometric(0.05, 100_000)
    repeated = np.repeat(latitude, times), np.repeat(longitude, times)
    once = counted(latitude, longitude, most_kept=1000)
    assert counted(*repeated, most_kept=1000).count == once.count


def test_a_place_is_a_pair_and_not_two_numbers() -> None:
    found = DistinctPlaces()
    found.add(np.array([1.0, 2, 1, 2]), np.array([1.0, 2, 2, 1]))
    assert found.count == 4


def test_columns_of_a_table_of_places_can_be_counted_as_they_lie() -> None:
    table = np.zeros(3, [("id", "S3"), ("latitude", "<f8"), ("longitude", "<f8")])
    table["latitude"] = [1, 1, -1]
    found = DistinctPlaces()
    found.add(table["latitude"], table["longitude"])
    assert found.count == 2
    assert table["latitude"].tolist() == [1, 1, -1]


def test_nothing_counts_nothing() -> None:
    found = DistinctPlaces()
    found.add(np.empty(0), np.empty(0))
    assert (found.count, found.is_exact) == (0, True)
