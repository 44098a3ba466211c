from collections.abc import Iterator

import numpy as np
import pytest

from geoclusters import recordio
from geoclusters.geodesy import GEOMETRIES, Floats
from geoclusters.training_set import (
    CENTRE_ROWS,
    MOST_SHARD_BYTES,
    FairSample,
    Shard,
    TrainingSet,
    shard_bytes,
)

SPHERICAL = GEOMETRIES["spherical"]


def sorted_places(n: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(5)
    return rng.uniform(-80, 80, n), np.sort(rng.uniform(-179, 179, n))


def shards(
    latitude: Floats, longitude: Floats, *, block: int = 10_000, seed: int = 1
) -> tuple[dict[int, bytearray], TrainingSet]:
    training_set = TrainingSet(
        SPHERICAL,
        first_shard_rows=500,
        seed=seed,
        most_shard_bytes=10_000 * recordio.record_bytes(3),
    )

    def go() -> Iterator[Shard]:
        for start in range(0, len(latitude), block):
            part = slice(start, start + block)
            yield from training_set.add(latitude[part], longitude[part])
        yield from training_set.finish()

    return {shard.part: shard.body for shard in go()}, training_set


def test_every_place_becomes_one_centred_record() -> None:
    latitude, longitude = sorted_places(100_000)
    bodies, training_set = shards(latitude, longitude)
    assert training_set.parts == len(bodies)
    features = SPHERICAL.features(latitude, longitude)
    centre = features[:CENTRE_ROWS].mean(axis=0)
    np.testing.assert_array_equal(training_set.centre, centre)
    expected = (features - centre).astype(np.float32)
    records = np.concatenate([recordio.decode(body) for body in bodies.values()])
    assert sorted(records.tolist()) == sorted(expected.tolist())


def test_shards_are_bounded_and_numbered_without_a_gap() -> None:
    bodies, _ = shards(*sorted_places(100_000))
    assert sorted(bodies) == list(range(len(bodies)))
    assert max(map(len, bodies.values())) <= 10_000 * recordio.record_bytes(3)


@pytest.mark.parametrize("n", [10_501, 20_499, 20_501, 33_333, 100_000])
def test_shards_behind_the_sample_are_even(n: int) -> None:
    bodies, _ = shards(*sorted_places(n))
    sizes = sorted(len(body) for part, body in bodies.items() if part > 0)
    assert sizes[0] >= 0.5 * sizes[-1] or len(sizes) == 1


@pytest.mark.parametrize("instances", [2, 10, 100])
def test_several_instances_get_several_shards_each(instances: int) -> None:
    rows, bytes_a_row = 10_000_000, 100
    size = shard_bytes(rows * bytes_a_row, instances)
    assert 1024**2 <= size <= MOST_SHARD_BYTES
    shards_an_instance = rows * recordio.record_bytes(3) / size / instances
    assert shards_an_instance > 3 or size == 1024**2


def test_one_instance_gets_the_largest_shards() -> None:
    assert shard_bytes(10**9, 1) == shard_bytes(10**12, 100) == MOST_SHARD_BYTES
    assert shard_bytes(1000, 100) == 1024**2


def test_the_first_shard_is_a_fair_sample_of_a_sorted_file() -> None:
    latitude, longitude = sorted_places(100_000)
    counts = np.zeros(10)
    for seed in range(20):
        bodies, training_set = shards(latitude, longitude, seed=seed)
        sample = recordio.decode(bodies[0]) + np.array(training_set.centre)
        assert len(sample) == 500
        counts += np.histogram(SPHERICAL.places(sample)[1], 10, (-179, 179))[0]
    # 10,000 draws into 10 equal bins: chi-squared with 9 degrees of freedom, p = 1e-6
    assert ((counts - 1000) ** 2 / 1000).sum() < 45


def test_the_division_into_blocks_makes_no_difference() -> None:
    latitude, longitude = sorted_places(100_000)
    assert shards(latitude, longitude)[0] == shards(latitude, longitude, block=777)[0]


def test_another_seed_gives_another_sample() -> None:
    places = sorted_places(2_000)
    assert shards(*places)[0] == shards(*places)[0]
    assert shards(*places)[0] != shards(*places, seed=2)[0]


def test_a_small_table_is_one_shuffled_shard() -> None:
    latitude, longitude = sorted_places(210)
    bodies, training_set = shards(latitude, longitude)
    assert list(bodies) == [0]
    records = recordio.decode(bodies[0]) + np.array(training_set.centre)
    order = SPHERICAL.places(records)[1]
    assert len(order) == 210
    assert 70 < (np.diff(order) > 0).sum() < 140


def test_no_places_make_no_training_set() -> None:
    training_set = TrainingSet(SPHERICAL, first_shard_rows=5, seed=1)
    with pytest.raises(ValueError, match="at least one place"):
        list(training_set.finish())


def test_a_sample_and_what_it_passes_on_are_the_stream() -> None:
    sample = FairSample(3, 1, seed=7)
    stream = np.arange(50, dtype=np.float32).reshape(-1, 1)
    passed_on = [sample.offer(block) for block in np.array_split(stream, 9)]
    together = np.concatenate([*passed_on, sample.take()])
    assert sorted(together.ravel().tolist()) == list(range(50))


def test_no_records_are_no_bytes() -> None:
    assert recordio.encode(np.empty((0, 3), np.float32)) == b""
