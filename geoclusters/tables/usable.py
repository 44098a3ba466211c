"""Which rows have usable coordinates, and why the others have not."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Reason(StrEnum):
    """Why a row is left out; the first that applies, in this order."""

    MISSING = "coordinate missing"
    NOT_A_NUMBER = "coordinate not a number"
    OUT_OF_RANGE = "coordinate out of range"
    NULL_ISLAND = "both coordinates 0"


class Sorted(NamedTuple):
    """A mask of usable rows, and counts of the others by reason."""

    usable: NDArray[np.bool_]
    left_out: dict[Reason, int]


def sort_out(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    missing: NDArray[np.bool_],
) -> Sorted:
    """Tell usable rows from the others.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (n,)
        Degrees; NaN where there is no number.
    missing : array of bool, shape (n,)
        Where one of the two was blank.
    """
    finite = np.isfinite(latitude) & np.isfinite(longitude)
    in_range = finite & (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)
    usable = in_range & ~((latitude == 0) & (longitude == 0))
    counts = {
        Reason.MISSING: missing.sum(),
        Reason.NOT_A_NUMBER: (~finite & ~missing).sum(),
        Reason.OUT_OF_RANGE: (finite & ~in_range).sum(),
        Reason.NULL_ISLAND: (in_range & ~usable).sum(),
    }
    return Sorted(usable, {r: int(n) for r, n in counts.items() if n})
