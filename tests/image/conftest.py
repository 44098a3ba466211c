"""The stack on an embedded cloud whose report runs in its really built image."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from local import deployment
from local.cloud import Cloud
from local.runtime.launch import IMAGE_TAG
from tests.image.prepared import Prepared
from tests.integration.conftest import Pipeline


def docker(*words: str) -> str:
    """Return what a command of Docker's prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_image(script: str) -> Any:
    """Return what a Python script prints as JSON in a container of the image."""
    options = ["--rm", "--network", "none", "--entrypoint", "python"]
    return json.loads(docker("run", *options, IMAGE_TAG, "-c", script))


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    found = Prepared.from_environment()
    if found is None:
        pytest.fail("there is no image yet: `make test-image` builds it")
    return found


@pytest.fixture(scope="session")
def pipeline(prepared: Prepared) -> Iterator[Pipeline]:
    with Cloud(docker=True, build_options=prepared.build_options) as cloud:
        deployment.bootstrap(cloud)
        yield Pipeline(cloud, deployment.deploy(cloud, app=prepared.assembly))
