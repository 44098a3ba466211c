"""What happens to an upload while it is read: it is deleted, or overwritten."""

import io
import itertools
import zipfile
from collections.abc import Iterator
from copy import copy
from typing import Any, Final

import pytest

from geoclusters import layout
from geoclusters.aws.events import object_created
from geoclusters.run import Upload
from tests.faults.function import Function
from tests.faults.proxy import FaultProxy, Meanwhile
from tests.faults.trying import TABLE, check_status, ingest_settings
from tests.faults.world import BUCKET, World

_LAST_WORD: Final = "PutObject output/*/status.json"


def packed(table: bytes) -> bytes:
    """Return a table as an archive, of which several parts are read."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("places.csv"), table)
    return file.getvalue()


OLDER: Final = packed(TABLE)


@pytest.fixture(scope="module")
def ingest(world: World) -> Iterator[Function]:
    with Function(world, "lambdas.ingest.handler", ingest_settings(world)) as function:
        yield function


@pytest.fixture(scope="module")
def beside(world: World) -> Iterator[Function]:
    """The same function, in another process at the same time."""
    with FaultProxy(world.proxy.upstream) as proxy:
        its_world = copy(world)
        its_world.proxy = proxy
        settings = ingest_settings(world)
        with Function(its_world, "lambdas.ingest.handler", settings) as function:
            yield function


def own_state(world: World, upload: Upload) -> str:
    status = world.document(layout.run_status_key(upload.run_id))
    return str(status["state"])


def told_at(world: World, key: str) -> list[str]:
    """Return the runs whose statuses stood at a key, one after the other."""
    answer = world.s3.list_object_versions(Bucket=BUCKET, Prefix=key)
    versions = answer["Versions"][::-1]
    assert versions[-1]["IsLatest"]
    return [
        world.s3.head_object(Bucket=BUCKET, Key=key, VersionId=one["VersionId"])[
            "Metadata"
        ]["run-id"]
        for one in versions
    ]


def test_a_deleted_upload_is_answered(world: World, ingest: Function) -> None:
    world.empty("jobs_queue")
    created = world.created("input/gone.csv", TABLE)
    upload = object_created(created)
    event = world.received("uploads_queue", created)
    gone = Meanwhile("GetObject input/*.csv", 1, lambda: world.forget(upload.key))
    answer = ingest.invoke(event, meanwhile=gone)
    assert answer == {"result": {"batchItemFailures": []}}
    status = check_status(world, upload.output_prefix)
    assert status["state"] == "FAILED"
    assert "was deleted before it was read. Upload it again." in status["message"]
    assert world.document(layout.run_status_key(upload.run_id)) == status
    assert world.count("jobs_queue") == 0


@pytest.mark.parametrize(
    "newer_body", [OLDER, packed(TABLE + b"more,1,2\n")], ids=["same", "other"]
)
def test_an_overwritten_upload_never_answers_after_the_newer_one(
    world: World,
    ingest: Function,
    beside: Function,
    newer_body: bytes,
    request: pytest.FixtureRequest,
) -> None:
    """A newer upload comes, and is worked on, right before each call of the older."""
    numbers = itertools.count()
    world.empty("jobs_queue")

    def upload() -> tuple[Upload, Any]:
        key = f"input/{request.node.callspec.id}-{next(numbers)}.zip"
        created = world.created(key, OLDER, "0A")
        return object_created(created), world.received("uploads_queue", created)

    _, event = upload()
    undisturbed = ingest.invoke(event)
    calls = world.proxy.calls
    last_word = len(calls) - calls[::-1].index(_LAST_WORD) - 1
    assert calls.count("GetObject input/*.zip") > 1
    for position, call in enumerate(calls):
        older, event = upload()
        world.take("jobs_queue")
        newer: list[Upload] = []

        def overwrite(key: str = older.key, newer: list[Upload] = newer) -> None:
            created = world.created(key, newer_body, "0B")
            newer_event = world.received("uploads_queue", created)
            assert beside.invoke(newer_event) == undisturbed
            newer.append(object_created(created))

        nth = calls[: position + 1].count(call)
        answer = ingest.invoke(event, meanwhile=Meanwhile(call, nth, overwrite))
        assert answer == undisturbed, (call, nth)
        (winner,) = newer
        status = check_status(world, older.output_prefix)
        assert (status["state"], status["run_id"]) == ("QUEUED", winner.run_id)
        assert own_state(world, winner) == "QUEUED"
        # Who finds out later that it is superseded is the next function.
        too_late = position > last_word
        assert (own_state(world, older) == "QUEUED") == too_late, (call, nth)
        if not too_late:
            assert own_state(world, older) == "SUPERSEDED"
        told = told_at(world, older.output_prefix + layout.STATUS_NAME)
        assert told == sorted(told, key=[older.run_id, winner.run_id].index)
        asked_for = {request["run_id"] for request in world.take("jobs_queue")}
        assert asked_for == {winner.run_id, *([older.run_id] if too_late else [])}
