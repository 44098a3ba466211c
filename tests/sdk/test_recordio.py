"""Against the very function of the SageMaker SDK that the algorithms are fed with."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sagemaker.amazon.common import write_numpy_to_dense_tensor
from sagemaker.amazon.record_pb2 import Record

from geoclusters import recordio
from geoclusters.errors import RecordError
from local.sagemaker.trainer import messages

RECORDS = st.tuples(st.integers(1, 20), st.integers(1, 64)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(width=32))
)


def sdk_bytes(records: NDArray[Any], labels: NDArray[Any] | None = None) -> bytes:
    buffer = io.BytesIO()
    write_numpy_to_dense_tensor(buffer, records, labels)
    return buffer.getvalue()


def framed(message: bytes) -> bytes:
    """Return one record of RecordIO."""
    padding = bytes(-len(message) % 4)
    return struct.pack("<II", 0xCED7230A, len(message)) + message + padding


@given(RECORDS)
def test_records_are_byte_for_byte_the_sdks(records: NDArray[np.float32]) -> None:
    assert recordio.encode(records) == sdk_bytes(records)


@pytest.mark.parametrize("width", range(1, 65))
def test_every_width_from_1_to_64_is_the_sdks(width: int) -> None:
    records = np.random.default_rng(width).normal(size=(3, width)).astype(np.float32)
    encoded = recordio.encode(records)
    assert encoded == sdk_bytes(records)
    assert len(encoded) == 3 * recordio.record_bytes(width)


@given(RECORDS)
def test_what_the_sdk_writes_is_decoded(records: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(recordio.decode(sdk_bytes(records)), records)


@given(RECORDS, st.data())
def test_damaged_records_are_refused_or_read_but_never_crash(
    records: NDArray[np.float32], data: st.DataObject
) -> None:
    damaged = bytearray(recordio.encode(records))
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        values = recordio.decode(bytes(damaged[: data.draw(st.integers(0, 4096))]))
    except RecordError:
        return
    assert values.shape[1] == records.shape[1]


@given(RECORDS)
def test_labels_beside_the_records_are_ignored(records: NDArray[np.float32]) -> None:
    data = sdk_bytes(records, np.arange(len(records), dtype=np.float32))
    with pytest.raises(RecordError):
        recordio.decode(data)
    values, used = messages.decode(data)
    np.testing.assert_array_equal(values, records)
    assert used == len(data)


def test_fields_are_read_in_any_order_and_by_the_name_of_their_feature() -> None:
    record = Record()
    record.features["other"].float64_tensor.values.append(7)
    record.features["values"].float32_tensor.shape.append(2)
    record.features["values"].float32_tensor.values.extend([1, 2])
    record.metadata = "any"
    # Of a map's entries the order isn't fixed: both come before the other once.
    both = record.SerializeToString()
    late = Record(uid="1").SerializeToString() + both
    values, _ = messages.decode(framed(both) + framed(late))
    np.testing.assert_array_equal(values, [[1, 2], [1, 2]])


def test_values_that_are_not_packed_are_read() -> None:
    tensor = b"".join(b"\x0d" + struct.pack("<f", value) for value in (1, 2, 3))
    entry = b"\x0a\x06values\x12" + bytes([len(tensor) + 2, 0x12, len(tensor)]) + tensor
    values, _ = messages.decode(framed(b"\x0a" + bytes([len(entry)]) + entry))
    np.testing.assert_array_equal(values, [[1, 2, 3]])


def test_a_record_that_is_not_whole_is_left_for_the_next_read() -> None:
    records = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = sdk_bytes(records, np.ones(2, np.float32))
    for cut in range(1, len(data) // 2):
        values, used = messages.decode(data[:-cut])
        np.testing.assert_array_equal(values, records[:1])
        assert used == len(data) // 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (sdk_bytes(np.ones((2, 3))), "expected a float32_tensor; found float64_tensor"),
        (sdk_bytes(np.ones((2, 3), int)), "expected a float32_tensor; found int32_ten"),
        (framed(b""), "expected a feature named 'values'; found none"),
        (framed(b"\x0a\x7f"), "expected a protobuf message; found one cut short"),
        (framed(b"\x0b"), "expected a protobuf message; found wire type 3"),
        (bytes(24), "expected RecordIO's magic number 0xced7230a; found 0x0"),
        (
            sdk_bytes(np.ones((1, 3), np.float32))
            + sdk_bytes(np.ones((1, 2), np.float32)),
            "expected 3 float32 values a record; found 8 bytes of them",
        ),
    ],
)
def test_what_is_no_dense_float32_record_is_told(data: bytes, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        messages.decode(data)


@given(RECORDS, st.data())
def test_damaged_messages_are_refused_or_read_but_never_crash(
    records: NDArray[np.float32], data: st.DataObject
) -> None:
    damaged = bytearray(sdk_bytes(records, np.ones(len(records), np.float32)))
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        messages.decode(bytes(damaged[: data.draw(st.integers(0, 4096))]))
    except RecordError:
        return
