"""From an upload to a run that waits to be trained, or to what is wrong with it."""

import io
import itertools
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest

from geoclusters import layout
from geoclusters.aws.events import object_created
from geoclusters.run import Upload
from tests.faults import calls
from tests.faults.calls import Calls
from tests.faults.function import Function
from tests.faults.proxy import Fault
from tests.faults.trying import TABLE, check_status, ingest_settings, try_all
from tests.faults.world import World

Check = Callable[[Upload], None]


@pytest.fixture(scope="module")
def function(world: World) -> Iterator[Function]:
    with Function(world, "lambdas.ingest.handler", ingest_settings(world)) as function:
        yield function


def try_ingest(
    world: World,
    function: Function,
    known: Calls,
    check: Check,
    *,
    name: str,
    body: bytes = TABLE,
    encode: Callable[[str], str] = str,
    **options: Any,
) -> None:
    """Let each call fail that is made for uploads of some name, as `try_all` does."""
    numbers = itertools.count()
    upload: Any = None

    def prepare() -> Any:
        nonlocal upload
        key = f"{layout.INPUT_PREFIX}{name.format(next(numbers))}"
        if not key.endswith(layout.PARAMETERS_SUFFIX):
            world.put(layout.parameters_key(key), b'{"k": 4}')
        world.empty("jobs_queue")
        event = world.created(key, body)
        upload = object_created(event)
        event["detail"]["object"]["key"] = encode(key)
        return world.received("uploads_queue", event)

    cases = try_all(
        world,
        function,
        known,
        prepare=prepare,
        check=lambda _: check(upload),
        **options,
    )
    print(f"{cases} cases")


def checked_run(world: World) -> Check:
    """Return what holds that a run was written, and handed over."""
    reference: dict[str, bytes] = {}

    def check(upload: Upload) -> None:
        run_id = upload.run_id
        status = check_status(world, upload.output_prefix)
        assert status["state"] == "QUEUED"
        assert status["run_id"] == run_id
        requests = world.take("jobs_queue")
        assert requests
        assert all(request == {"run_id": run_id, "attempt": 1} for request in requests)
        record = world.document(layout.run_record_key(run_id))
        assert record["rows_usable"] == 80
        files = {
            key.removeprefix(layout.run_prefix(run_id)): world.read(key)
            for key in world.keys(layout.run_prefix(run_id))
            if not key.endswith(".json")
        }
        assert files.keys() == {
            *(f"places/part-{i:05d}.npy" for i in range(record["places_parts"])),
            *(f"train/part-{i:05d}.pbr" for i in range(record["train_parts"])),
            "rejected.csv",
        }
        reference.setdefault("places", files["places/part-00000.npy"])
        assert files["places/part-00000.npy"] == reference["places"]
        trained = sum(len(body) for key, body in files.items() if "train/" in key)
        assert trained == record["train_bytes"]

    return check


def answered(world: World, state: str) -> Check:
    """Return what holds that an upload was answered, and that nothing else came."""

    def check(upload: Upload) -> None:
        status = check_status(world, upload.output_prefix)
        assert status["state"] == state
        assert status == world.document(layout.run_status_key(upload.run_id))
        assert world.keys(layout.run_prefix(upload.run_id)) == [
            layout.run_status_key(upload.run_id)
        ]
        assert world.count("jobs_queue") == 0

    return check


def test_a_table_becomes_a_run(world: World, function: Function) -> None:
    check = checked_run(world)
    try_ingest(world, function, calls.INGEST, check, name="case-{}.csv")


def test_a_zip_archive_becomes_a_run(world: World, function: Function) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("places.csv", TABLE)
    try_ingest(
        world,
        function,
        calls.INGEST_ZIP,
        checked_run(world),
        name="packed-{}.zip",
        body=packed.getvalue(),
        only=lambda call: call == "GetObject input/*.zip",
    )


def test_an_encoded_key_is_found(world: World, function: Function) -> None:
    try_ingest(
        world,
        function,
        calls.INGEST_ENCODED,
        checked_run(world),
        name="100% of a + b {}.csv",
        encode=lambda key: quote_plus(key, safe="/"),
        only=lambda call: call.startswith("HeadObject"),
    )


def test_a_bad_file_is_answered(world: World, function: Function) -> None:
    try_ingest(
        world,
        function,
        calls.INGEST_BAD,
        answered(world, "FAILED"),
        name="bad-{}.csv",
        body=b"<html><body>Not found</body></html>",
        only=lambda call: call.startswith("PutObject"),
    )


def test_parameters_are_answered(world: World, function: Function) -> None:
    try_ingest(
        world,
        function,
        calls.INGEST_PARAMETERS,
        answered(world, "SUCCEEDED"),
        name="parameters-{}.json",
        body=b'{"k": 4}',
        only=lambda call: call.startswith("PutObject"),
    )


def test_a_key_that_is_too_long_is_answered(world: World, function: Function) -> None:
    try_ingest(
        world,
        function,
        calls.INGEST_REJECTED,
        answered(world, "FAILED"),
        name="n" * 980 + "{}.csv",
        only=lambda call: call.startswith("PutObject"),
    )


def test_an_older_upload_gives_way(world: World, function: Function) -> None:
    numbers = itertools.count()
    older: Any = None

    def prepare() -> Any:
        nonlocal older
        key = f"{layout.INPUT_PREFIX}overwritten-{next(numbers)}.csv"
        event, newer = (
            world.created(key, TABLE),
            world.created(key, TABLE + b"90,1,1\n", "0B"),
        )
        assert "error" not in function.invoke(world.received("uploads_queue", newer))
        world.empty("jobs_queue")
        older = object_created(event)
        return world.received("uploads_queue", event)

    def check(_: Any) -> None:
        status = world.document(layout.run_status_key(older.run_id))
        assert status["state"] == "SUPERSEDED"
        shown = check_status(world, older.output_prefix)
        assert shown["run_id"] != older.run_id
        assert shown["state"] == "QUEUED"
        assert world.count("jobs_queue") == 0

    cases = try_all(
        world, function, calls.INGEST_SUPERSEDED, prepare=prepare, check=check
    )
    print(f"{cases} cases")


def test_a_message_comes_back_though_it_could_not_be_hidden(
    world: World, function: Function
) -> None:
    try_ingest(
        world,
        function,
        calls.INGEST,
        checked_run(world),
        name="unhidden-{}.csv",
        amid=Fault("SendMessage", 1, after=False, kind="error"),
    )
