import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from container.density import CELL_PX, Density
from container.map.places import enlarged, enlargement
from container.view import View
from container.window import Extent
from geoclusters.geodesy import EARTH_RADIUS_M

Floats = NDArray[np.float64]


def clouds(count: int, seed: int = 5) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(48, 3, count), rng.normal(8, 4, count)


def view_of(places: tuple[Floats, Floats]) -> View:
    extent = Extent()
    extent.add(*places)
    return View.of(extent)


def test_each_place_is_counted_once_in_its_own_cell() -> None:
    places = clouds(5000)
    density = Density(view_of(places))
    for start in range(0, 5000, 700):  # part by part
        density.add(*(axis[start : start + 700] for axis in places))
    assert density.seen == density.counts.sum() == 5000
    expected = np.zeros(density.counts.shape, int)
    for x, y in density.view.to_pixel(*places):
        expected[int(y // CELL_PX), int(x // CELL_PX)] += 1
    np.testing.assert_array_equal(density.counts, expected)


def test_places_on_the_edges_are_counted() -> None:
    view = view_of(clouds(100))
    box = view.box
    x, y = np.array([box.west, box.east, 0]), np.array([box.south, box.north, 0])
    density = Density(view)
    density.add(*view.projection.inverse(x, y))
    assert density.counts[-1, 0] == density.counts[0, -1] == 1
    assert density.counts.sum() == 3


@pytest.mark.parametrize(
    ("south", "half_width"), [(-90.0, 180.0), (40.0, 20.0), (60.0, 180.0)]
)
def test_evenly_strewn_places_are_as_dense_all_over_the_map(
    south: float, half_width: float
) -> None:
    north = 90.0 if half_width == 180 else 60.0
    rng = np.random.default_rng(1)
    low, high = np.sin(np.radians([south, north]))
    latitude = np.degrees(np.arcsin(rng.uniform(low, high, 2 * 10**6)))
    longitude = rng.uniform(-half_width, half_width, 2 * 10**6)
    density = Density(view_of((latitude, longitude)))
    density.add(latitude, longitude)
    area = (high - low) * 2 * np.radians(half_width) * EARTH_RADIUS_M**2
    side = 20  # cells, of squares that lie amidst the places
    expected = 2 * 10**6 / area * (side * density.cell_m) ** 2
    tried = 0
    for row in range(0, density.counts.shape[0] - side, side):
        for column in range(0, density.counts.shape[1] - side, side):
            cells = density.counts[row : row + side, column : column + side]
            if (cells[[0, 0, -1, -1], [0, -1, 0, -1]] > 0).all():
                tried += 1
                assert cells.sum() == pytest.approx(expected, rel=0.15)
    assert tried > 100


def test_memory_does_not_grow_with_the_number_of_places() -> None:
    view = view_of(clouds(10**6))
    part = clouds(50_000)

    def peak(parts: int) -> int:
        density = Density(view)
        tracemalloc.start()
        for _ in range(parts):
            density.add(*part)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20) < 1.1 * peak(2)


def test_few_dense_spots_are_drawn_larger() -> None:
    counts = np.zeros((500, 700), np.int64)
    counts[100, 100], counts[103, 100], counts[0, 699] = 7, 20, 3
    shown = enlarged(counts)
    assert enlargement(counts) == 4
    assert shown[96, 100] == 7
    assert shown[99, 100] == 20  # the larger one wins
    assert shown[2, 697] == 3  # also at the edge
    assert shown[250, 350] == 0
    assert 100 < np.count_nonzero(shown) < 200


def test_a_map_full_of_places_is_drawn_as_it_was_counted() -> None:
    counts = np.random.default_rng(0).poisson(0.5, (500, 700))
    assert enlargement(counts) == 0
    np.testing.assert_array_equal(enlarged(counts), counts)
