import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from container import handler, report, words
from container.nearest import Centroids
from container.statistics import Tally
from geoclusters import layout, places
from geoclusters.aws.outputs import Outputs, SupersededError
from geoclusters.aws.queue import LaterError
from geoclusters.deadline import SecondsLeft, unbounded
from geoclusters.environment import ReportSettings
from geoclusters.geodesy import GEOMETRIES, to_cartesian
from geoclusters.prices import Prices
from geoclusters.run import RunRecord, Upload
from geoclusters.status import State, Status
from tests.container.artefacts import model, tar_gz
from tests.container.fakes import FakeS3, FakeSageMaker, FakeSQS
from tests.statuses import HandMade

BUCKET = "data"
#: Files of every run that succeeded.
ALWAYS = [
    *("centroids.csv", "assignments.csv", "centroids.geojson", "clusters.gpkg"),
    *("map.png", "map.html"),
]
WITHOUT_LIST = [name for name in ALWAYS if name != "assignments.csv"]
PREFIX = layout.job_name_prefix("geoclusters")
LATITUDE = np.array([22.30, 22.31, 22.32, 22.44, 22.45, 22.52])
LONGITUDE = np.array([114.17, 114.18, 114.17, 114.02, 114.03, 114.12])
CENTROIDS = np.array([22.31, 22.445, 22.52]), np.array([114.173, 114.025, 114.12])

SETTINGS = ReportSettings(
    data_bucket=BUCKET,
    models_queue_url="queue",
    prices=Prices(instance_type="ml.m5.large").to_json(),
    ingest_memory_mb=2048,
    report_memory_mb=2048,
    gzip_above_rows=1_000_000,
)


class Run(NamedTuple):
    """A run whose job has left a model."""

    s3: FakeS3
    record: RunRecord
    job_name: str
    key: str

    def report(
        self,
        status: str = "Completed",
        *,
        receive_count: int = 1,
        seconds_left: SecondsLeft = unbounded,
        gzip_above_rows: int = 1_000_000,
        **more: Any,
    ) -> Status:
        return report.report(
            self.key,
            receive_count=receive_count,
            settings=replace(SETTINGS, gzip_above_rows=gzip_above_rows),
            seconds_left=seconds_left,
            s3=self.s3,  # type: ignore[arg-type]
            sagemaker=FakeSageMaker(status, **more),  # type: ignore[arg-type]
        )

    def output(self, name: str) -> bytes:
        return self.s3.bodies[self.record.upload.output_prefix + name]

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.output("status.json"))
        return document

    def publish(self, state: State) -> None:
        status = HandMade(upload=self.record.upload, state=state, message="before")
        Outputs(self.s3, self.record.upload).publish(status)  # type: ignore[arg-type]


def run(
    *,
    latitude: Any = LATITUDE,
    longitude: Any = LONGITUDE,
    geometry: str = "spherical",
    artefact: bytes | None = None,
    features: Any = None,
    sequencer: str = "0A",
    s3: FakeS3 | None = None,
    left_out: dict[str, Any] | None = None,
    ids: list[str] | None = None,
    boundary: str | None = None,
    refine: str = "never",
    encoding: str = "utf-8",
) -> Run:
    s3 = s3 or FakeS3()
    shape = GEOMETRIES[geometry]
    if features is None:
        features = shape.features(*CENTROIDS)
    centre = shape.features(latitude, longitude).mean(axis=0)
    names = None if ids is None else [id.encode() for id in ids]
    parts = [
        places.make(
            part,
            latitude[part],
            longitude[part],
            None if names is None else np.array([names[row] for row in part]),
        )
        for part in np.array_split(np.arange(len(latitude)), 2)
    ]
    record = RunRecord(
        upload=Upload(
            bucket=BUCKET,
            key="input/depots/hk.csv",
            etag="e",
            sequencer=sequencer,
            size=1,
        ),
        k=len(features),
        geometry=geometry,
        refine=refine,
        boundary=boundary,
        parameters={},
        parameters_file=None,
        columns={
            "latitude": "latitude",
            "longitude": "longitude",
            "notation": "decimal degrees",
            "why": "…",
            **({} if ids is None else {"id": "name"}),
        },
        table={
            "compression": "",
            "encoding": encoding,
            "delimiter": ",",
            "decimal_mark": ".",
            "header_row": 1,
        },
        rows_read=len(latitude),
        rows_usable=len(latitude),
        distinct_places=len(latitude),
        distinct_places_exact=True,
        left_out=left_out or {},
        centre=tuple(centre),
        places_parts=len(parts),
        train_parts=1,
        train_bytes=1,
        created_at="2026-11-12T00:00:00+00:00",
    )
    job_name = layout.job_name(PREFIX, record.run_id, 1)
    key = layout.model_key(record.run_id, job_name)
    bodies: dict[str, bytes] = {
        layout.run_record_key(record.run_id): record.to_json().encode(),
        key: model(features - centre) if artefact is None else artefact,
        **{
            layout.places_key(record.run_id, i): bytes(places.encode(part))
            for i, part in enumerate(parts)
        },
    }
    for name, body in bodies.items():
        s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    s3.written.clear()
    return Run(s3, record, job_name, key)


@pytest.mark.parametrize(
    ("geometry", "unit"), [("spherical", "m²"), ("planar", "degrees²")]
)
def test_a_completed_job_becomes_results(geometry: str, unit: str) -> None:
    here = run(geometry=geometry)
    assert here.report().state is State.SUCCEEDED
    status = here.status()
    assert status["state"] == "SUCCEEDED"
    assert status["files"] == ALWAYS
    assert status["warnings"] == []
    assert status["training_job"] == here.job_name
    assert status["rows"]["usable"] == 6
    assert status["message"].startswith("3 clusters of 6 places, on average 7")
    assert here.output("map.png").startswith(b"\x89PNG")

    table = pd.read_csv(io.BytesIO(here.output("centroids.csv")))
    assert table["size"].tolist() == [3, 2, 1]
    np.testing.assert_allclose(table["latitude"], CENTROIDS[0], atol=2e-6)
    np.testing.assert_allclose(table["longitude"], CENTROIDS[1], atol=2e-6)

    # Whoever has the table and the centroids finds the same figures.
    centroids = Centroids(
        GEOMETRIES[geometry],
        table["latitude"].to_numpy(),
        table["longitude"].to_numpy(),
    )
    tally = Tally(centroids)
    whole = places.make(np.arange(len(LATITUDE)), LATITUDE, LONGITUDE)
    tally.add(whole, centroids.assign(whole))
    again = tally.result()
    assert status["mean_square_distance"] == pytest.approx(again.mean_square_distance)
    assert status["mean_square_distance_unit"] == unit
    assert status["mean_distance_m"] == pytest.approx(again.overall_mean_distance_m)
    for name in ("max_distance_m", "nearest_distance_m"):
        np.testing.assert_allclose(table[name], getattr(again, name), atol=1e-3)
    assert table["nearest_row"].tolist() == again.nearest["row"].tolist()
    assert table["nearest_latitude"].tolist() == again.nearest["latitude"].tolist()
    assert "nearest_id" not in table


def test_the_nearest_places_are_named_by_the_uploads_own_ids() -> None:
    ids = ["01", "02", "a,b", "x", "Zürich 北", '6 "inch"']
    here = run(ids=ids)
    assert here.report().state is State.SUCCEEDED
    text = here.output("centroids.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row in rows:
        place = int(row["nearest_row"])
        assert row["nearest_id"] == ids[place]
        assert float(row["nearest_latitude"]) == LATITUDE[place]
        assert float(row["nearest_longitude"]) == LONGITUDE[place]
    assert (rows[0]["nearest_id"], rows[2]["nearest_id"]) == ("02", '6 "inch"')


def test_the_status_is_written_last_and_the_run_says_that_it_is_being_reported() -> (
    None
):
    here = run()
    here.report()
    answers = [key for key in here.s3.written if key.startswith("output/")]
    assert answers == [
        "output/depots/hk/status.json",
        *(f"output/depots/hk/{name}" for name in ["assignments.csv", *WITHOUT_LIST]),
        "output/depots/hk/status.json",
    ]
    own = here.s3.bodies[layout.run_status_key(here.record.run_id)]
    assert json.loads(own)["state"] == "SUCCEEDED"


@pytest.mark.parametrize("status", ["InProgress", "Stopping"])
def test_a_job_at_work_is_looked_at_again_later_and_later(status: str) -> None:
    here = run()
    for receive_count, delay_s in ((1, 20), (2, 40), (3, 80), (9, 300)):
        with pytest.raises(LaterError) as caught:
            here.report(status, receive_count=receive_count)
        assert caught.value.delay_s == delay_s
    assert not here.s3.written


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_without_result_is_a_failed_run_although_it_left_a_model(
    status: str,
) -> None:
    here = run()
    reason = "ClientError: no data" if status == "Failed" else ""
    assert here.report(status, reason=reason).state is State.FAILED
    message = here.status()["message"]
    assert here.job_name in message
    assert reason in message
    assert "output/depots/hk/centroids.csv" not in here.s3.bodies


@pytest.mark.parametrize(
    "artefact", [b"garbage", model(np.ones((2, 3))), tar_gz(("state_1", b"x"))]
)
def test_a_model_that_is_none_is_a_failed_run_that_says_why(artefact: bytes) -> None:
    here = run(artefact=artefact)
    assert here.report().state is State.FAILED
    message = here.status()["message"]
    assert message.startswith(f"s3://data/{here.key}: expected a k-means model with 3")
    assert here.status()["files"] == []


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.SUPERSEDED])
def test_a_run_that_has_ended_is_left_alone(state: State) -> None:
    here = run()
    here.publish(state)
    here.s3.written.clear()
    assert here.report().state is state
    assert not here.s3.written


def test_the_same_event_twice_gives_one_result() -> None:
    here = run()
    here.report()
    before = dict(here.s3.bodies)
    here.report()
    assert here.s3.bodies == before


def test_a_newer_upload_is_not_overwritten() -> None:
    s3 = FakeS3()
    older, newer = run(s3=s3, sequencer="0A"), run(s3=s3, sequencer="0B")
    newer.report()
    before = newer.output("status.json"), newer.output("centroids.csv")
    with pytest.raises(SupersededError):
        older.report()
    assert (newer.output("status.json"), newer.output("centroids.csv")) == before
    own = s3.bodies[layout.run_status_key(older.record.run_id)]
    assert json.loads(own)["state"] == "SUPERSEDED"


def test_an_older_uploads_result_is_replaced() -> None:
    s3 = FakeS3()
    older, newer = run(s3=s3, sequencer="0A"), run(s3=s3, sequencer="0B")
    older.report()
    newer.report()
    assert newer.status()["run_id"] == newer.record.run_id


def test_a_centroid_without_direction_is_told_as_a_warning() -> None:
    latitude = np.array([0.0, 0, 0, 0, 80])
    longitude = np.array([0.0, 90, 180, -90, 10])
    features = np.vstack((np.zeros(3), to_cartesian(latitude[4:], longitude[4:])))
    here = run(latitude=latitude, longitude=longitude, features=features)
    here.report()
    (warning,) = here.status()["warnings"]
    assert "put onto its nearest place" in warning


def test_names_that_were_read_by_a_guessed_encoding_come_with_a_warning() -> None:
    names = [f"N{i}" for i in range(6)]
    here = run(ids=names, encoding="cp1250")
    here.report()
    (warning,) = here.status()["warnings"]
    assert "was read as cp1250" in warning
    for quiet in (run(ids=names, encoding="utf-16-le"), run(encoding="cp1250")):
        quiet.report()
        assert quiet.status()["warnings"] == []


def test_an_empty_cluster_is_told_as_a_warning() -> None:
    features = to_cartesian(np.array([22.3, 22.4, -60]), np.array([114.1, 114.0, 0]))
    here = run(features=features)
    here.report()
    (warning,) = here.status()["warnings"]
    assert "Empty clusters" in warning
    assert here.output("centroids.csv").endswith(b",0,0.0,,,,,,,,\n")


def geojson(*polygons: list[list[float]]) -> bytes:
    """Return areas called A, B, … of rings of longitudes and latitudes."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": chr(ord("A") + i)},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for i, ring in enumerate(polygons)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


WEST = [[114.0, 22.2], [114.1, 22.2], [114.1, 22.6], [114.0, 22.6], [114.0, 22.2]]
EAST = [[114.1, 22.2], [114.2, 22.2], [114.2, 22.4], [114.1, 22.4], [114.1, 22.2]]


def test_borders_of_ones_own_are_drawn_and_say_where_centroids_stand() -> None:
    without = run()
    without.report()
    here = run(boundary="hk/areas.geojson")
    here.s3.put_object(
        Bucket=BUCKET, Key="boundaries/hk/areas.geojson", Body=geojson(WEST, EAST)
    )
    here.report()
    assert here.status()["warnings"] == []
    rows = list(csv.DictReader(io.StringIO(here.output("centroids.csv").decode())))
    assert [row["area"] for row in rows] == ["B", "A", ""]
    assert here.output("map.png") != without.output("map.png")
    properties = [
        feature["properties"]["area"]
        for feature in json.loads(here.output("centroids.geojson"))["features"]
    ]
    assert properties == ["B", "A", None]


@pytest.mark.parametrize(
    ("borders", "words"),
    [
        (None, "there is no file boundaries/hk.zip"),
        (b"PK\x03\x04 and no more", "boundaries/hk.zip can't be used as borders"),
        (b"", "boundaries/hk.zip can't be used as borders"),
    ],
)
def test_borders_that_cant_be_used_cost_a_warning_and_no_more(
    borders: bytes | None, words: str
) -> None:
    here = run(boundary="hk.zip")
    if borders is not None:
        here.s3.put_object(Bucket=BUCKET, Key="boundaries/hk.zip", Body=borders)
    assert here.report().state is State.SUCCEEDED
    (warning,) = here.status()["warnings"]
    assert words in warning
    assert "the map shows countries' borders alone" in warning.replace("The", "the")
    assert here.status()["files"] == ALWAYS


def test_refined_centroids_stand_beside_sagemakers_own() -> None:
    # SageMaker's third centroid is far from its places, its second has none.
    features = to_cartesian(np.array([22.3, 60, 22.6]), np.array([114.1, 0, 114.3]))
    here = run(features=features, refine="auto")
    here.report()
    status = here.status()
    assert status["files"] == [*ALWAYS[:2], "trained_centroids.csv", *ALWAYS[2:]]
    assert status["empty_clusters"] == 0
    refinement = status["refinement"]
    assert refinement["wanted"] == "auto"
    assert refinement["passes"] >= 2
    trained = refinement["trained"]
    assert status["mean_square_distance"] < trained["mean_square_distance"] / 2

    before = pd.read_csv(io.BytesIO(here.output("trained_centroids.csv")))
    after = pd.read_csv(io.BytesIO(here.output("centroids.csv")))
    assert before["size"].min() == 0
    assert after["size"].min() > 0
    assert sorted(before["latitude"]) == pytest.approx([22.3, 22.6, 60.0], abs=1e-5)


def test_every_place_is_listed_with_its_cluster() -> None:
    ids = ["01", "02", "a,b", "x", "Zürich 北", '6 "inch"']
    here = run(ids=ids)
    here.report()
    text = here.output("assignments.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["id"] for row in rows] == ids
    assert [row["cluster"] for row in rows] == ["1", "1", "1", "2", "2", "3"]
    table = pd.read_csv(io.BytesIO(here.output("centroids.csv")))
    listed = pd.DataFrame(rows).astype({"distance_m": float, "cluster": int})
    of_cluster = listed.groupby("cluster")["distance_m"]
    for name, found in (
        ("mean_distance_m", of_cluster.mean()),
        ("median_distance_m", of_cluster.median()),
        ("p95_distance_m", of_cluster.quantile(0.95)),
        ("max_distance_m", of_cluster.max()),
    ):
        np.testing.assert_allclose(table[name], found, atol=1.1e-3)


def test_a_long_list_is_packed() -> None:
    plain, packed = run(), run()
    plain.report(gzip_above_rows=6)
    packed.report(gzip_above_rows=5)
    assert "assignments.csv.gz" in packed.status()["files"]
    assert "assignments.csv" not in packed.status()["files"]
    unpacked = gzip.decompress(packed.output("assignments.csv.gz"))
    assert unpacked == plain.output("assignments.csv")


def test_a_function_that_has_no_time_left_says_so_rather_than_be_ended() -> None:
    here = run()
    assert here.report(seconds_left=lambda: 59.0).state is State.FAILED
    assert "take too long to measure" in here.status()["message"]
    assert here.status()["files"] == []
    assert not here.s3.uploads


def test_what_is_unexpected_propagates() -> None:
    here = run()
    del here.s3.bodies[layout.places_key(here.record.run_id, 1)]
    with pytest.raises(Exception, match="NoSuchKey"):
        here.report()
    assert here.status()["state"] == "REPORTING"


def event(key: str) -> dict[str, Any]:
    body = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": BUCKET},
            "object": {"key": key, "size": 1, "etag": "m", "sequencer": "0C"},
        },
    }
    return {
        "Records": [
            {
                "messageId": "message-1",
                "receiptHandle": "handle-1",
                "body": json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": "2",
                    "SentTimestamp": "1700000000000",
                },
            }
        ]
    }


@pytest.fixture
def sqs() -> FakeSQS:
    return FakeSQS()


@pytest.fixture
def resources(monkeypatch: pytest.MonkeyPatch, sqs: FakeSQS) -> Iterator[list[Any]]:
    found: list[Any] = [SETTINGS, None, None, sqs]
    monkeypatch.setattr(handler, "_resources", lambda: tuple(found))
    yield found


def test_the_handler_answers_an_event(resources: list[Any]) -> None:
    here = run()
    resources[1:3] = here.s3, FakeSageMaker()
    assert handler.handler(event(here.key), None) == {"batchItemFailures": []}
    assert here.status()["state"] == "SUCCEEDED"


def test_the_handler_hands_a_message_back_that_is_too_early(
    resources: list[Any], sqs: FakeSQS
) -> None:
    here = run()
    resources[1:3] = here.s3, FakeSageMaker("InProgress")
    assert handler.handler(event(here.key), None) == {
        "batchItemFailures": [{"itemIdentifier": "message-1"}]
    }
    assert sqs.changes == [
        {"QueueUrl": "queue", "ReceiptHandle": "handle-1", "VisibilityTimeout": 40}
    ]


def test_the_handler_takes_a_superseded_run_for_done(resources: list[Any]) -> None:
    s3 = FakeS3()
    older, newer = run(s3=s3, sequencer="0A"), run(s3=s3, sequencer="0B")
    newer.publish(State.TRAINING)
    resources[1:3] = s3, FakeSageMaker()
    assert handler.handler(event(older.key), None) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    ("distance_m", "expected"),
    [
        (0.0, "0 m"),
        (17.7, "18 m"),
        (999.4, "999 m"),
        (1810.0, "1.81 km"),
        (45_678.0, "45.7 km"),
        (442_000.0, "442 km"),
        (5_090_000.0, "5,090 km"),
    ],
)
def test_distances_are_told_with_three_digits(distance_m: float, expected: str) -> None:
    assert words.distance(distance_m) == expected


def test_rows_that_were_left_out_are_listed_beside_the_results() -> None:
    here = run(left_out={"coordinate missing": {"rows": 1, "first": [7]}})
    listed = b"row,reason\n7,coordinate missing\n"
    key = layout.rejected_key(here.record.run_id)
    here.s3.put_object(Bucket=BUCKET, Key=key, Body=listed)
    here.report()
    assert here.status()["files"] == [*ALWAYS, "rejected.csv"]
    assert here.s3.bodies["output/depots/hk/rejected.csv"] == listed


def test_without_time_to_refine_the_centroids_are_sagemakers_own() -> None:
    here = run(refine="always")
    here.report(seconds_left=lambda: 60.0001)
    status = here.status()
    assert status["state"] == "SUCCEEDED"
    assert status["refinement"] == {"wanted": "always", "done": False}
    (warning,) = status["warnings"]
    assert "after 0 passes" in warning
    assert status["files"] == ALWAYS
