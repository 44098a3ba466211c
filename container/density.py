"""How many places each spot of a map has: as much memory for 20 million as for 20."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.view import View

Floats = NDArray[np.float64]

#: Width and height of a cell, in pixels.
CELL_PX: Final = 2


class Density:
    """Counts places in the square cells of a view.

    Parameters
    ----------
    view : View
        What the map shows; it holds all places.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        #: Number of places that were counted.
        self.seen = 0
        #: Rows go from north to south, columns from west to east.
        self._shape = view.height_px // CELL_PX, view.width_px // CELL_PX
        self._counts = np.zeros(self._shape[0] * self._shape[1], np.int64)

    def add(self, latitude: Floats, longitude: Floats) -> None:
        """Take in places, shape (n,), in degrees."""
        x, y = self.view.projection.forward(latitude, longitude)
        rows, columns = self._shape
        box, size = self.view.box, self.cell_m
        column = _whole((x - box.west) / size, columns)
        row = _whole((box.north - y) / size, rows)
        cells = row * columns + column
        self._counts += np.bincount(cells, minlength=len(self._counts))
        self.seen += len(latitude)

    @property
    def cell_m(self) -> float:
        """Width and height of a cell in metres; on the earth its area is the same."""
        return self.view.metres_per_px * CELL_PX

    @property
    def counts(self) -> NDArray[np.int64]:
        """Places of each cell: rows from north to south, columns from west to east."""
        return self._counts.reshape(self._shape)


def _whole(number: Floats, stop: int) -> NDArray[np.int32]:
    """Return the whole numbers from 0 to below `stop`; the last edge belongs in."""
    return np.clip(number, 0, stop - 1).astype(np.int32)
