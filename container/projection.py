"""The map's projection: places on the sphere to metres on a plane, and back.

Both projections are equal-area, so that a density on the map is a density on the earth.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import pyproj
from numpy.typing import NDArray

from container.window import Window
from geoclusters.geodesy import EARTH_RADIUS_M, great_circle_m

Floats = NDArray[np.float64]

#: From here on a window that lies on one side of the equator is looked at from above
#: the pole: that far towards it, and that far around it.
_POLAR_FROM_DEG: Final = (45.0, 180.0)
#: A window that reaches farther from its middle is a part of the globe. Lambert's
#: projection stretches by a quarter there.
_LOCAL_UP_TO_DEG: Final = 75.0
#: Keeps the two edges of the globe apart, by 0.1 mm.
_INSIDE_DEG: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Projection:
    """An equal-area projection of the mean sphere.

    `laea` is Lambert's azimuthal one, seen from above its centre; `eqearth` is Equal
    Earth, of the whole globe: its latitude is 0, and its longitude is the one that
    stands upright in the middle. J. P. Snyder, Map Projections: A Working Manual, USGS
    Professional Paper 1395 (1987), and B. Šavrič, T. Patterson and B. Jenny, The Equal
    Earth map projection (2019).
    """

    name: Literal["laea", "eqearth"]
    #: The centre in degrees.
    latitude: float
    longitude: float

    @cached_property
    def _proj(self) -> Any:
        return pyproj.Proj(
            proj=self.name,
            lat_0=self.latitude,
            lon_0=self.longitude,
            R=EARTH_RADIUS_M,
        )

    def forward(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
        """Return x, y in metres, east and north positive, of places in degrees.

        Longitudes may lie beyond ±180°. The antipode of `laea`'s centre, which has no
        place on the plane, is infinite.
        """
        x, y = self._proj(longitude, latitude)
        return x, y

    def forward_cut(self, lonlat: Floats) -> Floats:
        """Return x, y of corners of what was cut opposite of the centre, shape (n, 2).

        The meridian opposite of the centre is at the globe's both edges: which one, the
        longitude says, that is therefore not wrapped.

        Parameters
        ----------
        lonlat : array of float64, shape (n, 2)
            Longitudes, at most 180° from the centre's, and latitudes.
        """
        most = 180.0 - _INSIDE_DEG
        aside = np.clip(lonlat[:, 0] - self.longitude, -most, most)
        return np.column_stack(self.forward(lonlat[:, 1], self.longitude + aside))

    def inverse(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return latitude and longitude in degrees of points in metres.

        Of points outside of `laea`'s globe they are infinite.
        """
        longitude, latitude = self._proj(x, y, inverse=True)
        return latitude, longitude

    @property
    def is_polar(self) -> bool:
        """Whether it looks at a pole from above."""
        return abs(self.latitude) == 90.0


def choose(window: Window) -> Projection:
    """Return the projection in which a window is drawn.

    That is Lambert's about the window's middle, or about the pole where the window goes
    around it; Equal Earth where the window is larger than that does well.
    """
    middle = (window.west + window.east) / 2
    longitude = (middle + 180) % 360 - 180
    from_deg, around_deg = _POLAR_FROM_DEG
    if window.east - window.west >= around_deg:
        for pole, nearest in ((90.0, window.south), (-90.0, -window.north)):
            if nearest >= from_deg:
                return Projection(name="laea", latitude=pole, longitude=longitude)
    latitude = (window.south + window.north) / 2
    if _reach_deg(window, latitude, middle) <= _LOCAL_UP_TO_DEG:
        return Projection(name="laea", latitude=latitude, longitude=longitude)
    return Projection(name="eqearth", latitude=0.0, longitude=longitude)


def _reach_deg(window: Window, latitude: float, longitude: float) -> float:
    """Return how far a window reaches from a place, as an angle."""
    # Along its edges, in steps of a degree or less; a parallel isn't the shortest way.
    across = np.linspace(window.west, window.east, 361)
    aside = np.concatenate((across, across))
    edge = np.repeat([window.south, window.north], len(across))
    here = np.full(len(edge), latitude), np.full(len(edge), longitude)
    reach_m = great_circle_m(*here, edge, aside).max()
    return float(np.degrees(reach_m / EARTH_RADIUS_M))
