"""RecordIO-protobuf, as SageMaker's built-in algorithms read it.

One record is MXNet's RecordIO framing (magic number, length, padding to 4 bytes) around
an `aialgs.data.Record` protobuf message whose feature `values` is a `Float32Tensor`:
https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html. The bytes are those
of `sagemaker.amazon.common.write_numpy_to_dense_tensor` of the SageMaker SDK.

All records of one width are equally long and differ only in their values, so a shard is
one array: a frame repeated, with the values written into it.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from geoclusters.errors import RecordError

_MAGIC = 0xCED7230A
_LENGTH_DELIMITED = 2  # protobuf wire type
_FEATURES_FIELD = 1  # Record.features: map<string, Value>
_KEY_FIELD, _VALUE_FIELD = 1, 2  # an entry of the map
_FLOAT32_TENSOR_FIELD = 2  # Value.float32_tensor
_VALUES_FIELD = 1  # Float32Tensor.values: repeated float [packed]


def encode(features: NDArray[np.float32]) -> bytearray:
    """Return records of RecordIO-protobuf, one for each row.

    Parameters
    ----------
    features : array of float32, shape (n, d)
        One record's values a row; d at least 1.
    """
    if features.ndim != 2 or features.shape[1] == 0:
        msg = f"expected records of shape (n, d), d >= 1; got {features.shape}"
        raise ValueError(msg)
    if features.dtype != np.float32:
        msg = f"expected float32 records; got {features.dtype}"
        raise ValueError(msg)
    n, d = features.shape
    head, tail = _frame(d)
    record = bytearray(head + bytes(4 * d) + tail)
    records = record * n
    if n:  # NumPy 1.23 refuses strides over an empty buffer
        values: NDArray[np.float32] = np.ndarray(
            (n, d), "<f4", records, offset=len(head), strides=(len(record), 4)
        )
        values[...] = features
    return records


def record_bytes(d: int) -> int:
    """Return the length of one record of `d` values, in bytes."""
    head, tail = _frame(d)
    return len(head) + 4 * d + len(tail)


def decode(data: bytes | bytearray) -> NDArray[np.float32]:
    """Return the values of the records in `data`, shape (n, d).

    Reads what `encode` writes: dense float32 records, all of one width.

    Raises
    ------
    RecordError
        If `data` is anything else.
    """
    if len(data) < 8:
        msg = f"expected RecordIO records; found {len(data)} bytes"
        raise RecordError(msg)
    magic, length = struct.unpack_from("<II", data)
    stride = 8 + -(-length // 4) * 4
    if magic != _MAGIC:
        msg = f"expected RecordIO's magic number {_MAGIC:#x}; found {magic:#x}"
        raise RecordError(msg)
    most = length // 4  # the frame takes less than 16 values' room of that
    # A length that is corrupt may be one that no record can have: not to be tried.
    widths = range(most if len(data) >= stride else 0, max(most - 16, 0), -1)
    d = next((d for d in widths if record_bytes(d) == stride), 0)
    if d == 0 or len(data) % stride:
        msg = (
            f"expected records of {stride} bytes, as the first says; found {len(data)} "
            "bytes, which are no whole number of dense float32 records"
        )
        raise RecordError(msg)
    head, tail = _frame(d)
    records = np.frombuffer(data, np.uint8).reshape(-1, stride)
    frames_agree = (
        records[:, : len(head)] == np.frombuffer(head, np.uint8)
    ).all() and (records[:, len(head) + 4 * d :] == np.frombuffer(tail, np.uint8)).all()
    if not frames_agree:
        msg = f"expected {len(records)} dense float32 records of {d} values each"
        raise RecordError(msg)
    values = np.ascontiguousarray(records[:, len(head) : len(head) + 4 * d])
    return values.view("<f4")


def _frame(d: int) -> tuple[bytes, bytes]:
    """Return what stands before and after the values of a record of `d` values."""
    packed = _tag(_VALUES_FIELD) + _varint(4 * d)
    tensor = _tag(_FLOAT32_TENSOR_FIELD) + _varint(len(packed) + 4 * d) + packed
    name = _tag(_KEY_FIELD) + _varint(len(b"values")) + b"values"
    entry = name + _tag(_VALUE_FIELD) + _varint(len(tensor) + 4 * d) + tensor
    message = _tag(_FEATURES_FIELD) + _varint(len(entry) + 4 * d) + entry
    length = len(message) + 4 * d
    padding = b"\0" * (-length % 4)
    return struct.pack("<II", _MAGIC, length) + message, padding


def _tag(field: int) -> bytes:
    return bytes([field << 3 | _LENGTH_DELIMITED])


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
