"""How good the clusters are: the true mean square distance against scikit-learn's best.

Both are measured in one geometry: centroids on the sphere's surface, straight-line
distances in float64. What SageMaker itself reports is not used.
"""

import csv
import io
import random
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from geoclusters.geodesy import from_cartesian, to_cartesian
from geoclusters.status import State
from tests.integration.conftest import Pipeline

RUNS = 5
#: (`make bench-quality` takes 50 of them.)
STARTS = 10

Floats = NDArray[np.float64]
Row = dict[str, str]


class Table(NamedTuple):
    """A file of places, and its columns of coordinates."""

    path: Path
    latitude: str
    longitude: str

    def rows(self) -> list[Row]:
        return list(csv.DictReader(io.StringIO(self.path.read_text("utf-8-sig"))))

    def in_orders(self) -> dict[str, bytes]:
        """Return the file sorted by longitude, and wholly shuffled."""
        rows = self.rows()
        return {
            # (Blank ones come first: a NaN among the keys would leave runs unsorted.)
            "sorted": to_csv(
                sorted(rows, key=lambda row: float(row[self.longitude] or "-inf"))
            ),
            "shuffled": to_csv(random.Random(1).sample(rows, len(rows))),
        }

    def places(self) -> Floats:
        """Return the usable places as x, y, z in metres, shape (n, 3)."""
        pairs = [
            (float(row[self.latitude]), float(row[self.longitude]))
            for row in self.rows()
            if row[self.latitude].strip() and row[self.longitude].strip()
        ]
        usable = np.array([pair for pair in pairs if pair != (0.0, 0.0)])
        return to_cartesian(usable[:, 0], usable[:, 1])


def to_csv(rows: list[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def msd(places: Floats, centroids: Floats) -> float:
    """Return the mean square distance to the nearest centroid, exactly."""
    total = 0.0
    for block in np.array_split(places, max(1, len(places) // 2000)):
        offsets = block[:, np.newaxis] - centroids
        total += float((offsets**2).sum(axis=2).min(axis=1).sum())
    return total / len(places)


def best_msd(places: Floats, k: int) -> float:
    """Return the mean square distance of the best of scikit-learn's starts."""
    model = KMeans(k, n_init=STARTS, random_state=1).fit(places - places.mean(axis=0))
    inside = model.cluster_centers_ + places.mean(axis=0)
    return msd(places, to_cartesian(*from_cartesian(inside)))


def ratios_to_best(
    pipeline: Pipeline, table: Table, k: int, *, name: str
) -> dict[str, float]:
    """Cluster a table in each order, several times, all at the same time.

    Return for each order how far its median run is from the best.
    """
    versions = {
        order: {
            key: pipeline.upload(key, body, k=str(k))
            for key in (f"quality/{name}-{order}-{i}.csv" for i in range(RUNS))
        }
        for order, body in table.in_orders().items()
    }
    places = table.places()
    best = best_msd(places, k)
    medians = {}
    for order, uploads in versions.items():
        ratios = [
            true_msd(pipeline, key, version, places) / best
            for key, version in uploads.items()
        ]
        listed = ", ".join(f"{ratio:.4f}" for ratio in sorted(ratios))
        print(f"{name}, {order}: {listed}")
        medians[order] = median(ratios)
    return medians


def true_msd(pipeline: Pipeline, key: str, version: str, places: Floats) -> float:
    """Wait for a run, and return its mean square distance."""
    status = pipeline.wait(key, version, State.SUCCEEDED)
    rows = pipeline.centroids(key)
    centroids = to_cartesian(
        np.array([float(row["latitude"]) for row in rows]),
        np.array([float(row["longitude"]) for row in rows]),
    )
    found = msd(places, centroids)
    assert status["mean_square_distance"] == pytest.approx(found, rel=1e-6)
    return found


@pytest.mark.parametrize(
    ("path", "columns", "k", "bound"),
    [
        (
            "hong-kong/Traffic_Camera_Locations_En.csv",
            ("latitude", "longitude"),
            15,
            1.05,
        ),
        ("places/noaa-isd-stations.csv", ("LAT", "LON"), 15, 1.05),
        ("places/noaa-isd-stations.csv", ("LAT", "LON"), 100, 1.10),
    ],
    ids=["hong-kong-15", "stations-15", "stations-100"],
)
def test_clusters_are_nearly_the_best_whatever_the_order_of_the_file(
    pipeline: Pipeline,
    shared_data: Path,
    path: str,
    columns: tuple[str, str],
    k: int,
    bound: float,
    request: pytest.FixtureRequest,
) -> None:
    table = Table(shared_data / path, *columns)
    ratios = ratios_to_best(pipeline, table, k, name=request.node.callspec.id)
    assert ratios["shuffled"] <= bound
    assert ratios["sorted"] <= bound
    assert ratios["sorted"] <= 1.03 * ratios["shuffled"]
