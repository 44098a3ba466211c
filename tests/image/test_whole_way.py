"""From an upload to its results, through the really built image."""

import csv
import hashlib
import io
import json
import re
import struct
import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio
import pytest
from numpy.typing import NDArray

import geoclusters
from geoclusters.status import State
from local.cloud import PROJECT
from tests.browser.expected import of_results
from tests.integration.conftest import Pipeline

Floats = NDArray[np.float64]

_TABLE: Final = (PROJECT / "samples/cities.csv").read_bytes()
_KEY: Final = "image/歐洲城市.csv"
_K: Final = 12
_BORDER_DEG: Final = 15.0
_WEST: Final = "西歐・서유럽"
_EAST: Final = "東欧・동유럽"
_FILES: Final = [
    *("centroids.csv", "assignments.csv", "centroids.geojson", "clusters.gpkg"),
    *("map.png", "map.html"),
]
_RADIUS_M: Final = 6_371_008.8


def halves_of_europe() -> bytes:
    """Return borders as GeoJSON: two areas that meet at a meridian."""

    def area(name: str, west: float, east: float) -> dict[str, Any]:
        south, north = 20.0, 80.0
        ring = [[west, south], [east, south], [east, north], [west, north]]
        return {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        }

    areas = [area(_WEST, -40, _BORDER_DEG), area(_EAST, _BORDER_DEG, 80)]
    return json.dumps({"type": "FeatureCollection", "features": areas}).encode()


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def unit_vectors(rows: list[dict[str, str]]) -> Floats:
    phi = np.radians([float(row["latitude"]) for row in rows])
    lam = np.radians([float(row["longitude"]) for row in rows])
    return np.column_stack(
        (np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi))
    )


@pytest.fixture(scope="module")
def status(pipeline: Pipeline) -> Any:
    """The status of the run that this module looks at."""
    pipeline.s3.put_object(
        Bucket=pipeline.bucket,
        Key="boundaries/halves.geojson",
        Body=halves_of_europe(),
    )
    version = pipeline.upload(
        _KEY, _TABLE, k=str(_K), id="name", boundary="halves.geojson"
    )
    return pipeline.wait(_KEY, version, State.SUCCEEDED)


def test_an_upload_ends_in_all_its_results(status: Any, pipeline: Pipeline) -> None:
    refined = ["trained_centroids.csv"] if status["refinement"]["done"] else []
    assert status["files"] == [*_FILES[:2], *refined, *_FILES[2:]]
    assert status["warnings"] == []
    assert status["rows"]["usable"] == len(rows_of(_TABLE))
    for name in status["files"]:
        assert pipeline.result(_KEY, name)


def test_every_figure_is_what_brute_force_finds(
    status: Any, pipeline: Pipeline
) -> None:
    table, centroids = rows_of(_TABLE), pipeline.centroids(_KEY)
    places, at = unit_vectors(table), unit_vectors(centroids)
    chords = _RADIUS_M * np.linalg.norm(places[:, np.newaxis] - at, axis=2)
    nearest, chord = chords.argmin(axis=1), chords.min(axis=1)
    distance = 2 * _RADIUS_M * np.arcsin(chord / (2 * _RADIUS_M))

    assert len(centroids) == _K
    assert status["mean_square_distance"] == pytest.approx((chord**2).mean(), rel=1e-9)
    sizes = [int(row["size"]) for row in centroids]
    assert sizes == np.bincount(nearest, minlength=_K).tolist()
    for i, row in enumerate(centroids):
        mean_m = distance[nearest == i].mean()
        assert float(row["mean_distance_m"]) == pytest.approx(mean_m, abs=1e-3)
        assert row["nearest_id"] == table[int(chords[:, i].argmin())]["name"]
    # Centroids are in the midst of what is theirs.
    for i in range(_K):
        middle = places[nearest == i].mean(axis=0)
        off_m = _RADIUS_M * np.linalg.norm(middle / np.linalg.norm(middle) - at[i])
        assert off_m < distance[nearest == i].mean()


def test_every_place_is_listed_with_its_nearest_centroid(
    status: Any, pipeline: Pipeline
) -> None:
    assert status["state"] == State.SUCCEEDED
    listed = rows_of(pipeline.result(_KEY, "assignments.csv"))
    at = unit_vectors(pipeline.centroids(_KEY))
    nearest = (unit_vectors(rows_of(_TABLE)) @ at.T).argmax(axis=1) + 1
    assert [int(row["cluster"]) for row in listed] == nearest.tolist()
    assert [row["id"] for row in listed] == [row["name"] for row in rows_of(_TABLE)]


def test_borders_of_ones_own_say_where_centroids_stand(
    status: Any, pipeline: Pipeline
) -> None:
    assert status["state"] == State.SUCCEEDED
    for row in pipeline.centroids(_KEY):
        is_west = float(row["longitude"]) < _BORDER_DEG
        assert row["area"] == (_WEST if is_west else _EAST)


def test_gdal_opens_the_geodata(
    status: Any, pipeline: Pipeline, tmp_path: Path
) -> None:
    assert status["state"] == State.SUCCEEDED
    path = tmp_path / "clusters.gpkg"
    path.write_bytes(pipeline.result(_KEY, path.name))
    layers = pyogrio.list_layers(path)[:, 0].tolist()
    assert layers == ["centroids", "convex_hulls", "service_areas"]
    for layer in layers:
        info = pyogrio.read_info(path, layer=layer)
        assert (info["features"], info["crs"]) == (_K, "EPSG:4326")
    points = json.loads(pipeline.result(_KEY, "centroids.geojson"))["features"]
    written = [
        [float(row["longitude"]), float(row["latitude"])]
        for row in pipeline.centroids(_KEY)
    ]
    assert [point["geometry"]["coordinates"] for point in points] == written


def test_the_map_is_a_picture_in_colours(status: Any, pipeline: Pipeline) -> None:
    assert status["state"] == State.SUCCEEDED
    picture = pipeline.result(_KEY, "map.png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 1_000
    assert height > 500
    assert len(picture) > 50_000  # an empty one packs to less


def test_a_browser_shows_the_figures_without_a_network(
    status: Any, pipeline: Pipeline, tmp_path: Path
) -> None:
    page, expected = tmp_path / "map.html", tmp_path / "expected.json"
    page.write_bytes(pipeline.result(_KEY, "map.html"))
    usable = status["rows"]["usable"]
    document = of_results(
        pipeline.result(_KEY, "centroids.csv"),
        title=_KEY,
        places_shown=usable,
        places_in_all=usable,
    )
    expected.write_text(json.dumps(document))
    found = subprocess.run(
        ["node", PROJECT / "tests/browser/check.mjs", page, expected],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_name_was_drawn_in_a_font_that_has_it(
    status: Any, pipeline: Pipeline
) -> None:
    (log,) = pipeline.cloud.logs.glob(f"{pipeline.function_name('Report')}-*.log")
    text = log.read_text()
    assert status["run_id"] in text
    # "Glyph 27472 (\N{CJK UNIFIED IDEOGRAPH-6B50}) missing from font(s) …"
    assert "missing from" not in text


def test_the_status_says_which_versions_the_lock_file_pins(status: Any) -> None:
    lock = (PROJECT / "container/requirements.txt").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    versions = status["versions"]
    for package in ("mxnet", "numpy", "pandas", "pyproj", "shapely"):
        assert versions[package] == pinned[package]
    assert versions["python"].startswith("3.11.")
    assert versions["geoclusters"] == geoclusters.__version__


def test_a_model_that_cant_be_read_is_answered_with_what_was_found(
    status: Any, pipeline: Pipeline
) -> None:
    assert status["state"] == State.SUCCEEDED
    key = "image/bad-model.csv"
    functions = pipeline.cloud.client("lambda")
    name = pipeline.function_name("Report")
    (mapping,) = (
        mapping["UUID"]
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        if name in mapping["FunctionArn"]
    )
    # While the report isn't listening, something else is put where its model is.
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    version = pipeline.upload(key, _TABLE, k="3")
    training = pipeline.wait(key, version, State.TRAINING)

    def model() -> str | None:
        job = pipeline.sagemaker.describe_training_job(
            TrainingJobName=training["training_job"]
        )
        if job["TrainingJobStatus"] != "Completed":
            return None
        uri: str = job["ModelArtifacts"]["S3ModelArtifacts"]
        return uri

    uri = pipeline.until(model, "the training job to be Completed")
    junk = hashlib.sha256(b"no model").digest() * 100
    model_key = uri.removeprefix(f"s3://{pipeline.bucket}/")
    pipeline.s3.put_object(Bucket=pipeline.bucket, Key=model_key, Body=junk)
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)

    answer = pipeline.wait(key, version, State.FAILED)
    assert "bytes that are no gzip archive" in answer["message"]
    assert answer["files"] == []
