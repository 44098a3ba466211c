"""Which columns of a table may hold its coordinates, by their names."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, NoReturn

from geoclusters.errors import TableError, printable, quoted

#: What open-data portals call the columns, the more explicit names first, in English,
#: the larger languages of Europe and of East Asia, Turkish and Arabic. (French and
#: Portuguese say latitude and longitude.) Written as `_plain` leaves them. Words with
#: another meaning are left out, such as Breite and Länge, width and length in German.
LATITUDE_NAMES: Final = (
    *("latitude", "lat", "decimallatitude", "latitudedeg", "latitudedd", "latdeg"),
    *("latdegree", "latdegrees", "latitudedegree", "latitudedegrees", "latd"),
    *("latdd", "wgs84latitude", "wgs84lat", "latwgs84", "latitudewgs84", "gpslatitude"),
    *("gpslat", "geolat", "geolatitude", "stoplat", "latitud", "latitudine"),
    *("latitudedecimal", "latdecimal", "decimallat", "declat", "declatva", "intptlat"),
    *("locationlatitude", "locationlat", "coordinateslatitude", "coordinateslat"),
    *("geopointlat", "geocodelat", "centroidlat", "wgs84breite"),
    *("breitengrad", "geographischebreite", "geogrbreite", "geobreite"),
    *("breedtegraad", "breddegrad", "leveysaste", "szerokośćgeograficzna"),
    *("zeměpisnášířka", "földrajziszélesség", "enlem", "vĩđộ", "lintang"),
    *("широта", "γεωγραφικόπλάτοσ", "緯度", "纬度", "twd97緯度", "wgs84緯度"),
    *("위도", "ละติจูด", "خطالعرض"),
)
LONGITUDE_NAMES: Final = (
    *("longitude", "lon", "lng", "long", "decimallongitude", "longitudedeg"),
    *("londegree", "londegrees", "longdegree", "longdegrees", "longitudedegree"),
    *("longitudedegrees", "lond", "longd", "longitudedd", "londeg", "longdeg"),
    *("londd", "wgs84longitude", "wgs84lon"),
    *("wgs84long", "lonwgs84", "longwgs84", "longitudewgs84", "gpslongitude", "gpslon"),
    *("gpslong", "gpslng", "geolon", "geolong", "geolng", "geolongitude", "stoplon"),
    *("wgs84lng", "lngwgs84", "longitud", "longitudine", "longitudedecimal"),
    *("londecimal", "longdecimal", "decimallon", "decimallong", "declon", "declong"),
    *("declongva", "intptlon", "intptlong", "locationlongitude", "locationlon"),
    *("locationlng", "locationlong", "coordinateslongitude", "coordinateslon"),
    *("coordinateslng", "geopointlon", "geocodelon", "geocodelng", "centroidlon"),
    *("wgs84länge", "wgs84laenge", "längengrad", "laengengrad"),
    *("geographischelänge", "geographischelaenge", "geogrlänge", "geogrlaenge"),
    *("geolänge", "geolaenge", "lengtegraad", "lengdegrad", "længdegrad"),
    *("pituusaste", "długośćgeograficzna", "zeměpisnádélka"),
    *("földrajzihosszúság", "boylam", "kinhđộ", "bujur", "долгота", "довгота"),
    *("γεωγραφικόμήκοσ", "經度", "经度", "経度", "twd97經度", "wgs84經度"),
    *("경도", "ลองจิจูด", "خطالطول"),
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
    *("coordinategps", "coördinaten", "coordenada", "座標", "坐标"),
    *("coord", "geocodedcolumn", "georeference", "geometrywkt", "wktgeometry"),
    *("wktgeom", "geomwkt", "localização", "localizacao", "經緯度", "经纬度"),
    *("координаты", "좌표"),
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
    *(("yutm", "xutm"), ("ylambert93", "xlambert93"), ("yl93", "xl93")),
    *(("geoy", "geox"),),
    *(("gkhochwert", "gkrechtswert"), ("norte", "este"), ("ywgs84", "xwgs84")),
    *(("wgs84y", "wgs84x"), ("yutmetrs89", "xutmetrs89"), ("yetrs89", "xetrs89")),
    *(("n", "e"), ("y坐标", "x坐标"), ("y座標", "x座標")),
)
#: The words for the axes in names of what stands beside a coordinate (`lat_min`), …
_AXES: Final = (
    ("latitude", "latitud", "latitudine", "lat"),
    ("longitude", "longitud", "longitudine", "long", "lon", "lng"),
)
#: … and those for what it is.
_MINUTES: Final = ("min", "mins", "minute", "minutes", "minutos", "minuti")
_SECONDS: Final = ("sec", "secs", "second", "seconds", "segundos", "secondi")
_HEMISPHERE: Final = ("dir", "direction", "ref", "hem", "hemisphere", "hemisferio")
#: Names of hemispheres that don't name the coordinate: they stand behind it.
_HEMISPHERES_BEHIND: Final = (("ns", "nsindicator"), ("ew", "ewindicator"))
#: A hemisphere in brackets behind a name; North and East need no mention, and O is West
#: in some languages, East in others.
_SOUTH: Final = re.compile(r"\( *°? *(?:S|SOUTH|SUR|SUD) *\)$")
_WEST: Final = re.compile(
    r"\( *°? *(?:W|WEST|OESTE|OUEST) *\)$|^LONGITUD(?:INE)?\b.*\( *°? *O *\)$"
)

#: So many columns are named in a message.
_MOST_SHOWN: Final = 20
#: Of names that could be meant, so many pairs are looked at.
_MOST_PAIRS: Final = 16

_USUAL_NAMES: Final = frozenset(
    {
        *LATITUDE_NAMES,
        *LONGITUDE_NAMES,
        *ONE_COLUMN_NAMES,
        *(name for names in NORTHING_EASTING_NAMES for name in names),
    }
)

_NAMES_BEYOND_ASCII: Final = tuple(name for name in _USUAL_NAMES if not name.isascii())

#: What is left of a name without these words tells which of several belong together:
#: `gps_lat` and `gps_lon`.
_LATITUDE_WORDS: Final = re.compile(
    "latitudine|latitude|latitud|lat|breitengrad|breite|breedtegraad|szerokość|широта"
    "|緯度|纬度"
)
_LONGITUDE_WORDS: Final = re.compile(
    "longitudine|longitude|longitud|long|lon|lng|längengrad|laengengrad|länge"
    "|laenge|lengtegraad|długość|долгота|經度|经度|経度"
)

#: So much of a name matters; a field of a table without header may be of any length.
_MOST_CHARACTERS: Final = 500
_SEPARATORS: Final = re.compile("[\\s_.,/#:*@°'\"\u200b\ufeff-]+")
#: What stands in brackets behind a name is a unit, but not `POINT (114.2 22.3)`, …
_TWO_NUMBERS: Final = re.compile(r"[0-9][\s,;]+[+-]?[0-9.]")
#: … and these are units of other numbers than degrees.
_OTHER_ANGLES: Final = re.compile(r"[(\[] *(?:rad|radians?|gon) *[)\]]$", re.IGNORECASE)
#: Words by which the name of a column with both tells what stands first: `(lon, lat)`,
#: `x_y`, `lonlat`.
_LATITUDE_ORDER: Final = frozenset(
    {*_AXES[0], "breite", "breitengrad", "northing", "hochwert", "y"}
)
_LONGITUDE_ORDER: Final = frozenset(
    {*_AXES[1], "länge", "laenge", "längengrad", "easting", "rechtswert", "x"}
)
_LONGITUDE_LATITUDE: Final = re.compile(f"(?:{'|'.join(_AXES[1])})lat|xy$")
_NO_LETTERS: Final = re.compile(r"[\W\d_]+")


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


class Beside(NamedTuple):
    """What belongs to a coordinate and stands beside its column."""

    #: Positions of columns.
    minutes: int | None = None
    seconds: int | None = None
    hemisphere: int | None = None
    #: The hemisphere's letter, S or W, where the coordinate's own name has it.
    letter: str = ""

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions of the columns, in this order."""
        columns = (self.minutes, self.seconds, self.hemisphere)
        return tuple(position for position in columns if position is not None)


NOTHING_BESIDE: Final = (Beside(), Beside())


class Candidate(NamedTuple):
    """Columns that may hold the coordinates."""

    family: Family
    #: Their positions, counted from 0: latitude or northing first; or the one.
    positions: tuple[int, ...]
    names: tuple[str, ...]
    #: Whether the owner of the table named them.
    is_given: bool
    #: What may belong to latitude, and what to longitude.
    beside: tuple[Beside, Beside] = NOTHING_BESIDE

    @property
    def needed(self) -> tuple[int, ...]:
        """The positions of all columns that are read: coordinates first."""
        latitude, longitude = self.beside
        return (*self.positions, *latitude.positions, *longitude.positions)

    @property
    def longitude_first(self) -> bool:
        """Whether the name of the one column says so: `(lon, lat)`."""
        name = unicodedata.normalize("NFKC", self.names[0]).casefold()
        words = _NO_LETTERS.split(name)
        latitude, longitude = (
            next((i for i, word in enumerate(words) if word in axis), None)
            for axis in (_LATITUDE_ORDER, _LONGITUDE_ORDER)
        )
        if latitude is not None and longitude is not None:
            return longitude < latitude
        return _LONGITUDE_LATITUDE.match("".join(words)) is not None


class Header:
    """The names of a table's columns.

    Case, spaces, underscores, hyphens, dots, commas, slashes and a unit in brackets
    don't matter.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        #: The names by which they are compared.
        self.plain = tuple(map(_plain, names))
        self._positions: dict[str, list[int]] = {}
        for position, name in enumerate(self.plain):
            self._positions.setdefault(name, []).append(position)

    def candidates(self, hints: ColumnHints) -> Iterator[Candidate]:
        """Yield the columns that may hold the coordinates, the better first."""
        if hints.coordinates is not None:
            given = self._called(hints.coordinates)
            if len(given) == 1:
                yield self._candidate(Family.ONE_COLUMN, *given, is_given=True)
            return
        is_given = (hints.latitude, hints.longitude) != (None, None)
        if not is_given and self._positions.keys().isdisjoint(_USUAL_NAMES):
            return  # as most rows of a table, which might all be its header
        for pair in self._pairs(hints):
            found = self._candidate(Family.LATITUDE_LONGITUDE, *pair, is_given=is_given)
            # What the owner names is whole as it is.
            yield found if is_given else found._replace(beside=self._beside(pair))
        if is_given:
            return
        for name in filter(self._is_one, ONE_COLUMN_NAMES):
            yield self._candidate(Family.ONE_COLUMN, *self._positions[name])
        for y, x in NORTHING_EASTING_NAMES:
            if self._is_one(y) and self._is_one(x):
                both = (*self._positions[y], *self._positions[x])
                yield self._candidate(Family.NORTHING_EASTING, *both)

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
        found = self._called(name)
        if len(found) == 1:
            return found[0]
        if found:
            raise self._several(found, key)
        msg = (
            f"The upload's parameters say `{key}={printable(name)}`, but the table has "
            f"no such column. Its columns are: {self.shown()}. Name one of these, and "
            "upload the table again."
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
            elif not any(map(self._is_one, usual)):
                raise self._missing(key, usual)
        found = quoted(hints.latitude or hints.longitude or "")
        msg = (
            f"Latitude and longitude were both read from column {found}. Name two "
            "different columns in the upload's metadata `latitude` and `longitude`, or "
            "the one that holds both in `coordinates`."
        )
        raise TableError(msg)

    def shown(self) -> str:
        """Return the names for a message."""
        columns = ", ".join(quoted(name) for name in self.names[:_MOST_SHOWN])
        if len(self.names) > _MOST_SHOWN:
            columns += f" and {len(self.names) - _MOST_SHOWN} more"
        return columns

    def _is_one(self, plain: str) -> bool:
        return len(self._positions.get(plain, ())) == 1

    def _called(self, name: str) -> list[int]:
        """Return the columns of a name: as it stands, or else in any spelling."""
        exactly = [i for i, each in enumerate(self.names) if each == name]
        return exactly or self._positions.get(_plain(name), [])

    def _pairs(self, hints: ColumnHints) -> list[tuple[int, int]]:
        """Return columns of latitude and longitude, those that belong together first.

        Only where no two do, any two are taken.
        """
        pairs = [
            (latitude, longitude)
            for latitude in self._found(hints.latitude, LATITUDE_NAMES)
            for longitude in self._found(hints.longitude, LONGITUDE_NAMES)
            if latitude != longitude
        ][:_MOST_PAIRS]
        together = [
            (latitude, longitude)
            for latitude, longitude in pairs
            if _LATITUDE_WORDS.sub("", self.plain[latitude], count=1)
            == _LONGITUDE_WORDS.sub("", self.plain[longitude], count=1)
        ]
        return together or pairs

    def _beside(self, pair: tuple[int, int]) -> tuple[Beside, Beside]:
        """Return what may belong to two columns, by the names of the others."""
        latitude, longitude = pair
        south, west = (self.names[i].strip().upper() for i in pair)
        return (
            self._of_axis(0, latitude, "S" if _SOUTH.search(south) else ""),
            self._of_axis(1, longitude, "W" if _WEST.search(west) else ""),
        )

    def _of_axis(self, axis: int, position: int, letter: str) -> Beside:
        words = _AXES[axis]
        minutes = self._first_of(words, _MINUTES)
        seconds = self._first_of(words, _SECONDS)
        if self.plain[position] in {f"{word}d" for word in words}:
            minutes = self._first_of(words, ("m", "mm"))
            seconds = self._first_of(words, ("s", "ss"))
        if minutes is None or self._first_of(words, ("max",)) is not None:
            minutes = seconds = None  # `lat_min` beside `lat_max` is an end of a box
        names = _HEMISPHERES_BEHIND[axis]
        hemisphere = self._first_of(words, (names[0], *_HEMISPHERE))
        if hemisphere is None:
            last = max(i for i in (position, minutes, seconds) if i is not None)
            behind = (last + 1, last + 2)  # or behind both coordinates
            found = [
                i for i in behind if self.plain[i : i + 1] in [(n,) for n in names]
            ]
            hemisphere = next(iter(found), None)
        return Beside(minutes, seconds, hemisphere, letter)

    def _first_of(self, words: Sequence[str], ends: Sequence[str]) -> int | None:
        """Return the position of the first of some names that is one column's."""
        names = (f"{word}{end}" for word in words for end in ends)
        return next((self._positions[n][0] for n in names if self._is_one(n)), None)

    def _found(self, given: str | None, usual: Sequence[str]) -> list[int]:
        if given is None:
            return [self._positions[name][0] for name in usual if self._is_one(name)]
        found = self._called(given)
        return found if len(found) == 1 else []

    def _missing(self, key: str, usual: Sequence[str]) -> TableError:
        for name in usual:
            if found := self._positions.get(name):
                return self._several(found, key)
        msg = (
            f"No column for the {key} was found. Expected one called "
            f"{', '.join(usual[:4])} or the like; the table's columns are: "
            f"{self.shown()}. Rename the columns, or upload with their names as "
            "metadata: `--metadata latitude=NAME,longitude=NAME`; or, if one column "
            "holds both, `--metadata coordinates=NAME`."
        )
        return TableError(msg)

    def _several(self, positions: Sequence[int], key: str) -> TableError:
        names = list(dict.fromkeys(self.names[position] for position in positions))
        called = " and ".join(map(quoted, names[:_MOST_SHOWN]))
        columns = ", ".join(str(position + 1) for position in positions[:_MOST_SHOWN])
        if len(positions) > _MOST_SHOWN:
            columns += ", …"
        advice = "Rename all but the one that is meant, and upload the table again."
        if len(names) > 1:
            advice = (
                "Give them different names, or name the one that is meant in the "
                f"upload's metadata `{key}`."
            )
        msg = f"{len(positions)} columns are called {called} (columns {columns}). "
        msg += advice
        return TableError(msg)

    def _candidate(
        self, family: Family, *positions: int, is_given: bool = False
    ) -> Candidate:
        names = tuple(self.names[position] for position in positions)
        return Candidate(family, positions, names, is_given)


def names_coordinates(text: str) -> bool:
    """Return whether a usual name of coordinates that isn't ASCII stands in a text."""
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()
    return any(name in plain for name in _NAMES_BEYOND_ASCII)


def _plain(name: str) -> str:
    """Return a name without case, separators and a unit in brackets at its end."""
    composed = unicodedata.normalize("NFKC", name[:_MOST_CHARACTERS]).strip()
    if composed.endswith((")", "]")) and not _OTHER_ANGLES.search(composed):
        start = max(composed.rfind("("), composed.rfind("["))
        if start > 0 and not _TWO_NUMBERS.search(composed, start):
            composed = composed[:start]
    return _SEPARATORS.sub("", composed).casefold()
