"""What the owner of an upload asks for, and where that may be said.

A parameter is said by the upload's metadata, or in a file of parameters that lies
beside it (`layout.parameters_key`); the metadata wins, parameter by parameter. Names,
bounds and defaults are those of the fields of `Parameters`.
"""

import difflib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Any, Final, NamedTuple, Self

from geoclusters.errors import ParameterError, printable, shown
from geoclusters.geodesy import GEOMETRIES
from geoclusters.tables.columns import ColumnHints

LEAST_K: Final = 2
MOST_K: Final = 10_000
#: Values of `refine`.
REFINEMENTS: Final = ("auto", "always", "never")
#: The largest file of parameters, in bytes.
MOST_DOCUMENT_BYTES: Final = 64 * 1024

_METADATA: Final = "The upload's metadata"
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Values of `type` in GeoJSON (RFC 7946) and TopoJSON.
_GEODATA_TYPES: Final = (
    *("FeatureCollection", "Feature", "Point", "MultiPoint", "LineString"),
    *("MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection", "Topology"),
)


class NotParametersError(ParameterError):
    """JSON that is something else, such as GeoJSON."""


class Document(NamedTuple):
    """A file of parameters."""

    #: Its key, for messages.
    key: str
    #: Its bytes, or more than MOST_DOCUMENT_BYTES of them.
    data: bytes


class _Domain(ABC):
    """The values that a parameter may have."""

    def __init__(self, expected: str) -> None:
        self.expected = expected

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Return the value that a text stands for; None if it is out of bounds."""


class _WholeNumber(_Domain):
    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"a whole number from {low:,} to {high:,}")
        self._low, self._high = low, high

    def parse(self, text: str) -> int | None:
        digits = text.strip()
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 20
        number = int(digits) if is_number else self._low - 1
        return number if self._low <= number <= self._high else None


class _OneOf(_Domain):
    def __init__(self, *choices: str) -> None:
        super().__init__(f"one of {', '.join(choices)}")
        self._choices = choices

    def parse(self, text: str) -> str | None:
        choice = text.strip().lower()
        return choice if choice in self._choices else None


class _Column(_Domain):
    _MOST_CHARACTERS = 500

    def __init__(self) -> None:
        super().__init__(f"a column's name, at most {self._MOST_CHARACTERS} characters")

    def parse(self, text: str) -> str | None:
        fits = text.strip() != "" and len(text) <= self._MOST_CHARACTERS
        return text if fits and _is_unicode(text) else None


class _ReferenceSystem(_Domain):
    def __init__(self) -> None:
        super().__init__(
            "the code of a coordinate reference system such as EPSG:2326 or 2326"
        )

    def parse(self, text: str) -> str | None:
        code = text.strip()
        if re.fullmatch(r"[0-9]{1,7}", code):
            return f"EPSG:{code}"
        if re.fullmatch(r"(?i)WGS[ _-]?(?:19)?84", code):
            return "EPSG:4326"
        match = re.fullmatch(
            # OGC writes urn:ogc:def:crs:EPSG::2326
            r"(?i:urn:ogc:def:crs:)?"
            r"([A-Za-z][A-Za-z0-9_]{0,31}):(?:[0-9.]*:)? *([A-Za-z0-9_.-]{1,32})",
            code,
        )
        return f"{match[1].upper()}:{match[2]}" if match else None


class _Boundary(_Domain):
    _ENDINGS = (".zip", ".geojson", ".json", ".gpkg")
    _MOST_BYTES = 512

    def __init__(self) -> None:
        super().__init__(
            f"the name of a file under boundaries/ that ends in "
            f"{', '.join(self._ENDINGS[:-1])} or {self._ENDINGS[-1]}, at most "
            f"{self._MOST_BYTES} bytes, without “..” and control characters"
        )

    def parse(self, text: str) -> str | None:
        fits = (
            _is_unicode(text)
            and len(text.encode()) <= self._MOST_BYTES
            and text.lower().endswith(self._ENDINGS)
            and text.lower() not in self._ENDINGS
            and ".." not in text
            and not _CONTROL_CHARACTERS.search(text)
        )
        return text if fits else None


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written in UTF-8: JSON may hold half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parameter(domain: _Domain, what: str, example: str) -> dict[str, Any]:
    return {"domain": domain, "what": what, "example": example}


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Parameters of a run; None where nothing is asked for."""

    #: Number of clusters; by default as many as the deployment says.
    k: int = field(
        metadata=_parameter(
            _WholeNumber(LEAST_K, MOST_K), "the number of clusters", "15"
        )
    )
    #: Names of the coordinate columns where they are not the usual ones …
    latitude: str | None = field(
        default=None,
        metadata=_parameter(_Column(), "the column of the latitude", "north"),
    )
    longitude: str | None = field(
        default=None,
        metadata=_parameter(_Column(), "the column of the longitude", "east"),
    )
    #: … or of one column with both.
    coordinates: str | None = field(
        default=None,
        metadata=_parameter(_Column(), "the column of both coordinates", "location"),
    )
    #: Name of the column whose value tells a place from the others.
    id: str | None = field(
        default=None,
        metadata=_parameter(_Column(), "the column that names a place", "station"),
    )
    #: What the coordinates are in; its meaning is looked up where tables are read.
    crs: str | None = field(
        default=None,
        metadata=_parameter(
            _ReferenceSystem(), "the coordinate reference system", "EPSG:2326"
        ),
    )
    #: A name in `geodesy.GEOMETRIES`.
    geometry: str = field(
        default="spherical",
        metadata=_parameter(
            _OneOf(*GEOMETRIES), "the geometry of distances", "spherical"
        ),
    )
    #: Whether the report goes on from SageMaker's centroids in float64: by default
    #: where single precision costs quality.
    refine: str = field(
        default="auto",
        metadata=_parameter(
            _OneOf(*REFINEMENTS), "whether the centroids are refined", "always"
        ),
    )
    #: A file's name under `layout.BOUNDARIES_PREFIX`: borders to draw on the map.
    boundary: str | None = field(
        default=None,
        metadata=_parameter(_Boundary(), "the borders to draw", "districts.zip"),
    )

    #: Of all these the ones that were given, by name.
    given: Mapping[str, Any] = field(default_factory=dict)
    #: Key of the file of parameters, where there was one.
    file: str | None = None

    @property
    def columns(self) -> ColumnHints:
        """What is said about the table's columns."""
        return ColumnHints(
            latitude=self.latitude,
            longitude=self.longitude,
            coordinates=self.coordinates,
            id=self.id,
            crs=self.crs,
        )

    @classmethod
    def read(
        cls,
        metadata: Mapping[str, str],
        document: Document | None = None,
        *,
        default_k: int,
    ) -> Self:
        """Read the parameters of an upload.

        Parameters
        ----------
        metadata : mapping
            The object's user metadata as S3 hands it out: keys in lower case. Other
            keys than those of parameters don't matter: programs write their own.
        document : Document, optional
            The file of parameters beside the upload: one object of JSON in UTF-8, whose
            values are numbers or texts. Other keys than those of parameters are errors.
        default_k : int
            Number of clusters where none is asked for.

        Raises
        ------
        NotParametersError
            If the document is other JSON, such as GeoJSON.
        ParameterError
            If a value is out of its bounds, values contradict each other, or the
            document can't be read.
        """
        said = {
            name: (value, source)
            for source, values in (
                (_of(document), {} if document is None else _values(document)),
                (_METADATA, _of_metadata(metadata)),
            )
            for name, value in values.items()
        }
        _check_together(said)
        given = {
            name: _parsed(name, *said[name]) for name in _PARAMETERS if name in said
        }
        file = None if document is None else document.key
        return cls(**{"k": default_k, **given}, given=given, file=file)


_PARAMETERS: Final = {
    parameter.name: parameter.metadata
    for parameter in fields(Parameters)
    if "domain" in parameter.metadata
}


def _of(document: Document | None) -> str:
    return (
        "" if document is None else f"The file of parameters {printable(document.key)}"
    )


def _of_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name: _decoded(metadata[name]) for name in _PARAMETERS if name in metadata}


def _decoded(value: str) -> str:
    """Return a value as its owner wrote it: S3 hands out non-ASCII text by RFC 2047."""
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):  # it only looks like that
        return value


def _parsed(name: str, text: str, source: str) -> Any:
    parameter = _PARAMETERS[name]
    domain: _Domain = parameter["domain"]
    value = domain.parse(text)
    if value is None:
        msg = (
            f"{source} says `{name}={shown(text)}`, but {name}, {parameter['what']}, "
            f"must be {domain.expected}. {_remedy(name, parameter['example'], source)}"
        )
        raise ParameterError(msg)
    return value


def _remedy(name: str, example: str, source: str) -> str:
    if source == _METADATA:
        return f"Upload again, for example with `--metadata {name}={example}`."
    return (
        f"Write for example {json.dumps({name: example})}, upload that, and then the "
        "table again."
    )


def _check_together(said: Mapping[str, tuple[str, str]]) -> None:
    """Refuse both two columns of coordinates and one with both."""
    pair = [name for name in ("latitude", "longitude") if name in said]
    if not (pair and "coordinates" in said):
        return
    msg = (
        f"{_saying(said, 'coordinates')}. {_saying(said, pair[0])}. But either one "
        "column has both coordinates, or each has its own: leave one of them out."
    )
    raise ParameterError(msg)


def _saying(said: Mapping[str, tuple[str, str]], name: str) -> str:
    text, source = said[name]
    return f"{source} says `{name}={shown(text)}`"


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, with keys that stand in it twice."""


def _values(document: Document) -> dict[str, str]:
    """Return what a document says, numbers as they are written."""
    values: dict[str, str] = {}
    for name, value in _load(document):
        if name not in _PARAMETERS:
            raise _refused(document, f"says `{shown(name)}`. {_known(name)}")
        if name in values:
            raise _refused(document, f"says `{name}` twice. Leave one of them out")
        if not isinstance(value, str):
            how = f"says `{name}` by something else than a number or a text"
            example = json.dumps({name: _PARAMETERS[name]["example"]})
            raise _refused(document, f"{how}. Write for example {example}")
        values[name] = value
    return values


def _load(document: Document) -> _Pairs:
    if len(document.data) > MOST_DOCUMENT_BYTES:
        most = f"more than {MOST_DOCUMENT_BYTES // 1024} KiB"
        raise _not_parameters(document, f"{most}, too much for parameters")
    try:
        loaded = json.loads(
            document.data.decode("utf-8-sig"),
            object_pairs_hook=_Pairs,
            parse_int=str,
            parse_float=str,
            parse_constant=lambda _: None,  # NaN and infinities
        )
    except UnicodeDecodeError:
        raise _refused(document, "is not in UTF-8. Save it in that encoding") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        how = f"is no JSON ({error.msg} in {where}). Mend it"
        raise _refused(document, how) from None
    except RecursionError:
        loaded = None
    if not isinstance(loaded, _Pairs) or _is_geodata(loaded) or _is_data(loaded):
        raise _not_parameters(document, "other JSON, such as GeoJSON")
    return loaded


def _is_geodata(pairs: _Pairs) -> bool:
    return any(
        (name == "type" and value in _GEODATA_TYPES)
        or (name == "features" and isinstance(value, list))
        for name, value in pairs
    )


def _is_data(pairs: _Pairs) -> bool:
    """Return whether an object holds lists or objects, and no parameter."""
    names = {name for name, _ in pairs}
    is_nested = any(isinstance(value, list) for _, value in pairs)
    return is_nested and names.isdisjoint(_PARAMETERS)


def _known(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), _PARAMETERS, n=1)
    guess = f"Did you mean `{close[0]}`? " if close else ""
    return f"{guess}There are {', '.join(_PARAMETERS)}; write one of these"


def _refused(document: Document, how: str) -> ParameterError:
    return ParameterError(
        f"{_of(document)} {how}, upload that, and then the table again."
    )


def _not_parameters(document: Document, what: str) -> NotParametersError:
    return NotParametersError(
        f"The file {printable(document.key)}, where parameters of this upload would "
        f"stand, is {what}. "
        'Parameters are one object like {"k": 15}. Give the file another name or '
        "delete it, and upload the table again."
    )
