"""Which columns of a table may hold its coordinates, by their names."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, NoReturn

from geoclusters.errors import TableError

#: What open-data portals call the columns, the more explicit names first, in English,
#: Spanish, Italian, German, Dutch, Polish, Russian, Chinese and Japanese. (French and
#: Portuguese say latitude and longitude.) Written as `_plain` leaves them.
LATITUDE_NAMES: Final = (
    *("latitude", "lat", "decimallatitude", "latitudedeg", "latitudedd", "latdeg"),
    *("latdd", "wgs84latitude", "wgs84lat", "latwgs84", "latitudewgs84", "gpslatitude"),
    *("gpslat", "geolat", "geolatitude", "stoplat", "latitud", "latitudine"),
    *("breitengrad", "geographischebreite", "geogrbreite", "breedtegraad"),
    *("szerokośćgeograficzna", "широта", "緯度", "纬度"),
)
LONGITUDE_NAMES: Final = (
    *("longitude", "lon", "lng", "long", "decimallongitude", "longitudedeg"),
    *("longitudedd", "londeg", "longdeg", "londd", "wgs84longitude", "wgs84lon"),
    *("wgs84long", "lonwgs84", "longwgs84", "longitudewgs84", "gpslongitude", "gpslon"),
    *("gpslong", "gpslng", "geolon", "geolong", "geolng", "geolongitude", "stoplon"),
    *("longitud", "longitudine", "längengrad", "laengengrad", "geographischelänge"),
    *("geogrlänge", "lengtegraad", "długośćgeograficzna", "долгота"),
    *("經度", "经度", "経度"),
)
#: One column with both, as Socrata, Opendatasoft, PostGIS and others write it.
ONE_COLUMN_NAMES: Final = (
    *("latlon", "latlng", "latlong", "latitudelongitude", "lonlat", "lnglat"),
    *("longlat", "longitudelatitude", "coordinates", "coordinate", "coords"),
    *("geopoint2d", "geopoint", "geolocation", "location", "location1", "position"),
    *("wkt", "thegeom", "geom", "geometry", "geometrie", "shape", "geoshape", "point"),
    *("gps", "gpscoordinates", "latlonwgs84", "coordenadas", "coordenadasgps"),
    *("geolocalización", "geolocalizacion", "ubicación", "ubicacion", "coordonnées"),
    *("coordonnees", "coordonneesgps", "coordonnéesgps", "géolocalisation", "geo"),
    *("coordonnéesgéographiques", "koordinaten", "geokoordinaten", "gpskoordinaten"),
    *("coordinate", "coordinategps", "coördinaten", "coordenada", "座標", "坐标"),
    *("經緯度", "经纬度", "координаты"),
)
#: Northing and easting, y and x.
NORTHING_EASTING_NAMES: Final = (
    *(("northing", "easting"), ("northings", "eastings"), ("north", "east")),
    *(("y", "x"), ("ycoord", "xcoord"), ("coordy", "coordx"), ("pointy", "pointx")),
    *(("ycoordinate", "xcoordinate"), ("utmnorthing", "utmeasting"), ("utmy", "utmx")),
    *(("hochwert", "rechtswert"), ("nordwert", "ostwert"), ("hoch", "rechts")),
    *(("coordenaday", "coordenadax"), ("coordonneey", "coordonneex")),
    *(("coordonnéey", "coordonnéex"), ("ycoordinaat", "xcoordinaat"), ("rdy", "rdx")),
    *(("nkoordinate", "ekoordinate"), ("ykoordinate", "xkoordinate"), ("nord", "est")),
    *(
        ("yutm", "xutm"),
        ("ylambert93", "xlambert93"),
        ("yl93", "xl93"),
        ("geoy", "geox"),
    ),
    *(("n", "e"), ("y坐标", "x坐标"), ("y座標", "x座標")),
)

_USUAL_NAMES: Final = frozenset(
    {
        *LATITUDE_NAMES,
        *LONGITUDE_NAMES,
        *ONE_COLUMN_NAMES,
        *(name for names in NORTHING_EASTING_NAMES for name in names),
    }
)

_NAMES_BEYOND_ASCII: Final = tuple(name for name in _USUAL_NAMES if not name.isascii())

_SEPARATORS = re.compile(r"[\s_.\-,/]+")
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


class Family(IntEnum):
    """What the names of columns promise, the better first."""

    LATITUDE_LONGITUDE = 0
    ONE_COLUMN = 1
    NORTHING_EASTING = 2


class Candidate(NamedTuple):
    """Columns that may hold the coordinates."""

    family: Family
    #: Their positions, counted from 0: latitude or northing first; or the one.
    positions: tuple[int, ...]
    names: tuple[str, ...]
    #: Whether the owner of the table named them.
    is_given: bool


class Header:
    """The names of a table's columns.

    Case, spaces, underscores, hyphens, dots, commas, slashes and a unit in brackets
    don't matter.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._positions: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            self._positions.setdefault(_plain(name), []).append(position)

    def candidates(self, hints: ColumnHints) -> Iterator[Candidate]:
        """Yield the columns that may hold the coordinates, the better first."""
        if hints.coordinates is not None:
            if self._is_one(name := _plain(hints.coordinates)):
                yield self._candidate(Family.ONE_COLUMN, (name,), is_given=True)
            return
        is_given = (hints.latitude, hints.longitude) != (None, None)
        if not is_given and self._positions.keys().isdisjoint(_USUAL_NAMES):
            return  # as most rows of a table, which might all be its header
        latitude = self._first(hints.latitude, LATITUDE_NAMES)
        longitude = self._first(hints.longitude, LONGITUDE_NAMES)
        if latitude and longitude and latitude != longitude:
            names = (latitude, longitude)
            yield self._candidate(Family.LATITUDE_LONGITUDE, names, is_given=is_given)
        if is_given:
            return
        for name in filter(self._is_one, ONE_COLUMN_NAMES):
            yield self._candidate(Family.ONE_COLUMN, (name,))
        for names in NORTHING_EASTING_NAMES:
            if all(map(self._is_one, names)):
                yield self._candidate(Family.NORTHING_EASTING, names)

    def position(self, name: str, key: str) -> int:
        """Return the position of the one column that is called so.

        Parameters
        ----------
        name : str
            As the owner of the table wrote it …
        key : str
            … for this parameter.

        Raises
        ------
        TableError
            If there is none, or several.
        """
        found = self._positions.get(_plain(name), [])
        if len(found) == 1:
            return found[0]
        if found:
            raise _several(self.names[found[0]], found, key)
        msg = (
            f"The upload's parameters say `{key}={name}`, but the table has no such "
            f"column. Its columns are: {self.shown()}. Name one of these, and upload "
            "the table again."
        )
        raise TableError(msg)

    def refuse(self, hints: ColumnHints) -> NoReturn:
        """Say why `candidates` yields none.

        Raises
        ------
        TableError
            Always.
        """
        if hints.coordinates is not None:
            self.position(hints.coordinates, "coordinates")
        for key, given, usual in (
            ("latitude", hints.latitude, LATITUDE_NAMES),
            ("longitude", hints.longitude, LONGITUDE_NAMES),
        ):
            if given is not None:
                self.position(given, key)
            elif self._first(None, usual) is None:
                raise self._missing(key, usual)
        found = shown(hints.latitude or hints.longitude or "")
        msg = (
            f"Latitude and longitude were both read from column {found}. Name two "
            "different columns in the upload's metadata `latitude` and `longitude`, or "
            "the one that holds both in `coordinates`."
        )
        raise TableError(msg)

    def shown(self) -> str:
        """Return the names for a message."""
        columns = ", ".join(shown(name) for name in self.names[:20])
        if len(self.names) > 20:
            columns += f" and {len(self.names) - 20} more"
        return columns

    def _is_one(self, plain: str) -> bool:
        return len(self._positions.get(plain, ())) == 1

    def _first(self, given: str | None, usual: Sequence[str]) -> str | None:
        names = usual if given is None else (_plain(given),)
        return next(filter(self._is_one, names), None)

    def _missing(self, key: str, usual: Sequence[str]) -> TableError:
        for name in usual:
            if found := self._positions.get(name):
                return _several(self.names[found[0]], found, key)
        msg = (
            f"No column for the {key} was found. Expected one called "
            f"{', '.join(usual[:4])} or the like; the table's columns are: "
            f"{self.shown()}. Rename the columns, or upload with their names as "
            "metadata: `--metadata latitude=NAME,longitude=NAME`; or, if one column "
            "holds both, `--metadata coordinates=NAME`."
        )
        return TableError(msg)

    def _candidate(
        self, family: Family, plain: tuple[str, ...], *, is_given: bool = False
    ) -> Candidate:
        positions = tuple(self._positions[name][0] for name in plain)
        names = tuple(self.names[position] for position in positions)
        return Candidate(family, positions, names, is_given)


def names_coordinates(text: str) -> bool:
    """Return whether a usual name of coordinates that isn't ASCII stands in a text."""
    plain = _plain(text)
    return any(name in plain for name in _NAMES_BEYOND_ASCII)


def shown(name: str) -> str:
    """Return a name for a message: quoted, not too long, control characters escaped."""
    return repr(name if len(name) <= 40 else f"{name[:40]}…")


def _several(name: str, positions: Sequence[int], key: str) -> TableError:
    msg = (
        f"{len(positions)} columns are called {shown(name)} (columns "
        f"{', '.join(str(i + 1) for i in positions)}). Give them different names, or "
        f"name another column in the upload's metadata `{key}`."
    )
    return TableError(msg)


def _plain(name: str) -> str:
    """Return a name without case, separators and a unit in brackets at its end."""
    composed = unicodedata.normalize("NFKC", name)
    return _SEPARATORS.sub("", _UNIT.sub("", composed)).casefold()
