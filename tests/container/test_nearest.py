from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container import nearest
from container.nearest import Centroids, assigned_ahead
from geoclusters.geodesy import GEOMETRIES, great_circle_m
from geoclusters.places import Places, make

RNG = np.random.default_rng(11)
Floats = NDArray[np.float64]
Region = Callable[[int], tuple[Floats, Floats]]
BOTH = pytest.mark.parametrize("geometry", ["spherical", "planar"])


def of_rows(latitude: Floats, longitude: Floats) -> Places:
    return make(np.arange(2, len(latitude) + 2), latitude, longitude)


def squares_by_definition(
    geometry: str, centroids: tuple[Floats, Floats], places: tuple[Floats, Floats]
) -> Floats:
    """Return all squared distances, shape (n, k)."""
    features = GEOMETRIES[geometry].features
    offsets = features(*places)[:, np.newaxis] - features(*centroids)
    squares: Floats = (offsets**2).sum(axis=2)
    return squares


def world(n: int) -> tuple[Floats, Floats]:
    return np.degrees(np.arcsin(RNG.uniform(-1, 1, n))), RNG.uniform(-180, 180, n)


def city(n: int) -> tuple[Floats, Floats]:
    return RNG.uniform(22.2, 22.5, n), RNG.uniform(113.9, 114.3, n)


def cities(n: int) -> tuple[Floats, Floats]:
    latitude = RNG.choice([22.3, 40.7, 51.5, -33.9, -17.8], n)
    longitude = RNG.choice([114.1, -74.0, 0.0, 179.99], n)
    longitude = (longitude + RNG.normal(0, 0.05, n) + 180) % 360 - 180
    return latitude + RNG.normal(0, 0.05, n), longitude


def pole(n: int) -> tuple[Floats, Floats]:
    return -90 + RNG.exponential(2, n), RNG.uniform(-180, 180, n)


def lattice(n: int) -> tuple[Floats, Floats]:
    """Few places, each of them many times, and many equally near."""
    latitude, longitude = RNG.integers(-4, 5, (2, n)).astype(np.float64)
    return latitude, longitude


def outliers(n: int) -> tuple[Floats, Floats]:
    """Return places ever nearer to one, so that a grid divides them badly."""
    near: Floats = 10.0 ** -RNG.uniform(0, 12, n)
    latitude: Floats = 22.3 + near
    longitude: Floats = 114.1 - near * RNG.uniform(0, 1, n)
    return latitude, longitude


@BOTH
@pytest.mark.parametrize("region", [world, city, cities, pole, lattice, outliers])
@pytest.mark.parametrize("k", [1, 2, 15, 300, 3000])
def test_clusters_are_the_nearest_by_the_definition_to_the_last_bit(
    geometry: str, region: Region, k: int
) -> None:
    places, centroids = region(4000 if k < 3000 else 1500), region(k)
    squares = squares_by_definition(geometry, centroids, places)
    assigned = Centroids(GEOMETRIES[geometry], *centroids).assign(of_rows(*places))
    assert np.array_equal(assigned.cluster, squares.argmin(axis=1))
    assert np.array_equal(assigned.square, squares.min(axis=1))
    there = centroids[0][assigned.cluster], centroids[1][assigned.cluster]
    metres = great_circle_m(*places, *there)
    np.testing.assert_allclose(assigned.distance_m, metres, rtol=1e-9, atol=1e-9)


@BOTH
@pytest.mark.parametrize(("k", "n"), [(15, 262_144), (1000, 100_000), (10_000, 40_000)])
def test_large_parts_are_assigned_like_single_places(
    geometry: str, k: int, n: int
) -> None:
    for region in (world, cities):
        places, centroids = region(n), region(k)
        some = RNG.choice(n, 300, replace=False)
        squares = squares_by_definition(
            geometry, centroids, (places[0][some], places[1][some])
        )
        assigned = Centroids(GEOMETRIES[geometry], *centroids).assign(of_rows(*places))
        assert np.array_equal(assigned.cluster[some], squares.argmin(axis=1))


@BOTH
@pytest.mark.parametrize("places", [1, 5000])
def test_all_places_in_one_spot_are_assigned(geometry: str, places: int) -> None:
    latitude, longitude = np.full(places, 22.3), np.full(places, 114.1)
    centroids = city(400)
    expected = squares_by_definition(
        geometry, centroids, (latitude[:1], longitude[:1])
    ).argmin()
    assigned = Centroids(GEOMETRIES[geometry], *centroids).assign(
        of_rows(latitude, longitude)
    )
    assert set(assigned.cluster.tolist()) == {expected}


def test_centroids_closer_together_than_rounding_are_told_apart() -> None:
    """Or, where they can't be, the choice is the definition's."""
    latitude = np.linspace(22.3, 22.3 + 40e-9, 40, dtype=np.float64)  # 0.1 mm
    close = latitude, np.full(40, 114.1)
    places = 22.3 + RNG.uniform(0, 40e-9, 3000), np.full(3000, 114.1)
    for geometry in GEOMETRIES:
        squares = squares_by_definition(geometry, close, places)
        assigned = Centroids(GEOMETRIES[geometry], *close).assign(of_rows(*places))
        assert np.array_equal(assigned.cluster, squares.argmin(axis=1))


def test_of_centroids_at_one_place_the_first_takes_all() -> None:
    latitude, longitude = city(5)
    centroids = Centroids(
        GEOMETRIES["spherical"], np.repeat(latitude, 900), np.repeat(longitude, 900)
    )
    cluster = centroids.assign(of_rows(*city(20_000))).cluster
    assert set(cluster.tolist()) == {0, 900, 1800, 2700, 3600}


@settings(max_examples=200, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=60
    ),
    k=st.integers(1, 60),
    repeated=st.sampled_from([1, 7, 200]),
    geometry=st.sampled_from(["spherical", "planar"]),
)
def test_whatever_the_places_none_has_a_nearer_centroid(
    places: list[tuple[float, float]], k: int, repeated: int, geometry: str
) -> None:
    latitude, longitude = np.repeat(np.array(places), repeated, axis=0).T
    centroids = np.array(places)[:k, 0], np.array(places)[:k, 1]
    squares = squares_by_definition(geometry, centroids, (latitude, longitude))
    assigned = Centroids(GEOMETRIES[geometry], *centroids).assign(
        of_rows(latitude, longitude)
    )
    assert np.array_equal(assigned.cluster, squares.argmin(axis=1))


@BOTH
def test_parts_may_reach_farther_than_those_before_or_less_far(geometry: str) -> None:
    k = 30
    centroids = world(k)
    assigner = Centroids(GEOMETRIES[geometry], *centroids)
    for region, n in (
        *((city, 900), (world, 900), (world, 3000), (pole, 900), (world, 3000)),
        *((lattice, 900), (city, 900), (cities, 3000), (world, 20), (world, 1)),
    ):
        places = region(n)
        squares = squares_by_definition(geometry, centroids, places)
        cluster = assigner.assign(of_rows(*places)).cluster
        assert np.array_equal(cluster, squares.argmin(axis=1))


@BOTH
def test_the_box_holds_the_features_of_all_places(geometry: str) -> None:
    places = city(40_000)
    features = GEOMETRIES[geometry].features(*places)
    box = Centroids(GEOMETRIES[geometry], *city(3)).assign(of_rows(*places)).box
    assert np.array_equal(box, [features.min(axis=0), features.max(axis=0)])


@BOTH
def test_no_places_are_assigned_to_nothing(geometry: str) -> None:
    centroids = Centroids(GEOMETRIES[geometry], *city(3))
    assigned = centroids.assign(of_rows(np.empty(0), np.empty(0)))
    assert (
        len(assigned.cluster) == len(assigned.distance_m) == len(assigned.square) == 0
    )
    assert np.isinf(assigned.box).all()


def test_centroids_in_another_order_keep_their_places_where_several_are_near() -> None:
    places, centroids = lattice(5000), lattice(30)
    before = Centroids(GEOMETRIES["planar"], *centroids)
    order = RNG.permutation(30)
    after = before.reordered(order)
    twice = after.reordered(order)
    assigned = before.assign(of_rows(*places))
    turned = after.assign(of_rows(*places))
    assert np.array_equal(order[turned.cluster], assigned.cluster)
    assert np.array_equal(turned.square, assigned.square)
    assert np.array_equal(
        after.features[turned.cluster], before.features[assigned.cluster]
    )
    assert np.array_equal(after.latitude, before.latitude[order])
    again = twice.assign(of_rows(*places)).cluster
    assert np.array_equal(order[order[again]], assigned.cluster)


def test_parts_that_are_assigned_ahead_come_in_their_order() -> None:
    centroids = Centroids(GEOMETRIES["spherical"], *city(15))
    parts = [of_rows(*city(n)) for n in (1, 5000, 20, 300, 0, 7, 40_000)]
    with assigned_ahead(centroids, parts) as ahead:
        found = list(ahead)
    for part, (same, assigned) in zip(parts, found, strict=True):
        assert same is part
        assert np.array_equal(assigned.cluster, centroids.assign(part).cluster)


def test_a_part_that_cannot_be_read_is_an_error_in_its_place() -> None:
    def parts() -> Iterator[Places]:
        yield of_rows(*city(10))
        raise OSError("gone")

    centroids = Centroids(GEOMETRIES["spherical"], *city(15))
    with (
        pytest.raises(OSError, match="gone"),
        assigned_ahead(centroids, parts()) as ahead,
    ):
        list(ahead)


def test_parts_that_nobody_takes_are_not_waited_for() -> None:
    def parts() -> Iterator[Places]:
        while True:
            yield of_rows(*city(100))

    centroids = Centroids(GEOMETRIES["spherical"], *city(15))
    with assigned_ahead(centroids, parts()) as ahead:
        next(ahead)


def test_few_distances_are_computed_where_there_are_many_centroids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the time doesn't grow with places × centroids."""
    computed = 0
    original = nearest._squares

    def counted(
        features: Floats, centroids: Floats, cluster: NDArray[np.intp]
    ) -> Floats:
        nonlocal computed
        computed += len(cluster)
        return original(features, centroids, cluster)

    monkeypatch.setattr(nearest, "_squares", counted)
    Centroids(GEOMETRIES["spherical"], *world(5000)).assign(of_rows(*world(50_000)))
    assert computed < 50_000 * 20
