"""Training records as SageMaker's k-means needs them: centred, and a fair sample first.

The algorithm takes its first centres from the first mini-batch and reads on in order. A
sorted file ruins that, and files are sorted. So the first shard is a uniform sample of
all places, in random order; the others hold the rest, in the file's order. One pass,
constant memory.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoclusters import recordio
from geoclusters.geodesy import Floats, Geometry

#: The centre is the mean of so many usable rows, the file's first ones.
CENTRE_ROWS: Final = 65_536
#: A shard is one object, written by one request. (Several are in memory at a time.)
MOST_SHARD_BYTES: Final = 8 * 1024 * 1024
_LEAST_SHARD_BYTES: Final = 1024 * 1024
#: Shards for each instance, so that the last one's shortness weighs little.
_SHARDS_AN_INSTANCE: Final = 8

Records = NDArray[np.float32]


def shard_bytes(upload_bytes: int, instance_count: int) -> int:
    """Return how large the shards should be for training on several instances.

    Each instance gets whole shards. Training records take about half the bytes of the
    table that they come from.

    Parameters
    ----------
    upload_bytes : int
        Size of the table.
    instance_count : int
        Instances that may train.
    """
    if instance_count == 1:
        return MOST_SHARD_BYTES
    wanted = upload_bytes // 2 // (_SHARDS_AN_INSTANCE * instance_count)
    return max(_LEAST_SHARD_BYTES, min(wanted, MOST_SHARD_BYTES))


class Shard(NamedTuple):
    """One object of training records."""

    part: int
    body: bytearray


class FairSample:
    """A uniform sample of a stream of records, without replacement.

    J. S. Vitter, Random sampling with a reservoir, ACM Transactions on Mathematical
    Software 11 (1985), algorithm R, for blocks of records.
    """

    def __init__(self, size: int, width: int, seed: int) -> None:
        self._sample = np.empty((size, width), np.float32)
        # Two sources of chance, each used in the records' order: so how these are
        # divided into blocks makes no difference.
        chance, slots = np.random.SeedSequence(seed).spawn(2)
        self._rng = np.random.default_rng(chance)
        self._slot_rng = np.random.default_rng(slots)
        self._seen = 0

    def offer(self, records: Records) -> Records:
        """Take some of the records; return those, new or old, that are not in it.

        A record that is taken gives its place in the stream to the one that it drives
        out. The array is changed.
        """
        size = len(self._sample)
        room = max(size - self._seen, 0)
        filling, records = records[:room], records[room:]
        self._sample[self._seen : self._seen + len(filling)] = filling
        self._seen += len(filling)
        # the nth record is taken with a chance of size / n
        nth = np.arange(self._seen + 1, self._seen + len(records) + 1, dtype=np.float64)
        self._seen += len(records)
        taken = np.flatnonzero(self._rng.random(len(records)) * nth < size)
        slot = self._slot_rng.integers(0, size, len(taken))
        # (the fewer bits, the quicker they are sorted)
        order = np.argsort(slot.astype(np.min_scalar_type(size)), kind="stable")
        taken, slot = taken[order], slot[order]
        # several of the block may fall into one slot, each driving out the one before
        again = np.flatnonzero(slot[1:] == slot[:-1]) + 1
        last = np.delete(np.arange(len(slot)), again - 1)
        new = records.take(taken, axis=0)
        records[taken] = self._sample.take(slot, axis=0)
        records[taken[again]] = new[again - 1]
        self._sample[slot[last]] = new[last]
        return records

    def take(self) -> Records:
        """Return the sample, in random order."""
        return self._rng.permutation(self._sample[: self._seen])


class TrainingSet:
    """Turns places, added in the file's order, into shards of training records.

    Parameters
    ----------
    geometry : Geometry
        How places become features.
    first_shard_rows : int
        Size of the sample in the first shard.
    seed : int
        The same places with the same seed give the same shards.
    most_shard_bytes : int
        Bound of a shard's size.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        first_shard_rows: int,
        seed: int,
        most_shard_bytes: int = MOST_SHARD_BYTES,
    ) -> None:
        self._geometry = geometry
        width = geometry.feature_dim
        self._rows_a_shard = most_shard_bytes // recordio.record_bytes(width)
        self._sample = FairSample(first_shard_rows, width, seed)
        self._first: list[Floats] = []
        self._centre: Floats | None = None
        self._waiting: list[Records] = []
        self._waiting_rows = 0
        self._next_part = 1  # part 0 is the sample, known at the end

    @property
    def centre(self) -> tuple[float, ...]:
        """What is subtracted from the features; known after `finish`."""
        if self._centre is None:
            msg = "the centre is known once `finish` was called"
            raise ValueError(msg)
        return tuple(self._centre.tolist())

    @property
    def parts(self) -> int:
        """Number of shards so far, the first one counted."""
        return self._next_part

    def add(self, latitude: Floats, longitude: Floats) -> Iterator[Shard]:
        """Add places in degrees, shape (n,); yield the shards that are full."""
        features = self._geometry.features(latitude, longitude)
        if self._centre is not None:
            yield from self._add_features(features, self._centre)
            return
        self._first.append(features)
        if sum(map(len, self._first)) >= CENTRE_ROWS:
            yield from self._add_first()

    def finish(self) -> Iterator[Shard]:
        """Yield the last shards, the first one at the end."""
        if self._centre is None:
            yield from self._add_first()
        if self._waiting_rows:
            rest = np.concatenate(self._waiting)
            # up to two shards wait: two halves rather than a full and a tiny one
            for half in np.array_split(rest, 1 + (len(rest) > self._rows_a_shard)):
                yield self._shard(half)
        yield Shard(0, recordio.encode(self._sample.take()))

    def _add_first(self) -> Iterator[Shard]:
        """Set the centre, and add the features that waited for it."""
        if not self._first:
            msg = "a training set needs at least one place"
            raise ValueError(msg)
        features = np.concatenate(self._first)
        self._first.clear()
        self._centre = features[:CENTRE_ROWS].mean(axis=0)
        yield from self._add_features(features, self._centre)

    def _add_features(self, features: Floats, centre: Floats) -> Iterator[Shard]:
        records = np.empty(features.shape, np.float32)
        for i, mean in enumerate(centre):  # by columns: rows of three are slow
            np.subtract(features[:, i], mean, out=records[:, i], casting="same_kind")
        passed_on = self._sample.offer(records)
        self._waiting.append(passed_on)
        self._waiting_rows += len(passed_on)
        if self._waiting_rows < 2 * self._rows_a_shard:
            return
        waiting = np.concatenate(self._waiting)
        while len(waiting) >= 2 * self._rows_a_shard:
            yield self._shard(waiting[: self._rows_a_shard])
            waiting = waiting[self._rows_a_shard :]
        self._waiting = [waiting.copy()]
        self._waiting_rows = len(waiting)

    def _shard(self, records: Records) -> Shard:
        shard = Shard(self._next_part, recordio.encode(records))
        self._next_part += 1
        return shard
