"""Which two columns of a table hold latitude and longitude."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from geoclusters.errors import TableError

#: What open-data portals call the columns, the more explicit names first, in English,
#: Spanish, Italian, German, Dutch, Polish, Russian, Chinese and Japanese. (French and
#: Portuguese say latitude and longitude.) Written as `_plain` leaves them.
LATITUDE_NAMES = (
    *("latitude", "lat", "decimallatitude", "latitudedeg", "latitudedd", "latdeg"),
    *("latdd", "wgs84latitude", "wgs84lat", "latwgs84", "latitudewgs84", "gpslatitude"),
    *("gpslat", "geolat", "geolatitude", "stoplat", "latitud", "latitudine"),
    *("breitengrad", "geographischebreite", "geogrbreite", "breedtegraad"),
    *("szerokośćgeograficzna", "широта", "緯度", "纬度"),
)
LONGITUDE_NAMES = (
    *("longitude", "lon", "lng", "long", "decimallongitude", "longitudedeg"),
    *("longitudedd", "londeg", "longdeg", "londd", "wgs84longitude", "wgs84lon"),
    *("wgs84long", "lonwgs84", "longwgs84", "longitudewgs84", "gpslongitude", "gpslon"),
    *("gpslong", "gpslng", "geolon", "geolong", "geolng", "geolongitude", "stoplon"),
    *("longitud", "longitudine", "längengrad", "laengengrad", "geographischelänge"),
    *("geogrlänge", "lengtegraad", "długośćgeograficzna", "долгота"),
    *("經度", "经度", "経度"),
)

_SEPARATORS = re.compile(r"[\s_.\-]+")
_UNIT = re.compile(r"[(\[][^)\]]*[)\]]\s*$")


@dataclass(frozen=True, kw_only=True)
class ColumnHints:
    """What the owner of a table says about its columns; what is None is looked for."""

    #: Names of the columns with latitude (or northing) and longitude (or easting).
    latitude: str | None = None
    longitude: str | None = None
    #: Name of one column with both.
    coordinates: str | None = None
    #: Name of the column whose value tells a place from the others.
    id: str | None = None
    #: Coordinate reference system: an authority's code, such as EPSG:2326.
    crs: str | None = None


class CoordinateColumns(NamedTuple):
    """Positions of the coordinate columns, counted from 0, and their names."""

    latitude: int
    longitude: int
    latitude_name: str
    longitude_name: str


def find_coordinates(
    header: Sequence[str], *, latitude: str | None = None, longitude: str | None = None
) -> CoordinateColumns:
    """Return the columns of latitude and longitude.

    Parameters
    ----------
    header : sequence of str
        The names of all columns. Case, spaces, underscores, hyphens, dots and a unit in
        brackets don't matter.
    latitude, longitude : str, optional
        Names that the upload's owner gave; otherwise the usual ones are looked for, in
        the order of `LATITUDE_NAMES` and `LONGITUDE_NAMES`.

    Raises
    ------
    TableError
        If a column is missing, or several could be meant.
    """
    lat = _find(header, "latitude", latitude, LATITUDE_NAMES)
    lon = _find(header, "longitude", longitude, LONGITUDE_NAMES)
    if lat == lon:
        msg = (
            f"Latitude and longitude were both read from column {_shown(header[lat])}. "
            "Name two different columns in the upload's metadata "
            "`latitude` and `longitude`."
        )
        raise TableError(msg)
    return CoordinateColumns(lat, lon, header[lat], header[lon])


def _find(
    header: Sequence[str], what: str, given: str | None, usual: Sequence[str]
) -> int:
    names = [_plain(name) for name in header]
    for wanted in usual if given is None else (given,):
        found = [i for i, name in enumerate(names) if name == _plain(wanted)]
        if len(found) > 1:
            msg = (
                f"{len(found)} columns are called {_shown(header[found[0]])} (columns "
                f"{', '.join(str(i + 1) for i in found)}). Give them different names, "
                f"or name another column in the upload's metadata `{what}`."
            )
            raise TableError(msg)
        if found:
            return found[0]
    columns = ", ".join(_shown(name) for name in header[:20])
    if len(header) > 20:
        columns += f" and {len(header) - 20} more"
    if given is not None:
        msg = (
            f"The upload's metadata says `{what}={given}`, but the table has no such "
            f"column. Its columns are: {columns}."
        )
    else:
        msg = (
            f"No column for the {what} was found. Expected one called "
            f"{', '.join(usual[:4])} or the like; the table's columns are: {columns}. "
            "Rename the column, or upload with its name as metadata: "
            f"`--metadata {what}=NAME`."
        )
    raise TableError(msg)


def _shown(name: str) -> str:
    """Return a name for a message: quoted, not too long, control characters escaped."""
    return repr(name if len(name) <= 40 else f"{name[:40]}…")


def _plain(name: str) -> str:
    """Return a name without case, separators and a unit in brackets at its end."""
    return _SEPARATORS.sub("", _UNIT.sub("", name)).casefold()
