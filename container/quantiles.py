"""Exact quantiles of each cluster's distances, in memory that doesn't grow with them.

A first pass counts distances in bins, so it is known in which bins the wanted ranks
lie. A second pass collects what lies in those, which is a small part, and sorts it.

Bins are cut by the bits of a float64: read as integers, those of positive numbers are
in the numbers' order, and their upper bits are a logarithm.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.nearest import batches

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Indices = NDArray[np.intp]

_MANTISSA_BITS: Final = 52
#: Powers of two from 1 m to more than half the way around the earth; all distances
#: below 1 m have one bin.
_OCTAVES: Final = 25
_ONE: Final = int(np.float64(1.0).view(np.int64))
#: Bins of all clusters together: they take 16 MB, …
_MOST_BINS: Final = 2**21
#: … and of an octave, as a power of two: so few distances lie in one of them, and so
#: few bins are quick to count in.
_MOST_BITS: Final = 8
#: Distances that wait to be counted, in 4 MB.
_WAITING: Final = 2**19
#: Distances that are kept in the second pass, in 40 MB; sorting takes 100 more.
_MOST_KEPT: Final = 2**22

#: What is asked for: the median and the 95th percentile.
QUANTILES: Final = (0.5, 0.95)


class Histogram:
    """Counts distances in bins, for each of k clusters.

    Parameters
    ----------
    k : int
        At most `parameters.MOST_K`.
    """

    def __init__(self, k: int) -> None:
        self._bits = min(int(np.log2(_MOST_BINS / (k * _OCTAVES))), _MOST_BITS)
        self._bins = (_OCTAVES << self._bits) + 1
        self._shift = _MANTISSA_BITS - self._bits
        self._first = (_ONE >> self._shift) - 1
        self._counts: Counts = np.zeros(k * self._bins, np.int64)
        self._waiting: Indices = np.empty(_WAITING, np.intp)
        self._filled = 0

    def add(self, cluster: Indices, distance_m: Floats) -> None:
        """Count distances, shape (n,), of places in clusters, shape (n,)."""
        for batch in batches(len(cluster)):
            bins = _bits_of(distance_m[batch]) >> self._shift
            bins -= self._first
            np.maximum(bins, 0, out=bins)
            bins += cluster[batch] * self._bins
            if self._filled + len(bins) > _WAITING:
                self._count()
            self._waiting[self._filled : self._filled + len(bins)] = bins
            self._filled += len(bins)

    def _count(self) -> None:
        waiting = self._waiting[: self._filled]
        self._counts += np.bincount(waiting, minlength=len(self._counts))
        self._filled = 0

    def counts(self) -> Counts:
        """Return how many distances lie in each bin, shape (k, bins)."""
        self._count()
        return self._counts.reshape(-1, self._bins)

    def reordered(self, order: Indices) -> "Histogram":
        """Return the same counts of the clusters in another order."""
        other = Histogram(len(order))
        other._counts = self.counts()[order].ravel()
        return other

    def lower_edge(self, bins: Counts) -> Counts:
        """Return where bins begin, as the bits of a float64."""
        return np.where(bins > 0, (bins + self._first) << self._shift, 0)


class _Ranks(NamedTuple):
    """The neighbours in a cluster's order between which each quantile lies.

    They are counted from 0; shape (k, quantiles).
    """

    lower: Counts
    upper: Counts
    #: How far the quantile is from the lower to the upper, from 0 to 1.
    share: Floats

    @classmethod
    def of(cls, size: Counts) -> "_Ranks":
        # Definition 7 of R. J. Hyndman and Y. Fan, Sample Quantiles in Statistical
        # Packages, The American Statistician 50 (1996): NumPy's default.
        last = np.maximum(size - 1, 0)[:, np.newaxis]
        at = last * np.array(QUANTILES)
        lower = np.floor(at).astype(np.int64)
        return cls(lower, np.minimum(lower + 1, last), at - lower)


class Quantiles:
    """Finds quantiles in a pass over the places that a histogram has counted.

    After the pass `settle` tells whether it was enough. It is, unless millions of
    different distances lie in the bins of the wanted ones; then it has narrowed these
    down by so much that another pass over all the places will do.

    Parameters
    ----------
    histogram : Histogram
        Of the very distances that will be added.
    most_kept : int
        Distances to be kept in memory at a time.
    """

    def __init__(self, histogram: Histogram, *, most_kept: int = _MOST_KEPT) -> None:
        counts = histogram.counts()
        size = counts.sum(axis=1)
        self._has_places = size > 0
        self._ranks = _Ranks.of(size)
        shape = self._ranks.lower.shape
        # Each cluster has a target for each quantile: where to look, as the bits of
        # float64, and how many of the cluster's distances lie below that.
        self._low: Counts = np.zeros(shape, np.int64)
        self._high: Counts = np.zeros(shape, np.int64)
        self._below: Counts = np.zeros(shape, np.int64)
        for cluster in np.flatnonzero(self._has_places):
            up_to = np.cumsum(counts[cluster])
            first = up_to.searchsorted(self._ranks.lower[cluster], side="right")
            last = up_to.searchsorted(self._ranks.upper[cluster], side="right")
            self._low[cluster] = histogram.lower_edge(first)
            self._high[cluster] = histogram.lower_edge(last + 1)
            self._below[cluster] = up_to[first] - counts[cluster][first]
        # So many can always be halved, as each target needs but a few.
        self._most_kept = max(most_kept, 8 * self._low.size)
        self._values: Floats = np.full(shape, np.nan)
        self._begin()

    def _begin(self) -> None:
        self._sorted = _Kept.nothing()
        self._new: list[_Kept] = []
        self._count = 0
        #: Lower bits of the distances that there was no room to keep.
        self._dropped = 0

    def add(self, cluster: Indices, distance_m: Floats) -> None:
        """Take in distances, shape (n,), of places in clusters, shape (n,)."""
        new = [_Kept.nothing()]
        for batch in batches(len(cluster)):
            of_batch, bits = cluster[batch], _bits_of(distance_m[batch])
            for i in range(len(QUANTILES)):
                is_wanted = bits >= self._low[:, i][of_batch]
                is_wanted &= bits < self._high[:, i][of_batch]
                which = np.flatnonzero(is_wanted)
                target = (of_batch[which] * len(QUANTILES) + i).astype(np.uint16)
                once = np.ones(len(which), np.int64)
                new.append(_Kept(target, bits[which] >> self._dropped, once))
        self._new.append(_Kept.joined(new))
        self._count += len(self._new[-1].bits)
        if self._count > self._most_kept:
            self._make_room()

    def _make_room(self) -> None:
        self._sort()
        # Half must be free again, or it would be sorted at every turn.
        while len(self._sorted.bits) > self._most_kept // 2:
            self._sorted = self._sorted.coarser()
            self._dropped += 1
        self._count = len(self._sorted.bits)

    def _sort(self) -> None:
        self._sorted = _Kept.joined([self._sorted, *self._new]).in_order()
        self._new = []

    def settle(self) -> bool:
        """End a pass; return whether it was enough, else add all the places again."""
        self._sort()
        found, has_places = self._sorted, self._has_places
        up_to = np.append(0, np.cumsum(found.number))
        targets = np.arange(self._low.size).reshape(self._low.shape)[has_places]
        # What turns a rank in the cluster into one among all that was kept.
        offset = up_to[found.target.searchsorted(targets)] - self._below[has_places]
        ranks = (self._ranks.lower[has_places], self._ranks.upper[has_places])
        lower, upper = (
            up_to.searchsorted(rank + offset, side="right") - 1 for rank in ranks
        )
        low, high = found.bits[lower], found.bits[upper]
        is_settled = not self._dropped
        if is_settled:
            self._values[has_places] = _between(
                low.view(np.float64),
                high.view(np.float64),
                self._ranks.share[has_places],
            )
        else:
            # What was coarsened may reach beyond where it was looked for.
            low, high = low << self._dropped, (high + 1) << self._dropped
            self._low[has_places] = np.maximum(low, self._low[has_places])
            self._high[has_places] = np.minimum(high, self._high[has_places])
            self._below[has_places] = up_to[lower] - offset
        self._begin()
        return is_settled

    def result(self) -> Floats:
        """Return the `QUANTILES` of each cluster, in metres, shape (k, 2).

        As NumPy's, they may lie between two distances. A cluster without places has
        NaN.

        Raises
        ------
        ValueError
            If they aren't settled.
        """
        if np.isnan(self._values[self._has_places]).any():
            msg = "the quantiles aren't settled: add all the places, then call settle"
            raise ValueError(msg)
        return self._values.copy()


class _Kept(NamedTuple):
    """Distances that were kept, shape (n,)."""

    #: The target that they were kept for.
    target: NDArray[np.uint16]
    #: Their bits, without those that were dropped.
    bits: Counts
    #: How many there are of each.
    number: Counts

    @classmethod
    def nothing(cls) -> "_Kept":
        none = np.empty(0, np.int64)
        return cls(np.empty(0, np.uint16), none, none)

    @classmethod
    def joined(cls, several: "list[_Kept]") -> "_Kept":
        return cls(*map(np.concatenate, zip(*several, strict=True)))

    def in_order(self) -> "_Kept":
        """Return them by target, then by bits, each once."""
        target, bits, number = self
        order = np.argsort(bits)
        # NumPy sorts integers of 16 bits by their digits, which is fast.
        order = order[np.argsort(target[order], kind="stable")]
        return _Kept(target[order], bits[order], number[order])._merged()

    def coarser(self) -> "_Kept":
        """Return them with one bit less."""
        return self._replace(bits=self.bits >> 1)._merged()

    def _merged(self) -> "_Kept":
        if not len(self.bits):
            return self
        is_other = np.diff(self.bits) != 0
        is_other |= self.target[1:] != self.target[:-1]
        first = np.append(0, np.flatnonzero(is_other) + 1)
        return _Kept(
            self.target[first], self.bits[first], np.add.reduceat(self.number, first)
        )


def _bits_of(distance_m: Floats) -> Counts:
    return np.ascontiguousarray(distance_m).view(np.int64)


def _between(low: Floats, high: Floats, share: Floats) -> Floats:
    """Return what NumPy's `quantile` puts between two numbers, to the last bit."""
    step = high - low
    return np.where(share < 0.5, low + step * share, high - step * (1 - share))
