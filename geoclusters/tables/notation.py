"""Coordinates as people write them, one a text: decimal, or degrees and minutes.

After spelling is levelled (all kinds of quotation marks, dashes and blanks), a text is
up to three numbers with marks between them, and a hemisphere's letter at either end.
"""

from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Axis = Literal["latitude", "longitude"]

#: What may surround a number: blanks, a byte order mark, and marks of writing direction
#: that come along when a text is copied from a window.
BLANKS: Final = (
    " \t\n\v\f\r\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
)
_APOSTROPHES: Final = "'‘’‛′´`ʹʼˊꞌ＇"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_SPELLINGS: Final = {
    "Â°": "°",  # UTF-8 that was once read as Latin-1
    **dict.fromkeys("º˚∘⁰\ufffd", "°"),  # the last: a byte that could not be decoded
    **dict.fromkeys(_APOSTROPHES, "'"),
    **dict.fromkeys("“”„‟″ʺ˝〃＂", '"'),
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys(BLANKS, " "),
}

_GROUP_MARK: Final = rf"[ \u00a0\u2009\u202f{_APOSTROPHES}]"
#: Numbers whose thousands are separated beyond doubt, and by what.
_THOUSANDS: Final = (
    (rf"^[+-]?[0-9]{{1,3}}(?:{_GROUP_MARK}[0-9]{{3}})+(?:[.,][0-9]+)?$", _GROUP_MARK),
    (r"^[+-]?[0-9]{1,3}(?:(?:,[0-9]{3})+\.[0-9]+|(?:,[0-9]{3}){2,})$", ","),
    (r"^[+-]?[0-9]{1,3}(?:(?:\.[0-9]{3})+,[0-9]+|(?:\.[0-9]{3}){2,})$", r"\."),
)

_GAP: Final = r" *[°':-] *| +"
_GRAMMAR: Final = (
    r"(?i)^(?P<before>[NSEW])? *(?P<sign>[+-])? *"
    r"(?P<degrees>[0-9]{1,3}(?:[.,][0-9]+)?)"
    rf"(?:(?P<gap>{_GAP})(?P<minutes>[0-9]{{1,2}}(?:[.,][0-9]+)?)"
    rf"(?:(?P<next_gap>{_GAP})(?P<seconds>[0-9]{{1,2}}(?:[.,][0-9]+)?))?)?"
    r""" *(?P<mark>[°'"])? *(?P<after>[NSEW])?$"""
)
#: The marks behind degrees, minutes and seconds, as they may follow each other; a blank
#: where only a blank stands between two numbers. The last one may be missing.
_MARKS: Final = (
    *("", "°"),
    *("°'", "°'\"", "° ", '° "'),
    *(" ", " '", " '\"", "  ", '  "'),
    *(":", "::", "-", "--"),
)

#: Words, and letters for marks (22d18m07s), with what they become. An `s` at a word's
#: end, or for a mark behind an `m`, must be in their case; it might as well be South.
_NUMBER: Final = r"([0-9]+(?:[.,][0-9]+)?)"
_WORDS: Final = (
    (r"(?i)(n)orth|(s)outh|(e)ast|(w)est", "${1}${2}${3}${4}"),
    (r"([0-9]) *(?:[Dd]egrees?|DEGREES?|[Dd]eg\.?|DEG\.?|[Dd])", "${1}°"),
    (r"([0-9]) *(?:[Mm]in(?:ute)?s?|MIN(?:UTE)?S?)\.?", "${1}'"),
    (r"([0-9]) *(?:[Ss]ec(?:ond)?s?|SEC(?:OND)?S?)\.?", '${1}"'),
    (rf"([0-9]) *(?:m *{_NUMBER} *s|M *{_NUMBER} *S)", "${1}'${2}${3}\""),
    (rf"(?i)([0-9]) *m( *[nsew]?| *{_NUMBER} *[new]?)$", "${1}'${2}"),
)


class Reading(NamedTuple):
    """What texts say; all arrays have their length."""

    #: Degrees (of numbers alone: whatever their unit); NaN where a text is unreadable.
    value: Numbers
    #: Whether it is written with minutes.
    sexagesimal: Flags
    #: Whether a letter says that it is a latitude (N, S) …
    latitude: Flags
    #: … or a longitude (E, W).
    longitude: Flags

    def degrees(self, axis: Axis) -> Numbers:
        """Return degrees; NaN where a letter says that it is the other coordinate."""
        other = self.longitude if axis == "latitude" else self.latitude
        return np.where(other, np.nan, self.value)


def numbers(texts: pl.Series) -> Numbers:
    """Return plain decimal numbers.

    A number may have a decimal point or comma, a sign (a minus may be one of the
    typographic dashes), an exponent, blanks around it, and an apostrophe before it, by
    which spreadsheets mark texts. Separators of thousands are not understood: a single
    comma or point is always a decimal one.

    Parameters
    ----------
    texts : Series of String
        Null where blank.

    Returns
    -------
    array of float64
        NaN where there is no finite number; words such as `nan` and `inf` are none.
    """
    texts = texts.cast(pl.String)
    found = texts.cast(pl.Float64, strict=False)
    if found.null_count() > texts.null_count():
        found = found.fill_null(_level_number(texts).cast(pl.Float64, strict=False))
    values = found.fill_null(np.nan).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def large_numbers(texts: pl.Series) -> Numbers:
    """Return plain decimal numbers as `numbers` does, and those with thousands.

    Blanks or apostrophes may separate these; commas or points where there are several,
    or one of the other kind behind them. (Degrees have no thousands, and `22 180` would
    be something else.)
    """
    texts = texts.cast(pl.String)
    values = numbers(texts)
    rest = np.flatnonzero(np.isnan(values) & texts.is_not_null().to_numpy())
    if len(rest):
        values[rest] = numbers(_without_thousands(texts[rest]))
    return values


def degrees(texts: pl.Series, axis: Axis) -> Numbers:
    """Return degrees, be they decimal or with minutes, and seconds.

    What `numbers` reads is taken as it is. Otherwise a text has one to three numbers,
    only the last of which may have a fraction (decimal degrees, degrees and decimal
    minutes, or degrees, minutes and seconds):

    - with marks, of which the last may be missing: `22°18'07.2"`, `22° 18′ 7,2″`,
      `22°18.12'`, `22.3°`, `22d18m07s`, `22 deg 18 min 7 sec`;
    - between colons or blanks: `22:18:07`, `22 18 07`; so `22 18.12` is 22 degrees and
      18.12 minutes;
    - between hyphens, if a letter says that this is no date: `22-18-07N`.

    A letter at either end, in any case, or the word for it, may name the hemisphere. A
    minus together with S or W says the same twice.

    Not read are: a letter of the other axis; a letter on both ends; a sign that says
    otherwise than the letter; minutes or seconds from 60; packed digits (`221807N`).
    Nor is `O`, which is West in Spanish, French and Italian, but East (Ost) in German.

    Parameters
    ----------
    texts : Series of String
        Null where blank.
    axis : {"latitude", "longitude"}
        Which of the two coordinates it is.

    Returns
    -------
    array of float64
        NaN where a text is no coordinate. They may be out of range: 90.5°N is read.
    """
    return read(texts).degrees(axis)


def read(texts: pl.Series) -> Reading:
    """Read coordinates of either axis, as `degrees` does."""
    texts = texts.cast(pl.String)
    value = numbers(texts)
    reading = Reading(value, *(np.zeros(len(value), np.bool_) for _ in range(3)))
    rest = np.flatnonzero(np.isnan(value) & texts.is_not_null().to_numpy())
    if len(rest):
        levelled = _level(texts[rest])
        _fill(reading, rest, levelled)
        rest = rest[(left := np.isnan(value[rest]))]
        if len(rest):
            _fill(reading, rest, _without_words(levelled.filter(pl.Series(left))))
    return reading


def _fill(reading: Reading, rows: NDArray[np.intp], texts: pl.Series) -> None:
    """Put what the grammar reads in levelled texts into rows of a reading."""
    for all_rows, found in zip(reading, _parse(texts), strict=True):
        all_rows[rows] = found


def _parse(texts: pl.Series) -> Reading:
    """Read levelled texts by the grammar."""
    parts = texts.str.extract_groups(_GRAMMAR).struct.unnest()
    letter = pl.coalesce("before", "after").str.to_uppercase()
    whole = (_number("degrees"), _number("minutes"), _number("seconds"))
    found = parts.select(
        value=whole[0] + whole[1].fill_null(0) / 60 + whole[2].fill_null(0) / 3600,
        negative=(pl.col("sign") == "-").fill_null(False)
        | letter.is_in(["S", "W"]).fill_null(False),
        sexagesimal=pl.col("minutes").is_not_null(),
        latitude=letter.is_in(["N", "S"]).fill_null(False),
        longitude=letter.is_in(["E", "W"]).fill_null(False),
        good=_has_good_marks(letter)
        & (whole[1].fill_null(0) < 60)
        & (whole[2].fill_null(0) < 60)
        & ~(_has_fraction("degrees") & pl.col("minutes").is_not_null())
        & ~(_has_fraction("minutes") & pl.col("seconds").is_not_null())
        & (pl.col("before").is_null() | pl.col("after").is_null())
        & ~_is_contradicted(letter),
    )
    good = found["good"].fill_null(False).to_numpy()
    value = found["value"].fill_null(np.nan).to_numpy()
    value = np.where(found["negative"].to_numpy(), -value, value)
    flags = (
        found[name].to_numpy() & good
        for name in ("sexagesimal", "latitude", "longitude")
    )
    return Reading(np.where(good, value, np.nan), *flags)


def _number(name: str) -> pl.Expr:
    text = pl.col(name).str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def _has_fraction(name: str) -> pl.Expr:
    return pl.col(name).str.contains(r"[.,]").fill_null(False)


def _has_good_marks(letter: pl.Expr) -> pl.Expr:
    gaps = (_mark("gap"), _mark("next_gap"), pl.col("mark").fill_null(""))
    is_dashed = pl.col("gap").str.contains("-", literal=True).fill_null(False)
    return pl.concat_str(gaps).is_in(_MARKS) & (letter.is_not_null() | ~is_dashed)


def _mark(name: str) -> pl.Expr:
    """Return the mark between two numbers, a blank where there is only that."""
    bare = pl.col(name).str.strip_chars(" ")
    only_blank = pl.col(name).is_not_null() & (bare == "")
    return pl.when(only_blank).then(pl.lit(" ")).otherwise(bare.fill_null(""))


def _is_contradicted(letter: pl.Expr) -> pl.Expr:
    minus_north = (pl.col("sign") == "-") & letter.is_in(["N", "E"])
    plus_south = (pl.col("sign") == "+") & letter.is_in(["S", "W"])
    return minus_north.fill_null(False) | plus_south.fill_null(False)


def _level_number(texts: pl.Series) -> pl.Series:
    return (
        texts.str.strip_chars(BLANKS)
        .str.replace(rf"^[{_APOSTROPHES}]", "")
        .str.replace(rf"^[{_DASHES}]", "-")
        .str.replace(",", ".", literal=True)
    )


def _without_thousands(texts: pl.Series) -> pl.Series:
    """Return texts without the separators of thousands, where they can be no others."""
    texts = texts.str.strip_chars(BLANKS)
    for pattern, separator in _THOUSANDS:
        without = texts.str.replace_all(separator, "")
        texts = without.zip_with(texts.str.contains(pattern), texts)
    return texts


def _level(texts: pl.Series) -> pl.Series:
    """Return texts with one spelling for each mark, without blanks around them."""
    return (
        texts.str.strip_chars(BLANKS)
        .str.replace(rf"^[{_APOSTROPHES}]", "")
        .str.replace_many(_SPELLINGS)
        .str.replace_all("''", '"', literal=True)
        .str.replace_all('""', '"', literal=True)
    )


def _without_words(texts: pl.Series) -> pl.Series:
    """Return levelled texts with marks and letters in place of words."""
    for pattern, replacement in _WORDS:
        texts = texts.str.replace_all(pattern, replacement)
    return texts
