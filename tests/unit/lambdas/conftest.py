"""What the tests of `ingest` share: a bucket, a queue, and uploads in it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import boto3
import pytest
from moto import mock_aws

from geoclusters.environment import IngestSettings
from geoclusters.run import Upload
from lambdas.ingest.prepare import Outcome, prepare_run
from tests.unit.conftest import BUCKET

#: The largest upload to `bucket`.
MOST_BYTES: Final = 200_000

TABLE = "id,lat,lon\n" + "".join(f"{i},{i / 10},{i / 5}\n" for i in range(1, 31))


class Cloud:
    """A bucket and a queue, and uploads that happen in it."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self.s3.create_bucket(Bucket=BUCKET)
        self.queue_url = self.sqs.create_queue(QueueName="jobs")["QueueUrl"]
        self.settings = IngestSettings(
            data_bucket=BUCKET,
            uploads_queue_url="https://uploads",
            jobs_queue_url=self.queue_url,
            default_k=3,
            max_upload_bytes=10_000,
            most_left_out_percent=50,
            instance_count=1,
        )

    def upload(
        self,
        body: str | bytes = TABLE,
        *,
        key: str = "input/a.csv",
        sequencer: str = "01",
        **metadata: str,
    ) -> Upload:
        data = body.encode() if isinstance(body, str) else body
        answer = self.s3.put_object(
            Bucket=BUCKET, Key=key, Body=data, Metadata=metadata
        )
        return Upload(
            bucket=BUCKET,
            key=key,
            etag=answer["ETag"].strip('"'),
            sequencer=sequencer,
            size=len(data),
            version_id=answer.get("VersionId"),
        )

    def keep_versions(self) -> None:
        versioning: Any = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioning)

    def prepare(self, upload: Upload) -> Outcome:
        return prepare_run(upload, s3=self.s3, sqs=self.sqs, settings=self.settings)

    def status(self, path: str = "a") -> Any:
        return json.loads(self.read(f"output/{path}/status.json"))

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        answer = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for item in answer.get("Contents", [])]

    def requests(self) -> list[str]:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10
        )
        return [message["Body"] for message in answer.get("Messages", [])]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        yield Cloud()


@pytest.fixture(scope="module")
def bucket() -> Iterator[Cloud]:
    """One cloud for all the uploads of a module."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        cloud = Cloud()
        cloud.settings = replace(cloud.settings, max_upload_bytes=MOST_BYTES)
        yield cloud
