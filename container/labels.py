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
    crowd = _Crowd(avoid, frame)
    taken = _Taken(frame)
    for anchor in anchors:
        taken.add(np.hstack((anchor - reach_px, anchor + reach_px)))
    placed = np.full((len(anchors), 4), np.nan)
    for i, anchor in enumerate(anchors):
        boxes = _candidates(anchor, sizes[i], reach_px)
        is_inside = (boxes[:, :2] >= frame[:2]) & (boxes[:, 2:] <= frame[2:])
        good = np.flatnonzero(is_inside.all(axis=1))
        good = good[taken.are_free(boxes[good])]
        if len(good):
            crowd_cost = np.log2(1 + crowd.count(boxes[good])) / 2
            cost = _COST[good] + np.minimum(crowd_cost, _MOST_CROWD_COST)
            placed[i] = boxes[good[np.argmin(cost)]]
            taken.add(placed[i])
    return placed


def _candidates(anchor: Floats, size: Floats, reach_px: float) -> Floats:
    middles = [
        anchor + _DIRECTIONS * (size / 2 + reach_px * ring + _GAP_PX) for ring in _RINGS
    ]
    middle = np.concatenate(middles)
    return np.hstack((middle - size / 2, middle + size / 2))


class _Taken:
    """Which of a frame's pixels boxes touch: the time doesn't grow with their number.

    Boxes that share no pixel don't overlap.
    """

    def __init__(self, frame: Floats) -> None:
        self._origin = np.tile(frame[:2], 2)
        width, height = np.ceil(frame[2:] - frame[:2]).astype(int)
        self._most = np.array([width, height, width, height])
        self._is_taken = np.zeros((height, width), bool)

    def add(self, box: Floats) -> None:
        left, top, right, bottom = self._pixels(box)
        self._is_taken[top:bottom, left:right] = True

    def are_free(self, boxes: Floats) -> NDArray[np.bool_]:
        is_taken = self._is_taken
        return np.array(
            [
                not is_taken[top:bottom, left:right].any()
                for left, top, right, bottom in self._pixels(boxes).tolist()
            ],
            bool,
        )

    def _pixels(self, boxes: Floats) -> NDArray[np.intp]:
        """Return whole pixels that hold the boxes, as far as they are in the frame."""
        inside = boxes - self._origin
        inside[..., :2] = np.floor(inside[..., :2])
        inside[..., 2:] = np.ceil(inside[..., 2:])
        return np.clip(inside, 0, self._most).astype(np.intp)


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
