"""From an upload to its results, on the embedded cloud."""

import csv
import gzip
import io
import json
import math
import zipfile
from pathlib import Path

import pytest

from geoclusters import layout
from geoclusters.places import decode as decode_places
from geoclusters.status import State
from tests.integration.conftest import Pipeline

TOWNS = "name,lat,lon\n" + "".join(
    f"T{i},{47 + i % 7 / 10:.3f},{8 + i % 11 / 10:.3f}\n" for i in range(77)
)


@pytest.fixture(scope="module")
def hong_kong(pipeline: Pipeline, shared_data: Path) -> dict[str, object]:
    table = shared_data / "hong-kong/Traffic_Camera_Locations_En.csv"
    version = pipeline.upload("depots/hk.csv", table.read_bytes(), k="15")
    status: dict[str, object] = pipeline.wait("depots/hk.csv", version)
    return status


def test_an_upload_ends_in_centroids_a_map_and_a_status(
    pipeline: Pipeline, hong_kong: dict[str, object]
) -> None:
    assert hong_kong["state"] == State.SUCCEEDED, hong_kong["message"]
    assert hong_kong["files"] == ["centroids.csv", "map.png"]
    assert hong_kong["k"] == 15
    assert hong_kong["rows"] == {"read": 210, "usable": 210, "left_out": {}}
    assert hong_kong["warnings"] == []
    picture = pipeline.result("depots/hk.csv", "map.png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")


def test_centroids_stand_among_their_places(
    pipeline: Pipeline, hong_kong: dict[str, object]
) -> None:
    rows = pipeline.centroids("depots/hk.csv")
    assert [row["cluster"] for row in rows] == [str(i) for i in range(1, 16)]
    assert sum(int(row["size"]) for row in rows) == 210
    for row in rows:
        assert 22.2 < float(row["latitude"]) < 22.55
        assert 113.9 < float(row["longitude"]) < 114.3
        assert len(row["latitude"].split(".")[1]) >= 7
        assert 0 <= float(row["mean_distance_m"]) <= float(row["max_distance_m"])
        assert float(row["max_distance_m"]) < 20_000


def test_the_run_keeps_what_it_was_made_of(
    pipeline: Pipeline, hong_kong: dict[str, object]
) -> None:
    record = pipeline.record(str(hong_kong["run_id"]))
    assert record["schema_version"] == 1
    assert record["upload"]["key"] == "input/depots/hk.csv"
    assert record["columns"] == {
        "latitude": "latitude",
        "longitude": "longitude",
        "notation": "decimal degrees",
        "why": "they are called so; rather than 'northing' and 'easting'",
    }
    assert len(record["centre"]) == 3
    job = pipeline.sagemaker.describe_training_job(
        TrainingJobName=hong_kong["training_job"]
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert job["ModelArtifacts"]["S3ModelArtifacts"].startswith(
        f"s3://{pipeline.bucket}/runs/{hong_kong['run_id']}/model/"
    )


def test_a_file_that_cant_be_used_is_answered_with_what_to_do(
    pipeline: Pipeline,
) -> None:
    for key, body, metadata, expected in [
        ("bad/empty.csv", b"", {}, "The file is empty"),
        ("bad/columns.csv", b"name,p,q\nA,1,2\n", {}, "No column for the latitude"),
        ("bad/few.csv", b"lat,lon\n1,2\n3,4\n", {"k": "5"}, "fewer than the k=5"),
        ("bad/k.csv", TOWNS.encode(), {"k": "2.5"}, "whole number"),
        ("bad/sheet.xlsx", b"PK\x03\x04 and more", {}, "Excel workbook"),
        ("bad/error.csv", b"<!doctype html><html>404", {}, "web page"),
    ]:
        version = pipeline.upload(key, body, **metadata)
        status = pipeline.wait(key, version, State.FAILED)
        assert expected in status["message"]
        assert status["files"] == []


def test_k_comes_from_the_metadata_or_the_default(pipeline: Pipeline) -> None:
    versions = {
        "k/four.csv": pipeline.upload("k/four.csv", TOWNS.encode(), k="4"),
        "k/default.csv": pipeline.upload("k/default.csv", TOWNS.encode()),
    }
    for key, version in versions.items():
        pipeline.wait(key, version, State.SUCCEEDED)
    assert len(pipeline.centroids("k/four.csv")) == 4
    assert len(pipeline.centroids("k/default.csv")) == 15


@pytest.mark.parametrize(
    "key", ["a b+c.csv", "ü/東京 100%.csv", "UPPER.CSV", "x%2By.csv"]
)
def test_keys_of_every_kind_are_answered_at_their_place(
    pipeline: Pipeline, key: str
) -> None:
    version = pipeline.upload(key, TOWNS.encode(), k="2")
    status = pipeline.wait(key, version, State.SUCCEEDED)
    assert status["upload"]["uri"] == f"s3://{pipeline.bucket}/input/{key}"


def test_the_same_bytes_again_with_another_k_are_another_run(
    pipeline: Pipeline,
) -> None:
    first = pipeline.upload("again.csv", TOWNS.encode(), k="3")
    earlier = pipeline.wait("again.csv", first, State.SUCCEEDED)
    second = pipeline.upload("again.csv", TOWNS.encode(), k="5")
    later = pipeline.wait("again.csv", second, State.SUCCEEDED)
    assert (earlier["k"], later["k"]) == (3, 5)
    assert earlier["upload"]["etag"] == later["upload"]["etag"]
    assert earlier["run_id"] != later["run_id"]
    assert len(pipeline.centroids("again.csv")) == 5


def test_a_copy_onto_itself_runs_again_with_other_parameters(
    pipeline: Pipeline,
) -> None:
    first = pipeline.upload("copied.csv", TOWNS.encode(), k="3")
    earlier = pipeline.wait("copied.csv", first, State.SUCCEEDED)
    key = f"{layout.INPUT_PREFIX}copied.csv"
    answer = pipeline.s3.copy_object(
        Bucket=pipeline.bucket,
        Key=key,
        CopySource={"Bucket": pipeline.bucket, "Key": key},
        MetadataDirective="REPLACE",
        Metadata={"k": "5"},
    )
    later = pipeline.wait("copied.csv", answer["VersionId"], State.SUCCEEDED)
    assert (earlier["k"], later["k"]) == (3, 5)
    assert later["parameters"] == {"k": 5}
    assert earlier["run_id"] != later["run_id"]
    assert len(pipeline.centroids("copied.csv")) == 5


def test_a_file_beside_the_upload_says_what_is_wanted(pipeline: Pipeline) -> None:
    said = pipeline.upload("beside/towns.json", b'{"k": 4, "geometry": "planar"}')
    answer = pipeline.wait("beside/towns.json", said, State.SUCCEEDED)
    assert "parameters (k=4, geometry=planar)" in answer["message"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/towns.csv", TOWNS)
    version = pipeline.upload("beside/towns.zip", packed.getvalue())
    status = pipeline.wait("beside/towns.zip", version, State.SUCCEEDED)
    assert status["parameters"] == {"k": 4, "geometry": "planar"}
    assert status["parameters_file"] == "input/beside/towns.json"
    assert status["table"]["compression"] == "zip"
    assert status["mean_square_distance_unit"] == "degrees²"
    assert len(pipeline.centroids("beside/towns.zip")) == 4


def test_tables_are_read_however_they_were_written(pipeline: Pipeline) -> None:
    semicolons = TOWNS.replace(",", ";").replace(".", ",")
    files = {
        "written/plain.csv": TOWNS.encode(),
        "written/notes.csv": ("Towns of 2026\n\n" + TOWNS).encode(),
        "written/excel.csv": semicolons.replace("\n", "\r\n").encode("utf-8-sig"),
        "written/unicode.txt": TOWNS.replace(",", "\t").encode("utf-16"),
        "written/packed.csv.gz": gzip.compress(semicolons.encode("cp1252")),
    }
    versions = {key: pipeline.upload(key, body, k="2") for key, body in files.items()}
    places = {}
    for key, version in versions.items():
        status = pipeline.wait(key, version, State.SUCCEEDED)
        assert status["rows"]["usable"] == 77
        part = pipeline.read(layout.places_key(status["run_id"], 0))
        places[key] = decode_places(part)
    plain = places.pop("written/plain.csv")
    for found in places.values():
        for name in ("latitude", "longitude"):
            assert found[name].tolist() == plain[name].tolist()


def test_rows_that_were_left_out_are_listed_beside_the_results(
    pipeline: Pipeline, shared_data: Path
) -> None:
    table = shared_data / "places/noaa-isd-stations.csv"
    version = pipeline.upload("stations.csv", table.read_bytes(), k="5")
    status = pipeline.wait("stations.csv", version, State.SUCCEEDED)
    assert status["files"] == ["centroids.csv", "map.png", "rejected.csv"]
    assert (status["rows"]["read"], status["rows"]["usable"]) == (29_640, 28_074)
    left_out = status["rows"]["left_out"]
    assert left_out["coordinate missing"]["rows"] == 1_187
    assert left_out["both coordinates 0"] == {"rows": 379, "first": [2, 3, 4, 5, 7]}
    listed = pipeline.result("stations.csv", "rejected.csv").decode().splitlines()
    assert listed[:2] == ["row,reason", "2,both coordinates 0"]
    assert len(listed) == 1 + 1_187 + 379


def test_columns_named_by_the_metadata_are_read(pipeline: Pipeline) -> None:
    body = TOWNS.replace("lat,lon", "north,east").encode()
    version = pipeline.upload(
        "named.csv", body, k="3", latitude="north", longitude="East"
    )
    status = pipeline.wait("named.csv", version, State.SUCCEEDED)
    assert status["columns"] == {"latitude": "north", "longitude": "east"}


def test_what_the_report_says_is_true_of_its_own_centroids(
    pipeline: Pipeline, hong_kong: dict[str, object], shared_data: Path
) -> None:
    """Brute force over the uploaded file, with nothing of geoclusters' own."""
    table = shared_data / "hong-kong/Traffic_Camera_Locations_En.csv"
    cameras = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig"))))
    radius_m = 6_371_008.8

    def xyz(row: dict[str, str]) -> tuple[float, float, float]:
        phi = math.radians(float(row["latitude"]))
        lam = math.radians(float(row["longitude"]))
        return (
            radius_m * math.cos(phi) * math.cos(lam),
            radius_m * math.cos(phi) * math.sin(lam),
            radius_m * math.sin(phi),
        )

    centroids = [xyz(row) for row in pipeline.centroids("depots/hk.csv")]
    sizes = [0] * 15
    total = 0.0
    for camera in cameras:
        chords = [math.dist(xyz(camera), centroid) for centroid in centroids]
        nearest = min(range(15), key=chords.__getitem__)
        sizes[nearest] += 1
        total += chords[nearest] ** 2
    rows = pipeline.centroids("depots/hk.csv")
    assert sizes == [int(row["size"]) for row in rows]
    msd = hong_kong["mean_square_distance"]
    assert isinstance(msd, float)
    assert math.isclose(msd, total / 210, rel_tol=1e-6)


def test_every_output_says_whose_it_is(
    pipeline: Pipeline, hong_kong: dict[str, object]
) -> None:
    listing = pipeline.s3.list_objects_v2(
        Bucket=pipeline.bucket, Prefix="output/depots/hk/"
    )
    keys = {item["Key"] for item in listing["Contents"]}
    assert keys == {
        f"output/depots/hk/{name}"
        for name in ("centroids.csv", "map.png", "status.json")
    }
    upload = hong_kong["upload"]
    assert isinstance(upload, dict)
    for key in keys:
        head = pipeline.s3.head_object(Bucket=pipeline.bucket, Key=key)
        assert head["Metadata"] == {
            "sequencer": upload["sequencer"],
            "run-id": hong_kong["run_id"],
        }
    own = json.loads(pipeline.read(layout.run_status_key(str(hong_kong["run_id"]))))
    assert own["state"] == State.SUCCEEDED
