"""From a model to the results of its run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from geoclusters import layout
from geoclusters.environment import (
    ReportSettings,
)
from geoclusters.prices import Prices
from geoclusters.run import RunRecord
from lambdas.start_training.request import training_request
from local.cloud import REPORT_PYTHON
from tests.faults import calls
from tests.faults.calls import Calls
from tests.faults.function import Function
from tests.faults.proxy import Fault
from tests.faults.trying import (
    TRAINED_PREFIX,
    as_training,
    check_overtaken,
    check_status,
    job_of,
    overtaken,
    start_training_settings,
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


def modelled(world: World, record: RunRecord, job_name: str = "") -> Any:
    """Let a run be in training; return the event of its model."""
    as_training(world, record, job_name)
    made = {
        "key": layout.model_key(record.run_id, job_name or job_of(record)),
        "etag": "0",
        "sequencer": "0B",
        "size": 1,
    }
    return world.received(
        "models_queue", {"detail": {"bucket": {"name": BUCKET}, "object": made}}
    )


def try_report(
    world: World, trained: RunRecord, function: Function, known: Calls, **options: Any
) -> int:
    """Let each call of the report fail, as `try_all` does."""
    prefix = trained.upload.output_prefix
    reference: dict[str, bytes] = {}

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

    return try_all(
        world,
        function,
        known,
        prepare=lambda: modelled(world, trained),
        check=check,
        **options,
    )


def test_a_model_becomes_results(
    world: World, trained: RunRecord, function: Function
) -> None:
    cases = try_report(world, trained, function, calls.REPORT)
    print(f"{cases} cases")


@contextmanager
def asked_for(world: World, record: RunRecord, **parameters: str) -> Iterator[None]:
    """Have the run's owner ask for more, for a while."""
    key = layout.run_record_key(record.run_id)
    changed: Any = replace(record, **parameters)  # type: ignore[arg-type]
    world.put(key, changed.to_json().encode())
    try:
        yield
    finally:
        world.put(key, record.to_json().encode())


def test_refined_centroids_within_borders_are_told(
    world: World, trained: RunRecord, function: Function
) -> None:
    world.put(layout.BOUNDARIES_PREFIX + "areas.geojson", AREAS.encode())
    known = calls.REPORT_REFINED
    with asked_for(world, trained, refine="always", boundary="areas.geojson"):
        cases = try_report(
            world,
            trained,
            function,
            known,
            only=lambda call: call in known.always - calls.REPORT.always,
        )
    prefix = trained.upload.output_prefix
    assert b"North" in world.read(prefix + "centroids.csv")
    print(f"{cases} cases")


def test_borders_that_are_not_there_are_told(
    world: World, trained: RunRecord, function: Function
) -> None:
    with asked_for(world, trained, boundary="nowhere.geojson"):
        cases = try_report(
            world,
            trained,
            function,
            calls.REPORT_WITHOUT_BORDERS,
            only=lambda call: "boundaries/" in call,
        )
    (warning,) = world.document(layout.run_status_key(trained.run_id))["warnings"]
    assert "nowhere.geojson" in warning
    print(f"{cases} cases")


def test_a_model_waits_for_its_job(
    world: World, trained: RunRecord, function: Function
) -> None:
    job_name = layout.job_name(TRAINED_PREFIX, trained.run_id, 99_999)
    settings = start_training_settings(world)
    request: Any = training_request(trained, job_name, settings)
    request["HyperParameters"]["epochs"] = "1000000"
    world.sagemaker.create_training_job(**request)

    def check(_: Any) -> None:
        status = check_status(world, trained.upload.output_prefix)
        assert (status["state"], status["training_job"]) == ("TRAINING", job_name)

    cases = try_all(
        world,
        function,
        calls.REPORT_LATER,
        prepare=lambda: modelled(world, trained, job_name),
        check=check,
        # Each message has an id of its own.
        done=lambda answer: bool(answer.get("result", {}).get("batchItemFailures")),
    )
    world.stop_job(job_name)
    world.wait_for_job(job_name)
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


def test_a_model_comes_back_though_it_could_not_be_hidden(
    world: World, trained: RunRecord, function: Function
) -> None:
    places = Fault("GetObject runs/*/places/part-*.npy", 1, after=False, kind="error")
    cases = try_report(world, trained, function, calls.REPORT, amid=places)
    print(f"{cases} cases")


def test_a_model_of_an_older_upload_gives_way(
    world: World, trained: RunRecord, function: Function
) -> None:
    def prepare() -> Any:
        event = modelled(world, trained)
        overtaken(world, trained)
        return event

    cases = try_all(
        world,
        function,
        calls.REPORT_SUPERSEDED,
        prepare=prepare,
        check=lambda _: check_overtaken(world, trained),
    )
    print(f"{cases} cases")
