"""Which centroid is nearest to each place: exact, in float64, and fast.

Most places lie so far from the borders between clusters that one look tells whose they
are. So a grid is laid over a part of the places, and for each of its cells it is found
out which centroids can be nearest to any place in it. Where that is one centroid, all
is said; among a few the distances decide; a cell with many gets a grid of its own.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoclusters.ahead import read_ahead
from geoclusters.geodesy import (
    EARTH_RADIUS_M,
    Geometry,
    Spherical,
    chord_to_arc_m,
    to_cartesian,
)
from geoclusters.places import Places

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

#: Places that are worked on at a time: their columns fit a processor's cache.
BATCH: Final = 2**15

#: So few distances are computed at once rather than thought about, …
_FEW_DISTANCES: Final = 2**12
#: … and so many at a time where all of them are.
_BLOCK_DISTANCES: Final = 2**16

#: A grid has at most so many cells, …
_MOST_CELLS: Final = 2**13
#: … so many pairs of a cell and a centroid, and one cell for so many places.
_MOST_PAIRS: Final = 2**18
_PLACES_A_CELL: Final = 16
#: A part's grid has so much room on each side, as a part of its extent: the next part
#: may reach a little farther.
_ROOM: Final = 0.02
#: In a cell with more candidates, or more distances to compute, another grid is laid.
_MOST_CANDIDATES: Final = 16
_MOST_DISTANCES: Final = 2**15
#: Every so many places tell how many there are in a cell.
_SAMPLED: Final = 16

#: No sum of a few products is rounded by more, as a part of its terms.
_ROUNDING: Final = 32 * float(np.finfo(np.float64).eps)


class Assigned(NamedTuple):
    """The nearest centroids of n places, and how far they are."""

    #: Their indices; of equally near ones the lowest. Shape (n,).
    cluster: Indices
    #: Great-circle distances to them, in metres, shape (n,).
    distance_m: Floats
    #: Squared straight-line distances in the geometry's own unit, shape (n,): m² on the
    #: sphere, degrees² in the plane of degrees.
    square: Floats
    #: The least and the greatest of the places' features, shape (2, feature_dim);
    #: infinite if there are no places.
    box: Floats


class Centroids:
    """A run's centroids, for places to be assigned to.

    Parameters
    ----------
    geometry : Geometry
        Decides which centroid is nearest.
    latitude, longitude : array of float64, shape (k,)
        The centroids, in degrees.
    """

    def __init__(self, geometry: Geometry, latitude: Floats, longitude: Floats) -> None:
        self.geometry = geometry
        self.latitude, self.longitude = latitude, longitude
        #: Shape (k, feature_dim).
        self.features = geometry.features(latitude, longitude)
        self._columns = np.ascontiguousarray(self.features.T)
        self._xyz_m = np.ascontiguousarray(to_cartesian(latitude, longitude).T)
        # Of centroids at one place the first takes all.
        _, first = np.unique(self.features, axis=0, return_index=True)
        self._distinct: Indices = np.sort(first)
        self._index: Indices | None = None
        self._last_cells: _Cells | None = None

    def reordered(self, order: Indices) -> "Centroids":
        """Return the same centroids in another order.

        A place that is equally near to several still goes to the same one.

        Parameters
        ----------
        order : array of int, shape (k,)
            Where in the old order the first, the second, … is found.
        """
        other = copy(self)
        other.latitude, other.longitude = self.latitude[order], self.longitude[order]
        other.features = self.features[order]
        index = np.argsort(order)
        other._index = index if self._index is None else index[self._index]
        return other

    def __len__(self) -> int:
        return len(self.features)

    def assign(self, part: Places) -> Assigned:
        """Return the nearest centroid of each place, and the distances.

        The clusters are those of the least `((place - centroid) ** 2).sum()` over the
        features, as float64 computes it.

        Parameters
        ----------
        part : Places, shape (n,)
        """
        count = len(part)
        latitude, longitude = np.empty(count), np.empty(count)
        for batch in batches(count):  # the second column is then near at hand
            latitude[batch] = part["latitude"][batch]
            longitude[batch] = part["longitude"][batch]
        cluster = self._nearest(latitude, longitude, self._distinct)
        distance_m, square = np.empty(count), np.empty(count)
        box = np.empty((2, self.features.shape[1]))
        box[0], box[1] = np.inf, -np.inf
        for batch in batches(count):
            features = self._features(latitude[batch], longitude[batch])
            square[batch] = _squares(features, self._columns, cluster[batch])
            np.minimum(box[0], features.min(axis=1), out=box[0])
            np.maximum(box[1], features.max(axis=1), out=box[1])
            chord_m = square[batch]
            if not isinstance(self.geometry, Spherical):
                xyz_m = to_cartesian(latitude[batch], longitude[batch], order="F")
                chord_m = _squares(xyz_m.T, self._xyz_m, cluster[batch])
            distance_m[batch] = chord_to_arc_m(np.sqrt(chord_m))
        if self._index is not None:
            cluster = self._index[cluster]
        return Assigned(cluster, distance_m, square, box)

    def _features(self, latitude: Floats, longitude: Floats) -> Floats:
        """Return features by columns, shape (feature_dim, n)."""
        if isinstance(self.geometry, Spherical):
            return to_cartesian(latitude, longitude, order="F").T
        return np.ascontiguousarray(self.geometry.features(latitude, longitude).T)

    def _nearest(
        self, latitude: Floats, longitude: Floats, candidates: Indices
    ) -> Indices:
        """Return the nearest of some centroids, whose indices ascend."""
        count = len(latitude)
        if len(candidates) == 1:
            return np.full(count, candidates[0])
        if count * len(candidates) <= _FEW_DISTANCES:
            return self._nearest_of_all(latitude, longitude, candidates)
        cells = self._cells(latitude, longitude, candidates)
        cluster: Indices = np.empty(count, np.intp)
        undecided, cell = [], []
        for batch in batches(count):
            here = cells.of(latitude[batch], longitude[batch])
            cluster[batch] = cells.owner[here]
            left = np.flatnonzero(cluster[batch] < 0)
            undecided.append(left + batch.start)
            cell.append(here[left])
        self._decide(
            *(latitude, longitude, candidates),
            *(cells, np.concatenate(undecided), np.concatenate(cell)),
            cluster,
        )
        return cluster

    def _cells(
        self, latitude: Floats, longitude: Floats, candidates: Indices
    ) -> "_Cells":
        box = _Box.around(latitude, longitude)
        is_part = candidates is self._distinct
        if is_part and self._last_cells and self._last_cells.box.suits(box):
            return self._last_cells
        # The parts of a file mostly reach equally far.
        box = box.grown() if is_part else box
        columns = self._columns
        cells = _Cells(self.geometry, columns, candidates, box, latitude, longitude)
        if is_part:
            self._last_cells = cells
        return cells

    def _decide(
        self,
        latitude: Floats,
        longitude: Floats,
        candidates: Indices,
        cells: "_Cells",
        undecided: Indices,
        cell: Indices,
        cluster: Indices,
    ) -> None:
        """Fill in the clusters of those places whose cells have several candidates."""
        is_crowded = cells.is_crowded[cell]
        few, cell_of_few = undecided[~is_crowded], cell[~is_crowded]
        for batch in batches(len(few)):
            which = few[batch]
            cluster[which] = self._nearest_of_few(
                latitude[which], longitude[which], cells, cell_of_few[batch]
            )
        for group, number in _groups(undecided[is_crowded], cell[is_crowded]):
            some = cells.all_candidates(number)
            # Places in one spot, or nearly: no grid divides them further.
            is_stuck = len(group) == len(latitude) and len(some) == len(candidates)
            nearest = self._nearest_of_all if is_stuck else self._nearest
            cluster[group] = nearest(latitude[group], longitude[group], some)

    def _nearest_of_few(
        self, latitude: Floats, longitude: Floats, cells: "_Cells", cell: Indices
    ) -> Indices:
        features = self._features(latitude, longitude)
        nearest: Indices = cells.candidates[0][cell]
        least = _squares(features, self._columns, nearest)
        count = cells.count[cell]
        left: Indices = np.arange(len(cell))
        for rank in range(1, int(count.max(initial=0))):
            if rank > 1:
                more = np.flatnonzero(count > rank)
                left, cell, count = left[more], cell[more], count[more]
                features = features.take(more, axis=1)
            other = cells.candidates[rank][cell]
            squares = _squares(features, self._columns, other)
            nearer = np.flatnonzero(squares < least[left])
            nearest[left[nearer]] = other[nearer]
            least[left[nearer]] = squares[nearer]
        return nearest

    def _nearest_of_all(
        self, latitude: Floats, longitude: Floats, candidates: Indices
    ) -> Indices:
        nearest: Indices = np.empty(len(latitude), np.intp)
        centroids = self._columns[:, candidates]
        for batch in batches(len(nearest), max(_BLOCK_DISTANCES // len(candidates), 1)):
            features = self._features(latitude[batch], longitude[batch])
            squares = np.zeros((features.shape[1], len(candidates)))
            for places, each in zip(features, centroids, strict=True):
                squares += (places[:, np.newaxis] - each) ** 2
            nearest[batch] = candidates[squares.argmin(axis=1)]
        return nearest


class _Box(NamedTuple):
    """What places lie in, in degrees."""

    south: float
    west: float
    north: float
    east: float

    @classmethod
    def around(cls, latitude: Floats, longitude: Floats) -> "_Box":
        return cls(
            *(float(latitude.min()), float(longitude.min())),
            *(float(latitude.max()), float(longitude.max())),
        )

    @property
    def height(self) -> float:
        return self.north - self.south

    @property
    def width(self) -> float:
        return self.east - self.west

    def grown(self) -> "_Box":
        """Return a box with some room around this one."""
        height, width = _ROOM * self.height, _ROOM * self.width
        return _Box(
            *(max(self.south - height, -90.0), self.west - width),
            *(min(self.north + height, 90.0), self.east + width),
        )

    def suits(self, other: "_Box") -> bool:
        """Return whether another box lies in this one and is hardly smaller."""
        return (
            self.south <= other.south
            and self.west <= other.west
            and other.north <= self.north
            and other.east <= self.east
            and self.height * self.width <= 1.5 * other.height * other.width
        )


class _Cells:
    """A grid over places, with the centroids that may be nearest in each cell.

    Parameters
    ----------
    geometry : Geometry
    centroids : array of float64, shape (feature_dim, k)
    candidates : array of int, shape (m,)
        The centroids to choose from, by ascending index.
    box : _Box
        What it divides.
    latitude, longitude : array of float64, shape (n,)
        Places in it, which tell how many lie in which cell.
    """

    def __init__(
        self,
        geometry: Geometry,
        centroids: Floats,
        candidates: Indices,
        box: _Box,
        latitude: Floats,
        longitude: Floats,
    ) -> None:
        self.box = box
        self._south, self._west = box.south, box.west
        height, width = box.height, box.width
        most = min(_MOST_CELLS, _MOST_PAIRS // len(candidates))
        most = max(min(most, len(latitude) // _PLACES_A_CELL), 2)
        is_sphere = isinstance(geometry, Spherical)
        shrunk = _widest_cosine(box.south, box.north) if is_sphere else 1.0
        self._rows, self._columns = _shape(height, width * float(shrunk), most)
        self._rows_a_degree = self._rows / height if height else 0.0
        self._columns_a_degree = self._columns / width if width else 0.0

        middles, reach = self._circles(height, width, geometry)
        reach += _ROUNDING * float(np.abs(centroids).max())
        self._is_candidate = _may_be_nearest(middles, reach, centroids[:, candidates].T)
        self._candidates = candidates
        #: How many candidates each cell has, …
        self.count = np.count_nonzero(self._is_candidate, axis=1)
        #: … the first of them by ascending index, shape (_MOST_CANDIDATES, cells), …
        self.candidates = self._first_candidates()
        #: … and the one that has the whole cell; -1 if there is none.
        self.owner = np.where(self.count == 1, self.candidates[0], -1)
        some = self.of(latitude[::_SAMPLED], longitude[::_SAMPLED])
        distances = np.bincount(some, minlength=len(middles)) * _SAMPLED * self.count
        #: Which cells need a grid of their own.
        self.is_crowded = distances > _MOST_DISTANCES
        self.is_crowded |= self.count > _MOST_CANDIDATES

    def of(self, latitude: Floats, longitude: Floats) -> Indices:
        """Return the cells in which places lie."""
        cell: Indices
        cell = _steps(latitude, self._south, self._rows_a_degree)
        column = _steps(longitude, self._west, self._columns_a_degree)
        np.minimum(cell, self._rows - 1, out=cell)
        np.minimum(column, self._columns - 1, out=column)
        cell *= self._columns
        cell += column
        return cell

    def all_candidates(self, cell: int) -> Indices:
        """Return the centroids that may be nearest in a cell, by ascending index."""
        some: Indices = self._candidates[self._is_candidate[cell]]
        return some

    def _circles(
        self, height: float, width: float, geometry: Geometry
    ) -> tuple[Floats, Floats]:
        """Return the cells' middles, as features, and how far they reach from there."""
        half_height, half_width = height / self._rows / 2, width / self._columns / 2
        latitude = self._south + half_height * (2 * np.arange(self._rows) + 1)
        latitude = np.repeat(latitude, self._columns)
        longitude = self._west + half_width * (2 * np.arange(self._columns) + 1)
        longitude = np.tile(longitude, self._rows)
        middles = geometry.features(latitude.astype(float), longitude.astype(float))
        if not isinstance(geometry, Spherical):
            return middles, np.full(len(middles), np.hypot(half_height, half_width))
        # By the haversine formula the chord between places that are Δφ and Δλ apart is
        # at most R √(Δφ² + cos²φ Δλ²), for the φ of the wider.
        cosine = _widest_cosine(latitude - half_height, latitude + half_height)
        reach_deg = np.hypot(half_height, half_width * cosine) * (1 + _ROUNDING)
        return middles, EARTH_RADIUS_M * np.radians(reach_deg)

    def _first_candidates(self) -> Indices:
        cell, which = np.nonzero(self._is_candidate)
        rank = np.arange(len(cell)) - (np.cumsum(self.count) - self.count)[cell]
        is_first = rank < _MOST_CANDIDATES
        first: Indices = np.zeros((_MOST_CANDIDATES, len(self.count)), np.intp)
        first[rank[is_first], cell[is_first]] = self._candidates[which[is_first]]
        return first


def _may_be_nearest(
    middles: Floats, reach: Floats, centroids: Floats
) -> NDArray[np.bool_]:
    """Return which centroids may be nearest to a point within reach of each middle.

    Let a be the centroid nearest to the middle x, and c another. c is nearer than a to
    the point x + v if ‖x + v − c‖² < ‖x + v − a‖², which is
    ‖x − c‖² − ‖x − a‖² < 2 v·(c − a) ≤ 2 ‖v‖ ‖c − a‖.

    Parameters
    ----------
    middles : array of float64, shape (n, d)
    reach : array of float64, shape (n,)
    centroids : array of float64, shape (m, d)

    Returns
    -------
    array of bool, shape (n, m)
        Rounding makes some true that needn't be, and none false.
    """
    origin = middles.mean(axis=0)
    middles, centroids = middles - origin, centroids - origin
    of_middles = (middles**2).sum(axis=1)
    of_centroids = (centroids**2).sum(axis=1)
    squares = _products(middles, -2 * centroids)
    squares += of_centroids
    squares += of_middles[:, np.newaxis]
    nearest = squares.argmin(axis=1)
    terms = of_centroids + of_centroids[nearest][:, np.newaxis]
    bound = _products(centroids[nearest], -2 * centroids)
    bound += terms  # ‖c − a‖²
    terms += of_middles.max()
    terms *= _ROUNDING
    bound += terms
    np.sqrt(bound, out=bound)
    bound *= 2 * reach[:, np.newaxis]
    bound += terms
    bound += np.take_along_axis(squares, nearest[:, np.newaxis], axis=1)
    may: NDArray[np.bool_] = squares <= bound
    return may


def _products(some: Floats, others: Floats) -> Floats:
    """Return the scalar product of each vector with each other.

    Not by `@`: for so few features other threads help little, and they look out for
    more work so busily that they take the processor from whoever is at work.
    """
    products = np.zeros((len(some), len(others)))
    for one, other in zip(some.T, others.T, strict=True):
        products += np.multiply.outer(one, other)
    return products


def _shape(height: float, width: float, most: int) -> tuple[int, int]:
    """Return rows and columns of a grid of at most so many cells, nearly squares."""
    if not height:
        return 1, most
    ratio = width / height
    rows = int(np.sqrt(most / ratio)) if ratio * most > 1 else most
    rows = min(max(rows, 1), most)
    return rows, most // rows


def _widest_cosine(south: ArrayLike, north: ArrayLike) -> Floats:
    """Return the greatest cosine of the latitudes between two, all in degrees."""
    nearest = np.maximum(np.maximum(south, np.negative(north)), 0.0)
    cosine: Floats = np.cos(np.radians(nearest))
    return np.maximum(cosine, 1e-3)


def _steps(degrees: Floats, start: float, steps_a_degree: float) -> Indices:
    """Return how many whole steps each is from a start."""
    offset = degrees - start
    offset *= steps_a_degree
    return offset.astype(np.intp)


def _squares(features: Floats, centroids: Floats, cluster: Indices) -> Floats:
    """Return squared distances, shape (n,), of features to their clusters' centroids.

    Both by columns, shape (feature_dim, …). They are added up in the features' order.
    """
    squares = np.zeros(len(cluster))
    for places, each in zip(features, centroids, strict=True):
        offsets = each[cluster]
        offsets -= places
        offsets *= offsets
        squares += offsets
    return squares


def batches(count: int, size: int = BATCH) -> Iterator[slice]:
    """Yield slices that cut so many places into batches."""
    return (slice(start, start + size) for start in range(0, count, size))


@contextmanager
def assigned_ahead(
    centroids: Centroids, parts: Iterable[Places]
) -> Iterator[Iterator[tuple[Places, Assigned]]]:
    """Yield an iterator of parts and what they were assigned to, in the parts' order.

    Reading goes on in one thread and assigning in another, while the parts before are
    worked on; a few parts are in memory at a time. (More threads bring nothing: NumPy's
    calls are too short for Python's lock.)
    """
    with (
        read_ahead(parts, 1) as waiting,
        read_ahead(((part, centroids.assign(part)) for part in waiting), 1) as ahead,
    ):
        yield ahead


def _groups(places: Indices, cell: Indices) -> Iterator[tuple[Indices, int]]:
    """Yield the places in each cell, and its number."""
    # NumPy sorts integers of 16 bits by their digits, which is fast.
    order = np.argsort(cell.astype(np.uint16), kind="stable")
    places, cell = places[order], cell[order]
    cuts = np.flatnonzero(np.diff(cell)) + 1
    for group, numbers in zip(
        np.split(places, cuts), np.split(cell, cuts), strict=True
    ):
        if len(group):
            yield group, int(numbers[0])
