"""Records of RecordIO-protobuf, whatever else they hold and in whatever order.

`geoclusters.recordio` decodes the bytes that are usual, all records at once. These are
read one by one: records with a label, for example. The messages are `Record`, `Value`
and `Float32Tensor` of aialgs.data:
https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from geoclusters.errors import RecordError

_MAGIC = 0xCED7230A
_HEADER_BYTES = 8
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types
_FEATURES_FIELD = 1  # Record.features: map<string, Value>
_KEY_FIELD, _VALUE_FIELD = 1, 2  # an entry of the map
_FLOAT32_TENSOR_FIELD = 2
_OTHER_TENSORS = {3: "float64_tensor", 7: "int32_tensor", 9: "bytes"}
_VALUES_FIELD, _KEYS_FIELD = 1, 2  # of a tensor


def decode(data: bytes) -> tuple[npt.NDArray[np.float32], int]:
    """Decode the whole records that `data` starts with.

    Returns
    -------
    values : float32 array, shape (n, d)
    used : int
        How many bytes the records take.

    Raises
    ------
    RecordError
        If they are no records, or not of dense float32 values, all of one width.
    """
    values, width, used = bytearray(), 0, 0
    for message, end in _messages(memoryview(data)):
        packed = _feature(message)
        width = width or len(packed)
        if len(packed) != width or width % 4 or not width:
            msg = f"expected {width // 4} float32 values a record; found {len(packed)} "
            raise RecordError(f"{msg}bytes of them")
        values += packed
        used = end
    return np.frombuffer(values, "<f4").reshape(-1, max(width // 4, 1)), used


def stride(data: bytes | memoryview) -> int:
    """Return how long the record is that `data`, 8 bytes at least, starts with.

    Raises
    ------
    RecordError
        If it is no record.
    """
    magic, length = struct.unpack_from("<II", data)
    if magic != _MAGIC:
        msg = f"expected RecordIO's magic number {_MAGIC:#x}; found {magic:#x}"
        raise RecordError(msg)
    padded: int = -(-length // 4) * 4
    return _HEADER_BYTES + padded


def _messages(data: memoryview) -> Iterator[tuple[memoryview, int]]:
    """Yield the message of each whole record and where the record ends."""
    position = 0
    while position + _HEADER_BYTES <= len(data):
        start = position + _HEADER_BYTES
        position += stride(data[position:start])
        if position > len(data):
            break
        (length,) = struct.unpack_from("<I", data, start - 4)
        yield data[start : start + length], position


def _feature(record: memoryview) -> memoryview | bytes:
    """Return the bytes of the float32 values of the feature `values`."""
    try:
        for field, entry in _fields(record):
            if field == _FEATURES_FIELD:
                parts = dict(_fields(entry))
                if bytes(parts.get(_KEY_FIELD, b"")) == b"values":
                    return _float32_values(parts.get(_VALUE_FIELD, memoryview(b"")))
    except IndexError:
        raise RecordError("expected a protobuf message; found one cut short") from None
    raise RecordError("expected a feature named 'values'; found none")


def _float32_values(value: memoryview) -> memoryview | bytes:
    for field, tensor in _fields(value):
        if field == _FLOAT32_TENSOR_FIELD:
            return _dense(tensor)
        if field in _OTHER_TENSORS:
            msg = f"expected a float32_tensor; found {_OTHER_TENSORS[field]}"
            raise RecordError(f"{msg}: convert the data to float32")
    raise RecordError("expected a float32_tensor; found no tensor")


def _dense(tensor: memoryview) -> memoryview | bytes:
    parts = []
    for field, content in _fields(tensor):
        if field == _KEYS_FIELD:
            raise RecordError("expected dense values; found the keys of sparse ones")
        if field == _VALUES_FIELD:
            parts.append(content)
    # Packed, they are one part; each a part of its own is as valid.
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield a message's fields: their numbers and contents; a varint has none."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        length = {_VARINT: 0, _FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _DELIMITED:
            length, position = _varint(message, position)
        elif wire == _VARINT:
            _, position = _varint(message, position)
        elif not length:
            raise RecordError(f"expected a protobuf message; found wire type {wire}")
        if position + length > len(message):
            raise IndexError
        yield tag >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number and the position after it."""
    value = shift = 0
    while (byte := message[position]) & 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        position += 1
    return value | byte << shift, position + 1
