"""Maps look as the kept ones, which `reference_maps` makes, did when someone looked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from container.map import ground, marks, places
from container.map.style import Floats
from container.projection import Projection
from tests.container import reference_maps as kept

#: A block of pixels of the quartered map, and how much its colours may differ on
#: average, of 255. Another version of a font or of its hinting changes less.
BLOCK = 8
MOST_DIFFERENCE = 9.0


def difference(found: Image.Image, name: str) -> float:
    """Return the mean difference of the worst block; infinite for another size."""
    with Image.open(kept.REFERENCES / f"{name}.png") as file:
        reference = file.convert("RGB")
    if found.size != reference.size:
        return float("inf")
    apart = np.abs(_array(found) - _array(reference)).mean(axis=2)
    rows, columns = (n // BLOCK for n in apart.shape)
    whole = apart[: rows * BLOCK, : columns * BLOCK]
    blocks = whole.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))
    return float(blocks.max())


def _array(image: Image.Image) -> NDArray[np.int16]:
    return np.asarray(image).astype(np.int16)


def make(name: str) -> Image.Image:
    """Return a map, a quarter as wide and high, or skip."""
    draw, needed = kept.MAPS[name]
    for path in needed:
        if not path.exists():
            pytest.skip(f"{path} is missing")
    return kept.reduced(draw().png)


@pytest.mark.parametrize("name", kept.MAPS)
def test_a_map_looks_as_it_did_when_someone_looked(name: str) -> None:
    found = difference(make(name), name)
    assert found < MOST_DIFFERENCE, (
        f"{name}: a block differs by {found:.1f} of 255. If that is meant: draw the "
        "references anew, look at them, and keep them (see reference_maps.py)."
    )


def test_kept_maps_are_small_and_none_is_left_over() -> None:
    files = list(kept.REFERENCES.iterdir())
    assert {path.stem for path in files} == set(kept.MAPS)
    assert sum(path.stat().st_size for path in files) < 200_000


def nothing(*_: Any, **__: Any) -> None:
    """Draw nothing."""


def turned(self: Projection, latitude: Floats, longitude: Floats) -> Any:
    """Return the plate carrée, as high as the true map."""
    x = np.radians((longitude - self.longitude + 180) % 360 - 180)
    y = np.radians(latitude - self.latitude)
    return 6_371_008.8 * np.cos(np.radians(self.latitude)) * x, 6_371_008.8 * y


def shifted(draw: Callable[..., None]) -> Callable[..., None]:
    """Return a way to draw places half a degree too far north."""

    def drawn(
        axes: Any, view: Any, latitude: Any, longitude: Any, colours: Any
    ) -> None:
        draw(axes, view, latitude + 0.5, longitude, colours)

    return drawn


@pytest.mark.parametrize(
    ("name", "module", "attribute", "instead"),
    [
        ("twenty-places", places, "draw_points", nothing),
        ("twenty-places", places, "draw_points", shifted(places.draw_points)),
        ("twenty-places", ground, "_fill", nothing),
        ("twenty-places", marks, "draw", nothing),
        ("europe", places, "draw_points", nothing),
        ("europe", Projection, "forward", turned),
        ("a-million", places, "draw_density", nothing),
    ],
)
def test_the_comparison_finds_a_wrong_map(
    name: str,
    module: Any,
    attribute: str,
    instead: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, attribute, instead)
    assert difference(make(name), name) > MOST_DIFFERENCE


def test_the_comparison_tells_maps_by_their_colours_alone() -> None:
    with Image.open(kept.REFERENCES / "europe.png") as file:
        reference = file.convert("RGB")
    assert difference(reference, "europe") == 0
    grey = reference.convert("L").convert("RGB")
    assert difference(grey, "europe") > MOST_DIFFERENCE
