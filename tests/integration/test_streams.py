"""Results that are uploaded in parts, against a bucket that heeds conditions."""

import pytest

from geoclusters.aws.outputs import Outputs, SupersededError
from geoclusters.aws.upload import PART_BYTES
from geoclusters.run import Upload
from tests.integration.conftest import Pipeline

LARGE = bytes(PART_BYTES) + b"end"


def outputs(pipeline: Pipeline, sequencer: str) -> Outputs:
    upload = Upload(
        bucket=pipeline.bucket,
        key="input/streams/hk.csv",
        etag="e",
        sequencer=sequencer,
        size=1,
    )
    return Outputs(pipeline.s3, upload)


def write(pipeline: Pipeline, sequencer: str, name: str, body: bytes) -> None:
    with outputs(pipeline, sequencer).stream(name, "text/csv") as file:
        file.write(body)


def unfinished(pipeline: Pipeline) -> list[object]:
    answer = pipeline.s3.list_multipart_uploads(Bucket=pipeline.bucket)
    uploads: list[object] = answer.get("Uploads", [])
    return uploads


@pytest.mark.parametrize("stands", [False, True])
@pytest.mark.parametrize("newer", [b"small", LARGE + b"newer"])
def test_the_newer_of_two_streams_wins_whichever_ends_first(
    pipeline: Pipeline, stands: bool, newer: bytes
) -> None:
    name = f"{stands}-{len(newer)}.csv"
    if stands:
        write(pipeline, "0A", name, b"before")
    with pytest.raises(SupersededError):  # noqa: SIM117
        with outputs(pipeline, "0B").stream(name, "text/csv") as older:
            older.write(LARGE)
            write(pipeline, "0C", name, newer)
    assert pipeline.read(f"output/streams/hk/{name}") == newer

    with outputs(pipeline, "0E").stream(name, "text/csv") as newest:
        newest.write(LARGE + b"newest")
        write(pipeline, "0D", name, LARGE)
    assert pipeline.read(f"output/streams/hk/{name}") == LARGE + b"newest"
    assert unfinished(pipeline) == []


def test_a_stream_is_one_version_however_often_it_is_written(
    pipeline: Pipeline,
) -> None:
    for _ in range(2):
        write(pipeline, "0A", "twice.csv", LARGE)
    answer = pipeline.s3.list_object_versions(
        Bucket=pipeline.bucket, Prefix="output/streams/hk/twice.csv"
    )
    assert len(answer["Versions"]) == 1
