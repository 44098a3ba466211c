"""The model file, written by mxnet as the container writes it."""

import os
from pathlib import Path

import mxnet
import numpy as np
import numpy.typing as npt


def write_model(path: Path, centroids: npt.NDArray[np.float32]) -> None:
    """Write a bare NDArray list of one array: 72 + 4·k·d bytes.

    Parameters
    ----------
    path : Path
        Appears whole: a trainer that is killed leaves no half of a model there.
    centroids : float32 array, shape (k, d)
    """
    draft = path.parent.with_name(f"{path.name}.draft")
    mxnet.nd.save(str(draft), [mxnet.nd.array(centroids, dtype="float32")])
    os.replace(draft, path)  # noqa: PTH105 - atomic, and known for it
