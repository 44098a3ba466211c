"""What belongs to coordinates in columns beside theirs: minutes, seconds, hemispheres.

By their names they are found (`columns.Beside`); whether they are what they seem to be
the first rows must show, for `lat_min` may be an end of a box, and `ns` anything.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.tables import notation
from geoclusters.tables.columns import Beside

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Both = tuple[Numbers, Numbers]

_POSITIVE: Final = (("N", "NORTH"), ("E", "EAST"))
_NEGATIVE: Final = (("S", "SOUTH"), ("W", "WEST"))


def fitting(
    degrees: Both, beside: tuple[Beside, Beside], texts: Sequence[pl.Series]
) -> tuple[Beside, Beside]:
    """Return what of it does belong to degrees, by the first rows.

    Minutes and seconds need whole degrees, and stay below 60; letters need numbers
    without a sign.

    Parameters
    ----------
    degrees : pair of array of float64
        What stands in the columns of latitude and longitude; NaN where no number does.
    beside : pair of Beside
        What may belong to them.
    texts : series of texts
        Of the columns beside, in their order.
    """
    behind = iter(texts)
    are_signed = any(bool((values < 0).any()) for values in degrees)
    found = []
    for axis, (values, each) in enumerate(zip(degrees, beside, strict=True)):
        minutes, seconds, letters = _next(each, behind)
        fits = each
        if not _are_parts(values, minutes, seconds):
            fits = fits._replace(minutes=None, seconds=None)
        if letters is not None and (are_signed or not _are_letters(letters, axis)):
            fits = fits._replace(hemisphere=None)
        found.append(fits)
    return found[0], found[1]


def complete(
    degrees: Both, beside: tuple[Beside, Beside], texts: Sequence[pl.Series]
) -> Both:
    """Return degrees with what belongs to them; NaN where that can't be read.

    A blank one counts for nothing. The parameters are those of `fitting`.
    """
    behind = iter(texts)
    latitude, longitude = (
        _complete(values, each, axis, behind)
        for axis, (values, each) in enumerate(zip(degrees, beside, strict=True))
    )
    return latitude, longitude


def in_words(beside: tuple[Beside, Beside]) -> str:
    """Return what there is, for the record."""
    words = {
        "minutes": any(each.minutes is not None for each in beside),
        "seconds": any(each.seconds is not None for each in beside),
        "hemispheres": any(each.hemisphere is not None for each in beside),
        "hemispheres in the names": any(each.letter for each in beside),
    }
    return " and ".join(word for word, is_there in words.items() if is_there)


def _complete(
    values: Numbers, beside: Beside, axis: int, behind: Iterator[pl.Series]
) -> Numbers:
    minutes, seconds, letters = _next(beside, behind)
    negative = np.signbit(values)
    size = np.abs(values)
    for texts, parts in ((minutes, 60), (seconds, 3600)):
        if texts is not None:
            size = size + _parts(texts, negative) / parts
    if letters is not None:
        negative |= _is_in(letters, _NEGATIVE[axis])
        size = np.where(_is_letter(letters, axis), size, np.nan)
    if beside.letter:
        negative = np.ones(len(values), np.bool_)
    return np.where(negative, -size, size)


def _next(
    beside: Beside, behind: Iterator[pl.Series]
) -> tuple[pl.Series | None, pl.Series | None, pl.Series | None]:
    """Return the texts of minutes, seconds and hemisphere; None if there are none."""
    columns = (beside.minutes, beside.seconds, beside.hemisphere)
    minutes, seconds, letters = (
        None if position is None else next(behind) for position in columns
    )
    return minutes, seconds, letters


def _are_parts(
    values: Numbers, minutes: pl.Series | None, seconds: pl.Series | None
) -> bool:
    """Return whether there are minutes, of whole degrees."""
    if minutes is None or not minutes.is_not_null().any():
        return False
    is_number = np.isfinite(values)
    is_good = is_number.copy()
    for texts in (minutes, seconds):
        if texts is not None:
            is_good &= np.isfinite(_parts(texts, values < 0))
    is_whole = values[is_number] % 1 == 0
    return bool(is_whole.all()) and 2 * int(is_good.sum()) > int(is_number.sum())


def _parts(texts: pl.Series, negative: Flags) -> Numbers:
    """Return minutes or seconds; 0 where blank, NaN where there can't be so many."""
    values = notation.numbers(texts)
    values = np.where(negative, np.abs(values), values)  # the sign may come again
    values = np.where((values >= 0) & (values < 60), values, np.nan)
    return np.where(texts.is_null().to_numpy(), 0.0, values)


def _are_letters(texts: pl.Series, axis: int) -> bool:
    """Return whether nothing but letters of hemispheres stands in a column."""
    return bool(texts.is_not_null().any() and _is_letter(texts, axis).all())


def _is_letter(texts: pl.Series, axis: int) -> Flags:
    """Return where a hemisphere stands, or nothing."""
    letters = _is_in(texts, (*_POSITIVE[axis], *_NEGATIVE[axis]))
    flags: Flags = texts.is_null().to_numpy() | letters
    return flags


def _is_in(texts: pl.Series, words: Sequence[str]) -> Flags:
    found = texts.str.strip_chars(notation.BLANKS).str.to_uppercase().is_in(list(words))
    flags: Flags = found.fill_null(False).to_numpy()
    return flags
