import io

import numpy as np
import pytest

from geoclusters import places


def test_places_come_back_from_their_bytes() -> None:
    rows = places.make(np.array([2, 5]), np.array([1.5, -90.0]), np.array([0.1, 180.0]))
    again = places.decode(places.encode(rows))
    assert again.tolist() == rows.tolist()


def test_numpy_reads_a_part_as_it_is() -> None:
    part = places.encode(places.make(np.arange(2), np.zeros(2), np.ones(2)))
    assert np.load(io.BytesIO(part))["longitude"].tolist() == [1, 1]


def test_other_arrays_are_no_places() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(ValueError, match="expected places"):
        places.decode(buffer.getvalue())
