"""Centroids that are exchanged because they stand in the wrong part of the map."""

import numpy as np
import pytest
from numpy.typing import NDArray

from container import exchange as exchanging
from container.exchange import exchange
from container.nearest import Centroids
from geoclusters import places as parts_of_places
from geoclusters.geodesy import GEOMETRIES, great_circle_m
from geoclusters.places import Places

Floats = NDArray[np.float64]

#: Six towns far from each other: latitude, longitude.
TOWNS = np.array([(10, 10), (10, 40), (40, 10), (40, 40), (-30, 20), (-45, 60.0)])


def sample_of(towns: Floats, each: int, spread_deg: float = 0.5) -> Places:
    random = np.random.default_rng(1)
    places = np.repeat(towns, each, axis=0)
    places = places + random.normal(0, spread_deg, places.shape)
    return parts_of_places.make(np.arange(len(places)), *places.T)


def centroids_at(places: Floats, geometry: str = "spherical") -> Centroids:
    return Centroids(GEOMETRIES[geometry], *places.T)


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
def test_a_centroid_too_many_goes_to_the_town_that_has_none(geometry: str) -> None:
    start = TOWNS.copy()
    start[5] = TOWNS[0] + 0.1  # two in the first town, none in the last
    found = exchange(
        centroids_at(start, geometry), sample_of(TOWNS, 50), has_time=lambda: True
    )
    assert found is not None
    metres = np.array(
        [
            great_circle_m(np.full(6, latitude), np.full(6, longitude), *TOWNS.T)
            for latitude, longitude in zip(found.latitude, found.longitude, strict=True)
        ]
    )
    # Each town has one, and those far from what happened kept their numbers.
    assert sorted(metres.argmin(axis=1)) == [0, 1, 2, 3, 4, 5]
    assert metres.argmin(axis=1)[1:3].tolist() == [1, 2]
    assert metres.min(axis=1).max() < 50_000


def test_where_nothing_is_gained_nothing_is_exchanged() -> None:
    sample = sample_of(TOWNS, 50)
    assert exchange(centroids_at(TOWNS), sample, has_time=lambda: True) is None


def test_a_single_centroid_is_not_exchanged() -> None:
    sample = sample_of(TOWNS, 50)
    assert exchange(centroids_at(TOWNS[:1]), sample, has_time=lambda: True) is None


def test_a_centroid_at_every_place_is_the_end() -> None:
    sample = parts_of_places.make(np.arange(6), *TOWNS.T)
    assert exchange(centroids_at(TOWNS), sample, has_time=lambda: True) is None


def test_it_ends_when_the_time_is_up() -> None:
    asked = 0

    def has_time() -> bool:
        nonlocal asked
        asked += 1
        return asked < 5

    random = np.random.default_rng(2)
    start = TOWNS[0] + random.normal(0, 1, (40, 2))
    exchange(centroids_at(start), sample_of(TOWNS, 500), has_time=has_time)
    assert asked < 10


def test_the_same_centroids_and_places_give_the_same_exchange() -> None:
    random = np.random.default_rng(2)
    start = TOWNS[0] + random.normal(0, 1, (30, 2))
    sample = sample_of(TOWNS, 100, spread_deg=3)
    found = [exchange(centroids_at(start), sample, has_time=lambda: True) for _ in "ab"]
    assert found[0] is not None
    assert found[1] is not None
    assert np.array_equal(found[0].features, found[1].features)


def test_second_nearest_and_neighbours_are_those_of_brute_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchanging, "_BLOCK_DISTANCES", 50)
    random = np.random.default_rng(3)
    centroids = centroids_at(random.uniform(-60, 60, (20, 2)))
    sample = sample_of(TOWNS, 100, spread_deg=9)
    features = centroids.geometry.features(sample["latitude"], sample["longitude"])
    squares = ((features[:, np.newaxis] - centroids.features) ** 2).sum(axis=2)
    between = centroids.features[:, np.newaxis] - centroids.features
    lengths = np.sort(np.sqrt((between**2).sum(axis=2)), axis=1)

    neighbours, distance = exchanging._neighbours(centroids)
    np.testing.assert_allclose(distance, lengths[:, 1:])
    second = exchanging._second_squares(
        *(centroids, sample, squares.argmin(axis=1), neighbours)
    )
    np.testing.assert_allclose(second, np.sort(squares, axis=1)[:, 1])
