"""How a table's coordinates are written, and reading them.

What columns are called is a promise, what stands in them decides: `judge` looks at the
first rows. A `Reading` is what came out, and reads the rest.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.errors import quoted, shown
from geoclusters.tables import beside, notation, pairs
from geoclusters.tables.columns import NOTHING_BESIDE, Candidate, Family
from geoclusters.tables.projection import Projection

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Larger numbers than this are no degrees, not even swapped ones.
_MOST_DEGREES: Final = 180.0
#: What numbers become that are no coordinates of their projection: out of range.
_NOWHERE: Final = 1e9
_WGS84: Final = ("EPSG:4326", "4326", "OGC:CRS84")


#: A place may lie so many degrees outside of where its projection is meant to be used.
_MARGIN_DEG: Final = 5.0


def projection_of(crs: str | None) -> Projection | None:
    """Return the projection of a coordinate reference system; None for WGS 84.

    Raises
    ------
    ParameterError
        If there is no such system.
    """
    if crs is None or crs.strip().upper() in _WGS84:
        return None
    return Projection(crs)


def blank_to_null(texts: pl.Series) -> pl.Series:
    """Return texts without blanks around them; null where nothing is left."""
    # A byte order mark stands where files were joined; polars drops some by itself.
    stripped = texts.str.strip_chars().str.strip_prefix("\ufeff")
    return stripped.set(stripped == "", None)


class Quality(IntEnum):
    """How good columns are, the best first."""

    DEGREES = 0
    DEGREES_IN_ONE_COLUMN = 1
    PROJECTED = 2
    #: Columns called northing and easting, or y and x, whose values are degrees.
    DEGREES_BY_VALUE = 3
    UNUSABLE = 4


@dataclass(frozen=True)
class Reading:
    """How coordinates are read from texts."""

    columns: Candidate
    #: Why these columns, and why so.
    why: str
    #: Of one column with both: longitude, or x, stands first …
    longitude_first: bool = False
    #: … and this is how its pairs are written.
    form: pairs.Form | None = None
    #: Whether degrees, minutes and seconds are what is usual in it.
    is_sexagesimal: bool = False
    #: Where the numbers are not degrees of WGS 84.
    projection: Projection | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there are two columns of decimal numbers."""
        is_two = len(self.columns.positions) == 2
        return is_two and not self._has_beside and not self.is_sexagesimal

    @property
    def _has_beside(self) -> bool:
        return self.columns.beside != NOTHING_BESIDE

    @property
    def notation(self) -> str:
        """What the numbers are, for people."""
        if self.projection is not None and not self.projection.is_geographic:
            return "projected"
        has_minutes = any(each.minutes is not None for each in self.columns.beside)
        if self.is_sexagesimal or has_minutes:
            return "degrees, minutes, seconds"
        return "decimal degrees"

    def read(self, texts: Sequence[pl.Series]) -> tuple[Numbers, Numbers, Flags]:
        """Return latitude and longitude in degrees, and where there is no text.

        Parameters
        ----------
        texts : series of texts, of equal length
            Of the columns, in the order of `columns.needed`; null where blank.

        Returns
        -------
        latitude, longitude : array of float64
            NaN where a text is no coordinate.
        missing : array of bool
            Where one is blank.
        """
        missing = np.zeros(len(texts[0]), np.bool_)
        for column in texts[: len(self.columns.positions)]:
            missing |= column.is_null().to_numpy()
        first, second = self.two(texts)
        if self.projection is None or self.projection.is_geographic:
            latitude = notation.degrees(first, "latitude")
            longitude = notation.degrees(second, "longitude")
            if self._has_beside:
                latitude, longitude = beside.complete(
                    (latitude, longitude), self.columns.beside, texts[2:]
                )
        else:
            latitude, longitude = (
                notation.large_numbers(first),
                notation.large_numbers(second),
            )
        return *self.to_degrees(latitude, longitude), missing

    def to_degrees(self, first: Numbers, second: Numbers) -> tuple[Numbers, Numbers]:
        """Return degrees of WGS 84 of numbers as they stand, latitude or y first."""
        if self.projection is None:
            return first, second
        latitude, longitude = self.projection.to_degrees(first, second)
        is_number = np.isfinite(first) & np.isfinite(second)
        nowhere = is_number & ~self.projection.covers(latitude, longitude, _MARGIN_DEG)
        zero = (first == 0) & (second == 0)
        latitude[nowhere], longitude[nowhere] = _NOWHERE, _NOWHERE
        latitude[zero], longitude[zero] = 0, 0
        return latitude, longitude

    def two(self, texts: Sequence[pl.Series]) -> tuple[pl.Series, pl.Series]:
        """Return the texts of latitude, or y, and of longitude, or x."""
        if len(self.columns.positions) == 2:
            return texts[0], texts[1]
        split = pairs.split(texts[0], self.form)
        if self.longitude_first:
            return split.second, split.first
        return split.first, split.second


_QUALITIES: Final = {
    Family.LATITUDE_LONGITUDE: Quality.DEGREES,
    Family.ONE_COLUMN: Quality.DEGREES_IN_ONE_COLUMN,
    Family.NORTHING_EASTING: Quality.DEGREES_BY_VALUE,
}


class Judged(NamedTuple):
    """What the first rows say of columns."""

    quality: Quality
    #: Share of the rows that hold coordinates of this quality.
    share: float
    reading: Reading
    #: Why they are unusable, and what to do.
    problem: str


def judge(
    columns: Candidate, texts: Sequence[pl.Series], projection: Projection | None
) -> Judged:
    """Return how to read coordinates from columns, by the first rows of them.

    Parameters
    ----------
    columns : Candidate
        The columns.
    texts : series of texts, of equal length
        What stands in each; null where blank.
    projection : Projection or None
        Of the coordinate reference system that the table's owner named.
    """
    if columns.family is Family.ONE_COLUMN:
        return _judge_one(columns, texts[0], projection)
    alone = columns._replace(beside=NOTHING_BESIDE)
    judged = _judge_two(alone, (texts[0], texts[1]), projection, "")
    if judged.quality is not Quality.DEGREES or columns.beside == NOTHING_BESIDE:
        return judged
    latitude = notation.degrees(texts[0], "latitude")
    longitude = notation.degrees(texts[1], "longitude")
    fitting = beside.fitting((latitude, longitude), columns.beside, texts[2:])
    if fitting == NOTHING_BESIDE:
        return judged
    reading = replace(
        judged.reading,
        columns=columns._replace(beside=fitting),
        why=f"{judged.reading.why}, with {beside.in_words(fitting)}",
    )
    return judged._replace(reading=reading)


def _judge_one(
    columns: Candidate, texts: pl.Series, projection: Projection | None
) -> Judged:
    """Judge a column with both, and find out which stands first."""
    split = pairs.split(texts)
    if texts.null_count() == len(texts) and not columns.is_given:
        return _unusable(columns, _nothing_in(columns))
    if split.first.null_count() == len(texts) and texts.null_count() < len(texts):
        return _unusable(columns, _no_pairs(columns, texts, split))
    if projection is None and split.form.srid not in (None, 4326):
        projection = Projection(f"EPSG:{split.form.srid}")
    name = quoted(columns.names[0])
    usual, why = split.form.longitude_first, f"the column {name} holds both"
    if usual:
        how = "longitude first, as in WKT and GeoJSON"
    elif columns.longitude_first:
        usual, how = True, "longitude first, as its name says"
    else:
        how = "latitude first, as usual"
    both = {False: (split.first, split.second), True: (split.second, split.first)}
    is_reversed = _are_reversed(both[usual], projection)
    if is_reversed is None and not split.form.longitude_first:
        msg = (
            f"{_hold(columns)} pairs such as {quoted(str(texts.drop_nulls()[0]))}, "
            "whose numbers could stand in either order. Write northing (y) and easting "
            "(x) in two columns, and upload that."
        )
        return _unusable(columns, msg)
    if is_reversed:
        usual = not usual
        first = "longitude" if usual else "latitude"
        how = f"{first} first, which its values prove"
    judged = _judge_two(columns, both[usual], projection, f"{why}, {how}")
    reading = replace(judged.reading, longitude_first=usual, form=split.form)
    return judged._replace(reading=reading)


def _are_reversed(
    texts: tuple[pl.Series, pl.Series], projection: Projection | None
) -> bool | None:
    """Return whether values prove that longitude, or x, stands first.

    None if numbers of a projection could stand in either order.
    """
    if projection is None or projection.is_geographic:
        return pairs.reversed_order(
            notation.degrees(texts[0], "latitude"),
            notation.degrees(texts[1], "longitude"),
        )
    first, second = (notation.large_numbers(column) for column in texts)
    usual = projection.covers(*projection.to_degrees(first, second))
    other = projection.covers(*projection.to_degrees(second, first))
    if min(np.count_nonzero(usual), np.count_nonzero(other)) > len(first) / 2:
        return None
    return bool(np.count_nonzero(other) > np.count_nonzero(usual))


def _judge_two(
    columns: Candidate,
    texts: tuple[pl.Series, pl.Series],
    projection: Projection | None,
    why: str,
) -> Judged:
    """Judge the texts of latitude, or y, and longitude, or x."""
    why = why or _why(columns)
    readings = notation.read(texts[0]), notation.read(texts[1])
    latitude = readings[0].degrees("latitude")
    longitude = readings[1].degrees("longitude")
    is_number = np.isfinite(latitude) & np.isfinite(longitude)
    numbers = np.count_nonzero(is_number)
    in_range = np.count_nonzero(_within(latitude, longitude))
    if projection is not None and not projection.is_geographic:
        if projection.is_angular or numbers == 0 or in_range < numbers / 2:
            return _judge_projected(columns, texts, projection, why)
        why += f"; its values are degrees, so {projection.name} was not needed"
        projection = None
    by_value = columns.family is Family.NORTHING_EASTING
    large = np.maximum(np.abs(latitude), np.abs(longitude)) > _MOST_DEGREES
    large &= is_number
    if numbers and np.count_nonzero(large) >= numbers / 2:
        from_0_to_360 = (np.abs(latitude) <= 90) & (longitude >= 0) & (longitude <= 360)
        if not by_value and from_0_to_360[is_number].all():
            return _unusable(columns, _beyond_180(columns, texts, large))
        return _unusable(columns, _no_degrees(columns, texts, large))
    letters = readings[0].longitude & readings[1].latitude
    swapped = is_number & (np.abs(latitude) > 90) & (np.abs(longitude) <= 90)
    if letters.sum() > len(letters) / 2 or (by_value and swapped.sum() > numbers / 2):
        return _unusable(columns, _swapped(columns, texts, letters | swapped))
    if by_value and len(latitude):
        if all(column.is_null().all() for column in texts):
            return _unusable(columns, _nothing_in(columns))
        has_fractions = np.any(latitude[is_number] % 1 != 0)
        if in_range < max(numbers / 2, 1) or not has_fractions:
            return _unusable(columns, _no_degrees(columns, texts, is_number))
        why += ", and their values are degrees"
    if projection is not None:
        why += f", in {projection.name}"
    # numbers out of range are better than none: a message can say what they are
    share = max(in_range, 0.01 * numbers) / max(len(latitude), 1)
    sexagesimal = sum(np.count_nonzero(each.sexagesimal) for each in readings)
    reading = Reading(
        columns,
        why,
        is_sexagesimal=bool(sexagesimal > numbers),
        projection=projection,
    )
    return Judged(_QUALITIES[columns.family], share, reading, "")


def _judge_projected(
    columns: Candidate,
    texts: tuple[pl.Series, pl.Series],
    projection: Projection,
    why: str,
) -> Judged:
    reading = Reading(columns, f"{why}, in {projection.name}", projection=projection)
    y, x = (notation.large_numbers(column) for column in texts)
    is_number = np.isfinite(y) & np.isfinite(x) & ((x != 0) | (y != 0))
    covered = is_number & projection.covers(*projection.to_degrees(y, x))
    places = np.count_nonzero(covered)
    if places < np.count_nonzero(is_number) / 2:
        found = _examples(texts, is_number & ~covered)
        area = textwrap.shorten(projection.area_of_use or "nowhere", 100)
        return _unusable(
            columns,
            f"{_hold(columns)} {found}, which don't lie where {projection.name} "
            f"({projection.code}) is used: {area.rstrip('.')}. Check the "
            "upload's metadata `crs`, and that latitude names the column with the "
            "northing (y), longitude the one with the easting (x). One comma or "
            "point in a number is taken for a decimal mark, not for thousands.",
        )
    return Judged(Quality.PROJECTED, places / max(len(y), 1), reading, "")


def _within(latitude: Numbers, longitude: Numbers) -> Flags:
    within: Flags = (np.abs(latitude) <= 90) & (np.abs(longitude) <= _MOST_DEGREES)
    return within


def _unusable(columns: Candidate, problem: str) -> Judged:
    return Judged(Quality.UNUSABLE, 0, Reading(columns, ""), problem)


def _why(columns: Candidate) -> str:
    why = "they are called so"
    if columns.is_given:
        why = "the upload's parameters name them"
    return why


def _hold(columns: Candidate) -> str:
    names = " and ".join(map(quoted, columns.names))
    return (
        f"The columns {names} hold"
        if len(columns.names) > 1
        else f"The column {names} holds"
    )


def _nothing_in(columns: Candidate) -> str:
    return (
        f"{_hold(columns)} nothing in the first rows, so how coordinates are written "
        "there can't be told. Put rows with coordinates first, or name other columns: "
        "`--metadata latitude=NAME,longitude=NAME`."
    )


def _examples(texts: Sequence[pl.Series], rows: Flags) -> str:
    """Return for a message what stands in the first of some rows, or in any row."""
    filled = np.logical_and.reduce([column.is_not_null() for column in texts])
    for wanted in (rows & filled, rows, filled):
        if wanted.any():
            first = int(np.argmax(wanted))
            return f"values such as {_shown([column[first] for column in texts])}"
    shown = _shown([column.drop_nulls().first() for column in texts])
    return f"values such as {shown}"


def _shown(values: Sequence[object]) -> str:
    return " and ".join(
        "nothing" if value is None else quoted(str(value).strip()) for value in values
    )


def _no_degrees(
    columns: Candidate, texts: tuple[pl.Series, pl.Series], is_number: Flags
) -> str:
    wrong = "are no degrees" if is_number.any() else "are no numbers"
    found = _examples(texts, is_number)
    two = ""
    if len(columns.positions) == 1:
        two = "write northing and easting in two columns, and "
    return (
        f"{_hold(columns)} {found}, which {wrong}. If they are projected "
        f"coordinates (northing and easting), {two}upload with their coordinate "
        "reference system as metadata, for example `--metadata crs=EPSG:2326`: whoever "
        "published the table knows its EPSG code. If other columns hold latitude and "
        "longitude, name those: `--metadata latitude=NAME,longitude=NAME`."
    )


def _beyond_180(
    columns: Candidate, texts: tuple[pl.Series, pl.Series], large: Flags
) -> str:
    return (
        f"{_hold(columns)} {_examples(texts, large)}: longitudes go from -180 to 180, "
        "and these from 0 to 360. Take 360 away from those beyond 180, and upload the "
        "table again."
    )


def _swapped(
    columns: Candidate, texts: tuple[pl.Series, pl.Series], rows: Flags
) -> str:
    latitude, longitude = (shown(name) for name in columns.names)
    return (
        f"Latitude and longitude look swapped: {_hold(columns).removeprefix('The ')} "
        f"{_examples(texts, rows)}. Swap the names of the two columns, or name them: "
        f"`--metadata latitude={longitude},longitude={latitude}`."
    )


def _no_pairs(columns: Candidate, texts: pl.Series, split: pairs.Pairs) -> str:
    advice = ""
    if split.other_geometry:
        found = f"shapes of the type {split.other_geometry}"
        advice = " A GIS program such as QGIS makes points of shapes: their centroids."
    else:
        found = f"texts such as {quoted(str(texts.drop_nulls()[0]))}"
    return (
        f"The column {quoted(columns.names[0])} was looked at for coordinates, but "
        f"holds {found}. Expected points, such as (22.3, 114.2) or POINT (114.2 22.3), "
        "or two columns called latitude and longitude. If other columns hold them, "
        f"name those: `--metadata latitude=NAME,longitude=NAME`.{advice}"
    )
