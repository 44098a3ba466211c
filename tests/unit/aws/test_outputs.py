import json
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws import outputs
from geoclusters.aws.multipart import PartsFile
from geoclusters.aws.outputs import Outputs, SupersededError
from geoclusters.errors import GeoclustersError
from geoclusters.run import Upload
from geoclusters.status import State, Status
from tests.statuses import HandMade

MakeUpload = Callable[..., Upload]


def status(upload: Upload, state: State, message: str = "") -> Status:
    return HandMade(upload=upload, state=state, message=message)


def read(s3: Any, key: str) -> Any:
    return json.loads(s3.get_object(Bucket="data", Key=key)["Body"].read())


def test_a_status_says_whose_answer_it_is(s3: Any, make_upload: MakeUpload) -> None:
    upload = make_upload(version_id="v1")
    assert Outputs(s3, upload).publish(
        HandMade(
            upload=upload,
            state=State.SUCCEEDED,
            message="done",
            files=("map.png",),
            figures={"k": 3},
        )
    )
    document = read(s3, "output/depots/hk/status.json")
    assert document.pop("updated_at").endswith("+00:00")
    assert document == {
        "schema_version": 1,
        "state": "SUCCEEDED",
        "message": "done",
        "run_id": upload.run_id,
        "upload": {
            "uri": "s3://data/input/depots/hk.csv",
            "version_id": "v1",
            "etag": "0123",
            "sequencer": "0A",
            "size": 100,
        },
        "k": 3,
        "warnings": [],
        "files": ["map.png"],
    }
    assert read(s3, layout.run_status_key(upload.run_id))["state"] == "SUCCEEDED"


def test_a_run_never_goes_back(s3: Any, make_upload: MakeUpload) -> None:
    outputs = Outputs(s3, make_upload())
    for state in (State.QUEUED, State.TRAINING, State.TRAINING):
        assert outputs.publish(status(make_upload(), state))
    assert not outputs.publish(status(make_upload(), State.QUEUED))
    assert outputs.state() is State.TRAINING
    assert outputs.publish(status(make_upload(), State.FAILED, "first"))
    for state in (State.FAILED, State.SUCCEEDED, State.REPORTING):
        assert not outputs.publish(status(make_upload(), state, "second"))
    assert read(s3, "output/depots/hk/status.json")["message"] == "first"


def test_the_newer_upload_takes_over(s3: Any, make_upload: MakeUpload) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B", etag="4567")
    Outputs(s3, older).publish(status(older, State.SUCCEEDED))
    Outputs(s3, older).put("map.png", b"old", "image/png")
    assert Outputs(s3, newer).state() is None
    assert Outputs(s3, newer).publish(status(newer, State.QUEUED))
    Outputs(s3, newer).put("map.png", b"new", "image/png")
    found = s3.get_object(Bucket="data", Key="output/depots/hk/map.png")
    assert found["Body"].read() == b"new"
    assert found["ContentType"] == "image/png"
    assert found["Metadata"] == {"sequencer": "0B", "run-id": newer.run_id}


def test_the_older_upload_stops_wherever_it_is(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    Outputs(s3, newer).publish(status(newer, State.QUEUED))
    Outputs(s3, newer).put("map.png", b"new", "image/png")
    outputs = Outputs(s3, older)
    for act in (
        lambda: outputs.put("map.png", b"old", "image/png"),
        lambda: outputs.publish(status(older, State.SUCCEEDED)),
        outputs.state,
    ):
        with pytest.raises(SupersededError, match="A newer upload of s3://data/input"):
            act()
    assert read(s3, "output/depots/hk/status.json")["run_id"] == newer.run_id
    assert read(s3, layout.run_status_key(older.run_id))["state"] == "SUPERSEDED"


def test_a_run_that_had_ended_keeps_its_own_status(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    Outputs(s3, older).publish(status(older, State.SUCCEEDED))
    Outputs(s3, newer).publish(status(newer, State.QUEUED))
    with pytest.raises(SupersededError):
        Outputs(s3, older).state()
    assert read(s3, layout.run_status_key(older.run_id))["state"] == "SUCCEEDED"


def test_a_run_whose_own_copy_was_never_written_gets_it_later(
    s3: Any, make_upload: MakeUpload
) -> None:
    upload = make_upload()
    outputs = Outputs(s3, upload)
    outputs.publish(status(upload, State.TRAINING))
    trained = s3.get_object(Bucket="data", Key=layout.run_status_key(upload.run_id))
    outputs.publish(status(upload, State.SUCCEEDED))
    s3.put_object(  # as if the function had died between its two writes
        Bucket="data",
        Key=layout.run_status_key(upload.run_id),
        Body=trained["Body"].read(),
        Metadata=trained["Metadata"],
    )
    assert outputs.state() is State.SUCCEEDED
    assert read(s3, layout.run_status_key(upload.run_id))["state"] == "SUCCEEDED"


def test_a_late_writer_does_not_turn_the_runs_own_copy_back(
    s3: Any, make_upload: MakeUpload
) -> None:
    upload = make_upload()

    def other() -> None:
        Outputs(s3, upload).publish(status(upload, State.SUCCEEDED))

    class Slow(Racing):
        """The other one comes in between the two writes."""

        def put_object(self, **request: Any) -> Any:
            answer = self._s3.put_object(**request)
            if request["Key"].startswith("output/") and self._losses:
                self._losses -= 1
                self._other()
            return answer

    slow: Any = Slow(s3, 1, other)
    assert Outputs(slow, upload).publish(status(upload, State.TRAINING))
    assert read(s3, "output/depots/hk/status.json")["state"] == "SUCCEEDED"
    assert read(s3, layout.run_status_key(upload.run_id))["state"] == "SUCCEEDED"


class Racing:
    """S3 where somebody else is quicker, the first times that an object is put."""

    def __init__(self, s3: Any, losses: int, other: Callable[[], None]) -> None:
        self._s3, self._losses, self._other = s3, losses, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **request: Any) -> Any:
        if self._losses and request["Key"].startswith("output/"):
            self._losses -= 1
            self._other()
        return self._s3.put_object(**request)


def test_who_loses_a_race_to_a_newer_upload_stops(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")

    def other() -> None:
        Outputs(s3, newer).put("map.png", b"new", "image/png")

    with pytest.raises(SupersededError):
        Outputs(Racing(s3, 1, other), older).put("map.png", b"old", "image/png")  # type: ignore[arg-type]
    found = s3.get_object(Bucket="data", Key="output/depots/hk/map.png")
    assert found["Body"].read() == b"new"


def test_who_loses_a_race_to_an_older_upload_tries_again(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")

    def other() -> None:
        Outputs(s3, older).put("map.png", b"old", "image/png")

    Outputs(Racing(s3, 3, other), newer).put("map.png", b"new", "image/png")  # type: ignore[arg-type]
    found = s3.get_object(Bucket="data", Key="output/depots/hk/map.png")
    assert found["Body"].read() == b"new"


def test_endless_contention_is_an_error(s3: Any, make_upload: MakeUpload) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")

    bodies = iter(range(100))  # S3 tells objects apart by what is in them

    def other() -> None:
        Outputs(s3, older).put("map.png", b"old %d" % next(bodies), "image/png")

    with pytest.raises(GeoclustersError, match="changed by others at each try"):
        Outputs(Racing(s3, 100, other), newer).put("map.png", b"new", "image/png")  # type: ignore[arg-type]


def test_other_errors_of_s3_propagate(s3: Any, make_upload: MakeUpload) -> None:
    upload = make_upload(bucket="not-there")
    outputs = Outputs(s3, upload)
    with pytest.raises(ClientError):
        outputs.publish(status(upload, State.QUEUED))


PART_BYTES = 5 * 1024 * 1024


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "PartsFile", partial(PartsFile, part_bytes=PART_BYTES))


def uploads_left(s3: Any) -> Any:
    return s3.list_multipart_uploads(Bucket="data").get("Uploads", [])


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [0, 10, PART_BYTES, 2 * PART_BYTES + 1])
def test_a_stream_becomes_one_object(
    s3: Any, make_upload: MakeUpload, size: int
) -> None:
    upload = make_upload()
    body = random.Random(size).randbytes(size)
    for _ in range(2):  # the second one replaces the first
        with Outputs(s3, upload).stream("a.csv", "text/csv") as file:
            for start in range(0, size, 3_000_000):
                file.write(body[start : start + 3_000_000])
        found = s3.get_object(Bucket="data", Key="output/depots/hk/a.csv")
        assert found["Body"].read() == body
    assert found["ContentType"] == "text/csv"
    assert found["Metadata"] == {"sequencer": "0A", "run-id": upload.run_id}
    assert not uploads_left(s3)


@pytest.mark.usefixtures("small_parts")
def test_of_a_stream_that_breaks_off_nothing_is_left(
    s3: Any, make_upload: MakeUpload
) -> None:
    stream = Outputs(s3, make_upload()).stream("a.csv", "text/csv")
    with pytest.raises(ValueError, match="broken"), stream as file:
        file.write(bytes(PART_BYTES))
        raise ValueError("broken")
    assert not uploads_left(s3)
    assert "Contents" not in s3.list_objects_v2(Bucket="data")


def test_a_stream_gives_way_to_a_newer_uploads_file(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B", etag="4567")
    with pytest.raises(SupersededError), stream_of(s3, older) as file:
        file.write(b"old")
        Outputs(s3, newer).put("a.csv", b"new", "text/csv")
    assert not uploads_left(s3)
    with pytest.raises(SupersededError), stream_of(s3, older):
        pytest.fail("it must not begin")
    found = s3.get_object(Bucket="data", Key="output/depots/hk/a.csv")
    assert found["Body"].read() == b"new"
    assert read(s3, layout.run_status_key(older.run_id))["state"] == "SUPERSEDED"


def stream_of(s3: Any, upload: Upload) -> AbstractContextManager[PartsFile]:
    return Outputs(s3, upload).stream("a.csv", "text/csv")


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_stream_that_loses_a_race_is_to_be_tried_again(
    s3: Any, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def lose(**request: Any) -> None:
        assert request["IfNoneMatch"] == "*"
        raise ClientError({"Error": {"Code": code}}, "CompleteMultipartUpload")

    monkeypatch.setattr(s3, "complete_multipart_upload", lose)
    expected = pytest.raises(GeoclustersError, match="changed by others")
    with expected as caught, stream_of(s3, make_upload()) as file:
        file.write(b"x")
    assert not isinstance(caught.value, SupersededError)
    assert not uploads_left(s3)
