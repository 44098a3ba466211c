from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score

from container.nearest import Centroids
from container.quantiles import Histogram
from container.statistics import ClusterStatistics, Tally, davies_bouldin
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
    straight = [np.sqrt(least[nearest == i]) for i in range(k)]
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
        scatter=np.array([s.mean() if len(s) else np.nan for s in straight]),
        mean_square_distance=float(least.mean()),
        overall_mean_distance_m=float(metres.mean()),
        extent=float(np.linalg.norm(np.ptp(features(*places), axis=0))),
        histogram=Histogram(k),
    )
    return figures, least


class Counted:
    """A tally of what its own centroids were assigned."""

    def __init__(self, geometry: str, latitude: Floats, longitude: Floats) -> None:
        self.centroids = Centroids(GEOMETRIES[geometry], latitude, longitude)
        self._tally = Tally(self.centroids)

    def add(self, part: Places) -> None:
        self._tally.add(part, self.centroids.assign(part))

    def result(self) -> ClusterStatistics:
        return self._tally.result()


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
    counted = Counted(geometry, *centroids)
    for part in np.array_split(of_rows(*places), 3):
        counted.add(part)
    figures = counted.result()
    assert np.array_equal(figures.size, expected.size)
    assert figures.nearest.tolist() == expected.nearest.tolist()
    for name in (
        "mean_distance_m",
        "max_distance_m",
        "nearest_distance_m",
        "mean_square_distance",
        "overall_mean_distance_m",
        "scatter",
        "extent",
        "share",
    ):
        np.testing.assert_allclose(
            getattr(figures, name), getattr(expected, name), rtol=1e-9, err_msg=name
        )


def test_neighbours_a_metre_apart_are_told_apart_on_a_map_of_the_world() -> None:
    latitude = np.array([22.3, 22.30001, -60.0, 80.0])  # 1.1 m
    longitude = np.array([114.1, 114.1, -170.0, 10.0])
    counted = Counted("spherical", latitude, longitude)
    counted.add(of_rows(latitude + 1e-7, longitude))
    figures = counted.result()
    assert figures.size.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(figures.max_distance_m, 0.0111195, rtol=1e-5)


def test_an_empty_cluster_has_no_distances_and_no_nearest_place() -> None:
    counted = Counted("spherical", np.array([22.0, -80.0]), np.array([114.0, 0.0]))
    counted.add(of_rows(np.array([22.0, 23.0]), np.array([114.0, 114.0])))
    figures = counted.result()
    assert figures.size.tolist() == [2, 0]
    assert np.isnan(figures.mean_distance_m).tolist() == [False, True]
    assert np.isnan(figures.max_distance_m).tolist() == [False, True]
    assert np.isnan(figures.nearest_distance_m).tolist() == [False, True]
    assert figures.nearest.tolist() == [(2, 22.0, 114.0), (0, 0.0, 0.0)]


def test_a_place_and_its_antipode_are_half_a_meridian_apart() -> None:
    counted = Counted("spherical", np.array([10.0]), np.array([20.0]))
    counted.add(of_rows(np.array([-10.0]), np.array([-160.0])))
    figures = counted.result()
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
        counted = Counted("spherical", *centroids)
        for part in np.split(shuffled, cuts):
            counted.add(part)
        nearest = counted.result().nearest
        assert nearest["row"].tolist() == [
            first[place] for place in zip(*centroids, strict=True)
        ]


def test_the_nearest_place_is_nearest_in_metres_in_the_plane_of_degrees_too() -> None:
    # A degree of longitude is half a degree of latitude there.
    counted = Counted("planar", np.array([60.0]), np.array([10.0]))
    counted.add(of_rows(np.array([60.9, 60.0]), np.array([10.0, 11.0])))
    figures = counted.result()
    assert figures.nearest["row"].tolist() == [3]
    assert figures.nearest_distance_m[0] == pytest.approx(55_595, rel=1e-3)


def test_the_nearest_place_comes_with_its_id_however_wide_the_parts_are() -> None:
    here, there = np.array([10.0]), np.array([50.0])
    counted = Counted("spherical", np.array([10.0, 50]), np.array([0.0, 0.0]))
    for row, latitude, longitude, id in (
        (2, here, 0.5, b"a"),
        (3, there, 0.5, b"the widest"),
        (4, here, 0.2, b"nearer"),
        (5, there, 0.9, b"farther"),
    ):
        counted.add(
            make(np.array([row]), latitude, np.array([longitude]), np.array([id]))
        )
    nearest = counted.result().nearest
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
    counted = Counted(geometry, *centroids)
    counted.add(of_rows(latitude, longitude))
    figures = counted.result()
    _, least = brute_force(geometry, centroids, (latitude, longitude))
    assert figures.size.sum() == len(places)
    assert figures.mean_square_distance == pytest.approx(least.mean())


def spots(n: int) -> tuple[Floats, Floats]:
    return 50 + RNG.integers(0, 5, n) + RNG.normal(0, 0.1, n), RNG.normal(8, 0.1, n)


def clustered(
    geometry: str, centroids: tuple[Floats, Floats], places: tuple[Floats, Floats]
) -> Counted:
    counted = Counted(geometry, *centroids)
    counted.add(of_rows(*places))
    return counted


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
@pytest.mark.parametrize(("region", "k"), [(world, 700), (spots, 5), (hong_kong, 3)])
def test_the_davies_bouldin_index_is_that_of_the_definition(
    geometry: str, region: Region, k: int
) -> None:
    places, centroids = region(2000), region(k)
    counted = clustered(geometry, centroids, places)
    figures = counted.result()
    features = GEOMETRIES[geometry].features(*centroids)
    full = np.flatnonzero(figures.size)
    worst = [
        max(
            (figures.scatter[i] + figures.scatter[j])
            / np.linalg.norm(features[i] - features[j])
            for j in full
            if j != i
        )
        for i in full
    ]
    index = davies_bouldin(counted.centroids, figures)
    assert index == pytest.approx(np.mean(worst), rel=1e-12)


@pytest.mark.parametrize("geometry", ["spherical", "planar"])
def test_the_davies_bouldin_index_of_means_is_scikit_learns(geometry: str) -> None:
    places = spots(3000)
    features = GEOMETRIES[geometry].features(*places)
    model = KMeans(5, n_init=3, random_state=1).fit(features)
    drawn = GEOMETRIES[geometry].places(model.cluster_centers_)
    counted = clustered(geometry, drawn, places)
    index = davies_bouldin(counted.centroids, counted.result())
    # Theirs lie as far below the surface as the clusters are bent: some metres.
    theirs = davies_bouldin_score(features, model.labels_)
    assert index == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize(
    "centroids", [([1.0], [1.0]), ([1.0, -60], [1.0, 90]), ([1.0, 1, 2], [1.0, 1, 2])]
)
def test_clusters_that_cannot_be_told_apart_have_the_index_of_the_others_or_none(
    centroids: tuple[list[float], list[float]],
) -> None:
    latitude, longitude = map(np.array, centroids)
    places = np.array([1.0, 1.1, 2.0]), np.array([1.0, 1.1, 2.1])
    counted = clustered("spherical", (latitude, longitude), places)
    index = davies_bouldin(counted.centroids, counted.result())
    # A second centroid at one place gets no places, so it doesn't count.
    assert (index is None) == (len(latitude) < 3)


def test_two_clusters_whose_centroids_are_one_place_have_no_index() -> None:
    counted = clustered("planar", (np.zeros(2), np.zeros(2)), (np.ones(3), np.ones(3)))
    both = replace(counted.result(), size=np.array([2, 1]), scatter=np.ones(2))
    assert davies_bouldin(counted.centroids, both) is None


def test_figures_in_another_order_are_those_of_the_centroids_in_that_order() -> None:
    places, centroids = world(4000), world(40)
    counted = clustered("spherical", centroids, places)
    order = np.random.default_rng(1).permutation(40)
    turned = counted.result().reordered(order)
    again = clustered("spherical", (centroids[0][order], centroids[1][order]), places)
    expected = again.result()
    assert turned.nearest.tolist() == expected.nearest.tolist()
    for name in ("size", "mean_distance_m", "max_distance_m", "scatter"):
        np.testing.assert_allclose(getattr(turned, name), getattr(expected, name))
    counts = turned.histogram.counts()
    assert np.array_equal(counts, expected.histogram.counts())
    assert np.array_equal(counts.sum(axis=1), turned.size)


@pytest.mark.parametrize(
    ("name", "latitude", "longitude"),
    [
        ("hong-kong/Traffic_Camera_Locations_En.csv", "latitude", "longitude"),
        ("places/usgs-earthquakes-week.csv", "latitude", "longitude"),
        ("places/noaa-isd-stations.csv", "LAT", "LON"),
    ],
)
def test_distances_on_real_places_are_within_0_6_percent_of_the_ellipsoids(
    data: Callable[[str], Path], name: str, latitude: str, longitude: str
) -> None:
    table = pd.read_csv(data(name)).dropna(subset=[latitude, longitude])
    places = table[latitude].to_numpy(float), table[longitude].to_numpy(float)
    centroids = places[0][::100].copy(), places[1][::100].copy()
    counted = Counted("spherical", *centroids)
    part = of_rows(*places)
    assigned = counted.centroids.assign(part)
    there = centroids[0][assigned.cluster], centroids[1][assigned.cluster]
    _, _, metres = Geod(ellps="WGS84").inv(*places[::-1], *there[::-1])
    np.testing.assert_allclose(assigned.distance_m, metres, rtol=0.006, atol=1e-6)
    counted.add(part)
    expected, _ = brute_force("spherical", centroids, places)
    figures = counted.result()
    assert figures.size.tolist() == expected.size.tolist()
    np.testing.assert_allclose(figures.mean_distance_m, expected.mean_distance_m)
    np.testing.assert_allclose(figures.max_distance_m, expected.max_distance_m)
