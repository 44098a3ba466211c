import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from container import basemap, map
from container.window import Extent, Window

Floats = NDArray[np.float64]
NOWHERE = np.empty(0)

HONG_KONG = Window(west=113.92, south=22.23, east=114.28, north=22.56)
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


def draw(
    window: Window,
    *,
    places: tuple[Floats, Floats] = (NOWHERE, NOWHERE),
    centroids: tuple[Floats, Floats] | None = None,
    **more: Any,
) -> map.DrawnMap:
    if centroids is None:
        # Somewhere in a corner.
        centroids = np.array([window.south]), np.array([window.west])
    words = {"title": "title", "subtitle": "subtitle", "places_in_all": len(places[0])}
    return map.draw(
        window=window,
        place_latitude=places[0],
        place_longitude=places[1],
        centroid_latitude=centroids[0],
        centroid_longitude=centroids[1],
        **{**words, **more},
    )


def window_of(*latlon: tuple[Floats, Floats]) -> Window:
    extent = Extent()
    for latitude, longitude in latlon:
        extent.add(latitude, longitude)
    return extent.window()


def pixels(drawn: map.DrawnMap) -> NDArray[np.int16]:
    """Return the picture, shape (height, width, 3)."""
    image = Image.open(io.BytesIO(drawn.png))
    assert image.size == (drawn.width_px, drawn.height_px)
    return np.asarray(image.convert("RGB")).astype(np.int16)


def has_colour(
    picture: NDArray[np.int16], at: Floats, colour: str, within_px: float
) -> bool:
    """Return whether some pixel near a point has about a colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    (left, top), reach = at.astype(int), int(within_px) + 1
    rows = slice(max(top - reach, 0), top + reach + 1)
    columns = slice(max(left - reach, 0), left + reach + 1)
    y, x = np.ogrid[rows, columns]
    near = picture[rows, columns][
        np.hypot(x + 0.5 - at[0], y + 0.5 - at[1]) <= within_px
    ]
    return bool((np.abs(near - wanted).max(axis=1) <= 30).any())


def one(drawn: map.DrawnMap, latitude: float, longitude: float) -> Floats:
    return drawn.to_pixel(np.array([latitude]), np.array([longitude])).reshape(2)


def test_ten_points_of_hong_kongs_coast_lie_on_the_drawn_coast() -> None:
    drawn = draw(HONG_KONG)
    picture = pixels(drawn)
    for latitude, longitude in HONG_KONG_COAST:
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, map.COAST, 3), (latitude, longitude)


def test_land_and_sea_of_hong_kong_are_not_coast() -> None:
    drawn = draw(HONG_KONG)
    picture = pixels(drawn)
    for latitude, longitude, colour in (
        (22.41, 114.12, map.LAND),
        (22.26, 114.20, map.LAND),
        (22.25, 114.07, map.SEA),
        (22.51, 113.96, map.SEA),
    ):
        at = one(drawn, latitude, longitude)
        assert has_colour(picture, at, colour, 1), (latitude, longitude)
        assert not has_colour(picture, at, map.COAST, 10), (latitude, longitude)


@pytest.mark.parametrize("cape", CAPES)
def test_a_known_cape_lies_on_the_drawn_coast(cape: str) -> None:
    latitude, longitude = CAPES[cape]
    # Its surroundings, the cape not in the middle.
    window = Window(
        west=longitude - 6, south=latitude - 5, east=longitude + 5, north=latitude + 4
    )
    drawn = draw(window)
    at = one(drawn, latitude, longitude)
    assert has_colour(pixels(drawn), at, map.COAST, 3)


def test_there_is_no_coast_along_the_antimeridian() -> None:
    window = Window(west=176, south=64, east=186, north=68)
    drawn = draw(window)
    picture = pixels(drawn)
    at = one(drawn, 67.2, 180.0)  # in Chukotka
    assert has_colour(picture, at, map.LAND, 1)
    assert not has_colour(picture, at, map.COAST, 4)


def test_a_place_west_and_one_east_of_the_antimeridian_are_drawn_side_by_side() -> None:
    places = np.array([-17.0, -17.0]), np.array([179.5, -179.5])
    drawn = draw(window_of(places), places=places)
    west, east = drawn.to_pixel(*places)
    assert west[0] < east[0]
    picture = pixels(drawn)
    assert has_colour(picture, west, map.PLACE, 2)
    assert has_colour(picture, east, map.PLACE, 2)


def test_triangles_stand_at_their_centroids() -> None:
    centroids = np.array([22.30, 22.44, 22.50]), np.array([114.17, 114.02, 114.20])
    drawn = draw(HONG_KONG, centroids=centroids)
    picture = pixels(drawn)
    for pixel in drawn.to_pixel(*centroids):
        assert has_colour(picture, pixel, map.CENTROID, 1)


def test_a_map_of_high_latitudes_is_true_to_scale_both_ways() -> None:
    places = np.array([77.0, 80.0]), np.array([10.0, 30.0])
    drawn = draw(window_of(places), places=places)
    latitude = drawn.window.middle_latitude
    origin = one(drawn, latitude, 20.0)
    north = one(drawn, latitude + 0.1, 20.0)
    east = one(drawn, latitude, 20.0 + 0.1 / np.cos(np.radians(latitude)))
    assert east[0] - origin[0] == pytest.approx(origin[1] - north[1], rel=0.01)


def clouds(k: int, seed: int = 5) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(48, 3, k), rng.normal(8, 4, k)


@pytest.mark.parametrize(("k", "share"), [(1, 1.0), (15, 1.0), (100, 0.9), (1000, 0.1)])
def test_no_label_boxes_intersect(k: int, share: float) -> None:
    centroids = clouds(k)
    drawn = draw(window_of(centroids), places=clouds(2000, 6), centroids=centroids)
    boxes = drawn.label_boxes_px[~np.isnan(drawn.label_boxes_px[:, 0])]
    assert len(boxes) >= share * k
    low = np.maximum(boxes[:, np.newaxis, :2], boxes[:, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], boxes[:, 2:])
    touches = (low < high).all(axis=2)
    np.fill_diagonal(touches, False)
    assert not touches.any()


def test_a_number_is_drawn_inside_its_box() -> None:
    window = Window(west=-31, south=40, east=-28, north=42)  # open sea
    centroids = np.array([41.0]), np.array([-29.5])
    drawn = draw(window, centroids=centroids)
    left, top, right, bottom = drawn.label_boxes_px[0].round().astype(int)
    picture = pixels(drawn)
    dark = (picture.max(axis=2) < 100) & (picture[..., 2] >= picture[..., 0])
    inside = dark[top:bottom, left:right].sum()
    around = dark[top - 6 : bottom + 6, left : right + 6].sum()
    assert 0 < inside == around


def test_nothing_is_cut_off_at_the_pictures_edge() -> None:
    everywhere = np.array([-90.0, 90.0, 0.0, 0.0]), np.array([0.0, 0.0, -180.0, 179.9])
    long = "a very long name of a file " * 20
    for window in (window_of(everywhere), HONG_KONG):
        drawn = draw(
            window,
            places=clouds(10),
            centroids=everywhere,
            title=long,
            subtitle=long,
            places_in_all=10**9,
        )
        picture = pixels(drawn)
        edge = np.ones(picture.shape[:2], bool)
        edge[4:-4, 4:-4] = False
        assert (picture[edge] == 255).all()


@pytest.mark.parametrize(
    "title", ["a$b$.csv", "\\frac{1}.csv", "香港/한국.csv", "a\nb"]
)
def test_any_name_of_a_file_can_be_a_title(title: str) -> None:
    assert draw(HONG_KONG, title=title).png


def test_drawing_twice_gives_the_same_bytes() -> None:
    assert draw(HONG_KONG).png == draw(HONG_KONG).png


def test_a_sample_is_told_from_the_whole() -> None:
    whole = draw(HONG_KONG, places=clouds(10))
    sample = draw(HONG_KONG, places=clouds(10), places_in_all=12_345)
    assert sample.png != whole.png


@pytest.mark.parametrize("places_in_sight", [1, 20, 200_000])
def test_few_and_many_places_can_be_drawn(places_in_sight: int) -> None:
    places = clouds(places_in_sight)
    drawn = draw(window_of(places), places=places)
    assert has_colour(pixels(drawn), drawn.to_pixel(*places)[0], map.PLACE, 3)


def test_attribution_is_given() -> None:
    assert basemap.ATTRIBUTION == "Made with Natural Earth"


def test_hong_kongs_cameras_make_a_map(data: Callable[[str], Path]) -> None:
    table = pd.read_csv(data("hong-kong/Traffic_Camera_Locations_En.csv"))
    places = table["latitude"].to_numpy(), table["longitude"].to_numpy()
    centroids = places[0][::14], places[1][::14]
    drawn = draw(window_of(places), places=places, centroids=centroids)
    assert len(drawn.label_boxes_px) == 15
    assert not np.isnan(drawn.label_boxes_px).any()
    picture = pixels(drawn)
    left, top, right, bottom = drawn.frame_px
    for x, y in drawn.to_pixel(*places):
        assert left <= x <= right
        assert top <= y <= bottom
        near = np.array([x, y])
        assert any(
            has_colour(picture, near, colour, 4)
            for colour in (map.PLACE, map.CENTROID, map.INK)
        )
