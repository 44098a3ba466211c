from pathlib import Path

import numpy as np
import pytest
import shapely

from container import basemap
from container.basemap import build

PACKAGE = Path(__file__).parents[2] / "node_modules" / "world-atlas"

#: Latitude, longitude, whether it is land.
KNOWN = [
    (22.40, 114.10, True),  # New Territories
    (22.20, 114.30, False),  # east of Hong Kong Island
    (66.50, 179.50, True),  # Chukotka, west of the antimeridian
    (66.50, -179.50, True),  # and east of it
    (-17.80, 178.00, True),  # Viti Levu
    (-17.00, -179.00, False),
    (-85.00, 0.00, True),  # Antarctica
    (-89.90, -135.00, True),
    (0.00, 0.00, False),
    (42.00, 50.50, False),  # the Caspian Sea
    (-29.50, 28.30, True),  # Lesotho, inside South Africa
]


@pytest.mark.parametrize("width_deg", [1.0, 60.0])
@pytest.mark.parametrize(("latitude", "longitude", "expected"), KNOWN)
@pytest.mark.parametrize("world_deg", [0.0, 360.0, -360.0])
def test_land_is_where_it_is_known_to_be(
    latitude: float,
    longitude: float,
    expected: bool,
    width_deg: float,
    world_deg: float,
) -> None:
    longitude += world_deg
    half = width_deg / 2
    land = basemap.land(
        longitude - half, latitude - half, longitude + half, latitude + half
    )
    point = shapely.Point(longitude, latitude)
    assert bool(shapely.contains(land, point).any()) == expected


def test_the_open_sea_has_neither_land_nor_borders() -> None:
    assert not len(basemap.land(-30, 40.5, -28.5, 41.5))
    assert not len(basemap.borders(-30, 40.5, -28.5, 41.5))


def test_hong_kong_has_a_border() -> None:
    border = shapely.union_all(basemap.borders(113.9, 22.4, 114.3, 22.6))
    assert shapely.distance(border, shapely.Point(114.11, 22.53)) < 0.01


def test_the_antimeridian_and_the_pole_are_no_coast() -> None:
    for west, east in ((170, 190), (-190, -170)):
        land = basemap.land(west, 60, east, 75)
        for line in basemap.coast(land, west, 60, east, 75):
            on_seam = np.abs(line[:, 0]) == 180
            assert not (on_seam[1:] & on_seam[:-1]).any()
    window = -180, -90, 180, -60
    for line in basemap.coast(basemap.land(*window), *window):
        assert line[:, 1].min() > -90


@pytest.mark.parametrize("west", [-12.3456789, 205.3, -359.7])
def test_the_edge_of_a_window_is_no_coast(west: float) -> None:
    window = west, 40.1, west + 160.7, 75.3
    lines = basemap.coast(basemap.land(*window), *window)
    assert len(lines) > 100
    for line in lines:
        for values, edge in zip(line.T[[0, 1, 0, 1]], window, strict=True):
            on_edge = np.abs(values - edge) < 1e-6
            assert not (on_edge[1:] & on_edge[:-1]).any()


def test_the_finer_scale_can_be_had_for_any_window() -> None:
    around_the_pole = -180, 75, 180, 90
    points = {
        fine: shapely.get_num_coordinates(
            basemap.land(*around_the_pole, fine=fine)
        ).sum()
        for fine in (True, False, None)
    }
    assert points[True] > 4 * points[False]
    assert points[None] == points[False]


@pytest.mark.skipif(
    not PACKAGE.exists(), reason="npm's world-atlas isn't installed: run `npm ci`"
)
def test_the_files_are_what_the_build_makes_of_the_package() -> None:
    built = build.build(PACKAGE)
    assert {path.name for path in basemap.FOLDER.glob("*.xz")} == set(built)
    for name, data in built.items():
        assert basemap.unpacked(name) == data, f"{name} isn't what build.py makes"
