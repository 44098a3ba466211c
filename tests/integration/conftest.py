"""One embedded cloud, with the stack deployed by the real CDK CLI, for all tests."""

import csv
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.objects import NO_OBJECT
from geoclusters.places import Places, decode
from geoclusters.run import Upload
from geoclusters.status import State
from local import deployment
from local.cloud import Cloud
from operations import steps
from tests.statuses import problem

_DATA = Path(__file__).parents[3] / "shared/data"
_TIMEOUT_S = 150.0


class Pipeline:
    """A deployed stack, used as its users use it: files in, files out."""

    def __init__(self, cloud: Cloud, outputs: dict[str, str]) -> None:
        self.cloud = cloud
        self.outputs = outputs
        self.bucket = outputs["DataBucketName"]
        self.s3 = cloud.client("s3")
        self.sagemaker = cloud.client("sagemaker")
        self.sqs = cloud.client("sqs")

    def upload(self, key: str, body: bytes, **metadata: str) -> str:
        """Upload a file under input/ and return its version id."""
        return steps.upload(self.s3, self.bucket, key, body, **metadata)

    def status(self, key: str) -> Any:
        """Return the status at an upload's place of answer, or None."""
        return self._json(layout.output_prefix(layout.INPUT_PREFIX + key))

    def own_status(self, run_id: str) -> Any:
        """Return a run's own last status, or None."""
        return self._json(layout.run_prefix(run_id))

    def _json(self, prefix: str) -> Any:
        try:
            document = json.loads(self.read(prefix + layout.STATUS_NAME))
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_OBJECT:
                return None
            raise
        assert problem(document) is None, problem(document)
        return document

    def wait(self, key: str, version: str, *states: State) -> Any:
        """Wait until an upload is in one of some states; by default a final one."""

        def reached() -> Any:
            status = self.status(key)
            if status is None or status["upload"]["version_id"] != version:
                return None
            state = State(status["state"])
            wanted = state in states if states else state.is_final
            if not wanted and state.is_final:
                pytest.fail(f"{key} ended {state}: {status['message']}")
            return status if wanted else None

        return self.until(reached, f"{key} to be {states or 'answered'}")

    def until(self, reached: Any, what: str) -> Any:
        """Poll until something is true, and return it."""
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            self.cloud.check()
            if answer := reached():
                return answer
            time.sleep(0.2)
        pytest.fail(f"waited {_TIMEOUT_S:g} s for {what}\n{self.cloud.log_tails()}")

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def result(self, key: str, name: str) -> bytes:
        """Return one of an upload's result files."""
        return self.read(layout.output_prefix(layout.INPUT_PREFIX + key) + name)

    def centroids(self, key: str) -> list[dict[str, str]]:
        """Return the rows of an upload's centroids.csv."""
        text = self.result(key, "centroids.csv").decode()
        return list(csv.DictReader(io.StringIO(text)))

    def record(self, run_id: str) -> Any:
        """Return a run's record."""
        return json.loads(self.read(layout.run_record_key(run_id)))

    def places(self, run_id: str) -> Places:
        """Return all usable places of a run."""
        parts = self.record(run_id)["places_parts"]
        return np.concatenate(
            [decode(self.read(layout.places_key(run_id, i))) for i in range(parts)]
        )

    def queue_url(self, function: str) -> str:
        """Return the URL of the queue that feeds a function, named by its construct."""
        mappings = self.cloud.client("lambda").list_event_source_mappings()
        (arn,) = (
            mapping["EventSourceArn"]
            for mapping in mappings["EventSourceMappings"]
            if function in mapping["FunctionArn"]
        )
        name = arn.rsplit(":", 1)[1]
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def messages(self, url: str) -> int:
        """Return how many messages a queue has, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def function_name(self, having: str) -> str:
        """Return the name of the function whose construct is named so."""
        found = self.cloud.client("lambda").list_functions()["Functions"]
        (name,) = (f["FunctionName"] for f in found if having in f["FunctionName"])
        return str(name)

    def environment(self, having: str) -> dict[str, str]:
        """Return a function's environment."""
        configuration = self.cloud.client("lambda").get_function_configuration(
            FunctionName=self.function_name(having)
        )
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables

    def set_environment(self, having: str, **changes: str) -> dict[str, str]:
        """Change a function's environment; return what it was before."""
        before = self.environment(having)
        self.cloud.client("lambda").update_function_configuration(
            FunctionName=self.function_name(having),
            Environment={"Variables": {**before, **changes}},
        )
        return {key: before[key] for key in changes}

    def upload_event(self, key: str, upload: Any) -> dict[str, Any]:
        """Return the event that told of an upload, as EventBridge sends it."""
        return {
            "detail-type": "Object Created",
            "source": "aws.s3",
            "detail": {
                "bucket": {"name": self.bucket},
                "object": {
                    "key": layout.INPUT_PREFIX + key,
                    "size": upload["size"],
                    "etag": upload["etag"],
                    "sequencer": upload["sequencer"],
                },
            },
        }

    def upload_of(self, run_id: str) -> Upload:
        """Return the upload of a run."""
        return Upload(**self.record(run_id)["upload"])


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthesised app, for several deployments: as `make` has it, if it does."""
    if made := os.environ.get("GEOCLUSTERS_ASSEMBLY"):
        return Path(made)
    return deployment.synthesise(tmp_path_factory.mktemp("cdk") / "out")


@pytest.fixture(scope="session")
def pipeline(assembly: Path) -> Iterator[Pipeline]:
    with Cloud() as cloud:
        deployment.bootstrap(cloud)
        yield Pipeline(cloud, deployment.deploy(cloud, app=assembly))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Tables of real places beside the project."""
    if not _DATA.is_dir():
        pytest.skip(f"{_DATA} is missing: these trials need its tables")
    return _DATA
