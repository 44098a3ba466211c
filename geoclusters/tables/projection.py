"""Coordinates in other reference systems than degrees on WGS 84.

A system is named by its code in an authority's register, and by nothing else: the other
ways that PROJ understands (its own strings, WKT, URLs) can name files.
"""

import re
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from geoclusters.errors import ParameterError

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

Numbers = NDArray[np.float64]

_CODE: Final = re.compile(
    r"(?:(?:(?P<authority>EPSG|ESRI):)?(?P<number>[0-9]{1,6})"
    r"|IGNF:(?P<ignf>[A-Z0-9_.]{1,30})"
    r"|OGC:(?P<ogc>CRS(?:84|83|27)))",
    re.IGNORECASE | re.ASCII,
)
_ADVICE: Final = (
    "Ask whoever publishes the table for the code, and upload again, for example with "
    "`--metadata crs=EPSG:2326`."
)


class Projection:
    """A coordinate reference system, and the way from it to degrees on WGS 84.

    Nothing is fetched from the network: where the best way needs a grid of corrections,
    the next one is taken, which is right to some metres (to some tens of metres for old
    systems such as NAD27).

    Parameters
    ----------
    code : str
        Code of EPSG, ESRI, IGNF or OGC, such as `EPSG:2326`, in any case; a number
        alone is EPSG's.

    Raises
    ------
    ParameterError
        If it is no such code, is unknown, or names a system that has no two horizontal
        coordinates on Earth.
    """

    def __init__(self, code: str) -> None:
        # Here, not above: it takes time that most uploads can save.
        from pyproj import network

        network.set_network_enabled(active=False)
        authority, number = _parse(code)
        #: The code, as the register writes it.
        self.code: str = f"{authority}:{number}"
        crs = _known(authority, number)
        #: The system's name in the register.
        self.name: str = crs.name
        horizontal = _horizontal(crs)
        if horizontal is None:
            kind = _with_article(crs.type_name.removesuffix(" CRS").lower())
            msg = (
                f"The coordinate reference system {self.code} ({self.name}) is {kind} "
                "one: it has no latitude and longitude, or northing and easting. "
                f"{_ADVICE}"
            )
            raise ParameterError(msg)
        #: Whether its coordinates are degrees of latitude and longitude.
        self.is_geographic: bool = horizontal.is_geographic and all(
            axis.unit_name == "degree" for axis in horizontal.axis_info[:2]
        )
        #: Whether they are angles, in degrees or in another unit, such as grads.
        self.is_angular: bool = horizontal.is_geographic
        area = crs.area_of_use
        #: Where it is meant to be used, in words; None if the register doesn't say.
        self.area_of_use: str | None = area.name if area else None
        #: West, south, east and north of that, in degrees; west > east where it crosses
        #: the antimeridian.
        self._bounds_deg = area.bounds if area else (-180.0, -90.0, 180.0, 90.0)
        self._transformer = self._to_wgs84(horizontal)

    def to_degrees(self, first: Numbers, second: Numbers) -> tuple[Numbers, Numbers]:
        """Return latitude and longitude on WGS 84 (EPSG:4326).

        Parameters
        ----------
        first, second : array of float64, shape (n,)
            Latitude and longitude, or northing (y) and easting (x), in the system's
            unit, whatever order of axes the register says. (In South Africa's grids:
            southing and westing.)

        Returns
        -------
        latitude, longitude : array of float64, shape (n,)
            Degrees; NaN where a number is missing, or so far from where the system is
            used that no place belongs to it.
        """
        # pyproj takes an array of one number for a number, which numpy warns of; so
        # there are always two rows more
        x, y = (np.append(values, [np.nan] * 2) for values in (second, first))
        x, y = self._transformer.transform(x, y, errcheck=False)
        latitude, longitude = y[:-2], x[:-2]
        good = np.isfinite(latitude) & np.isfinite(longitude)
        return np.where(good, latitude, np.nan), np.where(good, longitude, np.nan)

    def covers(
        self, latitude: Numbers, longitude: Numbers, margin_deg: float = 0.0
    ) -> NDArray[np.bool_]:
        """Return which places (in degrees) lie in the box around the area of use."""
        west, south, east, north = self._bounds_deg
        span = 360 if east - west >= 360 else (east - west) % 360
        between = (longitude - west + margin_deg) % 360 <= span + 2 * margin_deg
        low, high = south - margin_deg, north + margin_deg
        return between & (low <= latitude) & (latitude <= high)

    def _to_wgs84(self, crs: "CRS") -> "Transformer":
        from pyproj import CRS, Transformer
        from pyproj.exceptions import ProjError

        wgs84 = CRS.from_authority("EPSG", 4326)
        try:
            return Transformer.from_crs(crs, wgs84, always_xy=True)
        except ProjError as error:
            msg = (
                f"No way is known from the coordinate reference system {self.code} "
                f"({self.name}) to latitude and longitude on Earth. {_ADVICE}"
            )
            raise ParameterError(msg) from error


def _parse(code: str) -> tuple[str, str]:
    """Return authority and code."""
    found = _CODE.fullmatch(code.strip())
    if found is None:
        msg = (
            f"The coordinate reference system {code[:40]!r} is no code of a register. "
            "Expected one such as EPSG:2326, of EPSG, ESRI, IGNF or OGC. "
            f"{_ADVICE}"
        )
        raise ParameterError(msg)
    if ignf := found["ignf"]:
        return "IGNF", ignf.upper()
    if ogc := found["ogc"]:
        return "OGC", ogc.upper()
    return (found["authority"] or "EPSG").upper(), str(int(found["number"]))


def _known(authority: str, number: str) -> "CRS":
    """Return a system from its register."""
    crs = _look_up(authority, number)
    if crs is None:
        msg = (
            f"The coordinate reference system {authority}:{number} is unknown"
            f"{_other_meaning(authority, number)}. {_ADVICE}"
        )
        raise ParameterError(msg)
    return crs


def _look_up(authority: str, number: str) -> "CRS | None":
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_authority(authority, number)
    except CRSError:
        return None
    # PROJ looks up at ESRI what EPSG doesn't know
    is_its_own = crs.to_json_dict().get("id", {}).get("authority") == authority
    return crs if is_its_own else None


def _other_meaning(authority: str, number: str) -> str:
    """Return what else a code stands for, as the end of a sentence."""
    from pyproj.crs import CoordinateOperation, Datum, Ellipsoid, PrimeMeridian
    from pyproj.exceptions import CRSError

    for other in {"EPSG", "ESRI"} - {authority}:
        if authority in ("EPSG", "ESRI") and (crs := _look_up(other, number)):
            return f"; perhaps {other}:{number} is meant ({crs.name})"
    kinds = (
        (Ellipsoid, "an ellipsoid"),
        (Datum, "a datum"),
        (PrimeMeridian, "a prime meridian"),
        (CoordinateOperation, "a conversion between systems"),
    )
    for kind, words in kinds:
        try:
            found = kind.from_authority(authority, number)
        except CRSError:
            continue
        return f"; the number is that of {words} ({found.name})"
    return ""


def _horizontal(crs: "CRS") -> "CRS | None":
    """Return the part of a system that has horizontal coordinates, if there is one."""
    if crs.is_compound:
        return _horizontal(crs.sub_crs_list[0])
    return crs if crs.is_geographic or crs.is_projected else None


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
