"""K-means as SageMaker documents it: web-scale mini-batches, then a shrink.

Three steps ("How K-Means Clustering Works", Amazon SageMaker developer guide):

1. k × extra_center_factor initial centres from the first mini-batch;
2. each mini-batch moves them towards its points (D. Sculley, "Web-Scale K-Means
   Clustering", 2010): per centre, the new points weigh as much as their share of
   all points it has been given;
3. the centres, weighted by their counts, are clustered into k by Lloyd's method
   with several starts; the best start wins.

Everything is float32, and distances are ‖x‖² − 2x·c + ‖c‖², as in the container:
where coordinates are large against the distances between them, the rounding shows.
That is meant. This code is a stand-in and shall not be better than the original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]

# Distances held at once: 4 million of them are 16 MB.
_BLOCK_DISTANCES = 4_000_000


class TooFewRecordsError(Exception):
    """The first mini-batch can't supply the initial centres."""


def squared_distances(points: Float32, centers: Float32) -> Float32:
    """Compute squared distances between points and centres, with float32's own error.

    Parameters
    ----------
    points : float32 array, shape (n, d)
    centers : float32 array, shape (m, d)

    Returns
    -------
    float32 array, shape (n, m)
        Not clipped: rounding makes small distances negative, as it does there.
    """
    distances = points @ centers.T
    distances *= np.float32(-2)
    distances += np.einsum("ij,ij->i", points, points)[:, None]
    distances += np.einsum("ij,ij->i", centers, centers)[None, :]
    return distances


def assign(points: Float32, centers: Float32) -> tuple[Labels, Float32]:
    """Find the nearest centre of each point and the squared distance to it.

    Parameters
    ----------
    points : float32 array, shape (n, d)
    centers : float32 array, shape (m, d)

    Returns
    -------
    labels : int array, shape (n,)
    nearest : float32 array, shape (n,)
    """
    labels = np.empty(len(points), np.intp)
    nearest = np.empty(len(points), np.float32)
    for block in _blocks(len(points), len(centers)):
        distances = squared_distances(points[block], centers)
        best = distances.argmin(axis=1)
        labels[block] = best
        nearest[block] = distances[np.arange(len(best)), best]
    return labels, nearest


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of rows, each with few enough distances to hold at once."""
    step = max(1, _BLOCK_DISTANCES // columns)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _means(
    points: Float32, labels: Labels, weights: Float32, count: int
) -> tuple[Float32, Float32]:
    """Sum up each label's weight and weighted mean; zeros where it has no points."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    weight = np.zeros(count, np.float32)
    total = np.zeros((count, points.shape[1]), np.float32)
    weight[present] = np.add.reduceat(weights[order], starts)
    total[present] = np.add.reduceat((points * weights[:, None])[order], starts)
    means = np.divide(
        total, weight[:, None], out=np.zeros_like(total), where=weight[:, None] > 0
    )
    return weight, means


def choose_centers(
    points: Float32,
    weights: Float32,
    count: int,
    method: str,
    rng: np.random.Generator,
) -> Float32:
    """Choose initial centres among the points.

    Parameters
    ----------
    points : float32 array, shape (n, d)
    weights : float32 array, shape (n,)
    count : int
        At most n.
    method : {"random", "kmeans++"}
        `kmeans++` is Arthur and Vassilvitskii's plain form: one candidate a step,
        drawn in proportion to weight times squared distance.
    rng : numpy.random.Generator

    Returns
    -------
    float32 array, shape (count, d)
    """
    if method == "random":
        return points[rng.choice(len(points), size=count, replace=False)].copy()
    chosen = np.empty(count, np.intp)
    free = np.ones(len(points), bool)
    chances = weights.astype(np.float64)
    nearest = np.full(len(points), np.inf, np.float32)
    for position in range(count):
        pick = _draw(np.where(free, chances, 0.0), free, rng)
        chosen[position] = pick
        free[pick] = False
        distance = squared_distances(points, points[pick : pick + 1])[:, 0]
        nearest = np.minimum(nearest, np.maximum(distance, 0))
        chances = weights * nearest.astype(np.float64)
    return points[chosen].copy()


def _draw(
    chances: npt.NDArray[np.float64],
    free: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> int:
    """Draw one index in proportion to its chance; any free one if all are zero."""
    cumulated = np.cumsum(chances)
    if cumulated[-1] > 0:
        value = rng.random() * cumulated[-1]
        return int(np.searchsorted(cumulated, value, side="right"))
    return int(rng.choice(np.flatnonzero(free)))


class WebScaleKMeans:
    """Steps 1 and 2: many centres, moved by one mini-batch after the other.

    Attributes
    ----------
    centers : float32 array, shape (k × extra_center_factor, d)
    counts : float32 array, shape (k × extra_center_factor,)
        How many points each centre was given, decayed by `half_life_time_size`.
    """

    def __init__(
        self,
        first_batch: Float32,
        *,
        count: int,
        init_method: str,
        half_life_time_size: int,
        rng: np.random.Generator,
    ) -> None:
        if len(first_batch) < count:
            raise TooFewRecordsError(
                f"the first mini-batch has {len(first_batch)} records, fewer than "
                f"the {count} initial centers (k × extra_center_factor)"
            )
        ones = np.ones(len(first_batch), np.float32)
        self.centers = choose_centers(first_batch, ones, count, init_method, rng)
        self.counts = np.zeros(count, np.float32)
        self._half_life = half_life_time_size

    def update(self, batch: Float32) -> None:
        """Move the centres towards one mini-batch, shape (n, d)."""
        if self._half_life:
            self.counts *= np.float32(0.5 ** (len(batch) / self._half_life))
        labels, _ = assign(batch, self.centers)
        ones = np.ones(len(batch), np.float32)
        new, means = _means(batch, labels, ones, len(self.centers))
        self.counts += new
        share = np.divide(
            new, self.counts, out=np.zeros_like(new), where=self.counts > 0
        )[:, None]
        moved = (1 - share) * self.centers + share * means
        self.centers = moved.astype(np.float32, copy=False)


@dataclass(frozen=True)
class LocalLloyd:
    """Step 3: Lloyd's method on weighted centres, several starts, the best wins.

    Attributes
    ----------
    init_method : {"random", "kmeans++"}
    max_iter : int
    num_trials : int
    tol : float
        A start ends when an iteration improves the loss by no more than this share.
    """

    init_method: str
    max_iter: int
    num_trials: int
    tol: float

    def shrink(
        self,
        centers: Float32,
        counts: Float32,
        k: int,
        rng: np.random.Generator,
        *,
        on_attempt: Callable[[int, float], None] = lambda attempt, msd: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> tuple[Float32, float]:
        """Cluster weighted centres into k.

        Parameters
        ----------
        centers : float32 array, shape (m, d)
        counts : float32 array, shape (m,)
            The weights. Centres that no point chose have none and take no part,
            unless fewer than k others are left.
        k : int
        rng : numpy.random.Generator
        on_attempt : callable
            Told each start's number and mean square distance.
        stopped : callable
            Asked after each start; True ends the search.

        Returns
        -------
        centroids : float32 array, shape (k, d)
        msd : float
            Weighted mean square distance of the *centres* to their centroids. This
            is what the container reports as `train msd`: the points' own distances
            to their centres aren't in it.
        """
        used = counts > 0
        if used.sum() >= k:
            centers, counts = centers[used], counts[used]
        best: tuple[Float32, float] | None = None
        for attempt in range(self.num_trials):
            candidate = self._attempt(centers, counts, k, rng)
            on_attempt(attempt, candidate[1])
            if best is None or candidate[1] < best[1]:
                best = candidate
            if stopped():
                break
        assert best is not None, "num_trials is at least 1"
        return best

    def _attempt(
        self, centers: Float32, counts: Float32, k: int, rng: np.random.Generator
    ) -> tuple[Float32, float]:
        weights = counts if counts.any() else np.ones_like(counts)
        total = weights.sum()
        centroids = choose_centers(centers, weights, k, self.init_method, rng)
        labels, nearest = assign(centers, centroids)
        msd = float((weights * nearest).sum() / total)
        for _ in range(self.max_iter):
            weight, means = _means(centers, labels, weights, k)
            centroids = np.where(weight[:, None] > 0, means, centroids)
            labels, nearest = assign(centers, centroids)
            previous, msd = msd, float((weights * nearest).sum() / total)
            if previous - msd <= self.tol * abs(previous):
                break
        return centroids.astype(np.float32), msd


def evaluate(batches: Iterator[Float32], centroids: Float32) -> tuple[float, int]:
    """Score centroids on a test channel.

    Returns
    -------
    ssd : float
        The sum of the records' squared distances to their centroids.
    records : int
    """
    total, records = 0.0, 0
    for batch in batches:
        _, nearest = assign(batch, centroids)
        total += float(nearest.sum(dtype=np.float32))
        records += len(batch)
    return total, records
