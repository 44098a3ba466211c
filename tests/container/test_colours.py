import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from container import colours
from container.map.style import LAND, SEA
from geoclusters.geodesy import to_cartesian

Floats = NDArray[np.float64]

#: Linear RGB as people see it who lack one of three kinds of cones. Source: G. M.
#: Machado, M. M. Oliveira and L. A. F. Fernandes, A physiologically-based model for
#: simulation of color vision deficiency (2009), severity 1.
VISION = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(codes: list[str], vision: Floats) -> Floats:
    """Return CIE L*a*b* (D65) of sRGB colours, shape (n, 3)."""
    rgb = np.array(
        [[int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] for code in codes]
    )
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ vision.T, 0, 1)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.column_stack(
        (
            116 * f[:, 1] - 16,
            500 * (f[:, 0] - f[:, 1]),
            200 * (f[:, 1] - f[:, 2]),
        )
    )


def neighbours(latitude: Floats, longitude: Floats) -> NDArray[np.intp]:
    """Return pairs of neighbours: the edges of the sphere's convex hull, (m, 2)."""
    corners = ConvexHull(to_cartesian(latitude, longitude)).simplices
    pairs: NDArray[np.intp] = np.concatenate(
        (corners[:, :2], corners[:, 1:], corners[:, [0, 2]])
    )
    return pairs


def on_globe(k: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, k))), rng.uniform(-180, 180, k)


@settings(max_examples=60, deadline=None)
@given(k=st.integers(5, 400), seed=st.integers(0, 10**6))
def test_neighbours_on_the_globe_never_have_one_colour(k: int, seed: int) -> None:
    latitude, longitude = on_globe(k, seed)
    found = colours.of_clusters(latitude, longitude)
    a, b = neighbours(latitude, longitude).T
    assert (found[a] != found[b]).all()
    assert set(found) <= set(range(len(colours.PALETTE)))


@pytest.mark.parametrize("spread", [0.001, 0.1, 5.0])
@pytest.mark.parametrize("middle", [(22.3, 114.1), (-17.0, 180.0), (80.0, 0.0)])
def test_neighbours_in_a_region_never_have_one_colour(
    spread: float, middle: tuple[float, float]
) -> None:
    rng = np.random.default_rng(1)
    latitude = middle[0] + rng.normal(0, spread, 500)
    longitude = (middle[1] + rng.normal(0, spread, 500) + 180) % 360 - 180
    found = colours.of_clusters(latitude, longitude)
    assert (found != found[_nearest(latitude, longitude)]).all()


def _nearest(latitude: Floats, longitude: Floats) -> NDArray[np.intp]:
    xyz = to_cartesian(latitude, longitude)
    squares = ((xyz[:, np.newaxis] - xyz) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    nearest: NDArray[np.intp] = squares.argmin(axis=1)
    return nearest


@pytest.mark.parametrize("k", range(1, 7))
def test_few_clusters_all_differ(k: int) -> None:
    for seed in range(20):
        assert len(set(colours.of_clusters(*on_globe(k, seed)))) == k


@pytest.mark.parametrize("k", [2, 3, 7, 50])
def test_clusters_on_a_line_differ_from_the_next(k: int) -> None:
    nought = np.zeros(k)
    along = np.linspace(-40, 60, k).astype(np.float64)
    for latitude, longitude in ((nought, along), (along, nought)):
        found = colours.of_clusters(latitude, longitude)
        assert (found[1:] != found[:-1]).all()


def test_clusters_of_a_grid_differ_from_the_next() -> None:
    latitude = np.repeat(np.arange(40, 50, 0.5), 20)
    longitude = np.tile(np.arange(0, 10, 0.5), 20)
    found = colours.of_clusters(latitude, longitude).reshape(20, 20)
    assert (found[1:] != found[:-1]).all()
    assert (found[:, 1:] != found[:, :-1]).all()


def test_clusters_at_one_place_are_no_trouble() -> None:
    found = colours.of_clusters(np.array([1.0, 1, 2, 1]), np.array([5.0, 5, 6, 5]))
    assert found[0] == found[1] == found[3] != found[2]


def test_colours_are_used_evenly_and_are_the_same_each_time() -> None:
    where = on_globe(1000, 3)
    found = colours.of_clusters(*where)
    assert np.bincount(found).min() > 100
    assert (found == colours.of_clusters(*where)).all()


def test_ten_thousand_clusters_take_less_than_a_second() -> None:
    where = on_globe(10_000, 3)
    took = []
    for _ in range(3):
        start = time.process_time()
        colours.of_clusters(*where)
        took.append(time.process_time() - start)
    assert min(took) < 1


@pytest.mark.parametrize("vision", VISION)
def test_people_with_any_vision_tell_the_colours_apart(vision: str) -> None:
    found = lab(list(colours.PALETTE), VISION[vision])
    apart = np.linalg.norm(found[:, np.newaxis] - found, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 10  # a just noticeable difference is 2.3


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ground", [LAND, SEA])
def test_the_colours_show_on_land_and_on_sea(vision: str, ground: str) -> None:
    found = lab([ground, *colours.PALETTE], VISION[vision])
    assert np.linalg.norm(found[1:] - found[0], axis=1).min() > 25


def test_the_check_of_colours_finds_what_is_told_apart_by_some_only() -> None:
    red_and_green = ["#b06a3c", "#7a8a3c"]
    apart = {
        name: float(np.linalg.norm(np.subtract(*lab(red_and_green, vision))))
        for name, vision in VISION.items()
    }
    assert apart["all cones"] > 30
    assert apart["deuteranopia"] < 15
