import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.objects import exists
from geoclusters.aws.outputs import (
    Outputs,
    SupersededError,
    find_run_record,
    read_own_status,
)
from geoclusters.aws.upload import PART_BYTES
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

    with pytest.raises(GeoclustersError, match="changed at each of"):
        Outputs(Racing(s3, 100, other), newer).put("map.png", b"new", "image/png")  # type: ignore[arg-type]


def test_other_errors_of_s3_propagate(s3: Any, make_upload: MakeUpload) -> None:
    upload = make_upload(bucket="not-there")
    outputs = Outputs(s3, upload)
    with pytest.raises(ClientError):
        outputs.publish(status(upload, State.QUEUED))


LARGE = bytes(PART_BYTES) + b"end"


class RacingAtTheEnd:
    """S3 where somebody else is quicker, the first times that parts are completed.

    Conditions of a completion hold as in S3; moto passes over `IfMatch` there.
    """

    def __init__(self, s3: Any, losses: int, other: Callable[[], object]) -> None:
        self._s3, self._losses, self._other = s3, losses, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def complete_multipart_upload(self, **request: Any) -> Any:
        if self._losses:
            self._losses -= 1
            self._other()
        if expected := request.pop("IfMatch", None):
            found = self._s3.get_object(Bucket="data", Key=request["Key"])
            if found["ETag"] != expected:
                answer: Any = {"Error": {"Code": "PreconditionFailed"}}
                raise ClientError(answer, "CompleteMultipartUpload")
        return self._s3.complete_multipart_upload(**request)


def stream(s3: Any, upload: Upload, *written: bytes) -> None:
    with Outputs(s3, upload).stream("places.csv", "text/csv") as file:
        for data in written:
            file.write(data)


def streamed(s3: Any) -> Any:
    return s3.get_object(Bucket="data", Key="output/depots/hk/places.csv")


def unfinished(s3: Any) -> Any:
    return s3.list_multipart_uploads(Bucket="data").get("Uploads", [])


@pytest.mark.parametrize("written", [(), (b"a,", b"b\n"), (LARGE,), (LARGE, LARGE)])
def test_a_result_may_be_streamed_whether_it_is_small_or_large(
    s3: Any, make_upload: MakeUpload, written: tuple[bytes, ...]
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    for upload in (older, newer, newer):
        stream(s3, upload, *written)
    found = streamed(s3)
    assert found["Body"].read() == b"".join(written)
    assert found["ContentType"] == "text/csv"
    assert found["Metadata"] == {"sequencer": "0B", "run-id": newer.run_id}
    assert unfinished(s3) == []


@pytest.mark.parametrize("written", [b"small", LARGE])
def test_nothing_is_left_of_a_stream_that_is_broken_off(
    s3: Any, make_upload: MakeUpload, written: bytes
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        Outputs(s3, make_upload()).stream("places.csv", "text/csv") as file,
    ):
        file.write(written)
        raise ZeroDivisionError
    assert "Contents" not in s3.list_objects_v2(Bucket="data")
    assert unfinished(s3) == []


def test_a_stream_of_an_older_upload_does_not_begin(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    stream(s3, newer, b"new")
    with pytest.raises(SupersededError), Outputs(s3, older).stream("places.csv", ""):
        pytest.fail("there is no use in writing it")
    assert read(s3, layout.run_status_key(older.run_id))["state"] == "SUPERSEDED"


@pytest.mark.parametrize("other_writes", [b"new", LARGE])
@pytest.mark.parametrize("stands", [False, True])
def test_a_stream_that_loses_a_race_to_a_newer_upload_leaves_nothing(
    s3: Any, make_upload: MakeUpload, stands: bool, other_writes: bytes
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    if stands:
        stream(s3, older, b"old")
    racing = RacingAtTheEnd(s3, 1, lambda: stream(s3, newer, other_writes))
    with pytest.raises(SupersededError):
        stream(racing, older, LARGE)
    assert streamed(s3)["Body"].read() == other_writes
    assert unfinished(s3) == []
    assert read(s3, layout.run_status_key(older.run_id))["state"] == "SUPERSEDED"


@pytest.mark.parametrize("stands", [False, True])
def test_a_stream_that_loses_a_race_to_an_older_upload_is_completed_again(
    s3: Any, make_upload: MakeUpload, stands: bool
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    if stands:
        stream(s3, older, b"old")
    bodies = iter((b"old 1", b"old 2", b"old 3"))
    racing = RacingAtTheEnd(s3, 3, lambda: stream(s3, older, next(bodies)))
    stream(racing, newer, LARGE)
    assert streamed(s3)["Body"].read() == LARGE
    assert unfinished(s3) == []


class UnderAKey:
    """S3 with a key of KMS: an ETag is nothing that one could make of the bytes."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._s3, name)

        def with_other_etags(**request: Any) -> Any:
            if "MultipartUpload" in request:
                parts = request["MultipartUpload"]["Parts"]
                parts = [part | {"ETag": turned(part["ETag"])} for part in parts]
                request["MultipartUpload"] = {"Parts": parts}
            answer = call(**request)
            if "ETag" in answer:
                answer["ETag"] = turned(answer["ETag"])
            return answer

        return with_other_etags


def turned(etag: str) -> str:
    return f'"{etag.strip(chr(34))[::-1]}"'


@pytest.mark.parametrize("encryption", [lambda s3: s3, UnderAKey])
def test_a_completion_whose_answer_was_lost_is_not_repeated(
    s3: Any, make_upload: MakeUpload, encryption: Callable[[Any], Any]
) -> None:
    s3 = encryption(s3)
    upload = make_upload()
    completed = []

    class Lossy:
        """The client tries again, as botocore does, and meets its own object."""

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def complete_multipart_upload(self, **request: Any) -> Any:
            completed.append(s3.complete_multipart_upload(**request))
            answer: Any = {"Error": {"Code": "PreconditionFailed"}}
            raise ClientError(answer, "CompleteMultipartUpload")

    stream(Lossy(), upload, LARGE)
    assert len(completed) == 1
    assert streamed(s3)["ETag"] == completed[0]["ETag"]


@pytest.mark.parametrize("encryption", [lambda s3: s3, UnderAKey])
def test_the_same_run_twice_at_once_writes_a_stream_once(
    s3: Any, make_upload: MakeUpload, encryption: Callable[[Any], Any]
) -> None:
    s3 = encryption(s3)
    s3.put_bucket_versioning(
        Bucket="data", VersioningConfiguration={"Status": "Enabled"}
    )
    upload = make_upload()
    stream(RacingAtTheEnd(s3, 1, lambda: stream(s3, upload, LARGE)), upload, LARGE)
    versions = s3.list_object_versions(Bucket="data")["Versions"]
    assert [version["Key"] for version in versions] == ["output/depots/hk/places.csv"]
    assert unfinished(s3) == []


def test_the_message_comes_back_where_s3_has_dropped_the_parts(
    s3: Any, make_upload: MakeUpload
) -> None:
    class Conflicting:
        """Something was deleted meanwhile; S3 wants a new upload."""

        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def complete_multipart_upload(self, **request: Any) -> Any:
            code = "NoSuchUpload"
            if unfinished(s3):
                code = "ConditionalRequestConflict"
                s3.abort_multipart_upload(
                    **{name: request[name] for name in ("Bucket", "Key", "UploadId")}
                )
            answer: Any = {"Error": {"Code": code}}
            raise ClientError(answer, "CompleteMultipartUpload")

    with pytest.raises(ClientError, match="NoSuchUpload"):
        stream(Conflicting(), make_upload(), LARGE)
    assert "Contents" not in s3.list_objects_v2(Bucket="data")


def test_endless_contention_about_a_stream_is_an_error(
    s3: Any, make_upload: MakeUpload
) -> None:
    older, newer = make_upload(), make_upload(sequencer="0B")
    bodies = iter(range(100))
    racing = RacingAtTheEnd(s3, 100, lambda: stream(s3, older, b"%d" % next(bodies)))
    with pytest.raises(GeoclustersError, match="changed at each of"):
        stream(racing, newer, LARGE)
    assert unfinished(s3) == []


class Unreadable:
    """Answers as botocore understands S3 where it names a key that is no XML."""

    def get_object(self, **request: Any) -> None:
        error = {"Error": {"Code": "404", "Message": "Not Found"}}
        raise ClientError(error, "GetObject")  # type: ignore[arg-type]

    head_object = get_object


def test_what_isnt_there_may_be_said_by_a_number_alone(make_upload: MakeUpload) -> None:
    s3: Any = Unreadable()
    upload = make_upload(key="input/bell\x07.csv")
    assert Outputs(s3, upload).state() is None
    assert find_run_record(s3, "data", upload.run_id) is None
    assert read_own_status(s3, "data", upload.run_id) is None
    assert not exists(s3, "data", upload.key)
