import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from botocore.response import StreamingBody

from geoclusters.aws.objects import ObjectChangedError, ObjectGoneError, S3Object
from tests.unit.conftest import BUCKET

DATA = random.Random(0).randbytes(100_000)


class Counting:
    """An S3 client that remembers what was asked of it."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.ranges: list[str | None] = []

    def get_object(self, **request: Any) -> Any:
        self.ranges.append(request.get("Range"))
        return self._s3.get_object(**request)


@pytest.fixture
def client(s3: Any) -> Iterator[Counting]:
    s3.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    yield Counting(s3)


def put(s3: Any, data: bytes = DATA) -> Any:
    return s3.put_object(Bucket=BUCKET, Key="a", Body=data, Metadata={"k": "7"})


def opened(client: Any, answer: Any, version_id: str | None = None) -> S3Object:
    etag = answer["ETag"].strip('"')
    return S3Object(client, bucket=BUCKET, key="a", etag=etag, version_id=version_id)


def test_an_object_is_read_with_one_request(s3: Any, client: Counting) -> None:
    answer = put(s3)
    with opened(client, answer) as source:
        assert (source.size, source.metadata) == (len(DATA), {"k": "7"})
        assert source.version_id == answer["VersionId"]
        file = io.BufferedReader(source, 1000)
        assert file.read(4) + b"".join(iter(lambda: file.read(3000), b"")) == DATA
        assert file.read(1) == b""
    assert client.ranges == [None]


def test_reading_goes_on_wherever_it_is_sought(s3: Any, client: Counting) -> None:
    rng = random.Random(1)
    with io.BufferedReader(opened(client, put(s3)), 500) as file:
        expected = io.BytesIO(DATA)
        for _ in range(100):
            where, whence = rng.choice(
                [
                    (rng.randrange(110_000), io.SEEK_SET),
                    (-rng.randrange(100_000), io.SEEK_END),
                    (rng.randrange(300), io.SEEK_CUR),
                ]
            )
            assert file.seek(where, whence) == expected.seek(where, whence)
            size = rng.choice([0, 1, 400, 5000])
            assert file.read(size) == expected.read(size)
            assert file.tell() == expected.tell()


def test_seeking_alone_asks_nothing_of_s3(s3: Any, client: Counting) -> None:
    with opened(client, put(s3)) as source:
        source.seek(0, io.SEEK_END)
        assert source.tell() == len(DATA)
        assert source.read(1) == b""
        source.seek(10)
        source.seek(0)
        assert source.read(5) == DATA[:5]
        assert client.ranges == [None]
        source.seek(-10, io.SEEK_END)
        assert source.read() == DATA[-10:]
        assert client.ranges == [None, "bytes=99990-"]


def test_there_is_nothing_before_the_start(s3: Any, client: Counting) -> None:
    with (
        opened(client, put(s3)) as source,
        pytest.raises(OSError, match="no position -1"),
    ):
        source.seek(-len(DATA) - 1, io.SEEK_END)


def test_an_empty_object_is_an_empty_file(s3: Any, client: Counting) -> None:
    with opened(client, put(s3, b"")) as source:
        assert source.read() == b""


@pytest.mark.parametrize("later", [DATA[1:], DATA])
def test_an_object_that_was_replaced_is_told_when_more_of_it_is_read(
    s3: Any, client: Counting, later: bytes
) -> None:
    with opened(client, put(s3)) as source:
        put(s3, later)
        source.seek(10)
        with pytest.raises(ObjectChangedError):
            source.read(1)


def test_an_object_that_was_replaced_is_told_when_it_is_opened(
    s3: Any, client: Counting
) -> None:
    first, second = put(s3), put(s3)
    assert opened(client, second, second["VersionId"]).size == len(DATA)
    with pytest.raises(ObjectChangedError):
        opened(client, first, first["VersionId"])
    put(s3, b"other")
    with pytest.raises(ObjectChangedError):
        opened(client, second)


def test_an_object_that_was_deleted_is_told(s3: Any, client: Counting) -> None:
    answer = put(s3)
    with opened(client, answer) as source:
        s3.delete_object(Bucket=BUCKET, Key="a")
        source.seek(10)
        with pytest.raises(ObjectGoneError, match="s3://data/a was deleted before"):
            source.read(1)
    with pytest.raises(ObjectGoneError):
        opened(client, answer)


def test_other_refusals_propagate(s3: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        S3Object(s3, bucket="another", key="a", etag="e")


def test_a_body_that_is_cut_off_propagates(s3: Any, client: Counting) -> None:
    source = opened(client, put(s3))
    source._body = StreamingBody(io.BytesIO(DATA[:-1]), len(DATA))
    with pytest.raises(IncompleteReadError):
        source.read()
