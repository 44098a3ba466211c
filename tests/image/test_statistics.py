from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.statistics import ClusterStatistics, Tally
from geoclusters.geodesy import GEOMETRIES, great_circle_m
from geoclusters.places import DTYPE, Places, make

RNG = np.random.default_rng(7)
Floats = NDArray[np.float64]
Region = Callable[[int], tuple[Floats, Floats]]


def of_rows(latitude: Floats, longitude: Floats) -> Places:
    return make(np.arange(2, len(latitude) + 2), latitude, longitude)


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
    closest = np.zeros(k, DTYPE)
    for i, m in enumerate(of):
        if len(m):
            closest[i] = of_rows(*places)[nearest == i][m.argmin()]
    figures = ClusterStatistics(
        size=np.array([len(m) for m in of]),
        mean_distance_m=np.array([m.mean() if len(m) else np.nan for m in of]),
        max_distance_m=np.array([m.max() if len(m) else np.nan for m in of]),
        nearest=closest,
        nearest_distance_m=np.array([m.min() if len(m) else np.nan for m in of]),
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
    for part in np.array_split(of_rows(*places), 3):
        tally.add(part)
    figures = tally.result()
    assert np.array_equal(figures.size, expected.size)
    assert figures.nearest.tolist() == expected.nearest.tolist()
    for name in (
        "mean_distance_m",
        "max_distance_m",
        "nearest_distance_m",
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
    tally.add(of_rows(latitude + 1e-7, longitude))
    figures = tally.result()
    assert figures.size.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(figures.max_distance_m, 0.0111195, rtol=1e-5)


def test_an_empty_cluster_has_no_distances_and_no_nearest_place() -> None:
    tally = Tally(
        GEOMETRIES["spherical"], np.array([22.0, -80.0]), np.array([114.0, 0.0])
    )
    tally.add(of_rows(np.array([22.0, 23.0]), np.array([114.0, 114.0])))
    figures = tally.result()
    assert figures.size.tolist() == [2, 0]
    assert np.isnan(figures.mean_distance_m).tolist() == [False, True]
    assert np.isnan(figures.max_distance_m).tolist() == [False, True]
    assert np.isnan(figures.nearest_distance_m).tolist() == [False, True]
    assert figures.nearest.tolist() == [(2, 22.0, 114.0), (0, 0.0, 0.0)]


def test_a_place_and_its_antipode_are_half_a_meridian_apart() -> None:
    tally = Tally(GEOMETRIES["spherical"], np.array([10.0]), np.array([20.0]))
    tally.add(of_rows(np.array([-10.0]), np.array([-160.0])))
    figures = tally.result()
    assert figures.max_distance_m[0] == pytest.approx(np.pi * 6_371_008.8, rel=1e-7)


def test_of_equally_near_places_the_one_of_the_smallest_row_is_named() -> None:
    """However the places are ordered and cut into parts, repeated ones included."""
    n = 60_000  # more than a batch
    random = np.random.default_rng(5)
    latitude, longitude = random.integers(0, 4, (2, n)).astype(np.float64)
    rows = random.permutation(n) + 2
    shuffled = make(rows, latitude, longitude)
    first: dict[tuple[float, float], int] = {}
    for row, *place in np.sort(shuffled, order="row").tolist():
        first.setdefault((place[0], place[1]), row)
    centroids = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 3.0])
    for cuts in ([], [1, 2, 700], [40_000]):
        tally = Tally(GEOMETRIES["spherical"], *centroids)
        for part in np.split(shuffled, cuts):
            tally.add(part)
        nearest = tally.result().nearest
        assert nearest["row"].tolist() == [
            first[place] for place in zip(*centroids, strict=True)
        ]


def test_the_nearest_place_is_nearest_in_metres_in_the_plane_of_degrees_too() -> None:
    # A degree of longitude is half a degree of latitude there.
    tally = Tally(GEOMETRIES["planar"], np.array([60.0]), np.array([10.0]))
    tally.add(of_rows(np.array([60.9, 60.0]), np.array([10.0, 11.0])))
    figures = tally.result()
    assert figures.nearest["row"].tolist() == [3]
    assert figures.nearest_distance_m[0] == pytest.approx(55_595, rel=1e-3)


def test_the_nearest_place_comes_with_its_id_however_wide_the_parts_are() -> None:
    here, there = np.array([10.0]), np.array([50.0])
    tally = Tally(GEOMETRIES["spherical"], np.array([10.0, 50]), np.array([0.0, 0.0]))
    for row, latitude, longitude, id in (
        (2, here, 0.5, b"a"),
        (3, there, 0.5, b"the widest"),
        (4, here, 0.2, b"nearer"),
        (5, there, 0.9, b"farther"),
    ):
        tally.add(
            make(np.array([row]), latitude, np.array([longitude]), np.array([id]))
        )
    nearest = tally.result().nearest
    assert nearest["row"].tolist() == [4, 3]
    assert nearest["id"].tolist() == [b"nearer", b"the widest"]


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
    tally.add(of_rows(latitude, longitude))
    figures = tally.result()
    _, least = brute_force(geometry, centroids, (latitude, longitude))
    assert figures.size.sum() == len(places)
    # Rounding may choose between two that are equally near to a part in 10^15.
    assert figures.mean_square_distance == pytest.approx(least.mean(), abs=0.1)
