"""What happens twice, late or in the wrong order ends as it should."""

import json
import random
from datetime import datetime
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.aws.events import TrainingRequest
from geoclusters.run import Upload
from geoclusters.status import State
from tests.integration.conftest import Pipeline
from tests.sagemaker_settings import sagemaker_settings

TOWNS = b"lat,lon\n" + b"".join(b"%d,%d\n" % (i % 60 + 1, i) for i in range(90))
_RANDOM = random.Random(1)
#: Takes the trainer many seconds.
SLOW = "lat,lon\n" + "".join(
    f"{_RANDOM.uniform(40, 60):.4f},{_RANDOM.uniform(0, 40):.4f}\n"
    for _ in range(150_000)
)
SLOW_K = "300"


def start_slow(pipeline: Pipeline, key: str) -> Any:
    """Upload a table that trains long; return its status once SageMaker is at it."""
    version = pipeline.upload(key, SLOW.encode(), k=SLOW_K)
    status = pipeline.wait(key, version, State.TRAINING)
    name = status["training_job"]
    pipeline.until(
        lambda: _describe(pipeline, name)["SecondaryStatus"] == "Training",
        "the trainer to start",
    )
    return status


def _describe(pipeline: Pipeline, job_name: str) -> Any:
    return pipeline.sagemaker.describe_training_job(TrainingJobName=job_name)


def wait_for_job(pipeline: Pipeline, job_name: str) -> Any:
    def ended() -> Any:
        job = _describe(pipeline, job_name)
        return job if job["TrainingJobStatus"] not in _RUNNING else None

    return pipeline.until(ended, f"{job_name} to end")


_RUNNING = ("InProgress", "Stopping")


def test_a_stopped_job_is_failed_and_its_model_no_result(pipeline: Pipeline) -> None:
    status = start_slow(pipeline, "stopped.csv")
    job_name = status["training_job"]
    pipeline.sagemaker.stop_training_job(TrainingJobName=job_name)
    answer = pipeline.wait("stopped.csv", status["upload"]["version_id"], State.FAILED)
    assert "was stopped" in answer["message"]
    assert answer["files"] == []
    assert wait_for_job(pipeline, job_name)["TrainingJobStatus"] == "Stopped"
    with pytest.raises(pipeline.s3.exceptions.NoSuchKey):
        pipeline.result("stopped.csv", "centroids.csv")


def test_a_failed_job_is_told_with_sagemakers_reason(pipeline: Pipeline) -> None:
    """A damaged shard, in a run that is otherwise as a real one."""
    version = pipeline.upload("healthy.csv", TOWNS, k="3")
    healthy = pipeline.wait("healthy.csv", version, State.SUCCEEDED)
    document = pipeline.record(healthy["run_id"])
    document["upload"] |= {"key": "input/damaged.csv"}
    upload = Upload(**document["upload"])
    document["run_id"] = upload.run_id
    for key, body in [
        (layout.train_key(upload.run_id, 0), b"this is no RecordIO"),
        (layout.run_record_key(upload.run_id), json.dumps(document).encode()),
    ]:
        pipeline.s3.put_object(Bucket=pipeline.bucket, Key=key, Body=body)
    pipeline.sqs.send_message(
        QueueUrl=pipeline.queue_url("StartTraining"),
        MessageBody=TrainingRequest(run_id=upload.run_id).to_json(),
    )
    answer = pipeline.wait("damaged.csv", str(upload.version_id), State.FAILED)
    job = _describe(pipeline, answer["training_job"])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] in answer["message"]
    assert answer["files"] == []


def test_the_same_event_five_times_is_one_run(pipeline: Pipeline) -> None:
    version = pipeline.upload("twice.csv", TOWNS, k="3")
    queued = pipeline.wait("twice.csv", version, State.QUEUED, State.TRAINING)
    event = pipeline.upload_event("twice.csv", queued["upload"])
    uploads = pipeline.queue_url("Ingest")
    for _ in range(3):
        pipeline.sqs.send_message(QueueUrl=uploads, MessageBody=json.dumps(event))
    done = pipeline.wait("twice.csv", version, State.SUCCEEDED)
    pipeline.sqs.send_message(QueueUrl=uploads, MessageBody=json.dumps(event))
    wait_until_drained(pipeline)
    assert pipeline.status("twice.csv") == done
    jobs = pipeline.sagemaker.list_training_jobs(NameContains=done["run_id"])
    assert len(jobs["TrainingJobSummaries"]) == 1


def test_the_same_model_twice_is_reported_once(pipeline: Pipeline) -> None:
    version = pipeline.upload("model-twice.csv", TOWNS, k="3")
    done = pipeline.wait("model-twice.csv", version, State.SUCCEEDED)
    model = layout.model_key(done["run_id"], done["training_job"])
    body = pipeline.read(model)
    pipeline.s3.put_object(Bucket=pipeline.bucket, Key=model, Body=body)
    wait_until_drained(pipeline)
    assert pipeline.status("model-twice.csv") == done


def wait_until_drained(pipeline: Pipeline) -> None:
    """Wait until no queue holds a message, read or unread, and none is dead."""
    urls = pipeline.sqs.list_queues()["QueueUrls"]
    quiet = 0

    def drained() -> bool:
        nonlocal quiet
        quiet = 0 if any(pipeline.messages(url) for url in urls) else quiet + 1
        return quiet > 5

    pipeline.until(drained, "the queues to be empty")


def test_of_two_uploads_the_newer_wins_although_the_older_finishes_last(
    pipeline: Pipeline,
) -> None:
    older = start_slow(pipeline, "overtaken.csv")
    version = pipeline.upload("overtaken.csv", TOWNS, k="3")
    newer = pipeline.wait("overtaken.csv", version, State.SUCCEEDED)
    assert newer["run_id"] != older["run_id"]

    def superseded() -> Any:
        own = pipeline.own_status(older["run_id"])
        return own if own["state"] == State.SUPERSEDED else None

    pipeline.until(superseded, "the older run to end SUPERSEDED")
    job = _describe(pipeline, older["training_job"])
    assert job["TrainingJobStatus"] == "Completed"
    assert job["TrainingEndTime"] > datetime.fromisoformat(newer["updated_at"])
    assert pipeline.status("overtaken.csv") == newer
    assert len(pipeline.centroids("overtaken.csv")) == 3
    assert pipeline.own_status(newer["run_id"])["state"] == State.SUCCEEDED


def test_an_older_upload_that_is_read_after_a_newer_changes_nothing(
    pipeline: Pipeline,
) -> None:
    first = pipeline.upload("late.csv", TOWNS, k="2")
    older = pipeline.wait("late.csv", first, State.SUCCEEDED)
    version = pipeline.upload("late.csv", TOWNS + b"1,1\n", k="3")
    newer = pipeline.wait("late.csv", version, State.SUCCEEDED)
    event = pipeline.upload_event("late.csv", older["upload"])
    pipeline.sqs.send_message(
        QueueUrl=pipeline.queue_url("Ingest"), MessageBody=json.dumps(event)
    )
    wait_until_drained(pipeline)
    assert pipeline.status("late.csv") == newer
    assert pipeline.own_status(older["run_id"])["state"] == State.SUCCEEDED


def test_a_model_that_lands_before_its_job_is_completed_waits(
    pipeline: Pipeline,
) -> None:
    with sagemaker_settings(pipeline.cloud, uploading_seconds=3):
        version = pipeline.upload("early.csv", TOWNS, k="3")
        training = pipeline.wait("early.csv", version, State.TRAINING)
        job_name = training["training_job"]
        model = layout.model_key(training["run_id"], job_name)

        def landed() -> bool:
            listing = pipeline.s3.list_objects_v2(Bucket=pipeline.bucket, Prefix=model)
            return bool(listing["KeyCount"])

        pipeline.until(landed, "the model")
        job = _describe(pipeline, job_name)
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == (
            "InProgress",
            "Uploading",
        )
        done = pipeline.wait("early.csv", version, State.SUCCEEDED)
    ended = _describe(pipeline, job_name)["TrainingEndTime"]
    assert datetime.fromisoformat(done["updated_at"]) > ended
