"""Numbers beside symbols, so that no number covers another or a symbol."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Where a label may stand around its symbol, best first: right, left, above, below and
#: the corners. Pixels count rightwards and downwards.
_DIRECTIONS: Final = np.array(
    [(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)], np.float64
)
#: Distances from the symbol as multiples of its reach; the farther ones want a line.
_RINGS: Final = (1.0, 2.2, 3.6)
_GAP_PX: Final = 1.0
#: A room's cost: its rank in the order above, and at most as much for points that it
#: covers as makes another direction better, but never another ring.
_COST: Final = np.concatenate(
    [ring * 4 + np.arange(len(_DIRECTIONS)) / 8 for ring in range(len(_RINGS))]
)
_MOST_CROWD_COST: Final = 3.0


def place(
    anchors: Floats, sizes: Floats, reach_px: float, frame: Floats, *, avoid: Floats
) -> Floats:
    """Return a box for each label that has room, NaN for the others.

    Earlier labels choose first. All is in pixels, rightwards and downwards; a box is
    left, top, right, bottom.

    Parameters
    ----------
    anchors : array, shape (k, 2)
        Middles of the symbols.
    sizes : array, shape (k, 2)
        Widths and heights of the labels.
    reach_px : float
        How far a symbol reaches from its middle; no label comes nearer.
    frame : array, shape (4,)
        The box that the labels must stay in.
    avoid : array, shape (n, 2)
        Points that labels cover only where there is no better room.

    Returns
    -------
    array, shape (k, 4)
    """
    k = len(anchors)
    crowd = _Crowd(avoid, frame)
    # Symbols first, then the labels as they are placed.
    taken = np.full((2 * k, 4), np.nan)
    taken[:k, :2], taken[:k, 2:] = anchors - reach_px, anchors + reach_px
    for i in range(k):
        boxes = _candidates(anchors[i], sizes[i], reach_px)
        is_inside = (boxes[:, :2] >= frame[:2]) & (boxes[:, 2:] <= frame[2:])
        is_free = ~_overlaps(boxes, taken[: k + i]).any(axis=1)
        good = np.flatnonzero(is_free & is_inside.all(axis=1))
        if len(good):
            crowd_cost = np.log2(1 + crowd.count(boxes[good])) / 2
            cost = _COST[good] + np.minimum(crowd_cost, _MOST_CROWD_COST)
            taken[k + i] = boxes[good[np.argmin(cost)]]
    return taken[k:]


def _candidates(anchor: Floats, size: Floats, reach_px: float) -> Floats:
    middles = [
        anchor + _DIRECTIONS * (size / 2 + reach_px * ring + _GAP_PX) for ring in _RINGS
    ]
    middle = np.concatenate(middles)
    return np.hstack((middle - size / 2, middle + size / 2))


def _overlaps(boxes: Floats, taken: Floats) -> NDArray[np.bool_]:
    """Return which boxes touch which; NaN touches nothing."""
    a, b = boxes[:, np.newaxis], taken[np.newaxis]
    overlaps: NDArray[np.bool_] = (
        (a[..., 0] < b[..., 2])
        & (b[..., 0] < a[..., 2])
        & (a[..., 1] < b[..., 3])
        & (b[..., 1] < a[..., 3])
    )
    return overlaps


class _Crowd:
    """Counts points in boxes inside a frame, by a table of sums."""

    def __init__(self, points: Floats, frame: Floats) -> None:
        self._origin = frame[:2]
        width, height = np.ceil(frame[2:] - frame[:2]).astype(int)
        edges = np.arange(height + 1), np.arange(width + 1)
        x, y = (points - self._origin).T
        counts, _, _ = np.histogram2d(y, x, bins=edges)
        self._sums = np.zeros((height + 1, width + 1))
        self._sums[1:, 1:] = counts.cumsum(axis=0).cumsum(axis=1)

    def count(self, boxes: Floats) -> Floats:
        corners = np.round(boxes - np.tile(self._origin, 2)).astype(int)
        left, top, right, bottom = corners.T
        sums = self._sums
        inside: Floats = (
            sums[bottom, right]
            - sums[top, right]
            - sums[bottom, left]
            + sums[top, left]
        )
        return inside
