import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from geoclusters import layout, places, recordio
from geoclusters.aws.outputs import Outputs, read_own_status, read_run_record
from geoclusters.errors import TableError
from geoclusters.parameters import Parameters
from geoclusters.run import RunRecord, Upload
from geoclusters.status import State, status_of_job
from geoclusters.tables.reader import Table
from lambdas.ingest import check, parameters_file, write
from lambdas.ingest import handler as entry
from tests.statuses import HandMade
from tests.unit.conftest import BUCKET, InPieces, sqs_event
from tests.unit.lambdas.conftest import TABLE, Cloud


class Context:
    """What Lambda tells of a function: the milliseconds that are left, in turn."""

    def __init__(self, milliseconds: list[int]) -> None:
        self._milliseconds = iter(milliseconds)

    def get_remaining_time_in_millis(self) -> int:
        return next(self._milliseconds)


Handled = Callable[..., None]


@pytest.fixture
def handled(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handled]:
    """Return what hands an upload to the function's handler."""
    for name, value in cloud.settings.to_env().items():
        monkeypatch.setenv(name, value)
    entry._resources.cache_clear()

    def handle(upload: Upload, context: object = None) -> None:
        created = {
            "key": upload.key,
            "etag": upload.etag,
            "sequencer": upload.sequencer,
            "size": upload.size,
        }
        event = {"detail": {"bucket": {"name": BUCKET}, "object": created}}
        answer = entry.handler(sqs_event(event), context)
        assert answer == {"batchItemFailures": []}

    yield handle
    entry._resources.cache_clear()


def test_an_upload_becomes_a_run_that_waits_to_be_trained(cloud: Cloud) -> None:
    upload = cloud.upload(TABLE + "31,,\n", k="5")
    outcome = cloud.prepare(upload)
    assert outcome.state is State.QUEUED
    record = RunRecord.from_json(cloud.read(layout.run_record_key(upload.run_id)))
    assert record.upload == upload
    assert (record.k, record.geometry, record.feature_dim) == (5, "spherical", 3)
    assert (record.parameters, record.parameters_file) == ({"k": 5}, None)
    assert (record.rows_read, record.rows_usable) == (31, 30)
    assert record.preparation_s is not None
    assert 0 <= record.preparation_s < 60
    assert record.left_out == {"coordinate missing": {"rows": 1, "first": [32]}}
    rejected = cloud.read(layout.rejected_key(upload.run_id))
    assert rejected == b"row,reason\n32,coordinate missing\n"
    assert record.columns == {
        "latitude": "lat",
        "longitude": "lon",
        "notation": "decimal degrees",
        "why": "they are called so",
    }
    assert record.table == {
        "compression": "",
        "encoding": "utf-8",
        "delimiter": ",",
        "decimal_mark": ".",
        "header_row": 1,
    }
    status = cloud.status()
    assert status["state"] == "QUEUED"
    assert status["rows"] == {
        "read": 31,
        "usable": 30,
        "duplicates": 0,
        "duplicates_exact": True,
        "left_out": {"coordinate missing": {"rows": 1, "first": [32]}},
    }
    assert cloud.requests() == [json.dumps({"run_id": upload.run_id, "attempt": 1})]


def test_places_and_records_are_the_tables_rows(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.prepare(upload)
    run = layout.run_prefix(upload.run_id)
    part = places.decode(cloud.read(f"{run}places/part-00000.npy"))
    assert part["row"].tolist() == list(range(2, 32))
    assert part["latitude"].tolist() == [i / 10 for i in range(1, 31)]
    records = recordio.decode(cloud.read(f"{run}train/part-00000.pbr"))
    assert records.shape == (30, 3)
    # centred: what SageMaker sees is as small as the places' extent
    assert np.abs(records.mean(axis=0)).max() < 1
    assert cloud.keys(f"{run}train/") == [f"{run}train/part-00000.pbr"]


def test_places_are_written_in_parts_in_the_files_order(
    cloud: Cloud,
) -> None:
    upload = cloud.upload()
    table = Table(InPieces(TABLE.encode()), block_bytes=50)
    record = write.write_run(
        table,
        upload,
        Parameters(k=3),
        created_at="",
        settings=cloud.settings,
        s3=cloud.s3,
        places_rows=10,
    )
    rows = [
        places.decode(cloud.read(layout.places_key(upload.run_id, part)))["row"]
        for part in range(record.places_parts)
    ]
    assert record.places_parts > 1
    assert np.concatenate(rows).tolist() == list(range(2, 32))


@pytest.mark.parametrize(
    ("body", "metadata", "expected"),
    [
        ("", {}, "The file is empty"),
        ("a,b\n1,2\n", {}, "No column for the latitude was found"),
        ("lat,lon\n1,2\n3,4\n", {}, "2 usable of 2 rows, fewer than the k=3"),
        (
            "lat,lon\n1,2\n1,3\n,4\n0,0\n",
            {},
            "missing (row 4); 1 × both coordinates 0 (row 5)), fewer than the k=3",
        ),
        ("lat,lon\n1,2\n,4\nx,1\n", {}, "More than 50 % of its rows"),
        ("lat,lon\n114.1,22.3\n114.2,22.4\n114.3,22.5\n", {}, "look swapped: 3 of 3"),
        (
            "lat,lon\n" + "5,50\n6,51\n7,52\n8,53\n" * 9 + "100,30\n101,31\n",
            {},
            "look swapped: 2 of 38",
        ),
        ("lat,lon\n812196,833514\n815117,836504\n", {}, "which are no degrees"),
        ("lat,lon\n" + "1,2\n1,3\n" * 9, {}, "18 usable rows, but only 2 different"),
        (TABLE, {"k": "1"}, "`k=1`"),
        (TABLE, {"k": "x"}, "whole number from 2"),
        (TABLE, {"latitude": "y"}, "`latitude=y`"),
        (TABLE, {"latitude": "y", "longitude": "lon"}, "`latitude=y`"),
        (TABLE, {"geometry": "flat"}, "one of spherical, planar"),
        (TABLE * 100, {}, "at most 10,000 bytes are accepted"),
        ("PK\x03\x04 a workbook", {}, "Excel workbook"),
        ("<html>not found</html>", {}, "web page"),
    ],
)
def test_a_file_that_cant_be_used_is_answered_with_what_is_wrong(
    cloud: Cloud, body: str, metadata: dict[str, str], expected: str
) -> None:
    upload = cloud.upload(body, **metadata)
    assert cloud.prepare(upload).state is State.FAILED
    status = cloud.status()
    assert status["state"] == "FAILED"
    assert expected in status["message"]
    assert cloud.requests() == []
    assert layout.run_record_key(upload.run_id) not in cloud.keys("runs/")


def test_a_zip_archive_is_read_like_the_table_in_it(cloud: Cloud) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "notes")
        archive.writestr("places.csv", TABLE)
    upload = cloud.upload(file.getvalue(), key="input/a.zip")
    assert cloud.prepare(upload).state is State.QUEUED
    status = cloud.status("a.zip")
    assert status["rows"]["usable"] == 30
    assert status["table"]["compression"] == "zip"


def test_an_upload_overwritten_while_it_is_read_ends_superseded(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overwrite(*args: Any) -> None:
        del args
        cloud.upload(key="input/a.zip")

    monkeypatch.setattr(parameters_file, "read_beside", overwrite)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("places.csv", TABLE)
    upload = cloud.upload(file.getvalue(), key="input/a.zip")
    assert cloud.prepare(upload).state is State.SUPERSEDED
    own = json.loads(cloud.read(layout.run_status_key(upload.run_id)))
    assert own["state"] == "SUPERSEDED"


def test_parameters_beside_the_upload_are_used_and_told(cloud: Cloud) -> None:
    cloud.upload('{"k": 4, "geometry": "planar"}', key="input/d/a.json")
    upload = cloud.upload(key="input/d/a.csv", geometry="spherical", boundary="hk.zip")
    cloud.prepare(upload)
    record = RunRecord.from_json(cloud.read(layout.run_record_key(upload.run_id)))
    assert (record.k, record.geometry, record.boundary) == (4, "spherical", "hk.zip")
    status = cloud.status("d/a")
    assert status["parameters"] == record.parameters
    assert status["parameters"] == {
        "k": 4,
        "geometry": "spherical",
        "boundary": "hk.zip",
    }
    assert status["parameters_file"] == record.parameters_file == "input/d/a.json"


def test_parameters_that_cant_be_used_fail_the_table_beside_them(cloud: Cloud) -> None:
    cloud.upload('{"klusters": 4}', key="input/a.json")
    assert cloud.prepare(cloud.upload()).state is State.FAILED
    assert "input/a.json says `klusters`" in cloud.status()["message"]


def test_a_file_of_parameters_is_answered_with_what_it_says(cloud: Cloud) -> None:
    upload = cloud.upload('{"k": 4, "id": "Nr"}', key="input/d/a.json")
    assert cloud.prepare(upload).state is State.SUCCEEDED
    status = cloud.status("d/a.json")
    assert status["message"].startswith(
        "These are parameters (k=4, id=Nr) for uploads called input/d/a.csv, "
    )
    assert status["parameters"] == {"k": 4, "id": "Nr"}
    assert cloud.requests() == []
    assert cloud.prepare(upload).message == "this upload was answered before"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"k": 1}', "whole number from 2"),
        ('{"K": 4}', "Did you mean `k`?"),
        ("{", "is no JSON"),
        ("[1, 2]", "GeoJSON), not a CSV file"),
        ('{"type": "FeatureCollection", "features": []}', "GIS program such as QGIS"),
        ('{"a": "' + "x" * 65_536 + '"}', "GIS program such as QGIS"),
    ],
)
def test_json_that_is_no_parameters_is_answered_with_what_to_do(
    cloud: Cloud, body: str, expected: str
) -> None:
    upload = cloud.upload(body, key="input/a.json")
    assert cloud.prepare(upload).state is State.FAILED
    assert expected in cloud.status("a.json")["message"]


@pytest.mark.parametrize(
    ("size", "state"),
    [(962, State.QUEUED), (963, State.FAILED), (1024, State.FAILED)],
)
def test_a_key_that_leaves_no_room_for_results_is_answered_elsewhere(
    cloud: Cloud, size: int, state: State
) -> None:
    key = f"input/{'🏭' * ((size - 10) // 4)}{'x' * ((size - 10) % 4)}.csv"
    assert len(key.encode()) == size
    upload = cloud.upload(key=key)
    assert cloud.prepare(upload).state is state
    status = cloud.status(layout.output_prefix(key)[len("output/") : -1])
    assert status["upload"]["uri"] == f"s3://{BUCKET}/{key}"
    if state is State.FAILED:
        surplus = f"it has {size:,} bytes of UTF-8, {size - 962} more than"
        assert surplus in status["message"]
        assert "a shorter one, of 962 bytes at most" in status["message"]


def test_an_encoded_key_that_is_long_is_decoded(cloud: Cloud) -> None:
    upload = cloud.upload(key="input/" + "ü" * 400 + ".csv")
    encoded = replace(upload, key=quote(upload.key))
    assert len(encoded.key) > 1024
    assert cloud.prepare(encoded).run_id == upload.run_id


def test_nobody_answers_among_the_uploads_whose_keys_are_too_long(
    cloud: Cloud,
) -> None:
    upload = cloud.upload(key="input/_rejected/a.csv")
    assert cloud.prepare(upload).state is State.FAILED
    (key,) = cloud.keys("output/")
    assert key == f"{upload.output_prefix}status.json"
    assert "The folder input/_rejected/ can't be used" in cloud.read(key).decode()


def test_a_key_of_several_lines_is_answered_at_its_place(cloud: Cloud) -> None:
    upload = cloud.upload(key="input/a\nb\r/c\n.csv")
    assert cloud.prepare(upload).state is State.QUEUED
    assert cloud.status("a\nb\r/c\n")["upload"]["uri"] == upload.uri
    assert cloud.prepare(upload).state is State.QUEUED


def test_a_key_that_leads_elsewhere_on_a_disk_is_refused(cloud: Cloud) -> None:
    upload = cloud.upload(key="input/a/../../\n.csv")
    assert cloud.prepare(upload).state is State.FAILED
    (key,) = cloud.keys("output/")
    assert key == f"{upload.output_prefix}status.json"
    assert key.startswith("output/_rejected/")
    message = json.loads(cloud.read(key))["message"]
    assert r"s3://data/input/a/../../\n.csv has a part that is “.” or “..”" in message


def test_some_latitudes_out_of_range_prove_nothing_beside_far_longitudes(
    cloud: Cloud,
) -> None:
    rows = "5,150\n6,-151\n7,152\n8,53\n" * 9 + "100,30\n101,31\n"
    assert cloud.prepare(cloud.upload("lat,lon\n" + rows)).state is State.QUEUED


def test_the_same_event_again_only_hands_the_run_over_again(cloud: Cloud) -> None:
    upload = cloud.upload()
    first, second = cloud.prepare(upload), cloud.prepare(upload)
    assert first == second
    assert len(cloud.requests()) == 2  # CreateTrainingJob tells them apart


def test_a_run_that_waits_for_a_quota_is_not_handed_over_again(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.prepare(upload)
    record = read_run_record(cloud.s3, BUCKET, upload.run_id)
    waiting = {"since": "2026-01-01T00:00:00+00:00", "tries": 7}
    status = status_of_job(record, State.QUEUED, "waits", "job", waiting=waiting)
    Outputs(cloud.s3, upload).publish(status)
    assert cloud.prepare(upload).state is State.QUEUED
    assert len(cloud.requests()) == 1
    own = read_own_status(cloud.s3, BUCKET, upload.run_id)
    assert own["waiting"] == waiting


def test_a_run_that_was_answered_is_left_alone(cloud: Cloud) -> None:
    upload = cloud.upload()
    outputs = Outputs(cloud.s3, upload)
    outputs.publish(HandMade(upload=upload, state=State.SUCCEEDED, message=""))
    assert cloud.prepare(upload).state is State.SUCCEEDED
    assert cloud.requests() == []


def test_an_upload_that_was_overwritten_ends_superseded(cloud: Cloud) -> None:
    older = cloud.upload()
    cloud.upload(TABLE + "31,1,1\n", sequencer="02")
    assert cloud.prepare(older).state is State.SUPERSEDED
    own = json.loads(cloud.read(layout.run_status_key(older.run_id)))
    assert own["state"] == "SUPERSEDED"
    assert cloud.requests() == []


def test_an_older_event_that_comes_late_changes_nothing(cloud: Cloud) -> None:
    older, newer = cloud.upload(sequencer="01"), cloud.upload(sequencer="02")
    cloud.prepare(newer)
    assert cloud.prepare(older).state is State.SUPERSEDED
    assert cloud.status()["run_id"] == newer.run_id


def test_an_upload_overwritten_by_the_same_bytes_ends_superseded(cloud: Cloud) -> None:
    cloud.keep_versions()
    older = replace(cloud.upload(k="3"), version_id="an-earlier-version")
    assert cloud.prepare(older).state is State.SUPERSEDED


def test_a_status_names_the_version_that_was_read(cloud: Cloud) -> None:
    cloud.keep_versions()
    upload = cloud.upload()
    cloud.prepare(upload)
    head = cloud.s3.head_object(Bucket=BUCKET, Key=upload.key)
    assert cloud.status()["upload"]["version_id"] == head["VersionId"]


def test_more_than_can_be_measured_is_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MOST_ROWS_TIMES_K", 89)
    cloud.prepare(cloud.upload(k="3"))
    assert "at most 29 places" in cloud.status()["message"]


def test_an_upload_that_was_deleted_is_answered(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.s3.delete_object(Bucket=BUCKET, Key=upload.key)
    assert cloud.prepare(upload).state is State.FAILED
    assert "deleted before it was read" in cloud.status()["message"]


@pytest.mark.parametrize("key", ["input/a b+c/ü%20.csv", "input/a+b.csv"])
def test_a_key_is_taken_as_it_is(cloud: Cloud, key: str) -> None:
    assert cloud.prepare(cloud.upload(key=key)).state is State.QUEUED
    path = key.removeprefix("input/").removesuffix(".csv")
    assert cloud.status(path)["state"] == "QUEUED"


def test_an_encoded_key_is_decoded_where_no_such_object_exists(cloud: Cloud) -> None:
    upload = cloud.upload(key="input/a b.csv")
    encoded = Upload(
        bucket=BUCKET,
        key="input/a+b.csv",
        etag=upload.etag,
        sequencer="01",
        size=upload.size,
    )
    assert cloud.prepare(encoded).run_id == upload.run_id
    assert cloud.status("a b")["state"] == "QUEUED"


@pytest.mark.parametrize(
    ("key", "moved"), [("a+b.csv", "a b.csv"), ("%41.csv", "A.csv")]
)
@pytest.mark.parametrize(
    ("versions", "body"), [(True, TABLE), (False, "another table")]
)
def test_a_deleted_upload_is_not_taken_for_one_at_its_decoded_key(
    cloud: Cloud, key: str, moved: str, versions: bool, body: str
) -> None:
    if versions:
        cloud.keep_versions()
    upload = cloud.upload(key=f"input/{key}")
    cloud.s3.delete_object(Bucket=BUCKET, Key=upload.key)
    cloud.upload(body, key=f"input/{moved}", sequencer="02")
    assert cloud.prepare(upload).state is State.FAILED
    status = cloud.status(key.removesuffix(".csv"))
    assert (status["run_id"], status["state"]) == (upload.run_id, "FAILED")
    assert "deleted before it was read" in status["message"]


def test_an_encoded_key_is_decoded_where_its_very_version_stands(cloud: Cloud) -> None:
    cloud.keep_versions()
    upload = cloud.upload(key="input/a b.csv")
    assert upload.version_id is not None
    encoded = replace(upload, key="input/a+b.csv")
    assert cloud.prepare(encoded).run_id == upload.run_id
    assert cloud.status("a b")["state"] == "QUEUED"


@pytest.mark.parametrize(("key", "answered"), [("input/a.csv", 1), ("input/a/", 0)])
def test_the_handler_answers_all_but_the_markers_of_folders(
    cloud: Cloud, handled: Handled, key: str, answered: int
) -> None:
    handled(cloud.upload("" if key.endswith("/") else TABLE, key=key))
    assert len(cloud.keys("output/")) == answered


@pytest.mark.parametrize("key", ["input/d/", "input/", "input/d//"])
def test_what_is_called_as_a_folder_but_holds_something_is_answered(
    cloud: Cloud, handled: Handled, key: str
) -> None:
    handled(cloud.upload(key=key))
    status = cloud.status(key.removeprefix("input/") + ".file")
    assert status["state"] == "FAILED"
    assert f"s3://{BUCKET}/{key} ends in a slash" in status["message"]
    assert f"it has {len(TABLE)} bytes" in status["message"]
    assert "without the slash at its end" in status["message"]
    assert cloud.requests() == []


def test_a_table_that_takes_too_long_is_answered_before_the_function_ends(
    cloud: Cloud, handled: Handled
) -> None:
    handled(cloud.upload(), Context([44_999]))
    status = cloud.status()
    assert status["state"] == "FAILED"
    assert "too long to read in one go" in status["message"]
    assert "the time was over after 30 rows" in status["message"]
    assert "decimal degrees" in status["message"]
    assert "docs/scale.md" in status["message"]
    assert cloud.requests() == []


def test_a_table_that_is_read_in_time_becomes_a_run(
    cloud: Cloud, handled: Handled
) -> None:
    handled(cloud.upload(), Context([45_000]))
    assert cloud.status()["state"] == "QUEUED"


def test_the_time_is_looked_at_after_each_chunk_of_a_table(cloud: Cloud) -> None:
    upload = cloud.upload()
    table = Table(InPieces(TABLE.encode()), block_bytes=50)
    left = iter([60.0, 50.0, 40.0])
    with pytest.raises(TableError, match="was over after 15 rows"):
        write.write_run(
            table,
            upload,
            Parameters(k=3),
            created_at="",
            settings=cloud.settings,
            s3=cloud.s3,
            seconds_left=lambda: next(left),
        )
    assert list(left) == []
    assert layout.run_record_key(upload.run_id) not in cloud.keys("runs/")
