"""SageMaker's k-means model: `model.tar.gz` in, centroids out.

The archive holds `model_algo-1`, and in older jobs a `state_<uuid>` beside it, in any
order. `model_algo-1` is a list of one MXNet array, the centroids as float32. Nothing is
unpacked to disk, and nothing is unpacked further than a model may reach.
"""

import io
import itertools
import math
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final, NoReturn

# Not lazily: a Lambda needs it in all but its shortest invocations, and importing it
# while the function starts costs the same 0.65 s as importing it later.
import mxnet as mx
import numpy as np
from numpy.typing import NDArray

from geoclusters.errors import ModelError

MODEL_MEMBER: Final = "model_algo-1"

#: The largest `model.tar.gz`. A model of 1,000 centroids has 12 KB; a state file beside
#: it ten times that.
MAX_ARCHIVE_BYTES: Final = 16 * 2**20
#: The most that an archive, or a model wrapped in a zip file, may unpack to.
MAX_UNPACKED_BYTES: Final = 64 * 2**20
#: The most files in an archive.
MAX_MEMBERS: Final = 1_000

# MXNet's array list, little-endian, as `NDArray::Save` of MXNet 1.9 writes it:
# https://github.com/apache/mxnet/blob/1.9.1/src/ndarray/ndarray.cc
_LIST_MAGIC: Final = 0x112
_ARRAY_MAGICS: Final = (0xF993FAC9, 0xF993FACA)  # the same layout
_DENSE: Final = 0
_DEVICES: Final = (1, 2)  # CPU, GPU
_ITEM_BYTES: Final = {0: 4, 1: 8, 2: 2, 3: 1, 4: 4, 5: 1, 6: 8}  # by type number
_MAX_DIMENSIONS: Final = 8

#: Members that only say more of the next one: its times, or a name that is too long.
_ABOUT_ANOTHER: Final = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
#: The other methods unpack without bound.
_ZIP_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What `zipfile` raises at damage, and at a password.
_ZIP_ERRORS: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, OverflowError, NotImplementedError, RuntimeError),
)
_GZIP_WINDOW_BITS: Final = 16 + zlib.MAX_WBITS
_ADVICE: Final = (
    "Upload the table again to train a new model; if that ends the same way, the "
    "training image of the stack is not SageMaker's built-in k-means."
)


def decode_centroids(
    archive: bytes, *, k: int, feature_dim: int, name: str
) -> NDArray[np.float64]:
    """Return the centroids in a model artefact, shape (k, feature_dim).

    Parameters
    ----------
    archive : bytes
        `model.tar.gz` as SageMaker wrote it.
    k, feature_dim : int
        Number of clusters and of features that the training was asked for.
    name : str
        What the artefact is called in messages, such as its URI.

    Raises
    ------
    ModelError
        If it is anything but a k-means model of that shape. The message is for people.
    """
    try:
        arrays = _decode_with_mxnet(_unzipped(_member(archive)))
        return _centroids(arrays, k, feature_dim)
    except _NotAModelError as error:
        msg = (
            f"{name}: expected a k-means model with {k} centroids of {feature_dim} "
            f"numbers each, found {error}. {_ADVICE}"
        )
        raise ModelError(msg) from error


class _NotAModelError(Exception):
    """What was found instead, as the end of a sentence."""


def _refuse(found: str, cause: Exception | None = None) -> NoReturn:
    raise _NotAModelError(found) from cause


def _member(archive: bytes) -> bytes:
    """Return the bytes of the archive's model."""
    if len(archive) > MAX_ARCHIVE_BYTES:
        _refuse(f"an archive of more than {MAX_ARCHIVE_BYTES:,} bytes")
    gunzip = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        unpacked = gunzip.decompress(archive, MAX_UNPACKED_BYTES + 1)
    except zlib.error as error:
        _refuse(f"bytes that are no gzip archive ({error})", error)
    if len(unpacked) > MAX_UNPACKED_BYTES:
        _refuse(f"an archive that unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
    if not gunzip.eof:
        _refuse("an archive that ends too early: it is cut off")
    members = dict(itertools.islice(_files(unpacked), MAX_MEMBERS + 1))
    return _only_model(members, unpacked)


def _files(tar: bytes) -> Iterator[tuple[int, tarfile.TarInfo]]:
    """Yield where each of a tar archive's members stands, and its header.

    `tarfile` itself follows what headers say of others: chains of names without end,
    maps of sparse files, files that begin before themselves. A model has none of it, so
    that each header is read alone here.
    """
    position = 0
    try:
        while tar[position : position + tarfile.BLOCKSIZE].strip(b"\0"):
            block = tar[position : position + tarfile.BLOCKSIZE]
            member = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
            if member.size < 0:
                _refuse("a tar archive with a file of less than no bytes")
            if member.type not in _ABOUT_ANOTHER:
                yield position + tarfile.BLOCKSIZE, member
            blocks = -(-member.size // tarfile.BLOCKSIZE)
            position += tarfile.BLOCKSIZE * (1 + blocks)
    except tarfile.TarError as error:
        _refuse(f"a gzip file that holds no readable tar archive ({error})", error)


def _only_model(members: Mapping[int, tarfile.TarInfo], tar: bytes) -> bytes:
    if len(members) > MAX_MEMBERS:
        _refuse(f"an archive of more than {MAX_MEMBERS} files")
    models = {
        start: member
        for start, member in members.items()
        if PurePosixPath(member.name).name == MODEL_MEMBER
    }
    if len(models) != 1:
        names = ", ".join(repr(m.name) for m in list(members.values())[:5]) or "nothing"
        _refuse(f"{len(models)} files called {MODEL_MEMBER!r} in an archive of {names}")
    ((start, model),) = models.items()
    if model.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        _refuse(f"a {MODEL_MEMBER!r} that is no plain file")
    if start + model.size > len(tar):
        _refuse(f"a {MODEL_MEMBER!r} that ends too early: the archive is cut off")
    return tar[start : start + model.size]


def _unzipped(data: bytes) -> bytes:
    """Return the array list in `data`, which old tutorials find wrapped in a zip."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = ", ".join(map(repr, archive.namelist()[:5])) or "nothing"
            if MODEL_MEMBER not in archive.NameToInfo:
                _refuse(f"a zip file of {names} without {MODEL_MEMBER!r}")
            if archive.getinfo(MODEL_MEMBER).compress_type not in _ZIP_METHODS:
                _refuse("a zip file that is packed by another method than deflate")
            with archive.open(MODEL_MEMBER) as file:
                unpacked = file.read(MAX_UNPACKED_BYTES + 1)
    except _ZIP_ERRORS as error:
        _refuse(f"a zip file that can't be read ({error})", error)
    if len(unpacked) > MAX_UNPACKED_BYTES:
        _refuse(f"a zip file that unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
    return unpacked


def _decode_with_mxnet(data: bytes) -> list[Any] | dict[str, Any]:
    """Return what MXNet saved: a list of arrays, or a dictionary by name."""
    _check_lengths(data)
    try:
        saved = mx.nd.load_frombuffer(data)
        if isinstance(saved, dict):
            return {key: array.asnumpy() for key, array in saved.items()}
        return [array.asnumpy() for array in saved]
    except mx.MXNetError as error:
        _refuse("a model file that MXNet can't read: it is cut off or damaged", error)


def _check_lengths(data: bytes) -> None:
    """Refuse an array list whose lengths don't add up.

    MXNet believes them: one flipped bit, and it hangs or takes the process down.
    """
    try:
        magic, _, count = struct.unpack_from("<3Q", data)
        if magic != _LIST_MAGIC:
            _refuse("a model file that is no list of MXNet arrays")
        position = 24
        for _ in range(count):
            position = _array_end(data, position)
        (names,) = struct.unpack_from("<Q", data, position)
        position += 8
        for _ in range(names):
            (length,) = struct.unpack_from("<Q", data, position)
            position += 8 + length
    except (struct.error, OverflowError) as error:  # a position behind the end
        _refuse("a model file that ends too early: it is cut off", error)
    if position != len(data) or names not in (0, count):
        _refuse("a model file whose lengths don't add up: it is damaged")


def _array_end(data: bytes, position: int) -> int:
    """Return where the array at `position` ends; it may be behind the data's end."""
    magic, storage, dimensions = struct.unpack_from("<IiI", data, position)
    if magic not in _ARRAY_MAGICS or storage != _DENSE:
        _refuse("a model file with something else than dense MXNet arrays")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        _refuse("an array of too many dimensions: the model file is damaged")
    position += 12
    shape: tuple[int, ...] = struct.unpack_from(f"<{dimensions}Q", data, position)
    position += 8 * dimensions
    device, _, item = struct.unpack_from("<3i", data, position)
    if device not in _DEVICES or item not in _ITEM_BYTES or 0 in shape:
        _refuse("an array of an unknown type: the model file is damaged")
    return int(position + 12 + math.prod(shape) * _ITEM_BYTES[item])


def _centroids(
    arrays: list[Any] | dict[str, Any], k: int, feature_dim: int
) -> NDArray[np.float64]:
    if isinstance(arrays, dict):
        names = ", ".join(sorted(arrays))
        kind = "PCA" if {"mean", "s", "v"} <= set(arrays) else "another"
        _refuse(f"a model of {kind} algorithm, with arrays called {names}")
    shapes = " and ".join(" × ".join(map(str, array.shape)) for array in arrays)
    if len(arrays) != 1 or arrays[0].shape != (k, feature_dim):
        _refuse(f"an array of {shapes}" if arrays else "no array")
    centroids: NDArray[np.float64] = arrays[0].astype(np.float64)
    if not np.isfinite(centroids).all():
        _refuse("centroids that are not all finite numbers")
    return centroids
