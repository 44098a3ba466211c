"""What tests of the map share: drawing without a run, and reading pixels."""

import io
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from container import colours, map
from container.density import Density
from container.sample import Sampled
from container.view import View
from container.window import Extent
from geoclusters import places
from geoclusters.geodesy import to_cartesian

Floats = NDArray[np.float64]
Latlon = tuple[Floats, Floats]

NOWHERE = np.empty(0), np.empty(0)


def view_of(*latlon: Latlon) -> View:
    """Return the view of places."""
    extent = Extent()
    for latitude, longitude in latlon:
        extent.add(latitude, longitude)
    return View.of(extent)


def nearest(of: Latlon, centroids: Latlon) -> NDArray[np.intp]:
    """Return the nearest centroid of each place."""
    there = to_cartesian(*centroids)
    blocks = [
        np.argmin((there**2).sum(axis=1) - 2 * block @ there.T, axis=1)
        for block in np.array_split(to_cartesian(*of), len(of[0]) // 10_000 + 1)
    ]
    found: NDArray[np.intp] = np.concatenate(blocks)
    return found


def draw(
    view: View,
    *,
    of: Latlon = NOWHERE,
    centroids: Latlon | None = None,
    most_points: int = map.MOST_POINTS,
    **more: Any,
) -> map.DrawnMap:
    """Draw a map of places and centroids, as density from `most_points` on."""
    if centroids is None:  # in a corner
        box = view.box
        centroids = view.projection.inverse(
            np.array([box.west + box.width / 20]),
            np.array([box.south + box.height / 20]),
        )
    density = None
    drawn = of
    if len(of[0]) > most_points:
        density = Density(view)
        density.add(*of)
        rng = np.random.default_rng(0)
        chosen = rng.choice(len(of[0]), most_points, replace=False)
        drawn = of[0][chosen], of[1][chosen]
    sampled = Sampled(
        places.make(np.arange(len(drawn[0])) + 2, *drawn),
        nearest(drawn, centroids),
        np.zeros(len(drawn[0])),
    )
    words = {"title": "title", "subtitle": "subtitle"}
    return map.draw(
        view=view,
        table=pd.DataFrame({"latitude": centroids[0], "longitude": centroids[1]}),
        colours=colours.of_clusters(*centroids),
        sampled=sampled,
        density=density,
        **{**words, **more},
    )


def pixels(drawn: map.DrawnMap) -> NDArray[np.int16]:
    """Return the picture, shape (height, width, 3)."""
    image = Image.open(io.BytesIO(drawn.png))
    assert image.size == (drawn.width_px, drawn.height_px)
    return np.asarray(image.convert("RGB")).astype(np.int16)


def has_colour(
    picture: NDArray[np.int16],
    at: Floats,
    colour: str,
    within_px: float,
    tolerance: int = 30,
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
    return bool((np.abs(near - wanted).max(axis=1) <= tolerance).any())


def one(drawn: map.DrawnMap, latitude: float, longitude: float) -> Floats:
    """Return x, y of a place in pixels."""
    return drawn.to_pixel(np.array([latitude]), np.array([longitude])).reshape(2)


def clouds(count: int, seed: int = 5) -> Latlon:
    """Return places around Munich."""
    rng = np.random.default_rng(seed)
    return rng.normal(48, 3, count), rng.normal(8, 4, count)
