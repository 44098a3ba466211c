"""A deployed stack of these tests' own, whose roles they narrow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoclusters import layout
from geoclusters.run import RunRecord
from geoclusters.status import State
from local import deployment
from local.cloud import Cloud
from tests.integration.conftest import Pipeline
from tests.integration.permissions.stage import PLACES, Stage
from tests.integration.test_order_of_events import wait_until_drained

#: A square around all places.
_BORDERS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "Everywhere"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[-5, -5], [95, -5], [95, 65], [-5, 65], [-5, -5]]],
            },
        }
    ],
}


@pytest.fixture(scope="package")
def stage(assembly: Path) -> Iterator[Stage]:
    with Cloud() as cloud:
        deployment.bootstrap(cloud)
        pipeline = Pipeline(cloud, deployment.deploy(cloud, app=assembly))
        pipeline.s3.put_object(
            Bucket=pipeline.bucket,
            Key=f"{layout.BOUNDARIES_PREFIX}square.geojson",
            Body=json.dumps(_BORDERS).encode(),
        )
        version = pipeline.upload("base.csv", PLACES, k="3", boundary="square.geojson")
        status = pipeline.wait("base.csv", version, State.SUCCEEDED)
        wait_until_drained(pipeline)
        key = layout.run_record_key(status["run_id"])
        record = RunRecord.from_json(pipeline.read(key))
        stage = Stage(pipeline, record, status["training_job"])
        stage.feed_themselves(False)
        yield stage
        stage.close()
