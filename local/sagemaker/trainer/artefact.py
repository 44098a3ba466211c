"""The model file, as the container writes it with mxnet's ``nd.save``."""

import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

# As mxnet 1.9.1 writes and reads them (src/ndarray/ndarray.cc). Importing mxnet for
# these few bytes would take each job several seconds.
_LIST_MAGIC = 0x112
_ARRAY_MAGIC = 0xF993FAC9  # NDARRAY_V2
_DENSE, _CPU, _FLOAT32 = 0, 1, 0


def write_model(path: Path, centroids: npt.NDArray[np.float32]) -> None:
    """Write a bare NDArray list of one array: 72 + 4·k·d bytes.

    Parameters
    ----------
    path : Path
        Appears whole: a trainer that is killed leaves no half of a model there.
    centroids : float32 array, shape (k, d)

    Raises
    ------
    OSError
        If the disk is full.
    """
    array = np.ascontiguousarray(centroids, "<f4")
    parts = (
        struct.pack("<3Q", _LIST_MAGIC, 0, 1),
        struct.pack("<IiI", _ARRAY_MAGIC, _DENSE, array.ndim),
        struct.pack(f"<{array.ndim}Q", *array.shape),
        struct.pack("<3i", _CPU, 0, _FLOAT32),
        array.tobytes(),
        struct.pack("<Q", 0),  # no names
    )
    draft = path.parent.with_name(f"{path.name}.draft")
    draft.write_bytes(b"".join(parts))
    os.replace(draft, path)  # noqa: PTH105 - atomic, and known for it
