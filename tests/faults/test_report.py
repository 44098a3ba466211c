"""From a model to the results of its run."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

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
from tests.faults.proxy import Fault
from tests.faults.trying import (
    as_training,
    check_status,
    job_of,
    try_all,
)
from tests.faults.world import BUCKET, World

#: Borders of one's own: the northern hemisphere, half of it.
AREAS: Final = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "North"},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[0, 0], [90, 0], [90, 60], [0, 60], [0, 0]]],
                },
            }
        ],
    }
)


def reports(world: World, module: str) -> Function:
    """Return the report, as a module of these tests has it."""
    settings = ReportSettings(
        data_bucket=BUCKET,
        models_queue_url=world.queues["models_queue"],
        gzip_above_rows=1_000_000,
        prices=Prices(instance_type="ml.m5.large").to_json(),
        ingest_memory_mb=2048,
        report_memory_mb=2048,
    )
    return Function(world, f"tests.faults.{module}", settings, python=REPORT_PYTHON)


@pytest.fixture(scope="module")
def in_parts(world: World) -> Iterator[Function]:
    with reports(world, "report_in_parts") as function:
        yield function


@pytest.fixture(scope="module")
def function(world: World) -> Iterator[Function]:
    with reports(world, "report_drawn_once") as function:
        yield function


def try_report(
    world: World, trained: RunRecord, function: Function, known: Calls, **options: Any
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
        sizes = world.sizes(prefix)
        assert sizes.keys() == {
            prefix + name for name in (*status["files"], layout.STATUS_NAME)
        }
        assert all(size > 100 for size in sizes.values())
        for name in status["files"]:
            if name.endswith(".csv"):
                body = world.read(prefix + name)
                assert body == reference.setdefault(name, body)

    return try_all(world, function, known, prepare=prepare, check=check, **options)


def test_a_model_becomes_results(
    world: World, trained: RunRecord, function: Function
) -> None:
    cases = try_report(world, trained, function, calls.REPORT)
    print(f"{cases} cases")


def test_refined_centroids_within_borders_are_told(
    world: World, trained: RunRecord, function: Function
) -> None:
    world.put(layout.BOUNDARIES_PREFIX + "areas.geojson", AREAS.encode())
    asked_for = replace(trained, refine="always", boundary="areas.geojson")
    key = layout.run_record_key(trained.run_id)
    world.put(key, asked_for.to_json().encode())
    try:
        known = calls.REPORT_REFINED
        cases = try_report(
            world,
            trained,
            function,
            known,
            only=lambda call: call in known.always - calls.REPORT.always,
        )
        prefix = trained.upload.output_prefix
        assert b"North" in world.read(prefix + "centroids.csv")
    finally:
        world.put(key, trained.to_json().encode())
    print(f"{cases} cases")


def test_a_file_in_parts_is_whole_or_not_there(
    world: World, trained: RunRecord, in_parts: Function
) -> None:
    cases = try_report(
        world,
        trained,
        in_parts,
        calls.REPORT_IN_PARTS,
        only=lambda call: "Upload" in call,
    )
    # Left open, for the bucket's lifecycle: those of processes that were killed before
    # completing them, and those whose beginning was never answered.
    assert world.open_uploads() <= cases // 7 - 1 + 3
    print(f"{cases} cases")


def test_what_can_not_be_discarded_keeps_nothing_from_coming(
    world: World, trained: RunRecord, in_parts: Function
) -> None:
    part = Fault("UploadPart output/*/assignments.csv", 1, after=False, kind="error")
    cases = try_report(
        world,
        trained,
        in_parts,
        calls.REPORT_IN_PARTS,
        only=lambda call: call.startswith("Abort"),
        amid=part,
    )
    print(f"{cases} cases")
