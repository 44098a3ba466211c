"""`places/`: a run's usable rows, as the report reads them.

Each part is one `.npy` array (NumPy's own format, version 1) with a row number,
latitude and longitude for each place, in the file's order. Where the upload's owner
named a column of ids, a fourth field holds them: as UTF-8, as wide as the longest of
the part, filled up with zero bytes.
"""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: `row` is the row that a spreadsheet shows: the header is row 1.
DTYPE: Final = np.dtype([("row", "<i8"), ("latitude", "<f8"), ("longitude", "<f8")])
#: The field of ids, where there are some.
ID: Final = "id"
#: The longest id in bytes, so that a part of places stays a moderate size.
MOST_ID_BYTES: Final = 256

#: Its functions have no types.
_NPY: Final[Any] = np.lib.format

Places = NDArray[Any]  # a structured array of DTYPE, or of DTYPE and ids


def make(
    row: NDArray[np.int64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    id: NDArray[np.bytes_] | None = None,
) -> Places:
    """Return places, shape (n,), of columns of one length.

    Parameters
    ----------
    row : array of int64, shape (n,)
        The rows that a spreadsheet shows.
    latitude, longitude : array of float64, shape (n,)
        Degrees.
    id : array of bytes, shape (n,), optional
        What the places are called, in UTF-8.

    Raises
    ------
    ValueError
        If ids are wider than `MOST_ID_BYTES`.
    """
    places = np.empty(len(row), DTYPE if id is None else _with_ids(id.dtype.itemsize))
    places["row"], places["latitude"], places["longitude"] = row, latitude, longitude
    if id is not None:
        places[ID] = id
    return places


def has_ids(places: Places) -> bool:
    """Return whether places carry ids."""
    return ID in (places.dtype.names or ())


def encode(*parts: Places) -> bytearray:
    """Return the bytes of a `.npy` file, the same that `np.save` writes.

    Parameters
    ----------
    *parts : Places
        Places of one run, one part behind the other. Ids become as wide as the widest
        part's.

    Raises
    ------
    TypeError
        If some parts have ids and others have none.
    """
    dtype = np.result_type(*parts)
    shape = (sum(map(len, parts)),)
    header = io.BytesIO()
    header_data = {"shape": shape, "fortran_order": False, "descr": dtype.descr}
    _NPY.write_array_header_1_0(header, header_data)
    # `np.save` to memory copies the places three times over; this does once.
    data = bytearray(header.tell() + shape[0] * dtype.itemsize)
    data[: header.tell()] = header.getvalue()
    array: Places = np.ndarray(shape, dtype, data, offset=header.tell())
    np.concatenate(parts, out=array)
    return data


def decode(data: bytes | bytearray) -> Places:
    """Return the places in the bytes of a `.npy` file, shape (n,), read-only.

    Raises
    ------
    ValueError
        If the bytes are not an array of places.
    """
    file = io.BytesIO(data)
    version = _NPY.read_magic(file)
    if version != (1, 0):
        msg = f"expected places in version 1 of the .npy format, found {version}"
        raise ValueError(msg)
    shape, _, dtype = _NPY.read_array_header_1_0(file)
    if not _is_dtype(dtype) or len(shape) != 1:
        msg = f"expected places of {DTYPE}, with ids or without, found {dtype} {shape}"
        raise ValueError(msg)
    size = len(data) - file.tell()
    if size != shape[0] * dtype.itemsize:
        msg = f"expected {shape[0]} places of {dtype.itemsize} bytes, found {size}"
        raise ValueError(msg)
    places: Places = np.frombuffer(data, dtype, offset=file.tell())
    return places


def _with_ids(id_bytes: int) -> np.dtype[np.void]:
    if not 1 <= id_bytes <= MOST_ID_BYTES:
        msg = f"expected ids of 1 to {MOST_ID_BYTES} bytes, found {id_bytes}"
        raise ValueError(msg)
    return np.dtype([*DTYPE.descr, (ID, f"S{id_bytes}")])


def _is_dtype(dtype: np.dtype[Any]) -> bool:
    if dtype == DTYPE:
        return True
    if dtype.names != (*(DTYPE.names or ()), ID):
        return False
    id_bytes = dtype[ID].itemsize
    return 1 <= id_bytes <= MOST_ID_BYTES and dtype == _with_ids(id_bytes)
