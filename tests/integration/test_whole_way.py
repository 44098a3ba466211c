"""From an upload to its results, on the embedded cloud."""

import csv
import gzip
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoclusters import layout
from geoclusters.places import ID
from geoclusters.status import State
from tests.integration.conftest import Pipeline

#: Files of every run that succeeded.
FILES = [
    *("centroids.csv", "assignments.csv", "centroids.geojson", "clusters.gpkg"),
    *("map.png", "map.html"),
]
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
    assert hong_kong["files"] == FILES
    assert hong_kong["k"] == 15
    assert hong_kong["rows"] == {
        "read": 210,
        "usable": 210,
        "duplicates": 0,
        "duplicates_exact": True,
        "left_out": {},
    }
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
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    files: dict[str, tuple[bytes, str]] = {
        "bad/empty.csv": (b"", "The file is empty"),
        "bad/columns.csv": (b"name,p,q\nA,1,2\n", "No column for the latitude"),
        "bad/few.csv": (b"lat,lon\n1,2\n3,4\n", "fewer than the k=5"),
        "bad/cut.xlsx": (b"PK\x03\x04 and more", "Excel workbook, but it is damaged"),
        "bad/sheet.xlsx": (workbook(), "The file is an Excel workbook (.xlsx)"),
        "bad/parts.parquet": (b"PAR1\x15\x04\x15\xc8PAR1", "is a Parquet file"),
        "bad/map.png": (picture, "The file is a picture"),
        "bad/error.csv": (b"<!doctype html><html>404", "web page"),
    }
    expected = {key: words for key, (_, words) in files.items()}
    versions = {
        key: pipeline.upload(key, body, k="5") for key, (body, _) in files.items()
    }
    expected["bad/k.csv"] = "whole number"
    versions["bad/k.csv"] = pipeline.upload("bad/k.csv", TOWNS.encode(), k="2.5")
    for key, version in versions.items():
        status = pipeline.wait(key, version, State.FAILED)
        assert expected[key] in status["message"]
        assert status["files"] == []


def workbook() -> bytes:
    return packed(
        {"[Content_Types].xml": b"<Types/>", "xl/worksheets/sheet1.xml": b"<sheet/>"}
    )


def packed(files: dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return file.getvalue()


def test_files_of_one_name_are_answered_apart(pipeline: Pipeline) -> None:
    places_of_answer = {
        "same/a.csv": "output/same/a/",
        "same/a.csv.gz": "output/same/a.csv.gz/",
        "same/a.xlsx": "output/same/a.xlsx/",
    }
    versions = {
        "same/a.csv": pipeline.upload("same/a.csv", TOWNS.encode(), k="3"),
        "same/a.csv.gz": pipeline.upload(
            "same/a.csv.gz", gzip.compress(TOWNS.encode()), k="4"
        ),
        "same/a.xlsx": pipeline.upload("same/a.xlsx", workbook(), k="5"),
    }
    for key, version in versions.items():
        final = State.FAILED if key.endswith(".xlsx") else State.SUCCEEDED
        pipeline.wait(key, version, final)
    for key, prefix in places_of_answer.items():
        status = json.loads(pipeline.read(f"{prefix}status.json"))
        assert status["upload"]["uri"] == f"s3://{pipeline.bucket}/input/{key}"
        assert status["upload"]["version_id"] == versions[key]
    assert len(pipeline.centroids("same/a.csv")) == 3
    assert len(pipeline.centroids("same/a.csv.gz")) == 4


def test_a_key_without_room_for_its_results_is_answered_among_the_rejected(
    pipeline: Pipeline,
) -> None:
    path = "/".join(["ü" * 100] * 5) + "/"
    path += "x" * (1024 - len(f"input/{path}.csv".encode())) + ".csv"
    key = f"input/{path}"
    assert len(key.encode()) == 1024
    version = pipeline.upload(path, TOWNS.encode(), k="3")
    status = pipeline.wait(path, version, State.FAILED)
    digest = hashlib.sha256(key.encode()).hexdigest()[:20]
    assert json.loads(pipeline.read(f"output/_rejected/{digest}/status.json")) == status
    assert status["upload"]["uri"] == f"s3://{pipeline.bucket}/{key}"
    assert "of 962 bytes at most" in status["message"]
    listing = pipeline.s3.list_objects_v2(
        Bucket=pipeline.bucket, Prefix=f"output/_rejected/{digest}/"
    )
    assert [item["Key"] for item in listing["Contents"]] == [
        f"output/_rejected/{digest}/status.json"
    ]


@pytest.fixture
def small_uploads_only(pipeline: Pipeline) -> Iterator[None]:
    """Let `ingest` accept 1,000 bytes, as if deployed so, for a while."""
    functions = pipeline.cloud.client("lambda")
    (function,) = (
        function
        for function in functions.list_functions()["Functions"]
        if function["Handler"] == "lambdas.ingest.handler.handler"
    )
    name, variables = function["FunctionName"], function["Environment"]["Variables"]

    def configure(variables: dict[str, str]) -> None:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )

    configure(variables | {"MAX_UPLOAD_BYTES": "1000"})
    yield
    configure(variables)


@pytest.mark.usefixtures("small_uploads_only")
def test_a_file_that_is_too_large_is_refused_also_when_it_is_so_unpacked(
    pipeline: Pipeline,
) -> None:
    body = TOWNS.encode()
    files = {
        "large/plain.csv": (body, "at most 1,000 bytes are accepted"),
        "large/packed.csv.gz": (gzip.compress(body), "gzip file unpacks to more than"),
        "large/packed.zip": (
            packed({"towns.csv": body}),
            "zip archive unpacks to more than",
        ),
    }
    assert len(body) > 1000 > len(files["large/packed.zip"][0])
    versions = {
        key: pipeline.upload(key, content, k="3") for key, (content, _) in files.items()
    }
    for key, version in versions.items():
        status = pipeline.wait(key, version, State.FAILED)
        assert files[key][1] in status["message"]
        assert "docs/scale.md" in status["message"]
        assert "rows" not in status


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
    version = pipeline.upload(
        "beside/towns.zip", packed({"data/towns.csv": TOWNS.encode()})
    )
    status = pipeline.wait("beside/towns.zip", version, State.SUCCEEDED)
    assert status["parameters"] == {"k": 4, "geometry": "planar"}
    assert status["parameters_file"] == "input/beside/towns.json"
    assert status["table"]["compression"] == "zip"
    assert status["mean_square_distance_unit"] == "degrees²"
    assert len(pipeline.centroids("beside/towns.zip")) == 4


def test_tables_are_read_however_they_were_written(pipeline: Pipeline) -> None:
    semicolons = (
        TOWNS.replace(",", ";").replace(".", ",").replace("T", "Côté d’Évian – ")
    )
    cp1252 = semicolons.encode("cp1252")
    files = {
        "written/plain.csv": TOWNS.encode(),
        "written/notes.csv": ("Towns of 2026\n\n" + TOWNS).encode(),
        "written/excel.csv": semicolons.replace("\n", "\r\n").encode("utf-8-sig"),
        "written/unicode.txt": TOWNS.replace(",", "\t").encode("utf-16"),
        "written/packed.csv.gz": gzip.compress(cp1252),
        "written/packed.zip": packed({"readme.txt": b"Hello", "data/t.csv": cp1252}),
        "written/points.gz": gzip.compress(in_one_column(TOWNS).encode()),
    }
    metadata: dict[str, dict[str, str]] = {
        "written/packed.zip": {"k": "2", "id": "name"},
        "written/points.gz": {},
    }
    asked = {"k": 2, "coordinates": "where"}
    said = pipeline.upload("written/points.json", json.dumps(asked).encode())
    answer = pipeline.wait("written/points.json", said, State.SUCCEEDED)
    assert answer["parameters"] == asked
    versions = {
        key: pipeline.upload(key, body, **metadata.get(key, {"k": "2"}))
        for key, body in files.items()
    }
    statuses = {
        key: pipeline.wait(key, version, State.SUCCEEDED)
        for key, version in versions.items()
    }
    places = {}
    for key, status in statuses.items():
        assert status["rows"]["usable"] == 77
        assert status["k"] == 2
        places[key] = pipeline.places(status["run_id"])
    plain = places.pop("written/plain.csv")
    for found in places.values():
        for name in ("latitude", "longitude"):
            assert found[name].tolist() == plain[name].tolist()
    assert statuses["written/packed.zip"]["table"] == {
        "compression": "zip",
        "member": "data/t.csv",
        "encoding": "cp1252",
        "delimiter": ";",
        "decimal_mark": ",",
        "header_row": 1,
    }
    named = {f"Côté d’Évian – {i}" for i in range(77)}
    assert {name.decode() for name in places["written/packed.zip"][ID]} == named
    centroids = pipeline.centroids("written/packed.zip")
    assert {centroid["nearest_id"] for centroid in centroids} < named
    points = statuses["written/points.gz"]
    assert points["parameters_file"] == "input/written/points.json"
    assert points["parameters"] == asked
    assert points["table"]["compression"] == "gzip"
    assert points["columns"]["latitude"] == points["columns"]["longitude"] == "where"


def in_one_column(table: str) -> str:
    """Return a table of name, latitude and longitude with WKT in their place."""
    rows = [line.split(",") for line in table.splitlines()[1:]]
    return "name;where\n" + "".join(
        f"{name};POINT ({longitude} {latitude})\n" for name, latitude, longitude in rows
    )


def test_of_very_many_rows_that_were_left_out_the_first_are_listed(
    pipeline: Pipeline,
) -> None:
    rows = 12_000
    body = TOWNS + "T,47.5,8.5\nU,,8.5\n" * rows
    version = pipeline.upload("rejected.csv", body.encode(), k="2")
    status = pipeline.wait("rejected.csv", version, State.SUCCEEDED)
    blank = [2 + 77 + 1 + 2 * i for i in range(10_000)]
    assert status["rows"]["left_out"] == {
        "coordinate missing": {"rows": rows, "first": blank[:5]}
    }
    listed = pipeline.result("rejected.csv", "rejected.csv").decode().splitlines()
    assert listed == ["row,reason", *(f"{row},coordinate missing" for row in blank)]


def test_columns_named_by_the_metadata_are_read(pipeline: Pipeline) -> None:
    body = TOWNS.replace("lat,lon", "north,east").encode()
    version = pipeline.upload(
        "named.csv", body, k="3", latitude="north", longitude="East"
    )
    status = pipeline.wait("named.csv", version, State.SUCCEEDED)
    assert status["columns"] == {
        "latitude": "north",
        "longitude": "east",
        "notation": "decimal degrees",
        "why": "the upload's parameters name them",
    }


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
    assert keys == {f"output/depots/hk/{name}" for name in (*FILES, "status.json")}
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
