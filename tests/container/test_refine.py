from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from container import refine as refining
from container.centroids import place_on_earth, rounded
from container.nearest import Centroids
from container.refine import OUT_OF_PASSES, OUT_OF_TIME, SETTLED, is_wanted, refine
from container.statistics import ClusterStatistics, Tally
from geoclusters.geodesy import GEOMETRIES, great_circle_m
from geoclusters.places import Places, make
from local.sagemaker.trainer.kmeans import LocalLloyd, WebScaleKMeans

RNG = np.random.default_rng(17)
Floats = NDArray[np.float64]
SPHERE = GEOMETRIES["spherical"]
BOTH = pytest.mark.parametrize("geometry", ["spherical", "planar"])
#: Five world cities.
CITIES = np.array(
    [(22.3, 114.1), (40.7, -74.0), (51.5, -0.1), (-33.9, 151.2), (35.7, 139.7)]
)


def of_rows(latitude: Floats, longitude: Floats) -> Places:
    return make(np.arange(2, len(latitude) + 2), latitude, longitude)


def figures_of(centroids: Centroids, *parts: Places) -> ClusterStatistics:
    tally = Tally(centroids)
    for part in parts:
        tally.add(part, centroids.assign(part))
    return tally.result()


def drawn(geometry: str, latitude: Floats, longitude: Floats) -> Centroids:
    return Centroids(GEOMETRIES[geometry], rounded(latitude), rounded(longitude))


def world_cities(n: int) -> tuple[Floats, Floats]:
    """Return places that scatter by 5 km around five cities."""
    city = RNG.integers(0, len(CITIES), n)
    north, east = RNG.normal(0, 5 / 111.2, (2, n))
    latitude = CITIES[city, 0] + north
    longitude: Floats = CITIES[city, 1] + east / np.cos(np.radians(latitude))
    return latitude, longitude


def world(n: int) -> tuple[Floats, Floats]:
    return np.degrees(np.arcsin(RNG.uniform(-1, 1, n))), RNG.uniform(-180, 180, n)


def trained(features: Floats, k: int) -> Floats:
    """Return what the stand-in's training makes of features: float32 throughout."""
    centre = features.mean(axis=0)
    records = (features - centre).astype(np.float32)
    rng = np.random.default_rng(5)
    model = WebScaleKMeans(
        records[:4000],
        count=10 * k,
        init_method="random",
        half_life_time_size=0,
        rng=rng,
    )
    for start in range(0, len(records), 4000):
        model.update(records[start : start + 4000])
    lloyd = LocalLloyd(init_method="kmeans++", max_iter=300, num_trials=5, tol=1e-4)
    centroids, _ = lloyd.shrink(model.centers, model.counts, k, rng)
    exact: Floats = centroids + centre
    return exact


def test_five_world_cities_end_like_k_means_in_double_precision() -> None:
    places = world_cities(20_000)
    features = SPHERE.features(*places)
    start = trained(features, 100)
    placed = place_on_earth(start, SPHERE, lambda: [])
    centroids = Centroids(SPHERE, placed.latitude, placed.longitude)
    part = of_rows(*places)
    before = figures_of(centroids, part)
    assert is_wanted("auto", before)
    refined = refine(centroids, lambda: np.array_split(part, 3))
    after = figures_of(Centroids(SPHERE, refined.latitude, refined.longitude), part)

    centre = features.mean(axis=0)
    model = KMeans(100, init=start - centre, n_init=1, max_iter=1000, tol=0)
    model.fit(features - centre)
    exact = SPHERE.places(model.cluster_centers_ + centre)
    theirs = figures_of(Centroids(SPHERE, *exact), part)
    assert after.mean_square_distance < 1.01 * theirs.mean_square_distance
    # float32 costs something here, or this would be no test.
    assert before.mean_square_distance > 1.02 * after.mean_square_distance
    assert refined.reason == SETTLED


@pytest.mark.parametrize(
    ("region", "k", "wanted"), [(world_cities, 100, True), (world, 15, False)]
)
def test_auto_refines_where_clusters_are_small_against_the_extent(
    region: Callable[[int], tuple[Floats, Floats]], k: int, wanted: bool
) -> None:
    latitude, longitude = region(8000)
    centroids = drawn("spherical", latitude[:k], longitude[:k])
    figures = figures_of(centroids, of_rows(latitude, longitude))
    assert figures.empty == 0
    assert is_wanted("auto", figures) is wanted
    assert is_wanted("always", figures) is True
    assert is_wanted("never", figures) is False


def test_auto_refines_where_clusters_are_empty() -> None:
    latitude, longitude = np.append(world(8), [[50.0], [50.0]], axis=1)
    centroids = drawn(
        "spherical", np.append(latitude, -89.0), np.append(longitude, 0.0)
    )
    figures = figures_of(centroids, of_rows(*world(2000)))
    assert not is_wanted("auto", figures)
    near_one_pole = of_rows(RNG.uniform(60, 90, 2000), RNG.uniform(-180, 180, 2000))
    figures = figures_of(centroids, near_one_pole)
    assert figures.empty > 0
    assert is_wanted("auto", figures)
    assert not is_wanted("never", figures)


@BOTH
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    k=st.integers(1, 40),
    spread_deg=st.sampled_from([1e-6, 0.01, 3.0, 80.0]),
    lattice=st.booleans(),
)
def test_the_mean_square_distance_never_rises(
    geometry: str, seed: int, k: int, spread_deg: float, lattice: bool
) -> None:
    random = np.random.default_rng(seed)
    latitude = random.uniform(-1, 1, 400) * spread_deg
    longitude = 10 + random.uniform(-1, 1, 400) * spread_deg
    if lattice:  # many at one place, and many equally near
        latitude, longitude = np.round(latitude, 0), np.round(longitude, 0)
    part = of_rows(latitude, longitude)
    start = drawn(geometry, latitude[:k], longitude[:k])
    refined = refine(start, lambda: np.array_split(part, 2))
    end = drawn(geometry, refined.latitude, refined.longitude)
    squares = [
        figures_of(start, part).mean_square_distance,
        *refined.mean_squares[1:],
        figures_of(end, part).mean_square_distance,
    ]
    assert squares[0] == pytest.approx(refined.mean_squares[0])
    # Sums of many numbers are rounded.
    scale = 1e-12 * (squares[0] + 1e-9)
    assert (np.diff(squares) <= scale).all()
    assert np.array_equal(refined.latitude, rounded(refined.latitude))
    assert np.array_equal(refined.longitude, rounded(refined.longitude))


@BOTH
def test_centroids_that_are_settled_stay(geometry: str) -> None:
    places = world_cities(4000)
    part = of_rows(*places)
    once = refine(drawn(geometry, *CITIES.T), lambda: [part])
    assert once.reason == SETTLED
    again = refine(drawn(geometry, once.latitude, once.longitude), lambda: [part])
    assert (again.reason, again.passes, again.repaired) == (SETTLED, 1, 0)
    assert again.moved_m.max() < 1


@BOTH
def test_each_centroid_is_the_mean_of_its_places(geometry: str) -> None:
    places = world_cities(4000)
    refined = refine(drawn(geometry, *CITIES.T), lambda: [of_rows(*places)])
    end = drawn(geometry, refined.latitude, refined.longitude)
    cluster = end.assign(of_rows(*places)).cluster
    features = end.geometry.features(*places)
    means = np.array([features[cluster == i].mean(axis=0) for i in range(5)])
    there = end.geometry.places(means)
    metres = great_circle_m(end.latitude, end.longitude, *there)
    assert metres.max() < 1
    moved = great_circle_m(CITIES[:, 0], CITIES[:, 1], end.latitude, end.longitude)
    np.testing.assert_allclose(refined.moved_m, moved)
    assert moved.min() > 1


def test_a_cluster_across_the_antimeridian_has_its_centroid_there() -> None:
    longitude = np.array([179.9, -179.9, 179.8, -179.8, 10.0, 10.2])
    latitude = np.array([-17.0, -17.0, -18.0, -18.0, 50.0, 50.0])
    start = drawn("spherical", np.array([-17.0, 50.0]), np.array([179.0, 10.0]))
    refined = refine(start, lambda: [of_rows(latitude, longitude)])
    assert abs(abs(refined.longitude[0]) - 180) < 1e-6
    assert refined.latitude[0] == pytest.approx(-17.5, abs=1e-3)


def test_a_centroid_of_places_all_around_the_globe_stays_where_it_is() -> None:
    latitude, longitude = np.zeros(4), np.array([0.0, 90.0, 180.0, -90.0])
    start = drawn("spherical", np.array([33.0]), np.array([44.0]))
    refined = refine(start, lambda: [of_rows(latitude, longitude)])
    assert (refined.latitude[0], refined.longitude[0]) == (33.0, 44.0)


@BOTH
def test_empty_clusters_go_to_the_farthest_places(geometry: str) -> None:
    latitude = np.array([10.0, 10.1, 20.0, 20.1, 40.0])
    longitude = np.array([0.0, 0.0, 0.0, 0.1, 0.0])
    start = drawn(geometry, np.array([10.0, 20.0, -60.0]), np.array([0.0, 0.0, 100.0]))
    refined = refine(start, lambda: [of_rows(latitude, longitude)])
    assert (refined.latitude[2], refined.longitude[2]) == (40.0, 0.0)
    assert refined.repaired == 1
    end = drawn(geometry, refined.latitude, refined.longitude)
    assert figures_of(end, of_rows(latitude, longitude)).size.tolist() == [2, 2, 1]


@BOTH
@pytest.mark.parametrize("spots", [3, 12, 40])
def test_as_many_clusters_as_there_are_different_places_each_get_one(
    geometry: str, spots: int
) -> None:
    """Even if training put all centroids into one of them."""
    latitude, longitude = world_cities(spots)
    many = np.repeat(np.arange(spots), 50)
    part = of_rows(latitude[many], longitude[many])
    start = drawn(geometry, np.full(spots, latitude[0]), np.full(spots, longitude[0]))
    refined = refine(start, lambda: [part])
    end = drawn(geometry, refined.latitude, refined.longitude)
    assert (figures_of(end, part).size == 50).all()
    assert refined.reason == SETTLED


def test_no_centroid_is_put_onto_another() -> None:
    latitude, longitude = np.array([10.0, 20.0]), np.array([5.0, 5.0])
    part = of_rows(np.repeat(latitude, 30), np.repeat(longitude, 30))
    start = drawn("spherical", np.array([10.0, 20, 50, 60]), np.full(4, 5.0))
    refined = refine(start, lambda: [part])
    assert (refined.reason, refined.passes, refined.repaired) == (SETTLED, 1, 0)
    assert refined.latitude.tolist() == [10, 20, 50, 60]


def test_refinement_ends_before_the_time_is_up() -> None:
    part = of_rows(*world(20_000))
    left = [100.0]

    def parts() -> Iterator[Places]:
        left[0] -= 30
        yield part

    start = drawn("spherical", *world(300))
    refined = refine(
        start, parts, seconds_left=lambda: left[0], reserve_s=30, pass_s=20
    )
    # Begun with 70 s more than the reserve, with 40 and with 10; not with 20 too few.
    assert refined.reason == OUT_OF_TIME
    assert refined.passes == 3
    after = figures_of(drawn("spherical", refined.latitude, refined.longitude), part)
    assert after.mean_square_distance < refined.mean_squares[-1]


def test_a_pass_for_which_there_is_no_time_is_not_begun() -> None:
    def parts() -> Iterator[Places]:
        raise AssertionError("the places needn't be read")
        yield

    start = drawn("spherical", *world(3))
    for reserve_s, pass_s in ((61, 0.0), (30, 21.0)):
        refined = refine(
            start, parts, seconds_left=lambda: 60, reserve_s=reserve_s, pass_s=pass_s
        )
        assert (refined.reason, refined.passes) == (OUT_OF_TIME, 0)
        assert np.array_equal(refined.latitude, start.latitude)
        assert not refined.moved_m.any()


def test_refinement_ends_after_so_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refining, "MOST_PASSES", 2)
    part = of_rows(*world(40_000))
    refined = refine(drawn("spherical", *world(200)), lambda: [part])
    assert (refined.reason, refined.passes) == (OUT_OF_PASSES, 2)


def test_an_exchange_that_is_worse_for_all_places_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = of_rows(*world_cities(4000))
    start = drawn("spherical", *CITIES.T)
    without = refine(start, lambda: [part])

    def worse(centroids: Centroids, *_: object, **__: object) -> Centroids:
        k = len(centroids)
        return drawn("spherical", np.full(k, -80.0), np.zeros(k))

    monkeypatch.setattr(refining, "exchange", worse)
    refined = refine(start, lambda: [part])
    assert np.array_equal(refined.latitude, without.latitude)
    assert np.array_equal(refined.longitude, without.longitude)
    assert refined.mean_squares == without.mean_squares
    assert refined.passes == without.passes + 1


def test_an_exchange_that_no_pass_could_prove_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refining, "MOST_PASSES", 1)
    start = drawn("spherical", *world(50))
    refined = refine(start, lambda: [of_rows(*world(5000))])
    assert np.array_equal(refined.latitude, start.latitude)
    assert refined.passes == 1


def test_refinement_leaves_no_centroid_where_none_is_needed() -> None:
    """From 60 starts in one corner of the world it finds what ten good starts find."""
    latitude, longitude = world_cities(20_000)
    part = of_rows(latitude, longitude)
    start = drawn("spherical", latitude[:60], longitude[:60])
    refined = refine(start, lambda: [part])
    end = drawn("spherical", refined.latitude, refined.longitude)
    features = start.geometry.features(latitude, longitude)
    best = min(
        KMeans(60, n_init=1, random_state=seed).fit(features).inertia_
        for seed in range(10)
    )
    assert figures_of(end, part).mean_square_distance < 1.02 * best / len(part)
