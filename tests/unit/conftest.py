"""What the unit tests share: a bucket of moto's, records, events and a file."""

import io
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import create_loader
from hypothesis import settings
from moto import mock_aws

from geoclusters.run import RunRecord, Upload
from tests.statuses import statuses_are_as_documented  # noqa: F401

# How long an example takes is the machine's affair. Examples are the same each time, so
# that a failure comes of a change; `--hypothesis-profile explore` tries others, and
# `--hypothesis-profile fuzz` very many of them.
settings.register_profile(
    "any-machine", deadline=None, derandomize=True, max_examples=50
)
settings.register_profile("explore", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("any-machine")

EVENTS = Path(__file__).parent.parent / "events"
BUCKET = "data"


@pytest.fixture(autouse=True)
def _aws_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") and not name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(scope="session", autouse=True)
def _services_are_read_once() -> Iterator[None]:
    """moto gives each test a session, which would read botocore's megabytes anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def event() -> Callable[[str], dict[str, Any]]:
    def load(name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
        return document

    return load


@pytest.fixture
def make_upload() -> Callable[..., Upload]:
    def make(**changes: Any) -> Upload:
        values = {
            "bucket": BUCKET,
            "key": "input/depots/hk.csv",
            "etag": "0123",
            "sequencer": "0A",
            "size": 100,
        }
        return Upload(**{**values, **changes})

    return make


@pytest.fixture
def make_record(make_upload: Callable[..., Upload]) -> Callable[..., RunRecord]:
    def make(**changes: Any) -> RunRecord:
        values: dict[str, Any] = {
            "upload": make_upload(),
            "k": 15,
            "geometry": "spherical",
            "refine": "auto",
            "boundary": None,
            "parameters": {"k": 15},
            "parameters_file": None,
            "columns": {
                "latitude": "lat",
                "longitude": "lon",
                "notation": "decimal degrees",
                "why": "they are called so",
            },
            "table": {
                "compression": "",
                "encoding": "utf-8",
                "delimiter": ",",
                "decimal_mark": ".",
                "header_row": 1,
            },
            "rows_read": 210,
            "rows_usable": 205,
            "distinct_places": 203,
            "distinct_places_exact": True,
            "left_out": {"coordinate missing": {"rows": 5, "first": [2, 3, 4, 5, 6]}},
            "centre": (1.5, -2.25, 0.1),
            "places_parts": 1,
            "train_parts": 1,
            "train_bytes": 7380,
            "created_at": "2026-01-01T00:00:00.000+00:00",
        }
        return RunRecord(**{**values, **changes})

    return make


def sqs_event(body: dict[str, Any], *, receives: int = 1) -> dict[str, Any]:
    """Return an SQS event with one message, as Lambda hands it on."""
    return {
        "Records": [
            {
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": str(receives),
                    "SentTimestamp": "1545082649183",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1545082649185",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
                "awsRegion": "us-east-2",
            }
        ]
    }


class InPieces(io.BytesIO):
    """A file that hands out a few bytes at a time, as a stream may."""

    def __init__(self, data: bytes, size: int = 7) -> None:
        super().__init__(data)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._size if size is None or size < 0 else min(size, self._size)
        return super().read(wanted)
