from collections import Counter
from typing import Any

import numpy as np
import pytest

from container.parts import Parts
from geoclusters import layout, places
from tests.container.fakes import FakeS3

RUN_ID = "0" * 20
PART_BYTES = 10 * places.DTYPE.itemsize


class CountingS3(FakeS3):
    """Remembers what was fetched."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.fetched: Counter[str] = Counter()
        for part in range(parts):
            row = np.arange(10) + 10 * part
            body = bytes(places.encode(places.make(row, row / 7, -row / 7)))
            self.put_object(Bucket="b", Key=layout.places_key(RUN_ID, part), Body=body)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self.fetched[Key] += 1
        return super().get_object(Bucket=Bucket, Key=Key)


def parts_of(s3: FakeS3, count: int, **more: int) -> Parts:
    return Parts(s3, bucket="b", run_id=RUN_ID, count=count, **more)  # type: ignore[arg-type]


def test_each_pass_gives_all_places_in_the_files_order() -> None:
    parts = parts_of(CountingS3(5), 5, most_kept_bytes=2 * PART_BYTES)
    for _ in range(3):
        rows = np.concatenate([part["row"] for part in parts])
        assert rows.tolist() == list(range(50))


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (2.5, 2), (5, 5)])
def test_what_fits_is_fetched_once(room: float, kept: int) -> None:
    s3 = CountingS3(5)
    parts = parts_of(s3, 5, most_kept_bytes=int(room * PART_BYTES))
    for _ in range(3):
        assert len(list(parts)) == 5
    times = [s3.fetched[layout.places_key(RUN_ID, part)] for part in range(5)]
    assert times == [1] * kept + [3] * (5 - kept)


def test_a_pass_that_is_given_up_harms_no_later_one() -> None:
    parts = parts_of(CountingS3(5), 5)
    for part in parts:
        assert part["row"][0] == 0
        break
    assert len(list(parts)) == 5


def test_a_part_that_is_missing_is_told() -> None:
    with pytest.raises(Exception, match="NoSuchKey"):
        list(parts_of(CountingS3(2), 3))
