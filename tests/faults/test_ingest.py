"""From an upload to a run that waits to be trained."""

from typing import Any

from geoclusters import layout
from tests.faults import calls
from tests.faults.function import Function
from tests.faults.trying import (
    TABLE,
    check_status,
    ingest_settings,
    try_all,
)
from tests.faults.world import BUCKET, World


def test_ingest(world: World) -> None:
    numbers = iter(range(10_000))
    run_id = ""
    prefix = ""

    def prepare() -> Any:
        nonlocal run_id, prefix
        key = f"input/case-{next(numbers)}.csv"
        etag = world.put(key, TABLE)["ETag"].strip('"')
        world.put(key.replace(".csv", ".json"), b'{"k": 4}')
        identity = {"key": key, "etag": etag, "sequencer": "0A"}
        run_id = layout.run_id(bucket=BUCKET, **identity)
        prefix = layout.output_prefix(key)
        world.take("jobs_queue")
        made = {**identity, "size": len(TABLE)}
        return world.received(
            "uploads_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        )

    reference: dict[str, bytes] = {}

    def check(_: Any) -> None:
        status = check_status(world, prefix)
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

    settings = ingest_settings(world)
    with Function(world, "lambdas.ingest.handler", settings) as function:
        cases = try_all(world, function, calls.INGEST, prepare=prepare, check=check)
    print(f"{cases} cases")
