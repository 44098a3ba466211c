"""A fair sample of a stream of places, for drawing."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Sample:
    """Keeps at most `size` places of a stream, each with the same chance.

    Every place draws a random number, and those with the least stay.

    Parameters
    ----------
    size : int
        Number of places to keep.
    seed : int
        The same seed and the same stream give the same sample.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self.seen = 0
        self._size = size
        self._random = np.random.default_rng(seed)
        # The number drawn, latitude, longitude.
        self._kept: Floats = np.empty((0, 3))

    def add(self, latitude: Floats, longitude: Floats) -> None:
        """Take in places, shape (n,), in degrees."""
        self.seen += len(latitude)
        drawn = self._random.random(len(latitude))
        kept = np.concatenate(
            (self._kept, np.column_stack((drawn, latitude, longitude)))
        )
        if len(kept) > self._size:
            kept = kept[np.argpartition(kept[:, 0], self._size)[: self._size]]
        self._kept = kept

    @property
    def latitude(self) -> Floats:
        """Degrees, shape (at most `size`,)."""
        return self._kept[:, 1]

    @property
    def longitude(self) -> Floats:
        """Degrees, shape (at most `size`,)."""
        return self._kept[:, 2]
