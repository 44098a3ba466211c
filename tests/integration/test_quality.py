"""How good the clusters are: the true mean square distance against scikit-learn's best.

Both are measured in one geometry: centroids on the sphere's surface, straight-line
distances in float64. What SageMaker itself reports is not used.
"""

import csv
import io
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from geoclusters.geodesy import from_cartesian, to_cartesian
from geoclusters.status import State
from tests.integration.conftest import Pipeline

RUNS = 5
STARTS = 50

Floats = NDArray[np.float64]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


def sorted_by_longitude(path: Path, longitude: str) -> bytes:
    rows = rows_of(path)
    rows.sort(key=lambda row: float(row[longitude] or "nan"))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def places_of(path: Path, latitude: str, longitude: str) -> Floats:
    pairs = [
        (float(row[latitude]), float(row[longitude]))
        for row in rows_of(path)
        if row[latitude].strip() and row[longitude].strip()
    ]
    usable = np.array([pair for pair in pairs if pair != (0.0, 0.0)])
    return to_cartesian(usable[:, 0], usable[:, 1])


def msd(places: Floats, centroids: Floats) -> float:
    """Return the mean square distance to the nearest centroid, exactly."""
    total = 0.0
    for block in np.array_split(places, max(1, len(places) // 2000)):
        offsets = block[:, np.newaxis] - centroids
        total += float((offsets**2).sum(axis=2).min(axis=1).sum())
    return total / len(places)


@cache
def best_msd(path: Path, latitude: str, longitude: str, k: int) -> float:
    """Return the mean square distance of the best of scikit-learn's starts."""
    places = places_of(path, latitude, longitude)
    model = KMeans(k, n_init=STARTS, random_state=1).fit(places - places.mean(axis=0))
    inside = model.cluster_centers_ + places.mean(axis=0)
    return msd(places, to_cartesian(*from_cartesian(inside)))


def ratios_to_best(
    pipeline: Pipeline,
    path: Path,
    body: bytes,
    k: int,
    *,
    latitude: str = "latitude",
    longitude: str = "longitude",
    name: str,
) -> list[float]:
    """Cluster a table several times; return each run's distance from the best."""
    versions = {
        f"{name}-{i}.csv": pipeline.upload(f"{name}-{i}.csv", body, k=str(k))
        for i in range(RUNS)
    }
    places = places_of(path, latitude, longitude)
    best = best_msd(path, latitude, longitude, k)
    ratios = []
    for key, version in versions.items():
        status = pipeline.wait(key, version, State.SUCCEEDED)
        rows = pipeline.centroids(key)
        centroids = to_cartesian(
            np.array([float(row["latitude"]) for row in rows]),
            np.array([float(row["longitude"]) for row in rows]),
        )
        true_msd = msd(places, centroids)
        assert status["mean_square_distance"] == pytest.approx(true_msd, rel=1e-6)
        ratios.append(true_msd / best)
    print(f"{name}: {', '.join(f'{ratio:.4f}' for ratio in sorted(ratios))}")
    return ratios


def test_hong_kong(pipeline: Pipeline, shared_data: Path) -> None:
    path = shared_data / "hong-kong/Traffic_Camera_Locations_En.csv"
    plain = ratios_to_best(pipeline, path, path.read_bytes(), 15, name="quality/hk")
    in_order = ratios_to_best(
        pipeline,
        path,
        sorted_by_longitude(path, "longitude"),
        15,
        name="quality/hk-sorted",
    )
    assert median(plain) <= 1.05
    assert median(in_order) <= 1.05
    assert median(in_order) <= 1.03 * median(plain)


@pytest.mark.parametrize(("k", "bound"), [(15, 1.05), (100, 1.10)])
def test_weather_stations(
    pipeline: Pipeline, shared_data: Path, k: int, bound: float
) -> None:
    path = shared_data / "places/noaa-isd-stations.csv"
    columns = {"latitude": "LAT", "longitude": "LON"}
    plain = ratios_to_best(
        pipeline, path, path.read_bytes(), k, name=f"quality/noaa-{k}", **columns
    )
    in_order = ratios_to_best(
        pipeline,
        path,
        sorted_by_longitude(path, "LON"),
        k,
        name=f"quality/noaa-{k}-sorted",
        **columns,
    )
    assert median(plain) <= bound
    assert median(in_order) <= bound
    assert median(in_order) <= 1.03 * median(plain)
