"""`places/`: a run's usable rows, as the report reads them.

Each part is one `.npy` array (NumPy's own format, version 1) with a row number,
latitude and longitude for each place, in the file's order.
"""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: `row` is the row that a spreadsheet shows: the header is row 1.
DTYPE: Final = np.dtype([("row", "<i8"), ("latitude", "<f8"), ("longitude", "<f8")])

Places = NDArray[Any]  # a structured array of DTYPE


def make(
    row: NDArray[np.int64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
) -> Places:
    """Return places, shape (n,), of columns of one length; degrees."""
    places = np.empty(len(row), DTYPE)
    places["row"], places["latitude"], places["longitude"] = row, latitude, longitude
    return places


def encode(places: Places) -> bytes:
    """Return places as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(places, DTYPE), allow_pickle=False)
    return buffer.getvalue()


def decode(data: bytes) -> Places:
    """Return the places in the bytes of a `.npy` file, shape (n,).

    Raises
    ------
    ValueError
        If the bytes are not an array of places.
    """
    places: Places = np.load(io.BytesIO(data), allow_pickle=False)
    if places.dtype != DTYPE or places.ndim != 1:
        msg = f"expected places of {DTYPE}, found {places.dtype} {places.shape}"
        raise ValueError(msg)
    return places
