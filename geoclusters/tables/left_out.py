"""Which rows have no usable coordinates, why, and what to tell of them."""

import csv
import io
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geoclusters.spreadsheet import as_text

#: So many rows of a reason are named in the status, and so many are listed in all.
_MOST_NAMED: Final = 5
MOST_LISTED: Final = 10_000


class Reason(StrEnum):
    """Why a row is left out; the first that applies, in this order."""

    SURPLUS = "more fields than the header"
    MISSING = "coordinate missing"
    NOT_A_NUMBER = "coordinate not a number"
    OUT_OF_RANGE = "coordinate out of range"
    NULL_ISLAND = "both coordinates 0"


_REASONS: Final = tuple(Reason)
#: In an array of reasons: nothing is wrong with the row.
USABLE: Final = -1

Reasons = NDArray[np.int8]


def find_reasons(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    missing: NDArray[np.bool_],
    surplus: NDArray[np.bool_],
) -> Reasons:
    """Return for each row why it is left out: a position in `Reason`, or `USABLE`.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (n,)
        Degrees; NaN where there is no number.
    missing : array of bool, shape (n,)
        Where one of the two was blank.
    surplus : array of bool, shape (n,)
        Where the row goes on behind the header's last column, so that nobody knows
        which field belongs to which.
    """
    wrong = {
        Reason.SURPLUS: surplus,
        Reason.MISSING: missing,
        Reason.NOT_A_NUMBER: ~(np.isfinite(latitude) & np.isfinite(longitude)),
        Reason.OUT_OF_RANGE: (np.abs(latitude) > 90) | (np.abs(longitude) > 180),
        Reason.NULL_ISLAND: (latitude == 0) & (longitude == 0),
    }
    reasons = np.full(len(latitude), USABLE, np.int8)
    for position, reason in reversed(list(enumerate(_REASONS))):
        reasons[wrong[reason]] = position
    return reasons


def is_reason(reasons: Reasons, reason: Reason) -> NDArray[np.bool_]:
    """Return which rows are left out for a reason."""
    found: NDArray[np.bool_] = reasons == _REASONS.index(reason)
    return found


class LeftOut:
    """Counts the rows that are left out, and lists the first ones."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(_REASONS), np.int64)
        self._named: dict[Reason, list[int]] = {reason: [] for reason in _REASONS}
        self._listed: list[tuple[Any, ...]] = []
        self._has_ids = False
        #: Rows whose latitude can only be a longitude …
        self.swapped = 0
        #: … and whether a longitude that can be no latitude stands in another row.
        self.has_far_longitudes = False

    @property
    def rows(self) -> int:
        """How many rows are left out."""
        return int(self._counts.sum())

    def add(
        self,
        row: NDArray[np.int64],
        reasons: Reasons,
        latitude: NDArray[np.float64],
        longitude: NDArray[np.float64],
        ids: NDArray[np.bytes_] | None = None,
    ) -> None:
        """Count rows that are left out; `row` is what a spreadsheet shows."""
        beyond = (np.abs(latitude) > 90) & (np.abs(latitude) <= 180)
        self.swapped += int((beyond & (np.abs(longitude) <= 90)).sum())
        self._counts += np.bincount(reasons, minlength=len(_REASONS))
        for position, reason in enumerate(_REASONS):
            named = self._named[reason]
            if len(named) < _MOST_NAMED:
                of_reason = row[reasons == position]
                named += of_reason[: _MOST_NAMED - len(named)].tolist()
        room = MOST_LISTED - len(self._listed)
        listed = [row[:room].tolist(), [_REASONS[i] for i in reasons[:room]]]
        if ids is not None:
            self._has_ids = True
            texts = [value.decode(errors="replace") for value in ids[:room]]
            listed.append([as_text(text) for text in texts])
        self._listed += zip(*listed, strict=True)

    def summary(self) -> dict[str, Any]:
        """Return for each reason that occurs how many rows, and the first ones."""
        return {
            reason: {"rows": int(count), "first": self._named[reason]}
            for reason, count in zip(_REASONS, self._counts, strict=True)
            if count
        }

    def to_csv(self) -> bytes:
        """Return a table of row, reason and, if any, id; at most `MOST_LISTED` rows.

        An id that a spreadsheet would run as a formula has an apostrophe before it.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row", "reason", *(["id"] if self._has_ids else [])])
        writer.writerows(self._listed)
        return text.getvalue().encode()


def in_words(summary: dict[str, Any]) -> str:
    """Return a summary for a message."""
    parts = []
    for reason, found in summary.items():
        rows = ", ".join(f"{row:,}" for row in found["first"])
        more = ", …" if found["rows"] > len(found["first"]) else ""
        parts.append(f"{found['rows']:,} × {reason} (row {rows}{more})")
    return "; ".join(parts)
