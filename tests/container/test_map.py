import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from container import basemap
from container.colours import PALETTE, of_clusters
from container.map import furniture, style
from container.map.frame import Frame
from container.view import View
from geoclusters.geodesy import great_circle_m
from tests.container.maps import (
    clouds,
    draw,
    has_colour,
    nearest,
    one,
    pixels,
    view_of,
)

Floats = NDArray[np.float64]

HONG_KONG = view_of((np.array([22.25, 22.54]), np.array([113.94, 114.26])))
#: Points of Natural Earth's coast around Hong Kong, as world-atlas 2.0.2 has them:
#: read from its TopoJSON without the code under test.
HONG_KONG_COAST = [
    (22.529555, 114.083341),
    (22.532932, 113.971740),
    (22.529555, 114.220142),
    (22.470455, 114.230942),
    (22.379272, 114.266943),
    (22.310040, 114.212942),
    (22.315106, 114.166142),
    (22.359009, 114.068941),
    (22.478898, 114.025740),
    (22.269514, 114.119341),
]
#: Capes and harbours, from gazetteers: Natural Earth draws them 2 km off at most.
CAPES = {
    "Cape Agulhas": (-34.8333, 20.0000),
    "Land's End": (50.0662, -5.7147),
    "Cabo da Roca": (38.7809, -9.5008),
    "Europa Point": (36.1092, -5.3454),
    "Cape Byron": (-28.6386, 153.6375),
    "Cape York": (-10.6868, 142.5306),
    "Galle": (6.0259, 80.2170),
    "Pointe des Almadies": (14.7453, -17.5300),
    "Point Reyes": (37.9960, -123.0230),
    "Cap Bon": (37.0800, 11.0500),
}
ALL_AROUND = np.arange(-180, 180, 10).astype(np.float64)
WORLD = view_of((np.tile([-60.0, 0.0, 70.0], 36), np.repeat(ALL_AROUND, 3)))
ARCTIC = view_of((np.full(36, 62.0), ALL_AROUND))
ANTARCTIC = view_of((np.full(36, -62.0), ALL_AROUND))
PACIFIC = view_of((np.array([-45.0, 60, 0]), np.array([110.0, -70, 180])))
OPEN_SEA = view_of((np.array([40.0, 42]), np.array([-31.0, -28])))
#: Latitude, longitude, whether it is land.
KNOWN = [
    (72.0, -40.0, True),
    (75.0, 100.0, True),
    (85.0, 0.0, False),
    (66.6, 179.0, True),
    (66.6, -178.5, True),
    (71.0, -178.0, False),
    (45.0, -100.0, True),
    (-25.0, 135.0, True),
    (0.0, 25.0, True),
    (0.0, -25.0, False),
    (10.0, -150.0, False),
    (-40.0, 100.0, False),
    (-80.0, 90.0, True),
    (-84.0, 170.0, True),
    (-89.9, 10.0, True),
    (-65.0, -120.0, False),
]


def test_ten_points_of_hong_kongs_coast_lie_on_the_drawn_coast() -> None:
    drawn = draw(HONG_KONG)
    picture = pixels(drawn)
    for latitude, longitude in HONG_KONG_COAST:
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, style.COAST, 3), (latitude, longitude)


def test_land_and_sea_of_hong_kong_are_not_coast() -> None:
    drawn = draw(HONG_KONG)
    picture = pixels(drawn)
    for latitude, longitude, colour in (
        (22.41, 114.12, style.LAND),
        (22.26, 114.20, style.LAND),
        (22.255, 114.07, style.SEA),
        (22.51, 113.96, style.SEA),
    ):
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, colour, 3, 4), (latitude, longitude)
        assert not has_colour(picture, at, style.COAST, 10), (latitude, longitude)


@pytest.mark.parametrize("cape", CAPES)
def test_a_known_cape_lies_on_the_drawn_coast(cape: str) -> None:
    latitude, longitude = CAPES[cape]
    # Its surroundings, the cape not in the middle.
    around = (
        np.array([latitude - 5, latitude + 4]),
        np.array([longitude - 6, longitude + 5]),
    )
    drawn = draw(view_of(around))
    at = one(drawn, latitude, longitude)
    assert has_colour(pixels(drawn), at, style.COAST, 3)


@pytest.mark.parametrize("view", [WORLD, ARCTIC, ANTARCTIC, PACIFIC])
def test_land_and_sea_of_the_globe_are_where_they_are_known_to_be(view: View) -> None:
    drawn = draw(view)
    picture = pixels(drawn)
    left, top, right, bottom = drawn.frame_px
    seen = 0
    for latitude, longitude, is_land in KNOWN:
        x, y = one(drawn, latitude, longitude)
        if not (left + 5 < x < right - 5 and top + 5 < y < bottom - 5):
            continue
        seen += 1
        ground, other = (style.LAND, style.SEA) if is_land else (style.SEA, style.LAND)
        at = np.array([x, y])
        assert has_colour(picture, at, ground, 3, 4), (latitude, longitude)
        assert not has_colour(picture, at, other, 1, 4), (latitude, longitude)
    assert seen >= 3


@pytest.mark.parametrize("view", [WORLD, ARCTIC, ANTARCTIC, PACIFIC])
def test_pixels_are_land_where_the_basemap_has_land(view: View) -> None:
    drawn = draw(view)
    picture = pixels(drawn)
    rng = np.random.default_rng(0)
    left, top, right, bottom = drawn.frame_px
    at = rng.uniform((left + 2, top + 2), (right - 2, bottom - 2), (4000, 2)).astype(
        int
    )
    middle = at + 0.5 - (left, top)
    x = view.box.west + middle[:, 0] * view.metres_per_px
    y = view.box.north - middle[:, 1] * view.metres_per_px
    latitude, longitude = view.projection.inverse(x, y)
    back = np.column_stack(view.projection.forward(latitude, longitude))
    is_earth = (np.abs(back - np.column_stack((x, y))) < 1).all(axis=1)
    land = shapely.union_all(basemap.land(-180, -90, 180, 90, fine=False))
    shapely.prepare(land)
    aside = (longitude[is_earth] + 180) % 360 - 180
    expected = shapely.contains_xy(land, aside, latitude[is_earth])
    seen = picture[at[is_earth, 1], at[is_earth, 0]]

    def is_like(colour: str) -> NDArray[np.bool_]:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        like: NDArray[np.bool_] = np.abs(seen - wanted).max(axis=1) <= 4
        return like

    # The rest is lines, between the two.
    assert (is_like(style.LAND) & ~expected).mean() < 0.003
    assert (is_like(style.SEA) & expected).mean() < 0.003
    assert (is_like(style.LAND) | is_like(style.SEA)).mean() > 0.85
    assert (seen[~is_like(style.LAND)] != 255).any(axis=1).all()


def test_beyond_the_globe_is_paper() -> None:
    drawn = draw(WORLD)
    picture = pixels(drawn)
    left, top, right, bottom = drawn.frame_px.astype(int)
    for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)):
        assert (picture[y - 1 : y + 1, x - 1 : x + 1] == 255).all()


@pytest.mark.parametrize("view", [ARCTIC, PACIFIC])
def test_there_is_no_coast_along_the_antimeridian(view: View) -> None:
    drawn = draw(view)
    at = one(drawn, 67.3, -179.99)  # in Chukotka
    picture = pixels(drawn)
    assert has_colour(picture, at, style.LAND, 3, 4)
    assert not has_colour(picture, at, style.COAST, 3, 12)


def test_a_place_west_and_one_east_of_the_antimeridian_are_drawn_side_by_side() -> None:
    places = np.array([-17.0, -17.0]), np.array([179.5, -179.5])
    drawn = draw(view_of(places), of=places)
    west, east = drawn.to_pixel(*places)
    assert west[0] < east[0]
    picture = pixels(drawn)
    assert has_colour(picture, west, PALETTE[0], 2)
    assert has_colour(picture, east, PALETTE[0], 2)


@pytest.mark.parametrize("k", [2, 6, 40])
def test_places_have_the_colour_of_their_cluster(k: int) -> None:
    places, centroids = clouds(200), clouds(k, 7)
    drawn = draw(view_of(places, centroids), of=places, centroids=centroids)
    picture = pixels(drawn)
    colour = of_clusters(*centroids)[nearest(places, centroids)]

    def shows(palette: NDArray[np.intp]) -> float:
        at = drawn.to_pixel(*places)
        return sum(
            has_colour(picture, pixel, PALETTE[index], 1, 12)
            for pixel, index in zip(at, palette, strict=True)
        ) / len(at)

    assert shows(colour) > 0.7  # the others are below a number or a triangle
    assert shows((colour + 1) % len(PALETTE)) < 0.2


def test_triangles_stand_at_their_centroids() -> None:
    centroids = np.array([22.30, 22.44, 22.50]), np.array([114.17, 114.02, 114.20])
    drawn = draw(HONG_KONG, centroids=centroids)
    picture = pixels(drawn)
    for pixel in drawn.to_pixel(*centroids):
        assert has_colour(picture, pixel, style.CENTROID, 1)


def test_triangles_and_numbers_show_over_the_densest_places() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(41, 0.05, 60_000), rng.normal(-29.5, 0.05, 60_000)
    centroids = np.array([41.0]), np.array([-29.5])
    drawn = draw(view_of(places), of=places, centroids=centroids)
    picture = pixels(drawn)
    at = one(drawn, 41.0, -29.5)
    assert has_colour(picture, at, style.CENTROID, 1)
    assert has_colour(picture, at, style.RIM, 14, 4)
    left, top, right, bottom = drawn.label_boxes_px[0].astype(int)
    number = picture[top:bottom, left:right]
    assert (number.max(axis=2) < 80).sum() > 20
    assert (number.min(axis=2) > 240).sum() > 40


def test_many_places_are_drawn_as_density_and_a_few_as_points() -> None:
    places = clouds(60_000)
    view = view_of(places)
    dense = pixels(draw(view, of=places))
    strewn = pixels(draw(view, of=places, most_points=60_000))
    middle = view.to_pixel(np.array([48.0]), np.array([8.0]))[0].astype(int) + 100
    around = (
        slice(middle[1] - 40, middle[1] + 40),
        slice(middle[0] - 40, middle[0] + 40),
    )
    # Magma has no green; the only cluster's colour is blue.
    assert (dense[around][..., 0] > dense[around][..., 1]).mean() > 0.7
    blue = strewn[around][..., 2] > strewn[around][..., 0] + 60
    assert blue.mean() > 0.5


def test_a_lonely_spot_of_many_places_can_be_seen() -> None:
    spots = np.array([41.0, -35.0, 60.0]), np.array([-29.5, 40.0, -160.0])
    places = np.repeat(spots[0], 20_000), np.repeat(spots[1], 20_000)
    centroids = np.array([0.0]), np.array([-20.0])
    drawn = draw(view_of(places, centroids), of=places, centroids=centroids)
    picture = pixels(drawn)
    for x, y in drawn.to_pixel(*spots).astype(int):
        near = picture[y - 8 : y + 8, x - 8 : x + 8]
        assert (near.max(axis=2) < 120).sum() > 60


def test_a_map_of_high_latitudes_is_true_to_scale_both_ways() -> None:
    places = np.array([77.0, 80.0]), np.array([10.0, 30.0])
    drawn = draw(view_of(places), of=places)
    latitude, longitude = (
        drawn.view.projection.latitude,
        drawn.view.projection.longitude,
    )
    origin = one(drawn, latitude, longitude)
    north = one(drawn, latitude + 0.1, longitude)
    east = one(drawn, latitude, longitude + 0.1 / np.cos(np.radians(latitude)))
    assert east[0] - origin[0] == pytest.approx(origin[1] - north[1], rel=0.01)


def test_the_scale_is_true_in_the_middle_of_the_map() -> None:
    for view in (HONG_KONG, OPEN_SEA, view_of(clouds(500))):
        px_per_km = furniture.scale(view)
        assert px_per_km is not None
        middle = np.array([-50.0, 50.0]) * view.metres_per_px
        x = (view.box.west + view.box.east) / 2 + middle
        y = np.full(2, (view.box.south + view.box.north) / 2)
        latitude, longitude = view.projection.inverse(x, y)
        km = great_circle_m(latitude[:1], longitude[:1], latitude[1:], longitude[1:])
        assert 100 / (km[0] / 1000) == pytest.approx(px_per_km, rel=1e-4)


@pytest.mark.parametrize("view", [WORLD, ARCTIC, PACIFIC])
def test_a_map_without_one_scale_has_no_scale_bar(view: View) -> None:
    assert furniture.scale(view) is None


@pytest.mark.parametrize(
    ("length_m", "text"),
    [
        (4.26, "4.3 m"),
        (42.6, "43 m"),
        (426, "426 m"),
        (2640, "2.6 km"),
        (9.96e3, "10 km"),
    ],
)
def test_lengths_have_two_digits_or_so(length_m: float, text: str) -> None:
    assert furniture.in_metric(length_m) == text


@pytest.mark.parametrize(("k", "share"), [(1, 1.0), (15, 1.0), (100, 0.9), (1000, 0.1)])
def test_no_label_boxes_intersect(k: int, share: float) -> None:
    centroids = clouds(k)
    drawn = draw(view_of(centroids), of=clouds(2000, 6), centroids=centroids)
    assert_no_boxes_intersect(drawn.label_boxes_px, share)


def test_no_label_boxes_of_ten_thousand_clusters_intersect() -> None:
    centroids = clouds(10_000)
    drawn = draw(view_of(centroids), of=centroids, centroids=centroids)
    assert_no_boxes_intersect(drawn.label_boxes_px, 0.005)


def assert_no_boxes_intersect(boxes: Floats, share: float) -> None:
    placed = boxes[~np.isnan(boxes[:, 0])]
    assert len(placed) >= share * len(boxes)
    low = np.maximum(placed[:, np.newaxis, :2], placed[:, :2])
    high = np.minimum(placed[:, np.newaxis, 2:], placed[:, 2:])
    touches = (low < high).all(axis=2)
    np.fill_diagonal(touches, False)
    assert not touches.any()


@pytest.mark.parametrize("number", [1, 8, 20, 108])
def test_a_number_is_drawn_inside_its_box(number: int) -> None:
    # All but one are far away, one upon the other.
    latitude, longitude = np.full(number, 40.1), np.full(number, -30.9)
    latitude[-1], longitude[-1] = 41.2, -29.5
    drawn = draw(OPEN_SEA, centroids=(latitude, longitude))
    left, top, right, bottom = drawn.label_boxes_px[-1].round().astype(int)
    picture = pixels(drawn)
    dark = picture.max(axis=2) < 100
    inside = dark[top:bottom, left:right].sum()
    reach = 3  # the triangle is near
    around = dark[top - reach : bottom + reach, left : right + reach].sum()
    assert 0 < inside == around


@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("view", [WORLD, PACIFIC, ARCTIC, HONG_KONG, OPEN_SEA])
def test_nothing_is_cut_off_at_the_pictures_edge(view: View, density: bool) -> None:
    long = "a very long name of a file " * 20
    box = view.box
    # In the middle of the map's edges.
    places = view.projection.inverse(
        np.array([box.west, 0, box.east, 0]) * 0.98,
        np.array([0, box.north, 0, box.south]) * 0.98,
    )
    drawn = draw(
        view,
        of=places,
        centroids=places,
        most_points=1 if density else 10,
        title=long,
        subtitle=long,
        own_borders=np.array([shapely.box(113, 22, 115, 23)]),
        own_name=long,
    )
    picture = pixels(drawn)
    edge = np.ones(picture.shape[:2], bool)
    edge[4:-4, 4:-4] = False
    assert (picture[edge] == 255).all()


def districts() -> NDArray[np.object_]:
    """Return two districts in the open sea, one of them with a hole and two parts."""
    return np.array(
        [
            shapely.box(-30.8, 40.2, -29.5, 41.8),
            shapely.MultiPolygon(
                [
                    shapely.box(-29.5, 40.2, -20, 41.8)
                    - shapely.box(-29.2, 40.8, -28.8, 41.2),
                    shapely.box(-30.2, 41.85, -30.0, 41.95),
                ]
            ),
            None,
            shapely.box(100, 10, 120, 20),  # far away
            shapely.Polygon(),
        ],
        dtype=object,
    )


def test_borders_of_ones_own_are_drawn_where_they_are() -> None:
    drawn = draw(OPEN_SEA, own_borders=districts())
    picture = pixels(drawn)
    for latitude, longitude in ((41.0, -30.8), (41.8, -30.1), (41.0, -29.5)):
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, style.OWN_BORDER, 2)
    for latitude, longitude, colour in (
        (41.05, -30.15, style.OWN_AREA),
        (40.55, -28.65, style.OWN_AREA),
        (41.05, -28.95, style.SEA),  # in the hole
        (41.9, -30.13, style.OWN_AREA),
        (41.9, -29.55, style.SEA),
    ):
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, colour, 2, 4), (latitude, longitude)


def test_lines_of_ones_own_are_drawn_without_filling_anything() -> None:
    ring = [(-30.8, 40.6), (-30.8, 41.4), (-29.6, 41.4), (-29.6, 40.6)]
    drawn = draw(OPEN_SEA, own_borders=np.array([shapely.LineString(ring), None]))
    picture = pixels(drawn)
    for latitude, longitude in ((41.0, -30.8), (41.4, -30.2), (41.0, -29.6)):
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, style.OWN_BORDER, 2)
    for latitude, longitude in ((40.6, -30.2), (41.05, -30.15)):  # open, and within
        at = one(drawn, latitude, longitude)
        assert not has_colour(picture, at, style.OWN_BORDER, 2)
        assert has_colour(picture, at, style.SEA, 2, 4)


def test_an_area_that_crosses_the_frame_has_no_border_along_it() -> None:
    drawn = draw(OPEN_SEA, own_borders=districts())
    picture = pixels(drawn)
    _, _, right, _ = drawn.frame_px
    y = one(drawn, 40.5, -28.2)[1]
    assert has_colour(picture, np.array([right - 4, y]), style.OWN_AREA, 2, 4)
    assert not has_colour(picture, np.array([right - 4, y]), style.OWN_BORDER, 8, 20)


def test_an_area_across_the_antimeridian_is_drawn_in_one_piece() -> None:
    view = view_of((np.array([-16.0, -20.0, -18.0]), np.array([-172.0, -178.0, 176.0])))
    own = np.array(
        [
            shapely.MultiPolygon(
                [shapely.box(178, -19, 180, -17), shapely.box(-180, -19, -176, -17)]
            )
        ]
    )
    drawn = draw(view, own_borders=own)
    picture = pixels(drawn)
    for longitude in (179.3, -179.3, -177.2):
        assert has_colour(
            picture, one(drawn, -18.6, longitude), style.OWN_AREA, 2, 4
        ), longitude
    seam = one(drawn, -18.55, 180.0)
    assert not has_colour(picture, seam, style.OWN_BORDER, 6, 20)
    assert has_colour(picture, one(drawn, -18.5, 178.0), style.OWN_BORDER, 2)


@pytest.mark.parametrize(
    "title", ["a$b$.csv", "\\frac{1}.csv", "香港/한국.csv", "a\nb", "$", "%s"]
)
def test_any_name_of_a_file_can_be_a_title(title: str) -> None:
    drawn = draw(HONG_KONG, title=title, own_borders=districts(), own_name=title)
    assert drawn.png


def test_drawing_twice_gives_the_same_bytes() -> None:
    places = clouds(1000)
    once, again = (draw(view_of(places), of=places).png for _ in range(2))
    assert once == again


@pytest.mark.parametrize("places_in_sight", [1, 20, 50_000])
def test_few_and_many_places_can_be_drawn(places_in_sight: int) -> None:
    places = clouds(places_in_sight)
    drawn = draw(view_of(places), of=places)
    first = drawn.to_pixel(*places)[0]
    assert has_colour(pixels(drawn), first, PALETTE[0], 3, 60)


def test_attribution_is_given() -> None:
    assert basemap.ATTRIBUTION == "Made with Natural Earth"


def test_titles_of_four_alphabets_have_no_missing_letters() -> None:
    if style.fonts() != list(style.FONTS):
        pytest.skip("fonts-wqy-microhei isn't installed; the image has it")
    text = "Zürich Łódź · Αθήνα · Київ · 香港 東京 서울 北京"
    assert not missing_letters(text)


def test_titles_of_three_alphabets_have_no_missing_letters() -> None:
    assert not missing_letters("Zürich Łódź İzmir · Αθήνα · Київ")
    assert missing_letters("𒀀")  # cuneiform: the check finds what is missing


def missing_letters(text: str) -> list[str]:
    """Return what matplotlib has to say about letters when it draws a title."""
    frame = Frame.of(HONG_KONG)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        canvas = FigureCanvasAgg(frame.figure())
        furniture.draw_title(canvas, frame, text, text)
        canvas.draw()
    return [str(each.message) for each in found if "missing" in str(each.message)]


def test_hong_kongs_cameras_make_a_map(data: Callable[[str], Path]) -> None:
    table = pd.read_csv(data("hong-kong/Traffic_Camera_Locations_En.csv"))
    places = table["latitude"].to_numpy(), table["longitude"].to_numpy()
    centroids = places[0][::14], places[1][::14]
    drawn = draw(view_of(places), of=places, centroids=centroids)
    assert len(drawn.label_boxes_px) == 15
    assert not np.isnan(drawn.label_boxes_px).any()
    picture = pixels(drawn)
    colour = of_clusters(*centroids)[nearest(places, centroids)]
    left, top, right, bottom = drawn.frame_px
    for (x, y), index in zip(drawn.to_pixel(*places), colour, strict=True):
        assert left <= x <= right
        assert top <= y <= bottom
        near = np.array([x, y])
        assert any(
            has_colour(picture, near, shown, 4)
            for shown in (PALETTE[index], style.CENTROID, style.INK)
        )
