"""The benchmark of the clusters' quality, on a set that takes a moment."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks import quality
from benchmarks.quality import STEPS, Reference
from benchmarks.quality_sets import SETS, Places, read, towns
from container.nearest import Centroids
from geoclusters.geodesy import GEOMETRIES, to_cartesian

FEW = Reference(starts=5, tol=0.0)


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="module")
def places() -> Places:
    """Return a country's towns at 60° north, from west to east."""
    found = towns(
        *(30,), places=30_000, middle=(60, 20), extent_km=600, town_km=5, seed=1
    )
    order = np.argsort(found.longitude)
    return Places(found.latitude[order], found.longitude[order])


def test_the_steps_lead_from_raw_degrees_to_nearly_the_best(
    places: Places, pool: Executor, tmp_path: Path
) -> None:
    best = quality.best_msd(places, 15, FEW, pool, tmp_path)
    ratios = quality.ratios_to_best(places, 15, range(2), best, pool)
    assert [*ratios] == [*STEPS]
    medians = {step: each["median"] for step, each in ratios.items() if each}
    assert medians["degrees"] > 1.2 * medians["tuned"]
    assert medians["centred"] > medians["sampled"] > medians["tuned"]
    assert medians["tuned"] >= medians["refined"] > 0.99
    assert medians["refined"] < 1.05
    assert all(each["worst"] >= each["median"] for each in ratios.values() if each)


def test_the_judged_figure_is_that_of_brute_force(places: Places) -> None:
    latitude, longitude = places.latitude[::2_000], places.longitude[::2_000]
    centroids = Centroids(GEOMETRIES["spherical"], latitude, longitude)
    offsets = to_cartesian(*places)[:, np.newaxis] - to_cartesian(latitude, longitude)
    expected = (offsets**2).sum(axis=2).min(axis=1).mean()
    assert quality.mean_square(centroids, places) == pytest.approx(expected, rel=1e-9)


def test_the_best_is_searched_for_once(
    places: Places,
    pool: Executor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = quality.best_msd(places, 5, FEW, pool, tmp_path)
    monkeypatch.delattr(quality, "KMeans")
    assert quality.best_msd(places, 5, FEW, pool, tmp_path) == first
    with pytest.raises(NameError, match="KMeans"):
        quality.best_msd(places, 6, FEW, pool, tmp_path)


def test_where_sagemaker_would_refuse_there_is_no_figure(
    places: Places, pool: Executor
) -> None:
    few = Places(places.latitude[::300], places.longitude[::300])
    ratios = quality.ratios_to_best(few, 20, range(1), 1.0, pool)
    assert [step for step, found in ratios.items() if found is None] == [
        *("degrees", "centred", "sampled")
    ]


def test_what_is_farther_than_demanded_is_said() -> None:
    near = {"median": 1.01, "worst": 1.02}
    ratios = {"tuned": {"median": 1.06, "worst": 1.09}, "refined": near}
    assert quality.missed("towns, k = 15", ratios) == [
        "towns, k = 15: median tuned is 1.060, more than 1.05"
    ]


def test_blank_places_and_those_at_zero_zero_are_not_clustered(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(
        "\ufefflon,name,lat\n0,a,0\n12,b,\n+013.5,c,+00.0\n-7,d,-3\n"
    )
    found = read("table.csv", "lat", "lon", tmp_path)
    assert found.latitude.tolist() == [0, -3]
    assert found.longitude.tolist() == [13.5, -7]


@pytest.mark.parametrize("name", ["towns-city", "towns-country", "towns-world"])
def test_generated_sets_are_the_same_each_time(name: str, tmp_path: Path) -> None:
    first, again = SETS[name](tmp_path), SETS[name](tmp_path)
    assert all(map(np.array_equal, first, again))
    assert np.abs(first.latitude).max() <= 90
    assert np.abs(first.longitude).max() <= 180
