"""Against the very function of the SageMaker SDK that the algorithms are fed with."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sagemaker.amazon.common import write_numpy_to_dense_tensor

from geoclusters import recordio
from geoclusters.errors import RecordError

RECORDS = st.tuples(st.integers(1, 20), st.integers(1, 64)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(width=32))
)


def sdk_bytes(records: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    write_numpy_to_dense_tensor(buffer, records)
    return buffer.getvalue()


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
