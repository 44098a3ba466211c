import time
from typing import Any

import numpy as np
import pytest
import shapely

from container.boundaries import Boundaries, outlines
from container.boundaries.limits import OUTLINE_VERTICES
from container.boundaries.parts import count
from container.window import Window
from geoclusters.errors import BoundariesError


def borders(polygons: Any, lines: Any = (), names: Any = None) -> Boundaries:
    areas, roads = (np.array(list(g), dtype=object) for g in (polygons, lines))
    return Boundaries(
        polygons=areas,
        names=names or [f"Area {i}" for i in range(len(areas))],
        lines=roads,
        name_column="name",
        name_why="it is called as names are",
        crs="WGS 84",
        notes=("A note.",),
        simplified=tuple(outlines.simplified(areas, roads, OUTLINE_VERTICES)),
    )


def crinkled(n: int, per_side: int) -> list[Any]:
    """Return n × n areas with crinkled borders that neighbours share."""
    rng = np.random.default_rng(5)
    step = np.arange(per_side) / per_side
    # none at the corners, so that borders meet but don't cross
    most = np.minimum(step, 1 - step) / 3
    noise = rng.normal(0, 0.01, (2, n + 1, n + 1, per_side)).clip(-most, most)

    def across(i: int, j: int) -> Any:
        return np.column_stack((i + step, j + noise[0, i, j]))

    def up(i: int, j: int) -> Any:
        return np.column_stack((i + noise[1, i, j], j + step))

    found = []
    for i in range(n):
        for j in range(n):
            top = np.vstack((across(i, j + 1), [[i + 1, j + 1]]))
            left = np.vstack((up(i, j), [[i, j + 1]]))
            rings = across(i, j), up(i + 1, j), top[:0:-1], left[:0:-1]
            found.append(shapely.MultiPolygon([shapely.Polygon(np.vstack(rings))]))
    return found


def test_simplified_neighbours_share_their_borders_still() -> None:
    areas = crinkled(10, 800)
    assert count(np.array(areas)) > 300_000
    assert shapely.coverage_is_valid(areas)
    found = borders(areas)
    for most in OUTLINE_VERTICES:
        drawn = found.outline(most).polygons
        assert len(drawn) == 100
        assert 0.3 * most < count(drawn) <= most
        assert shapely.coverage_is_valid(drawn)
        # as close as the crinkles are high (of all of them it would take long)
        some = slice(None, None, 9)
        apart = shapely.hausdorff_distance(drawn[some], found.polygons[some])
        assert apart.max() < 0.1


def test_small_files_are_drawn_as_they_are() -> None:
    areas = crinkled(2, 50)
    drawn = borders(areas, names=list("abcd")).outline(10_000)
    assert drawn.polygons.tolist() == areas
    assert drawn.names == list("abcd")


def test_a_part_of_a_large_file_is_drawn_finely() -> None:
    found = borders(crinkled(10, 800))
    window = Window(west=3.2, south=3.2, east=3.8, north=3.8)
    drawn = found.outline(50_000, window)
    assert drawn.names == ["Area 33"]
    assert drawn.polygons[0] is found.polygons[33]
    nowhere = Window(west=-50, south=3, east=-40, north=4)
    assert found.outline(50_000, nowhere).names == []


def test_a_window_across_the_antimeridian_sees_both_sides() -> None:
    sides = [
        shapely.box(178, 0, 180, 1),
        shapely.box(-180, 0, -178, 1),
        shapely.box(0, 0, 1, 1),
    ]
    found = borders([shapely.MultiPolygon([side]) for side in sides])
    window = Window(west=177, south=-1, east=183, north=2)
    assert found.outline(10_000, window).names == ["Area 0", "Area 1"]


def test_specks_and_small_holes_are_left_out_before_anything_else() -> None:
    angle = np.linspace(0, 2 * np.pi, 150_000, endpoint=False)
    coast = np.column_stack((np.cos(angle), np.sin(angle)))
    coast *= 1 + 0.01 * np.sin(angle * 5000)[:, None]
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 100), np.linspace(-0.5, 0.5, 100))
    holes = [
        shapely.box(a, b, a + 1e-5, b + 1e-5).exterior.coords
        for a, b in zip(x.ravel(), y.ravel(), strict=True)
    ]
    island = shapely.Polygon(coast, holes)
    specks = [shapely.box(i / 1e4, 2, i / 1e4 + 1e-5, 2.00001) for i in range(9000)]
    found = borders([shapely.MultiPolygon([island, *specks])]).outline(10_000)
    assert count(found.polygons) <= 10_000
    assert shapely.area(found.polygons).sum() == pytest.approx(np.pi, rel=0.01)


def test_of_a_grid_too_fine_to_be_seen_the_outline_is_left() -> None:
    boxes = [
        shapely.MultiPolygon([shapely.box(i, j, i + 1, j + 1)])
        for i in range(120)
        for j in range(110)
    ]
    drawn = borders(boxes).outline(10_000)
    assert len(drawn.polygons) == 0
    assert shapely.bounds(drawn.lines).tolist() == [[0, 0, 120, 110]]


def test_roads_are_simplified_as_well() -> None:
    x = np.linspace(0, 10, 60_000)
    road = shapely.LineString(np.column_stack((x, np.sin(x * 20))))
    found = borders([], [shapely.MultiLineString([road])])
    assert count(found.lines) == 60_000
    drawn = found.outline(10_000).lines
    assert 100 < count(drawn) <= 10_000
    assert shapely.hausdorff_distance(drawn[0], road) < 0.01


def test_fewer_vertices_than_the_coarsest_has_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="most_vertices=9999"):
        borders([]).outline(9_999)


def test_bytes_bring_back_what_they_were_made_of() -> None:
    found = borders(crinkled(3, 30), [shapely.MultiLineString([[(0, 0), (1, 1)]])])
    again = Boundaries.from_bytes(found.to_bytes())
    assert (again.names, again.notes, again.crs) == (
        found.names,
        found.notes,
        found.crs,
    )
    assert again.polygons.tolist() == found.polygons.tolist()
    assert again.lines.tolist() == found.lines.tolist()
    assert len(again.simplified) == len(OUTLINE_VERTICES)
    nothing = borders([])
    assert len(Boundaries.from_bytes(nothing.to_bytes()).polygons) == 0


def test_a_place_is_in_the_first_area_that_it_is_in_or_on_the_border_of() -> None:
    found = borders(
        [
            shapely.MultiPolygon([shapely.box(0, 0, 2, 2)]),
            shapely.MultiPolygon([shapely.box(2, 0, 4, 2)]),
            shapely.MultiPolygon([shapely.box(1, 1, 3, 3)]),
        ]
    )
    latitude = np.array([1.0, 1.0, 1.0, 2.5, 9.0, 0.0])
    longitude = np.array([0.5, 2.0, 2.5, 1.5, 9.0, 4.0])
    assert found.area_of(latitude, longitude) == [
        *("Area 0", "Area 0", "Area 1", "Area 2", None, "Area 1"),
    ]


def test_the_antimeridian_is_one_line_whatever_sign_it_has() -> None:
    found = borders([shapely.MultiPolygon([shapely.box(-180, 0, -178, 1)])])
    assert found.area_of(np.array([0.5, 0.5]), np.array([180.0, -180.0])) == [
        "Area 0",
        "Area 0",
    ]


def test_areas_agree_with_brute_force() -> None:
    rng = np.random.default_rng(1)
    west, south = rng.uniform(-170, 160, 700), rng.uniform(-80, 70, 700)
    boxes = shapely.box(west, south, west + 10, south + 10)
    latitude, longitude = rng.uniform(-85, 85, 500), rng.uniform(-179, 179, 500)
    found = borders([shapely.MultiPolygon([box]) for box in boxes])
    inside = shapely.intersects_xy(
        boxes[None, :], longitude[:, None], latitude[:, None]
    )
    expected = [f"Area {row.argmax()}" if row.any() else None for row in inside]
    assert found.area_of(latitude, longitude) == expected
    assert None in expected


def test_ten_thousand_centroids_are_looked_up_at_once() -> None:
    found = borders(crinkled(40, 50))
    rng = np.random.default_rng(2)
    latitude, longitude = rng.uniform(0.1, 39.9, (2, 10_000))
    start = time.monotonic()
    assert None not in found.area_of(latitude, longitude)
    assert time.monotonic() - start < 5


def test_areas_one_above_the_other_cost_no_more_than_the_time_they_may() -> None:
    hole = shapely.box(0.1, 0.1, 9.9, 9.9).exterior.coords
    frame = shapely.MultiPolygon(
        [shapely.Polygon(shapely.box(0, 0, 10, 10).exterior.coords, [hole])]
    )
    found = borders([frame] * 600)
    rng = np.random.default_rng(2)
    latitude, longitude = rng.uniform(1, 9, (2, 1_000))
    with pytest.raises(BoundariesError, match="overlap too much"):
        found.area_of(latitude, longitude, most_seconds=0.01)
    assert found.area_of(latitude[:9], longitude[:9]) == [None] * 9
