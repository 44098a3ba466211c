"""Clusters' colours: few, told apart by everyone, and never the same for neighbours."""

import heapq
from collections import Counter
from itertools import pairwise
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from geoclusters.geodesy import EARTH_RADIUS_M, to_cartesian

Floats = NDArray[np.float64]

#: Colours that people with any kind of colour blindness tell apart: M. Okabe and K.
#: Ito, Color Universal Design (2008), without its black, which marks are drawn in, and
#: its yellow, which doesn't show on light ground.
PALETTE: Final = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7")


def of_clusters(latitude: Floats, longitude: Floats) -> NDArray[np.intp]:
    """Return a colour for each cluster, such that neighbours differ.

    Neighbours are clusters whose areas on the globe touch, which the edges of a
    Delaunay triangulation of their centroids join. These edges never cross, so of
    any clusters one has five neighbours at most: taken away one by one, and coloured
    in the reverse order, six colours are enough. (D. W. Matula and L. L. Beck,
    Smallest-last ordering and clustering and graph coloring algorithms, 1983.) Colours
    that were used less come first, so up to six clusters all differ.

    Parameters
    ----------
    latitude, longitude : array of float64, shape (k,)
        The centroids in degrees. Those at one place count as one.

    Returns
    -------
    array of intp, shape (k,)
        Indices into `PALETTE`. The same centroids have the same colours.
    """
    sphere = to_cartesian(latitude, longitude) / EARTH_RADIUS_M
    # Places nearer than this, some millimetres, are one.
    rounded = np.round(sphere, 9) + 0.0
    points, which = np.unique(rounded, axis=0, return_inverse=True)
    neighbours = _neighbours(points)
    colours = np.zeros(len(points), np.intp)
    used = np.zeros(len(PALETTE), np.intp)
    is_coloured = np.zeros(len(points), bool)
    for i in reversed(_smallest_last(neighbours)):
        taken = [colours[j] for j in neighbours[i] if is_coloured[j]]
        cost = used.copy()
        cost[taken] = np.iinfo(np.intp).max
        colours[i] = np.argmin(cost)
        is_coloured[i] = True
        used[colours[i]] += 1
    found: NDArray[np.intp] = colours[which.ravel()]
    return found


def _neighbours(points: Floats) -> list[set[int]]:
    """Return the neighbours of points on the unit sphere, which all differ."""
    neighbours: list[set[int]] = [set() for _ in points]
    for a, b in _edges(points):
        neighbours[a].add(b)
        neighbours[b].add(a)
    return neighbours


def _edges(points: Floats) -> list[tuple[int, int]]:
    """Return the edges of a Delaunay triangulation of the sphere.

    Seen from one of the points (stereographically), circles on the sphere are circles
    on a plane. So the others' edges are those of the plane; the one itself is the
    neighbour of those on the outside.
    """
    if len(points) < 4:  # each is a neighbour of each
        return [(i, j) for j in range(len(points)) for i in range(j)]
    # The one that is farthest from the others' middle: they look the least distorted.
    eye = int(np.argmin(points @ points.mean(axis=0)))
    others = np.delete(np.arange(len(points)), eye)
    plane = _stereographic(points[others], points[eye])
    number = {tuple(point): int(i) for point, i in zip(plane, others, strict=True)}
    corners = shapely.get_coordinates(
        shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(plane)))
    )
    triangles = [number[tuple(point)] for point in corners.tolist()]
    sides = Counter(
        (min(a, b), max(a, b))
        for i in range(0, len(triangles), 4)  # the first corner is the fourth, too
        for a, b in pairwise(triangles[i : i + 4])
    )
    if not sides:  # all on a line
        along = others[np.lexsort(plane.T)].tolist()
        sides = Counter(pairwise(along))
    outside = {i for side, count in sides.items() if count == 1 for i in side}
    return [*sides, *((eye, i) for i in outside)]


def _stereographic(points: Floats, eye: Floats) -> Floats:
    """Return unit vectors, seen from one of them, on the plane across the centre."""
    # Two axes at right angles to the line of sight and to each other.
    axis = np.eye(3)[np.argmin(np.abs(eye))]
    right = np.cross(eye, axis)
    right /= np.linalg.norm(right)
    up = np.cross(eye, right)
    # 1 - cos of the angle to the eye, as |a - b|² / 2: exact for near ones too.
    depth = ((points - eye) ** 2).sum(axis=1) / 2
    plane: Floats = np.column_stack((points @ right, points @ up))
    plane /= depth[:, np.newaxis]
    return plane


def _smallest_last(neighbours: list[set[int]]) -> list[int]:
    """Return all, one after the other the one with the least neighbours left."""
    degree = [len(of_one) for of_one in neighbours]
    heap = [(count, i) for i, count in enumerate(degree)]
    heapq.heapify(heap)
    is_left = [True] * len(neighbours)
    order = []
    while heap:
        count, i = heapq.heappop(heap)
        if not is_left[i] or count != degree[i]:  # it has fewer by now
            continue
        is_left[i] = False
        order.append(i)
        for j in neighbours[i]:
            degree[j] -= 1
            heapq.heappush(heap, (degree[j], j))
    return order
