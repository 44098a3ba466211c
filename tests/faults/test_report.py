"""From a model to the results of its run."""

from typing import Any

from geoclusters import layout
from geoclusters.environment import (
    ReportSettings,
)
from geoclusters.prices import Prices
from geoclusters.run import RunRecord
from local.cloud import REPORT_PYTHON
from tests.faults import calls
from tests.faults.calls import Calls
from tests.faults.function import Function
from tests.faults.trying import (
    as_training,
    check_status,
    job_of,
    try_all,
)
from tests.faults.world import BUCKET, World


def try_report(
    world: World, trained: RunRecord, module: str, known: Calls, **options: Any
) -> int:
    """Let each call of the report fail, as `try_all` does."""
    prefix = trained.upload.output_prefix
    job_name = job_of(trained)
    made = {
        "key": layout.model_key(trained.run_id, job_name),
        "etag": "0",
        "sequencer": "0B",
        "size": 1,
    }
    reference: dict[str, bytes] = {}

    def prepare() -> Any:
        as_training(world, trained)
        return world.received(
            "models_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
        )

    def check(_: Any) -> None:
        status = check_status(world, prefix)
        assert status["state"] == "SUCCEEDED"
        own = world.document(layout.run_status_key(trained.run_id))
        assert own == status
        files = {name: world.read(prefix + name) for name in status["files"]}
        assert world.keys(prefix) == sorted(
            prefix + name for name in [*files, layout.STATUS_NAME]
        )
        for name, body in files.items():
            if name.endswith(".csv"):
                assert body == reference.setdefault(name, body)
            assert len(body) > 100

    settings = ReportSettings(
        data_bucket=BUCKET,
        models_queue_url=world.queues["models_queue"],
        gzip_above_rows=1_000_000,
        prices=Prices(instance_type="ml.m5.large").to_json(),
        ingest_memory_mb=2048,
        report_memory_mb=2048,
    )
    with Function(world, module, settings, python=REPORT_PYTHON) as function:
        return try_all(world, function, known, prepare=prepare, check=check, **options)


def test_report(world: World, trained: RunRecord) -> None:
    cases = try_report(world, trained, "tests.faults.report_drawn_once", calls.REPORT)
    print(f"{cases} cases")


def test_report_of_files_in_parts(world: World, trained: RunRecord) -> None:
    module, known = "tests.faults.report_in_parts", calls.REPORT_IN_PARTS
    cases = try_report(
        world, trained, module, known, only=lambda call: "Upload" in call
    )
    # Left open, for the bucket's lifecycle: those of processes that were killed before
    # completing them, and those whose beginning was never answered.
    assert world.open_uploads() <= cases // 7 - 1 + 3
    print(f"{cases} cases")
