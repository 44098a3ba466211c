from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.nearest import Centroids
from container.quantiles import Histogram, Quantiles
from geoclusters.geodesy import GEOMETRIES
from geoclusters.places import make

RNG = np.random.default_rng(3)
Floats = NDArray[np.float64]
Clusters = NDArray[np.intp]


def by_numpy(k: int, cluster: Clusters, distance_m: Floats) -> Floats:
    of = [distance_m[cluster == i] for i in range(k)]
    return np.array(
        [np.percentile(m, [50, 95]) if len(m) else [np.nan] * 2 for m in of]
    )


def found(
    k: int, cluster: Clusters, distance_m: Floats, most_kept: int = 2**20
) -> tuple[Floats, int]:
    """Return the quantiles, and how many passes it took."""
    parts = [np.s_[i : i + 30_000] for i in range(0, len(cluster), 30_000)]
    histogram = Histogram(k)
    for part in parts:
        histogram.add(cluster[part], distance_m[part])
    quantiles = Quantiles(histogram, most_kept=most_kept)
    for passes in range(1, 20):
        for part in parts:
            quantiles.add(cluster[part], distance_m[part])
            assert quantiles._count <= quantiles._most_kept
        if quantiles.settle():
            return quantiles.result(), passes
    raise AssertionError("never settled")


def scattered(n: int) -> Floats:
    return RNG.exponential(3000, n)


def spots(n: int) -> Floats:
    """Return distances of which some occur very often."""
    return RNG.choice([0.0, 0.25, 1.0, 12.5, 4321.0987, 2e7], n)


def ring(n: int) -> Floats:
    """Return distances that differ, but hardly."""
    return 5000 + RNG.uniform(0, 1e-3, n)


def mixed(n: int) -> Floats:
    return np.where(RNG.random(n) < 0.5, spots(n), ring(n))


def metres(n: int) -> Floats:
    return RNG.uniform(0, 1.5, n)


@pytest.mark.parametrize("distances", [scattered, spots, ring, mixed, metres])
@pytest.mark.parametrize(("k", "n"), [(1, 9), (2, 70_000), (15, 70_000), (3000, 9000)])
def test_quantiles_are_those_of_numpy_to_the_last_bit(
    distances: Callable[[int], Floats], k: int, n: int
) -> None:
    cluster, distance_m = RNG.integers(0, k, n), distances(n)
    quantiles, passes = found(k, cluster, distance_m)
    assert passes == 1
    expected = by_numpy(k, cluster, distance_m)
    assert np.array_equal(quantiles, expected, equal_nan=True)


@pytest.mark.parametrize("distances", [ring, mixed, metres])
def test_where_there_is_no_room_another_pass_finds_them_as_exactly(
    distances: Callable[[int], Floats],
) -> None:
    cluster, distance_m = RNG.integers(0, 4, 200_000), distances(200_000)
    quantiles, passes = found(5, cluster, distance_m, most_kept=500)
    assert 1 < passes < 6
    expected = by_numpy(5, cluster, distance_m)
    assert np.array_equal(quantiles, expected, equal_nan=True)


def test_a_million_places_in_one_spot_take_no_room_and_no_further_pass() -> None:
    cluster, distance_m = np.zeros(1_000_000, np.intp), np.full(1_000_000, 7.7)
    quantiles, passes = found(1, cluster, distance_m, most_kept=1000)
    assert (quantiles.tolist(), passes) == ([[7.7, 7.7]], 1)


def test_few_distances_are_kept_of_a_large_cluster() -> None:
    n = 300_000
    cluster, distance_m = np.zeros(n, np.intp), 5000 * np.sqrt(RNG.random(n))
    histogram = Histogram(15)
    histogram.add(cluster, distance_m)
    quantiles = Quantiles(histogram)
    quantiles.add(cluster, distance_m)
    assert quantiles._count < 0.015 * n


@settings(max_examples=100, deadline=None)
@given(
    distances=st.lists(
        st.tuples(st.integers(0, 2), st.floats(0, 20_015_115)), min_size=1, max_size=50
    ),
    repeated=st.sampled_from([1, 40]),
)
def test_quantiles_of_anything_are_those_of_numpy(
    distances: list[tuple[int, float]], repeated: int
) -> None:
    cluster = np.repeat(np.array([c for c, _ in distances], np.intp), repeated)
    distance_m = np.repeat(np.array([m for _, m in distances]), repeated)
    quantiles, _ = found(3, cluster, distance_m, most_kept=1)
    expected = by_numpy(3, cluster, distance_m)
    assert np.array_equal(quantiles, expected, equal_nan=True)


def test_quantiles_are_not_known_before_a_pass() -> None:
    histogram = Histogram(1)
    histogram.add(np.zeros(3, np.intp), np.ones(3))
    with pytest.raises(ValueError, match="aren't settled"):
        Quantiles(histogram).result()


def test_the_memory_of_counting_is_bounded_for_every_number_of_clusters() -> None:
    for k in (1, 2, 15, 327, 328, 1000, 10_000):
        assert Histogram(k).counts().nbytes <= 16 * 2**20 + 8 * k
        assert Histogram(k).counts().shape[1] > 200


def test_quantiles_of_places_are_found_by_reading_them_once() -> None:
    latitude, longitude = RNG.uniform(22.2, 22.5, 900), RNG.uniform(113.9, 114.3, 900)
    places = make(np.arange(900), latitude, longitude)
    centroids = Centroids(GEOMETRIES["spherical"], latitude[:9], longitude[:9])
    assigned = centroids.assign(places)
    histogram = Histogram(9)
    histogram.add(assigned.cluster, assigned.distance_m)
    quantiles = Quantiles(histogram)
    for part in np.array_split(places, 4):
        of_part = centroids.assign(part)
        quantiles.add(of_part.cluster, of_part.distance_m)
    assert quantiles.settle()
    expected = by_numpy(9, assigned.cluster, assigned.distance_m)
    assert np.array_equal(quantiles.result(), expected)
