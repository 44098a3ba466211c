"""How many different places a table holds, counted as it goes by, in bounded memory.

Up to about a million different places the count is exact. Beyond that it is an estimate
by distinct sampling (P. Gibbons, Distinct sampling for highly-accurate answers to
distinct values queries and event reports, VLDB 2001): of the places' hashes only those
are kept that begin with `level` zero bits, one in 2**level; how many there are of them
doesn't depend on how often a place occurs. When they get too many, the level rises.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

#: Different places that are counted exactly. Beyond, about 1 / √n of that, 0.1 %, is
#: the estimate's standard error.
MOST_KEPT: Final = 2**20

_HASH_BITS: Final = 64
#: Places hashed, and hashes compared, at a time: they fit a processor's cache.
_BLOCK: Final = 2**13


class DistinctPlaces:
    """Counts the different pairs of latitude and longitude in a stream of places.

    What it holds are 64-bit hashes, 16 bytes for each of `most_kept`: among a million
    places the chance that two of them share one is 3 in 10⁸.

    Parameters
    ----------
    most_kept : int
        Different places up to which the count is exact.
    """

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        # Sorted, different ones first, then blocks, each sorted, that wait to be merged
        # with them: merging seldom is quick.
        self._hashes: Hashes = np.empty(2 * most_kept + _BLOCK, np.uint64)
        self._kept = 0
        self._end = 0
        self._level = 0

    def add(self, latitude: Floats, longitude: Floats) -> None:
        """Count places, shape (n,), in degrees; -0.0 is the same as 0.0."""
        for start in range(0, len(latitude), _BLOCK):
            if self._end + _BLOCK > len(self._hashes):
                self._merge()  # before the level is asked for
            block = slice(start, start + _BLOCK)
            hashes = _hash(latitude[block], longitude[block])
            if self._level:
                hashes = hashes[hashes < self._bound()]
            hashes.sort()
            self._hashes[self._end : self._end + len(hashes)] = hashes
            self._end += len(hashes)

    def finish(self) -> None:
        """Merge what was added last; after that the count is known."""
        self._merge()

    @property
    def count(self) -> int:
        """How many different places there were; an estimate unless `is_exact`."""
        self._merge()
        return self._kept << self._level

    @property
    def is_exact(self) -> bool:
        """Whether `count` is no estimate."""
        self._merge()
        return self._level == 0

    def _bound(self) -> np.uint64:
        """Return the least hash that does not begin with `level` zero bits."""
        return np.uint64(1 << (_HASH_BITS - self._level))

    def _merge(self) -> None:
        if self._end == self._kept:
            return
        hashes = self._hashes[: self._end]
        hashes.sort(kind="stable")  # a merge sort, which finds what is sorted
        self._kept = _without_repeats(hashes)
        while self._kept > self._most_kept:
            self._level += 1
            kept = self._hashes[: self._kept]
            self._kept = int(np.searchsorted(kept, self._bound()))
        self._end = self._kept


def _without_repeats(values: Hashes) -> int:
    """Move the different ones of sorted values to the front; return how many."""
    different = 0
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        is_new = np.ones(len(block), np.bool_)
        np.not_equal(block[1:], block[:-1], out=is_new[1:])
        is_new[0] = different == 0 or block[0] != values[different - 1]
        new = block[is_new]
        values[different : different + len(new)] = new
        different += len(new)
    return different


def _hash(latitude: Floats, longitude: Floats) -> Hashes:
    """Return hashes of places: every bit of them depends on every bit of a place."""
    hashes = _mix((latitude + 0.0).view(np.uint64))  # -0.0 + 0.0 is 0.0
    # Mixed before they meet: round coordinates have but few bits that differ.
    hashes += (longitude + 0.0).view(np.uint64)
    return _mix(hashes)


def _mix(words: Hashes) -> Hashes:
    """Change 64-bit words, in place, into others that look random.

    It is the finaliser of SplitMix64, a one-to-one mapping: G. Steele, D. Lea and
    C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; its
    constants are D. Stafford's variant 13.
    """
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words
