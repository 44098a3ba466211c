"""A cloud without a stack: a bucket, queues and a role, and a proxy before it."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import ClientError

from local.cloud import Cloud
from tests.faults.proxy import FaultProxy

BUCKET: Final = "data"
QUEUES: Final = ("uploads", "jobs", "models", "failures", "statuses", "told")


class World:
    """The emulator, behind a proxy that lets calls fail."""

    def __init__(self, cloud: Cloud, proxy: FaultProxy) -> None:
        self.cloud, self.proxy = cloud, proxy
        self.s3, self.sqs = cloud.client("s3"), cloud.client("sqs")
        self.sagemaker = cloud.client("sagemaker")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        kinds = ("queue", "dead_letters", "undelivered")
        self.queues = {
            f"{name}_{kind}": self.sqs.create_queue(QueueName=f"{name}-{kind}")[
                "QueueUrl"
            ]
            for name in QUEUES
            for kind in kinds
        }
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = cloud.client("iam").create_role(
            RoleName="training",
            AssumeRolePolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [trust]}
            ),
        )
        self.role_arn = role["Role"]["Arn"]

    def read(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def document(self, key: str) -> Any:
        """Return an object of JSON, or None."""
        try:
            return json.loads(self.read(key))
        except self.s3.exceptions.NoSuchKey:
            return None

    def put(self, key: str, body: bytes, **metadata: str) -> Any:
        return self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)

    def keys(self, prefix: str) -> list[str]:
        return [*self.sizes(prefix)]

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the objects under a prefix, and how many bytes each has."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=prefix
        )
        return {
            item["Key"]: item["Size"]
            for page in pages
            for item in page.get("Contents", [])
        }

    def forget(self, *keys: str) -> None:
        objects = [{"Key": key} for key in keys]
        self.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    def delete(self, *prefixes: str) -> None:
        for prefix in prefixes:
            if keys := self.keys(prefix):
                self.forget(*keys)

    def created(self, key: str, body: bytes, sequencer: str = "0A", **more: str) -> Any:
        """Put an object; return S3's event of it."""
        answer = self.put(key, body, **more)
        made = {
            "key": key,
            "etag": answer["ETag"].strip('"'),
            "version-id": answer["VersionId"],
            "sequencer": sequencer,
            "size": len(body),
        }
        return {"detail": {"bucket": {"name": BUCKET}, "object": made}}

    def open_uploads(self) -> int:
        answer = self.s3.list_multipart_uploads(Bucket=BUCKET)
        return len(answer.get("Uploads", []))

    def empty(self, *queues: str) -> None:
        for queue in queues or self.queues:
            self.sqs.purge_queue(QueueUrl=self.queues[queue])

    def send(self, queue: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queues[queue], MessageBody=body)

    def take(self, queue: str) -> list[Any]:
        """Return the bodies of all messages of a queue, and remove them."""
        url, bodies = self.queues[queue], []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                handle = message["ReceiptHandle"]
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
                bodies.append(json.loads(message["Body"]))
        return bodies

    def count(self, queue: str) -> int:
        """Return how many messages a queue has, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer: Any = self.sqs.get_queue_attributes(
            QueueUrl=self.queues[queue], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def wait_until_shown(self, *queues: str) -> None:
        """Wait until no message of some queues is hidden any more."""
        deadline = time.monotonic() + 60
        name = "ApproximateNumberOfMessagesNotVisible"
        for queue in queues:
            while True:
                answer: Any = self.sqs.get_queue_attributes(
                    QueueUrl=self.queues[queue], AttributeNames=[name]
                )
                if answer["Attributes"][name] == "0":
                    break
                assert time.monotonic() < deadline, f"{queue} hides its messages"
                time.sleep(0.05)

    def received(self, queue: str, body: Any, *, receives: int = 1) -> dict[str, Any]:
        """Send a message and receive it: return the event that a function gets."""
        url = self.queues[queue]
        self.sqs.purge_queue(QueueUrl=url)
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
        (message,) = self.sqs.receive_message(QueueUrl=url)["Messages"]
        attributes = {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(int(time.time() * 1000)),
        }
        return {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": attributes,
                }
            ]
        }

    def stop_job(self, name: str) -> None:
        """Stop a job, if there is one that runs."""
        with suppress(ClientError):
            self.sagemaker.stop_training_job(TrainingJobName=name)

    def wait_for_job(self, name: str) -> Any:
        """Return a job's description once it ended."""
        running = ("InProgress", "Stopping")
        return self._wait(name, lambda job: job["TrainingJobStatus"] not in running)

    def wait_until_begun(self, name: str) -> Any:
        """Return a job's description once its time runs."""
        return self._wait(name, lambda job: "TrainingStartTime" in job)

    def _wait(self, name: str, is_so: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + 60
        while True:
            self.cloud.check()
            job = self.sagemaker.describe_training_job(TrainingJobName=name)
            if is_so(job):
                return job
            assert time.monotonic() < deadline, f"{name} stays {job}"
            time.sleep(0.05)
