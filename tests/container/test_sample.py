import numpy as np
import pytest

from container.sample import Sample
from geoclusters import places


def add(sample: Sample, first: int, last: int, *, id_width: int = 0) -> None:
    """Take in places whose cluster, distance and id are all their row's number."""
    row = np.arange(first, last)
    id = row.astype(f"S{id_width}") if id_width else None
    part = places.make(row, row / 2.0, -row / 2.0, id)
    sample.add(part, row % 7, row.astype(np.float64) * 3)


def test_a_sample_is_everything_in_order_until_it_is_full() -> None:
    sample = Sample(10, seed=1)
    add(sample, 0, 4)
    add(sample, 4, 10)
    found = sample.result()
    assert found.places["row"].tolist() == list(range(10))
    assert found.cluster.tolist() == [row % 7 for row in range(10)]
    assert sample.seen == 10


def test_a_sample_of_nothing_is_empty() -> None:
    assert len(Sample(10, seed=1).result().places) == 0


def test_a_sample_is_fair_to_early_and_late_places() -> None:
    sample = Sample(10_000, seed=1)
    for start in range(0, 100_000, 10_000):
        add(sample, start, start + 10_000)
    assert sample.seen == 100_000
    found = sample.result()
    row = found.places["row"]
    assert len(np.unique(row)) == 10_000
    counts = np.bincount(row // 10_000)
    assert counts.min() > 880  # 1,000 ± 4 standard deviations
    assert counts.max() < 1120


@pytest.mark.parametrize("id_width", [0, 5])
def test_what_belongs_to_a_place_stays_with_it(id_width: int) -> None:
    sample = Sample(50, seed=3)
    add(sample, 0, 40, id_width=id_width)
    add(sample, 40, 1_000, id_width=id_width and id_width + 4)
    found = sample.result()
    row = found.places["row"]
    assert len(row) == 50
    assert np.array_equal(found.places["latitude"], row / 2.0)
    assert np.array_equal(found.cluster, row % 7)
    assert np.array_equal(found.distance_m, row * 3.0)
    if id_width:
        assert found.places["id"].tolist() == [str(r).encode() for r in row]


def test_a_sample_depends_on_its_seed_alone() -> None:
    rows = []
    for seed in (1, 1, 2):
        sample = Sample(5, seed=seed)
        add(sample, 0, 100)
        rows.append(sample.result().places["row"].tolist())
    assert rows[0] == rows[1] != rows[2]
