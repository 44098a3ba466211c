"""Model artefacts as SageMaker's k-means writes them."""

import gzip
import io
import struct
import tarfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def array_list(centroids: ArrayLike) -> bytes:
    """Return `model_algo-1`: the layout of 19 real artefacts, 72 + 4·k·d bytes."""
    array = np.asarray(centroids, "<f4")
    head = struct.pack("<3Q", 0x112, 0, 1)
    head += struct.pack("<IiI", 0xF993FAC9, 0, array.ndim)
    head += struct.pack(f"<{array.ndim}Q", *array.shape) + struct.pack("<3i", 1, 0, 0)
    return head + array.tobytes() + struct.pack("<Q", 0)


def tar_gz(*members: tuple[str, bytes]) -> bytes:
    """Return a `.tar.gz` of (name, content), in that order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue())


def model(centroids: Sequence[Sequence[float]] | ArrayLike) -> bytes:
    """Return a `model.tar.gz`."""
    return tar_gz(("model_algo-1", array_list(centroids)))
