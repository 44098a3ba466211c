"""One column with both coordinates, and whether two columns stand for each other."""

import math
import struct
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from geoclusters.tables import notation

_NUMBER: Final = r"[+\-−]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_FRACTION: Final = r"[+\-−]?[0-9]*\.[0-9]+"
_TYPES: Final = (
    *("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString"),
    *("MultiPolygon", "GeometryCollection"),
)
_TYPES_BY_LOWER: Final = {name.lower(): name for name in _TYPES}
_ANY_TYPE: Final = "|".join(_TYPES)

#: Well-known text (OGC 06-103r4), with PostGIS's SRID in front of it.
_WKT: Final = (
    rf"(?i)^(?:SRID=(?P<srid>[0-9]{{1,9}});)?\s*(?P<type>{_ANY_TYPE})\s*"
    rf"(?:ZM|Z|M)?\s*(?:\(|EMPTY)\s*"
    rf"(?:(?P<x>{_NUMBER})\s+(?P<y>{_NUMBER})(?:\s+{_NUMBER}){{0,2}}\s*\)$)?"
)
#: GeoJSON (RFC 7946), or what Python prints of it.
_GEOJSON_TYPE: Final = rf"""["']type["']\s*:\s*["'](?P<type>{_ANY_TYPE})["']"""
_GEOJSON_POINT: Final = (
    rf"""["']coordinates["']\s*:\s*\[\s*(?P<x>{_NUMBER})\s*,\s*(?P<y>{_NUMBER})\s*"""
    rf"(?:,\s*{_NUMBER}\s*)*\]"
)
_HEX: Final = r"^(?:\\x|0x)?(?P<hex>0[01](?:[0-9A-Fa-f]{2}){8,})$"
#: Bits in the type number of PostGIS's well-known binary: with a Z, an M, an SRID.
_EWKB_Z, _EWKB_M, _EWKB_SRID = 0x80000000, 0x40000000, 0x20000000
_POINTS: Final = {"type": pl.String, "srid": pl.Int64, "x": pl.String, "y": pl.String}

#: Two numbers with decimal points, as most pairs are. Two whole numbers with nothing
#: but a comma between them (`22,3`) are not told from one with a decimal comma.
_TWO_NUMBERS: Final = (
    rf"^[\[(]?\s*(?P<a>{_NUMBER})(?:\s*[,;|]\s+|\s+[,;|]\s*|\s*[;|]\s*|\s+)"
    rf"(?P<b>{_NUMBER})\s*[\])]?$",
    rf"^[\[(]?\s*(?P<a>{_NUMBER}),(?P<b>{_FRACTION}|[+\-−][0-9]+)\s*[\])]?$",
    rf"^[\[(]?\s*(?P<a>{_FRACTION}),(?P<b>{_NUMBER})\s*[\])]?$",
    # behind an address, as Socrata exports places
    rf"(?s)^.*\n\s*\(\s*(?P<a>{_NUMBER})\s*,\s*(?P<b>{_NUMBER})\s*\)$",
    # with altitude and accuracy, as field surveys (ODK) write them
    rf"^(?P<a>{_FRACTION})(?:\s*,\s*|\s+)(?P<b>{_FRACTION})"
    rf"(?:(?:\s*,\s*|\s+){_NUMBER}){{1,2}}$",
)
_MAYBE_ONE_NUMBER: Final = r"^[+\-−]?[0-9]+,[0-9]+$"
_SEVERAL_NUMBERS: Final = r"[0-9][^0-9]+[0-9]"
_BRACKETS: Final = r"^[\[(]\s*(.*?)\s*[\])]$"
#: Where a text may be cut in two; both halves must be coordinates then.
_CUTS: Final = (
    r"^(?P<a>[^;|\n]+)[;|\n](?P<b>[^;|\n]+)$",
    r"^(?P<a>[^,]+),(?P<b>[^,]+)$",
    r"^(?P<a>(?:[^,]|,\S)+),\s+(?P<b>(?:[^,]|,\S)+)$",
    r"^(?P<a>.*[^0-9,]),(?P<b>.+)$",
    r"^(?P<a>\S+)\s+(?P<b>\S+)$",
    r"^(?P<a>\S+\s+\S+)\s+(?P<b>\S+\s+\S+)$",
    r"^(?P<a>\S+\s+\S+\s+\S+)\s+(?P<b>\S+\s+\S+\s+\S+)$",
    # behind, or before, the first hemisphere's letter
    r"^(?P<a>.*[NS])(?P<b>.*[EW])$",
    r"^(?P<a>.*[EW])(?P<b>.*[NS])$",
    r"^(?P<a>.*[ns])(?P<b>.*[ew])$",
    r"^(?P<a>.*[ew])(?P<b>.*[ns])$",
    r"(?i)^(?P<a>[NS].*)(?P<b>[EW].*)$",
    r"(?i)^(?P<a>[EW].*)(?P<b>[NS].*)$",
)

#: So many rows must prove that the order is reversed.
_LEAST_SHARE: Final = 0.02
_LEAST_ROWS: Final = 2


class Form(NamedTuple):
    """How the pairs of a column are written."""

    #: Whether the format says that longitude (or easting) stands first.
    longitude_first: bool
    #: PostGIS's number of the coordinate reference system, if the texts name one.
    srid: int | None


class Pairs(NamedTuple):
    """Coordinates out of one column."""

    #: What stands first and second; null where a text is no pair.
    first: pl.Series
    second: pl.Series
    form: Form
    #: The type of geometry (such as `Polygon`) that most texts have which hold none
    #: of a single point.
    other_geometry: str | None


def split(texts: pl.Series, form: Form | None = None) -> Pairs:
    """Split texts that hold two coordinates each.

    A text may be

    - a point as well-known text, also with PostGIS's `SRID=4326;`; as GeoJSON; or as
      well-known binary in hexadecimal digits, as PostGIS exports it. By these formats
      longitude stands first;
    - two numbers with decimal points, `(22.3, 114.2)`, `[22.3, 114.2]`, `22.3,114.2`,
      `22.3;114.2` or `22.3 114.2`, also below lines of an address, or with altitude and
      accuracy behind them;
    - any two coordinates that `notation.read` reads, with a semicolon, a bar, a line
      break, a comma or blanks between them, `22,3; 114,2` or `22°18'07"N 114°10'00"E`.
      Where letters say that longitude stands first, the two are exchanged.

    A column is taken to have one kind: where points of formats with longitude first
    stand among other pairs, the rarer of the two are no pairs. So are points of another
    reference system than the most frequent.

    Parameters
    ----------
    texts : Series of String
        Null where blank.
    form : Form, optional
        The kind that is wanted; otherwise the most frequent.

    Returns
    -------
    Pairs
        Its series are as long as `texts`.
    """
    texts = texts.cast(pl.String).str.strip_chars(notation.BLANKS)
    first, second = _find(texts, _TWO_NUMBERS)
    rest = _without(texts, first.is_not_null())
    if rest.null_count() == len(rest) and not (form and form.longitude_first):
        return Pairs(first, second, Form(longitude_first=False, srid=None), None)
    points = _points(rest)
    halves = _cut(_without(rest, points["type"].is_not_null()))
    first, second = _or(first, halves[0]), _or(second, halves[1])
    is_point = points["x"].is_not_null()
    srids = points["srid"].fill_null(0)  # 0 says that it isn't known
    if form is None:
        longitude_first = bool(is_point.sum() > first.is_not_null().sum())
        srid = _most_frequent(srids.filter(is_point)) if longitude_first else 0
        form = Form(longitude_first, srid or None)
    if form.longitude_first:
        is_point &= srids == (form.srid or 0)
        first, second = (_without(points[axis], ~is_point) for axis in ("x", "y"))
    other = points["type"].filter(points["type"] != "Point")
    return Pairs(first, second, form, _most_frequent(other))


def reversed_order(first: notation.Numbers, second: notation.Numbers) -> bool:
    """Return whether what stands first must be longitude, and latitude second.

    Values prove it if some that stand first are beyond the poles, but none that stands
    second is. To let no typing error turn a table, it takes 2 % of the rows, and two
    of them where there are as many.

    Parameters
    ----------
    first, second : array of float64, shape (n,)
        Degrees, expected to be latitude and longitude; NaN where there is no number.
        Rows with a value beyond 180° say nothing.
    """
    possible = (np.abs(first) <= 180) & (np.abs(second) <= 180)  # NaN isn't
    beyond = np.abs(first[possible]) > 90
    if (np.abs(second[possible]) > 90).any():
        return False
    rows = len(beyond)
    least = max(_LEAST_SHARE * rows, min(_LEAST_ROWS, rows), 1)
    return bool(beyond.sum() >= least)


def _find(texts: pl.Series, patterns: Iterable[str]) -> tuple[pl.Series, pl.Series]:
    """Return the groups `a` and `b` of the first pattern that a text matches."""
    first = second = _nothing(len(texts))
    for pattern in patterns:
        rest = _without(texts, first.is_not_null())
        if rest.null_count() == len(rest):
            break
        found = rest.str.extract_groups(pattern).struct.unnest()
        first, second = _or(first, found["a"]), _or(second, found["b"])
    return first, second


def _cut(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the halves of texts that can be cut into two coordinates."""
    is_one = texts.str.contains(_MAYBE_ONE_NUMBER)
    texts = _without(texts, is_one | ~texts.str.contains(_SEVERAL_NUMBERS))
    texts = texts.str.replace(_BRACKETS, "${1}")
    first = second = _nothing(len(texts))
    for pattern in _CUTS:
        rest = _without(texts, first.is_not_null())
        if rest.null_count() == len(rest):
            break
        found = rest.str.extract_groups(pattern).struct.unnest()
        a, b = (found[half].str.strip_chars(notation.BLANKS) for half in ("a", "b"))
        a, b = _in_order(a, b)
        first, second = _or(first, a), _or(second, b)
    return first, second


def _in_order(a: pl.Series, b: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return what is a pair of coordinates; latitude first where letters name it."""
    readings = notation.read(a), notation.read(b)
    unreadable = np.isnan(readings[0].value) | np.isnan(readings[1].value)
    latitude = readings[0].latitude | readings[1].longitude
    longitude = readings[0].longitude | readings[1].latitude
    wrong = pl.Series(unreadable | (latitude & longitude))
    a, b = _without(a, wrong), _without(b, wrong)
    turned = pl.Series(longitude)
    return b.zip_with(turned, a), a.zip_with(turned, b)


def _points(texts: pl.Series) -> pl.DataFrame:
    """Read geometries: their type, SRID, and of points x and y as texts; else null."""
    wkt = texts.str.extract_groups(_WKT).struct.unnest()
    json = _without(texts, ~texts.str.starts_with("{").fill_null(False))
    json_point = json.str.extract_groups(_GEOJSON_POINT).struct.unnest()
    hexadecimal = texts.str.extract(_HEX)
    is_hex = hexadecimal.is_not_null()
    wkb = pl.DataFrame(
        [_read_wkb(bytes.fromhex(digits)) for digits in hexadecimal.drop_nulls()],
        schema=_POINTS,
        orient="row",
    )
    rows = pl.DataFrame({"row": is_hex.arg_true()}).hstack(wkb)
    rows = pl.DataFrame({"row": pl.int_range(len(texts), eager=True)}).join(
        rows, on="row", how="left", maintain_order="left"
    )
    kind = _or(wkt["type"], json.str.extract(_GEOJSON_TYPE))
    kind = kind.str.to_lowercase().replace_strict(_TYPES_BY_LOWER, default=None)
    kind = _or(kind, rows["type"])
    no_point = (kind != "Point").fill_null(True)
    return pl.DataFrame(
        {
            "type": kind,
            "srid": _or(wkt["srid"].cast(pl.Int64), rows["srid"]),
            "x": _without(_or(_or(wkt["x"], json_point["x"]), rows["x"]), no_point),
            "y": _without(_or(_or(wkt["y"], json_point["y"]), rows["y"]), no_point),
        }
    )


def _read_wkb(data: bytes) -> tuple[str | None, int | None, str | None, str | None]:
    """Return type, SRID, x and y of well-known binary, OGC's or PostGIS's.

    What isn't there is None; all four if it is something else.
    """
    order = "<" if data[0] else ">"
    (code,) = struct.unpack_from(f"{order}I", data, 1)
    dimensions, kind = divmod(code & ~(_EWKB_Z | _EWKB_M | _EWKB_SRID), 1000)
    if not (0 < kind <= len(_TYPES) and dimensions <= 3):
        return None, None, None, None
    start, srid = 5, None
    if code & _EWKB_SRID:
        (srid,) = struct.unpack_from(f"{order}I", data, start)
        start += 4
    values = 2 + bool(code & _EWKB_Z) + bool(code & _EWKB_M) + (0, 1, 1, 2)[dimensions]
    if kind != 1:
        return _TYPES[kind - 1], srid, None, None
    if len(data) != start + 8 * values:
        return None, None, None, None
    x, y = struct.unpack_from(f"{order}dd", data, start)
    if math.isnan(x) or math.isnan(y):  # an empty point
        return "Point", srid, None, None
    return "Point", srid, repr(x), repr(y)


def _nothing(rows: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, rows)


def _without(texts: pl.Series, where: pl.Series) -> pl.Series:
    """Return texts, null where something is true."""
    return texts.set(where.fill_null(False), None)


def _or(texts: pl.Series, others: pl.Series) -> pl.Series:
    """Return texts, in place of null what stands in others."""
    return texts.zip_with(texts.is_not_null(), others)


def _most_frequent(values: pl.Series) -> Any:
    """Return the most frequent value; None if there is none."""
    return values.mode().sort().first() if len(values) else None
