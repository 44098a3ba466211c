import io
import threading
import tracemalloc
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from geoclusters.aws.upload import PartedUpload, checksum_of

KEY = "output/hk/a.csv"
MIB = 1024 * 1024
#: The least that S3 takes.
PART = 5 * MIB
DATA = b"".join(b"%09d," % i for i in range(PART // 4))  # two parts and a half


def upload_to(s3: Any, part_bytes: int = PART) -> PartedUpload:
    return PartedUpload(
        s3,
        bucket="data",
        key=KEY,
        content_type="text/csv",
        metadata={"sequencer": "0A"},
        part_bytes=part_bytes,
    )


def unfinished(s3: Any) -> list[str]:
    answer = s3.list_multipart_uploads(Bucket="data")
    return [upload["Key"] for upload in answer.get("Uploads", [])]


class FakeS3:
    """Takes parts of any size, and forgets their bytes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.ended: list[str] = []

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        return {"UploadId": "1"}

    def upload_part(self, *, Body: io.BytesIO, **request: Any) -> dict[str, str]:  # noqa: N803
        assert request["PartNumber"] == len(self.sizes) + 1
        self.sizes.append(len(Body.read()))
        return {"ETag": '"00"', "ChecksumCRC32": "AAAAAA=="}

    def abort_multipart_upload(self, **request: Any) -> None:
        self.ended.append("aborted")


@pytest.mark.parametrize("piece", [1_000_003, PART, len(DATA)])
def test_what_is_written_in_any_pieces_becomes_one_object(s3: Any, piece: int) -> None:
    upload = upload_to(s3)
    with upload.writing() as file:
        assert file.writable()
        for start in range(0, len(DATA), piece):
            written = DATA[start : start + piece]
            assert file.write(written) == len(written)
    assert upload.small_body is None
    upload.complete(IfNoneMatch="*")
    found = s3.get_object(Bucket="data", Key=KEY, ChecksumMode="ENABLED")
    assert found["Body"].read() == DATA
    assert found["ContentType"] == "text/csv"
    assert found["Metadata"] == {"sequencer": "0A"}
    assert found["ChecksumCRC32"] == f"{upload.checksum}-3"
    assert checksum_of(found) == upload.checksum
    upload.discard()
    s3.head_object(Bucket="data", Key=KEY)  # what is complete stays


@pytest.mark.parametrize("size", [0, 1, PART - 1])
def test_less_than_a_part_is_not_uploaded(s3: Any, size: int) -> None:
    upload = upload_to(s3)
    with upload.writing() as file:
        file.write(DATA[:size])
    assert upload.small_body == DATA[:size]
    assert unfinished(s3) == []
    upload.discard()


@pytest.mark.parametrize(
    ("size", "sizes"), [(4, [4]), (5, [4, 1]), (8, [4, 4]), (11, [4, 4, 3])]
)
def test_all_parts_are_of_one_size_but_for_the_last(
    size: int, sizes: list[int]
) -> None:
    s3: Any = FakeS3()
    with upload_to(s3, part_bytes=4).writing() as file:
        file.write(memoryview(bytes(size)))
    assert s3.sizes == sizes


def test_an_object_does_not_exist_before_it_is_complete(s3: Any) -> None:
    upload = upload_to(s3)
    with upload.writing() as file:
        file.write(DATA)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="data", Key=KEY)
    assert unfinished(s3) == [KEY]
    upload.discard()
    upload.discard()
    assert unfinished(s3) == []


def test_one_part_is_on_its_way_while_the_next_is_written() -> None:
    let_go = threading.Event()

    class Slow(FakeS3):
        def upload_part(self, **request: Any) -> dict[str, str]:
            assert let_go.wait(5)
            return super().upload_part(**request)

    s3: Any = Slow()
    with upload_to(s3, part_bytes=4).writing() as file:
        file.write(bytes(7))
        assert s3.sizes == []
        let_go.set()
        file.write(bytes(7))
    assert s3.sizes == [4, 4, 4, 2]


def test_memory_does_not_grow_with_the_object() -> None:
    class Slow(FakeS3):
        def upload_part(self, **request: Any) -> dict[str, str]:
            never.wait(0.002)  # long enough for the next part to be full
            return super().upload_part(**request)

    never = threading.Event()
    s3: Any = Slow()
    piece = bytes(MIB // 10)
    tracemalloc.start()
    try:
        with upload_to(s3, part_bytes=MIB).writing() as file:
            for _ in range(400):
                file.write(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(s3.sizes) == 40
    assert peak < 4 * MIB


def test_what_goes_wrong_with_a_part_is_raised() -> None:
    class Broken(FakeS3):
        def upload_part(self, **request: Any) -> dict[str, str]:
            raise EndpointConnectionError(endpoint_url="https://s3")

    s3: Any = Broken()
    upload = upload_to(s3, part_bytes=4)
    with pytest.raises(EndpointConnectionError), upload.writing() as file:
        for _ in range(100):
            file.write(bytes(3))
    upload.discard()
    assert s3.ended == ["aborted"]


def test_an_upload_that_is_gone_already_is_no_error_when_it_is_discarded(
    s3: Any,
) -> None:
    upload = upload_to(s3)
    with upload.writing() as file:
        file.write(DATA)
    (begun,) = s3.list_multipart_uploads(Bucket="data")["Uploads"]
    s3.abort_multipart_upload(Bucket="data", Key=KEY, UploadId=begun["UploadId"])
    upload.discard()
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="data", Key=KEY)
