from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.statistics import ClusterStatistics, Tally
from geoclusters.geodesy import GEOMETRIES, great_circle_m

RNG = np.random.default_rng(7)
Floats = NDArray[np.float64]
Region = Callable[[int], tuple[Floats, Floats]]


def brute_force(
    geometry: str, centroids: tuple[Floats, Floats], places: tuple[Floats, Floats]
) -> tuple[ClusterStatistics, Floats]:
    """Return the figures by the definition, and each place's squared distance."""
    features = GEOMETRIES[geometry].features
    offsets = features(*places)[:, np.newaxis] - features(*centroids)
    squares = (offsets**2).sum(axis=2)
    nearest = squares.argmin(axis=1)
    metres = great_circle_m(*places, centroids[0][nearest], centroids[1][nearest])
    k = len(centroids[0])
    of = [metres[nearest == i] for i in range(k)]
    least = squares.min(axis=1)
    figures = ClusterStatistics(
        size=np.array([len(m) for m in of]),
        mean_distance_m=np.array([m.mean() if len(m) else np.nan for m in of]),
        max_distance_m=np.array([m.max() if len(m) else np.nan for m in of]),
        mean_square_distance=float(least.mean()),
        overall_mean_distance_m=float(metres.mean()),
    )
    return figures, least


def world(n: int) -> tuple[Floats, Floats]:
    return np.degrees(np.arcsin(RNG.uniform(-1, 1, n))), RNG.uniform(-180, 180, n)


def hong_kong(n: int) -> tuple[Floats, Floats]:
    return RNG.uniform(22.2, 22.5, n), RNG.uniform(113.9, 114.3, n)


def antimeridian(n: int) -> tuple[Floats, Floats]:
    return RNG.uniform(-19, -16, n), (RNG.uniform(176, 183, n) + 180) % 360 - 180


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
@pytest.mark.parametrize("region", [world, hong_kong, antimeridian])
@pytest.mark.parametrize("k", [1, 15, 300])
def test_figures_are_those_of_the_definition(
    geometry: str, region: Region, k: int
) -> None:
    places, centroids = region(5000), region(k)
    expected, _ = brute_force(geometry, centroids, places)
    tally = Tally(GEOMETRIES[geometry], *centroids)
    for part in np.array_split(np.arange(5000), 3):
        tally.add(places[0][part], places[1][part])
    figures = tally.result()
    assert np.array_equal(figures.size, expected.size)
    for name in (
        "mean_distance_m",
        "max_distance_m",
        "mean_square_distance",
        "overall_mean_distance_m",
    ):
        np.testing.assert_allclose(
            getattr(figures, name), getattr(expected, name), rtol=1e-9, err_msg=name
        )


def test_neighbours_a_metre_apart_are_told_apart_on_a_map_of_the_world() -> None:
    latitude = np.array([22.3, 22.30001, -60.0, 80.0])  # 1.1 m
    longitude = np.array([114.1, 114.1, -170.0, 10.0])
    tally = Tally(GEOMETRIES["spherical"], latitude, longitude)
    tally.add(latitude + 1e-7, longitude)
    figures = tally.result()
    assert figures.size.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(figures.max_distance_m, 0.0111195, rtol=1e-5)


def test_an_empty_cluster_has_no_distances() -> None:
    tally = Tally(
        GEOMETRIES["spherical"], np.array([22.0, -80.0]), np.array([114.0, 0.0])
    )
    tally.add(np.array([22.0, 23.0]), np.array([114.0, 114.0]))
    figures = tally.result()
    assert figures.size.tolist() == [2, 0]
    assert np.isnan(figures.mean_distance_m).tolist() == [False, True]
    assert np.isnan(figures.max_distance_m).tolist() == [False, True]


def test_a_place_and_its_antipode_are_half_a_meridian_apart() -> None:
    tally = Tally(GEOMETRIES["spherical"], np.array([10.0]), np.array([20.0]))
    tally.add(np.array([-10.0]), np.array([-160.0]))
    figures = tally.result()
    assert figures.max_distance_m[0] == pytest.approx(np.pi * 6_371_008.8, rel=1e-7)


@settings(max_examples=100, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=40
    ),
    k=st.integers(1, 5),
    geometry=st.sampled_from(["spherical", "planar"]),
)
def test_no_place_has_a_nearer_centroid(
    places: list[tuple[float, float]], k: int, geometry: str
) -> None:
    latitude, longitude = np.array(places).T
    centroids = latitude[:k].copy(), longitude[:k].copy()
    tally = Tally(GEOMETRIES[geometry], *centroids)
    tally.add(latitude, longitude)
    figures = tally.result()
    _, least = brute_force(geometry, centroids, (latitude, longitude))
    assert figures.size.sum() == len(places)
    # Rounding may choose between two that are equally near to a part in 10^15.
    assert figures.mean_square_distance == pytest.approx(least.mean(), abs=0.1)
