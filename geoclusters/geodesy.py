"""Places as coordinates that k-means can work with, and back.

Degrees are not distances: at 60° north a degree of longitude is half a degree of
latitude, and ±180° is a cliff. So a run's default geometry is the mean sphere: latitude
and longitude become x, y, z in metres, where the straight line between two places (the
chord) orders distances as the great circle does. `planar` keeps plain degrees.
"""

from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Mean radius of the earth in metres, (2a + b) / 3 of GRS 80. Great-circle distances
#: on this sphere are within 0.6 % of the ellipsoid's. Source: H. Moritz, Geodetic
#: Reference System 1980, Bulletin Géodésique 54 (1980).
EARTH_RADIUS_M: Final = 6_371_008.8

#: Radians of a degree.
_RADIAN: Final = np.pi / 180


def to_cartesian(
    latitude: Floats, longitude: Floats, *, order: Literal["C", "F"] = "C"
) -> Floats:
    """Return places as x, y, z in metres on the mean sphere, shape (n, 3).

    Parameters
    ----------
    latitude, longitude : array of float64, shape (n,)
        Degrees, north and east positive.
    order : str
        How they lie in memory: place by place, or (F) column by column.
    """
    # Some times as fast as `radians`.
    phi, lam = latitude * _RADIAN, longitude * _RADIAN
    cos_phi = np.cos(phi)
    cos_phi *= EARTH_RADIUS_M
    xyz = np.empty((len(phi), 3), order=order)
    np.multiply(cos_phi, np.cos(lam), out=xyz[:, 0])
    np.multiply(cos_phi, np.sin(lam), out=xyz[:, 1])
    np.multiply(np.sin(phi), EARTH_RADIUS_M, out=xyz[:, 2])
    return xyz


def from_cartesian(xyz: Floats) -> tuple[Floats, Floats]:
    """Return latitude and longitude, in degrees, of the directions of x, y, z.

    Points need not lie on the surface: a centroid lies below it. The origin has no
    direction; see `direction_is_defined`.

    Parameters
    ----------
    xyz : array of float64, shape (n, 3)
        Metres from the centre of the sphere.
    """
    x, y, z = xyz.T
    latitude = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return latitude, np.degrees(np.arctan2(y, x))


def direction_is_defined(xyz: Floats) -> NDArray[np.bool_]:
    """Return which points lie far enough from the sphere's centre to have a direction.

    Below 1 % of the radius (places all around the globe averaged into one) the
    direction is an accident.
    """
    distance_m: Floats = np.linalg.norm(xyz, axis=1)
    return distance_m >= 0.01 * EARTH_RADIUS_M


def chord_to_arc_m(chord_m: Floats) -> Floats:
    """Return great-circle distances of straight-line distances, both in metres."""
    arc_m: Floats = chord_m / (2 * EARTH_RADIUS_M)
    np.minimum(arc_m, 1.0, out=arc_m)
    np.arcsin(arc_m, out=arc_m)
    arc_m *= 2 * EARTH_RADIUS_M
    return arc_m


def great_circle_m(
    latitude_1: Floats, longitude_1: Floats, latitude_2: Floats, longitude_2: Floats
) -> Floats:
    """Return great-circle distances on the mean sphere in metres; degrees in."""
    chord = to_cartesian(latitude_1, longitude_1) - to_cartesian(
        latitude_2, longitude_2
    )
    return chord_to_arc_m(np.linalg.norm(chord, axis=1))


class Geometry(Protocol):
    """How places become k-means features and centroids become places."""

    @property
    def name(self) -> str:
        """The value of the parameter `geometry` that chooses it."""

    @property
    def feature_dim(self) -> int:
        """Number of features of a place."""

    def features(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return features of shape (n, feature_dim) of places in degrees."""

    def places(self, features: Floats) -> tuple[Floats, Floats]:
        """Return latitude and longitude in degrees of features (k, feature_dim)."""


class Spherical:
    """x, y, z in metres on the mean sphere: no antimeridian, no poles."""

    name = "spherical"
    feature_dim = 3

    def features(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return x, y, z in metres, shape (n, 3)."""
        return to_cartesian(latitude, longitude)

    def places(self, features: Floats) -> tuple[Floats, Floats]:
        """Return where the directions of x, y, z meet the surface, in degrees."""
        return from_cartesian(features)


class Planar:
    """Plain degrees as if the earth were flat: the textbook's figures."""

    name = "planar"
    feature_dim = 2

    def features(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return latitude and longitude in degrees, shape (n, 2)."""
        return np.column_stack((latitude, longitude))

    def places(self, features: Floats) -> tuple[Floats, Floats]:
        """Return latitude and longitude in degrees, as they are."""
        return features[:, 0].copy(), features[:, 1].copy()


GEOMETRIES: Final[dict[str, Geometry]] = {g.name: g for g in (Spherical(), Planar())}
