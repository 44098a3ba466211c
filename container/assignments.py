r"""`assignments.csv`: for each usable row its cluster, in the file's order.

UTF-8, lines that end in \n, fields quoted where they must be (RFC 4180).
"""

import zlib
from typing import Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.places import ID, Places, has_ids

Floats = NDArray[np.float64]

#: Metres to the millimetre.
_DISTANCE_DECIMALS: Final = 3
#: Level 1 packs coordinates to half their size, at the rate at which they are written;
#: level 6 saves another twelfth, and takes seven times as long.
_GZIP_LEVEL: Final = 1
_GZIP_WINDOW_BITS: Final = 31


class Writable(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Take in bytes."""


class Assignments:
    """Writes `assignments.csv`, a part of the places at a time.

    Parameters
    ----------
    stream : Writable
        Where the file goes; it is not closed.
    packed : bool
        Whether to pack it with gzip. The same places give the same bytes.
    """

    def __init__(self, stream: Writable, *, packed: bool) -> None:
        self._stream = stream
        self._gzip = (
            zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW_BITS) if packed else None
        )
        self._is_first = True

    def add(self, part: Places, cluster: NDArray[np.intp], distance_m: Floats) -> None:
        """Write a line for each of n places.

        Parameters
        ----------
        part : Places, shape (n,)
            Coordinates and ids are written as the upload has them: with the fewest
            digits that are read as the same number again.
        cluster : array of int, shape (n,)
            Indices of their clusters: 0 is cluster 1.
        distance_m : array of float64, shape (n,)
            Great-circle distances to their centroids, in metres.
        """
        columns: dict[str, object] = {"row": np.ascontiguousarray(part["row"])}
        if has_ids(part):
            columns["id"] = [id.decode("utf-8", "replace") for id in part[ID].tolist()]
        columns["latitude"] = part["latitude"] + 0.0  # no negative zero
        columns["longitude"] = part["longitude"] + 0.0
        columns["cluster"] = cluster + 1
        columns["distance_m"] = np.round(distance_m, _DISTANCE_DECIMALS)
        text = pl.DataFrame(columns).write_csv(
            include_header=self._is_first, float_scientific=False
        )
        self._is_first = False
        self._write(text.encode())

    def finish(self) -> None:
        """Write what is left: to be called once, after the last part."""
        if self._gzip is not None:
            self._stream.write(self._gzip.flush())

    def _write(self, data: bytes) -> None:
        self._stream.write(data if self._gzip is None else self._gzip.compress(data))
