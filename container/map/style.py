"""What the parts of a map have in common: colours, fonts, the size of a point."""

from functools import cache
from typing import Any, Final

import numpy as np
from matplotlib.font_manager import FontProperties, fontManager
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Polygons or lines, of shapely; None for none.
Geometries = NDArray[Any]

#: A power of two, so that pixels divided by it are exact.
DPI: Final = 128
PX_PER_POINT: Final = DPI / 72

#: The second font has what the first lacks: Chinese, Japanese, Korean. The image brings
#: both; elsewhere it may be missing.
FONTS: Final = ("DejaVu Sans", "WenQuanYi Micro Hei")

SEA, LAND, COAST = "#dce9f0", "#f7f4ec", "#7d96a5"
BORDER, GRID, INK, FAINT_INK = "#b3a68f", "#7f97a3", "#22303a", "#5a6a74"
OWN_BORDER, OWN_AREA = "#3f6b45", "#cfe3c3"
CENTROID, RIM = "#15191c", "#ffffff"
#: Of a few places to many, from a part of matplotlib's magma: all of it shows on land
#: and on sea.
DENSITY, DENSITY_FROM, DENSITY_TO = "magma_r", 0.3, 0.92


@cache
def fonts() -> list[str]:
    """Return those of the fonts that are installed."""
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in installed]


def font(size_pt: float, weight: str = "normal") -> FontProperties:
    """Return the font in a size."""
    return FontProperties(family=fonts(), size=size_pt, weight=weight)
