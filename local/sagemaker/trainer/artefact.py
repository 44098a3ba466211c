"""The model file, written by mxnet as the container writes it."""

import errno
import os
from pathlib import Path

import mxnet
import numpy as np
import numpy.typing as npt

#: Of a list with one array of two dimensions.
_HEADER_BYTES = 72


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
    draft = path.parent.with_name(f"{path.name}.draft")
    mxnet.nd.save(str(draft), [mxnet.nd.array(centroids, dtype="float32")])
    # mxnet says nothing when there was no room for all of it.
    if draft.stat().st_size != _HEADER_BYTES + 4 * centroids.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(draft))
    os.replace(draft, path)  # noqa: PTH105 - atomic, and known for it
