"""What lands beside status.json: every file, opened by what people open it with.

What is expected is computed with nothing of geoclusters' own.
"""

import csv
import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
from numpy.typing import NDArray
from pyproj import Geod
from sklearn.cluster import KMeans

from geoclusters.status import State
from tests.browser.expected import of_results
from tests.integration.conftest import Pipeline

Floats = NDArray[np.float64]

_PROJECT = Path(__file__).parents[2]
_RADIUS_M = 6_371_008.8
#: Files of every run, in the order in which status.json names them.
_FILES = [
    *("centroids.csv", "assignments.csv", "centroids.geojson", "clusters.gpkg"),
    *("map.png", "map.html"),
]
HONG_KONG = "hong-kong/Traffic_Camera_Locations_En.csv"
EARTHQUAKES = "places/usgs-earthquakes-week.csv"


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def column(rows: list[dict[str, str]], name: str) -> Floats:
    return np.array([float(row[name]) for row in rows])


def xyz(latitude: Floats, longitude: Floats) -> Floats:
    phi, lam = np.radians(latitude), np.radians(longitude)
    unit = (np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi))
    return _RADIUS_M * np.column_stack(unit)


def districts(folder: Path) -> bytes:
    """Return a shapefile, zipped."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return packed.getvalue()


@pytest.fixture(scope="module")
def real(pipeline: Pipeline, shared_data: Path) -> dict[str, Any]:
    """The statuses of runs over tables of real places, by their key."""
    pipeline.s3.put_object(
        Bucket=pipeline.bucket,
        Key="boundaries/hk-districts.zip",
        Body=districts(shared_data / "hong-kong/Hong_Kong_18_Districts"),
    )
    asked: dict[str, dict[str, str]] = {
        HONG_KONG: {
            "k": "15",
            "id": "key",
            "boundary": "hk-districts.zip",
            "refine": "always",
        },
        EARTHQUAKES: {"k": "12", "refine": "never"},
    }
    versions = {
        key: pipeline.upload(key, (shared_data / key).read_bytes(), **metadata)
        for key, metadata in asked.items()
    }
    return {
        key: pipeline.wait(key, version, State.SUCCEEDED)
        for key, version in versions.items()
    }


@pytest.mark.parametrize("key", [HONG_KONG, EARTHQUAKES])
def test_every_figure_is_what_brute_force_finds(
    pipeline: Pipeline, real: dict[str, Any], shared_data: Path, key: str
) -> None:
    status = real[key]
    table = rows_of((shared_data / key).read_bytes())
    centroids = pipeline.centroids(key)
    latitude, longitude = column(table, "latitude"), column(table, "longitude")
    at = column(centroids, "latitude"), column(centroids, "longitude")
    chords = np.linalg.norm(xyz(latitude, longitude)[:, np.newaxis] - xyz(*at), axis=2)
    nearest, chord = chords.argmin(axis=1), chords.min(axis=1)
    distance = 2 * _RADIUS_M * np.arcsin(chord / (2 * _RADIUS_M))

    assert status["mean_square_distance"] == pytest.approx((chord**2).mean(), rel=1e-9)
    assert status["mean_distance_m"] == pytest.approx(distance.mean(), rel=1e-9)
    size = column(centroids, "size")
    assert size.tolist() == np.bincount(nearest, minlength=len(size)).tolist()
    assert column(centroids, "share") == pytest.approx(size / len(table), abs=1e-6)
    for i, row in enumerate(centroids):
        own = distance[nearest == i]
        for name, found in (
            ("mean_distance_m", own.mean()),
            ("median_distance_m", np.median(own)),
            ("p95_distance_m", np.quantile(own, 0.95)),
            ("max_distance_m", own.max()),
            ("nearest_distance_m", own.min()),
        ):
            assert float(row[name]) == pytest.approx(found, abs=1e-3)

    scatter = np.array([chord[nearest == i].mean() for i in range(len(size))])
    apart = np.linalg.norm(xyz(*at)[:, np.newaxis] - xyz(*at), axis=2)
    np.fill_diagonal(apart, np.inf)
    worst = ((scatter[:, np.newaxis] + scatter) / apart).max(axis=1)
    assert status["davies_bouldin"] == pytest.approx(worst.mean(), rel=1e-9)

    # The earth is no sphere, but nearly.
    _, _, on_ellipsoid = Geod(ellps="WGS84").inv(
        longitude, latitude, at[1][nearest], at[0][nearest]
    )
    assert np.abs(distance / on_ellipsoid - 1)[on_ellipsoid > 1].max() < 0.006


@pytest.mark.parametrize("key", [HONG_KONG, EARTHQUAKES])
def test_every_place_is_listed_with_its_cluster(
    pipeline: Pipeline, real: dict[str, Any], shared_data: Path, key: str
) -> None:
    assert real[key]["state"] == State.SUCCEEDED
    table = rows_of((shared_data / key).read_bytes())
    listed = rows_of(pipeline.result(key, "assignments.csv"))
    assert [int(row["row"]) for row in listed] == list(range(2, len(table) + 2))
    for name in ("latitude", "longitude"):
        assert column(listed, name).tolist() == column(table, name).tolist()
    sizes = np.bincount([int(row["cluster"]) for row in listed])[1:]
    centroids = pipeline.centroids(key)
    assert sizes.tolist() == column(centroids, "size").tolist()
    if key == HONG_KONG:
        assert [row["id"] for row in listed] == [row["key"] for row in table]


@pytest.mark.parametrize("key", [HONG_KONG, EARTHQUAKES])
def test_gdal_opens_the_geodata(
    pipeline: Pipeline, real: dict[str, Any], tmp_path: Path, key: str
) -> None:
    k = real[key]["k"]
    paths = {}
    for name in ("centroids.geojson", "clusters.gpkg"):
        paths[name] = tmp_path / name
        paths[name].write_bytes(pipeline.result(key, name))
    layers = pyogrio.list_layers(paths["clusters.gpkg"]).tolist()
    assert layers == [
        ["centroids", "Point"],
        ["convex_hulls", "MultiPolygon"],
        ["service_areas", "MultiPolygon"],
    ]
    for name, _ in layers:
        info = pyogrio.read_info(paths["clusters.gpkg"], layer=name)
        assert (info["features"], info["crs"]) == (k, "EPSG:4326")
    info = pyogrio.read_info(paths["centroids.geojson"])
    assert (info["features"], info["crs"]) == (k, "EPSG:4326")
    assert "crs" not in json.loads(paths["centroids.geojson"].read_text("utf-8"))


@pytest.mark.parametrize("key", [HONG_KONG, EARTHQUAKES])
def test_a_browser_shows_the_figures_without_a_network(
    pipeline: Pipeline, real: dict[str, Any], tmp_path: Path, key: str
) -> None:
    page, expected = tmp_path / "map.html", tmp_path / "expected.json"
    page.write_bytes(pipeline.result(key, "map.html"))
    assert page.stat().st_size < 3_000_000
    usable = real[key]["rows"]["usable"]
    document = of_results(
        pipeline.result(key, "centroids.csv"),
        title=key,
        places_shown=usable,
        places_in_all=usable,
    )
    expected.write_text(json.dumps(document))
    check = _PROJECT / "tests/browser/check.mjs"
    found = subprocess.run(
        ["node", check, page, expected],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_borders_of_ones_own_say_where_centroids_stand(
    pipeline: Pipeline, real: dict[str, Any]
) -> None:
    assert real[HONG_KONG]["warnings"] == []
    areas = [row["area"] for row in pipeline.centroids(HONG_KONG)]
    assert len(areas) == 15
    # Few centroids, if any, stand in the sea, and cameras are all over the place.
    assert len(set(areas) - {""}) >= 8
    assert {"SHA TIN", "YUEN LONG"} & set(areas)


def test_files_are_named_in_the_status_and_there(
    pipeline: Pipeline, real: dict[str, Any]
) -> None:
    assert real[EARTHQUAKES]["files"] == _FILES
    refined = [*_FILES[:2], "trained_centroids.csv", *_FILES[2:]]
    assert real[HONG_KONG]["files"] == refined
    for key, status in real.items():
        for name in status["files"]:
            assert pipeline.result(key, name)


def test_the_status_says_what_training_took(real: dict[str, Any]) -> None:
    for status in real.values():
        training = status["training"]
        assert training["instance_type"] == "ml.m5.large"
        assert training["billable_seconds"] >= 0
        assert training["sagemaker_mean_square_distance"] > 0
        assert status["versions"]["mxnet"] == "1.9.1"


def test_borders_that_are_not_there_or_broken_cost_a_warning_only(
    pipeline: Pipeline,
) -> None:
    pipeline.s3.put_object(
        Bucket=pipeline.bucket, Key="boundaries/broken.zip", Body=b"PK\x03\x04 no more"
    )
    body = "lat,lon\n" + "".join(f"{40 + i % 7},{i % 11}\n" for i in range(77))
    for name, words in (
        ("missing.zip", "there is no file boundaries/missing.zip"),
        ("broken.zip", "boundaries/broken.zip can't be used as borders"),
    ):
        key = f"borders/{name}.csv"
        version = pipeline.upload(key, body.encode(), k="3", boundary=name)
        status = pipeline.wait(key, version, State.SUCCEEDED)
        (warning,) = status["warnings"]
        assert words in warning
        assert status["files"] == _FILES


def test_small_clusters_far_apart_are_refined_to_what_double_precision_gives(
    pipeline: Pipeline,
) -> None:
    """Five cities of the world: single precision is off by their streets."""
    rng = np.random.default_rng(11)
    cities = np.array(
        [[35.7, 139.7], [-33.9, 151.2], [51.5, -0.1], [40.7, -74.0], [-23.5, -46.6]]
    )
    city = rng.integers(0, 5, 8_000)
    north, east = rng.normal(0, 5_000, (2, 8_000)) / 111_195
    latitude = cities[city, 0] + north
    longitude = cities[city, 1] + east / np.cos(np.radians(latitude))
    body = "lat,lon\n" + "".join(
        f"{a:.7f},{b:.7f}\n" for a, b in zip(latitude, longitude, strict=True)
    )
    version = pipeline.upload("cities.csv", body.encode(), k="100")
    status = pipeline.wait("cities.csv", version, State.SUCCEEDED)
    assert status["refinement"]["wanted"] == "auto"
    assert status["refinement"]["done"]
    trained = rows_of(pipeline.result("cities.csv", "trained_centroids.csv"))
    places = xyz(np.round(latitude, 7), np.round(longitude, 7))
    start = xyz(column(trained, "latitude"), column(trained, "longitude"))
    expected = KMeans(100, init=start, n_init=1, max_iter=1_000, tol=0).fit(places)
    ratio = status["mean_square_distance"] / (expected.inertia_ / len(places))
    assert ratio < 1.01
    before = status["refinement"]["trained"]["mean_square_distance"]
    assert status["mean_square_distance"] < before
