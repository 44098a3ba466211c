"""The cloud that functions are tried in, and a run up to its model."""

from collections.abc import Iterator

import pytest

from geoclusters import layout
from geoclusters.aws.events import object_created
from geoclusters.run import RunRecord
from lambdas.start_training.request import training_request
from local.cloud import Cloud
from tests.faults.function import Function
from tests.faults.proxy import FaultProxy
from tests.faults.trying import (
    TABLE,
    ingest_settings,
    job_of,
    start_training_settings,
)
from tests.faults.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with Cloud(secure=False) as cloud:  # the proxy speaks http
        ports = {
            service: int(url.rpartition(":")[2])
            for service, url in (
                ("sagemaker", cloud.sagemaker_url),
                ("", cloud.endpoint_url),
            )
        }
        with FaultProxy(lambda service: ports.get(service, ports[""])) as proxy:
            yield World(cloud, proxy)


@pytest.fixture(scope="session")
def trained(world: World) -> RunRecord:
    """A run up to its model: what ingest wrote, and a job that is Completed."""
    created = world.created("input/depots.csv", TABLE)
    event = world.received("uploads_queue", created)
    with Function(world, "lambdas.ingest.handler", ingest_settings(world)) as function:
        assert "error" not in function.invoke(event)
    world.take("jobs_queue")
    run_id = object_created(created).run_id
    record = RunRecord.from_json(world.read(layout.run_record_key(run_id)))
    job_name = job_of(record)
    settings = start_training_settings(world)
    world.sagemaker.create_training_job(**training_request(record, job_name, settings))
    assert world.wait_for_job(job_name)["TrainingJobStatus"] == "Completed"
    return record
