"""The ways that a run, or a part of it, may go; each asserts that it came through.

A way returns "", or the error that stopped it.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.events import MOST_FAILURES, TrainingRequest
from geoclusters.aws.upload import PartedUpload
from geoclusters.status import PUT_ASIDE, End, State
from local.sagemaker.aws import LOG_GROUP, METRICS
from tests.integration.permissions.stage import PLACES, Stage, refusal
from tests.sagemaker_settings import sagemaker_settings

Way = Callable[[Stage], str]
UPLOADS, JOBS = "IngestUploadsQueue", "StartTrainingJobsQueue"
DEAD_JOBS = "StartTrainingJobsDeadLetters"
MODELS, FAILURES = "ReportModelsQueue", "RecordFailureFailuresQueue"
STATUSES = "NotifyStatusesQueue"
_SWEPT = ("IngestUploads", "StartTrainingJobs", "ReportModels", "RecordFailureFailures")
_FED_BY_RULES = ("IngestUploads", "ReportModels", "RecordFailureFailures")


# --- ingest ---------------------------------------------------------------------------


def an_upload_is_read(stage: Stage) -> str:
    stage.empty(UPLOADS, JOBS)
    key = f"read-{stage.number()}.csv"
    stage.pipeline.upload(key, PLACES, k="3")
    _, error = stage.hand_over("ingest", UPLOADS)
    if not error:
        assert stage.pipeline.status(key)["state"] == State.QUEUED
        assert stage.count(JOBS) == 1
    return error


def an_upload_event_without_sense_waits(stage: Stage) -> str:
    return _hand_over_nonsense(stage, "ingest", UPLOADS)


def a_failure_without_sense_waits(stage: Stage) -> str:
    return _hand_over_nonsense(stage, "record_failure", FAILURES)


def a_status_event_without_sense_waits(stage: Stage) -> str:
    return _hand_over_nonsense(stage, "notify", STATUSES)


def _hand_over_nonsense(stage: Stage, name: str, queue: str) -> str:
    """Hand over what nobody understands: the function says when it is to come back.

    Then it says what was wrong: the event has no `detail`.
    """
    stage.empty(queue)
    stage.send(queue, {})
    _, error = stage.hand_over(name, queue)
    assert error
    return "" if error.endswith("but is missing") else error


# --- start_training -------------------------------------------------------------------


def _request(stage: Stage, attempt: int) -> tuple[Any, str]:
    record = stage.another_run("started")
    stage.unanswered(record)
    stage.empty(JOBS)
    request = TrainingRequest(run_id=record.run_id, attempt=attempt)
    stage.send(JOBS, request.to_json())
    answer, error = stage.hand_over("start_training", JOBS)
    if not error and not answer["batchItemFailures"]:
        assert stage.state(record) == State.TRAINING
        name = layout.job_name(stage.training.job_name_prefix, record.run_id, attempt)
        assert stage.describe(name)
    return answer, error


def a_job_is_started(stage: Stage) -> str:
    _, error = _request(stage, stage.number())
    return error


def a_job_is_started_twice(stage: Stage) -> str:
    attempt = stage.number()
    answer, error = _request(stage, attempt)
    assert not error, error
    answer, error = _request(stage, attempt)
    assert error or not answer["batchItemFailures"]
    return error


def a_job_waits_for_a_quota(stage: Stage) -> str:
    assert stage.endless  # uses the quota up
    with sagemaker_settings(stage.pipeline.cloud, quota=1):
        answer, error = _request(stage, stage.number())
    if not error:
        assert len(answer["batchItemFailures"]) == 1
    return error


def a_request_that_failed_too_often_is_put_aside(stage: Stage) -> str:
    stage.empty(JOBS, DEAD_JOBS)
    stage.send(JOBS, {})
    for _ in range(MOST_FAILURES):
        stage.receive_in_vain(JOBS)
    _, error = stage.hand_over("start_training", JOBS)
    if not error:
        assert stage.count(DEAD_JOBS) == 1
    return error


# --- SageMaker ------------------------------------------------------------------------


def a_job_trains(stage: Stage) -> str:
    record = stage.another_run("trained")
    name = f"trial-{stage.number()}"
    try:
        stage.start_job(record, name)
    except ClientError as error:
        return refusal(error)
    job = stage.end_of_job(name)
    if job["TrainingJobStatus"] == "Completed":
        assert stage.is_there(layout.model_key(record.run_id, name))
        return ""
    return str(job["FailureReason"])


def a_job_writes_its_log(stage: Stage) -> str:
    """Without a log a job is Completed all the same."""
    record = stage.another_run("logged")
    name = f"trial-{stage.number()}"
    stage.start_job(record, name)
    assert stage.end_of_job(name)["TrainingJobStatus"] == "Completed"
    logs = stage.pipeline.cloud.client("logs")
    streams = logs.describe_log_streams(
        logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    for stream in streams:
        found = logs.get_log_events(
            logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"]
        )
        if found["events"]:
            return ""
    said = (stage.pipeline.cloud.logs / "sagemaker.log").read_text().splitlines()
    (line,) = (line for line in said if f"log stream {name}/" in line)
    return line


def a_job_tells_its_metrics(stage: Stage) -> str:
    """Without metrics a job is Completed all the same."""
    record = stage.another_run("measured")
    name = f"trial-{stage.number()}"
    stage.start_job(record, name)
    assert stage.end_of_job(name)["TrainingJobStatus"] == "Completed"
    job = {"Name": "TrainingJobName", "Value": name}
    found = stage.pipeline.cloud.client("cloudwatch").list_metrics(
        Namespace=METRICS, Dimensions=[job]
    )
    if found["Metrics"]:
        return ""
    said = (stage.pipeline.cloud.logs / "sagemaker.log").read_text().splitlines()
    (line,) = (line for line in said if f"metrics of {name} not put" in line)
    return line


# --- report ---------------------------------------------------------------------------


def _model_event(stage: Stage, run_id: str, job_name: str) -> dict[str, Any]:
    made = {
        "key": layout.model_key(run_id, job_name),
        "etag": "0",
        "sequencer": "0B",
        "size": 1,
    }
    return {"detail": {"bucket": {"name": stage.bucket}, "object": made}}


def a_model_is_reported(stage: Stage) -> str:
    stage.publish(stage.base, State.TRAINING, stage.base_job)
    stage.empty(MODELS)
    stage.send(MODELS, _model_event(stage, stage.base.run_id, stage.base_job))
    _, error = stage.hand_over("report", MODELS)
    if not error:
        assert stage.state(stage.base) == State.SUCCEEDED
        status = stage.pipeline.status("base.csv")
        assert status["warnings"] == []
        for name in status["files"]:
            assert stage.is_there(stage.base.upload.output_prefix + name)
    return error


def a_model_before_its_jobs_end_waits(stage: Stage) -> str:
    run, job = stage.endless
    stage.unanswered(run)
    stage.empty(MODELS)
    stage.send(MODELS, _model_event(stage, run.run_id, job))
    answer, error = stage.hand_over("report", MODELS)
    if not error:
        assert len(answer["batchItemFailures"]) == 1
    return error


def a_large_file_that_nobody_wants_leaves_no_parts(stage: Stage) -> str:
    """What aborts the upload says nothing of its own: the parts tell."""
    s3 = stage.as_role("report", "s3")
    denied: list[str] = []
    s3.meta.events.register(
        "after-call.s3.AbortMultipartUpload",
        lambda parsed, **_: denied.append(parsed.get("Error", {}).get("Message", "")),
    )
    upload = PartedUpload(
        s3,
        bucket=stage.bucket,
        key=f"{layout.OUTPUT_PREFIX}parts/assignments.csv",
        content_type="text/csv",
        metadata={},
        part_bytes=1_000,
    )
    with upload.writing() as file:
        file.write(bytes(3_000))
    upload.discard()
    left = stage.s3.list_multipart_uploads(Bucket=stage.bucket).get("Uploads", [])
    for one in left:
        stage.s3.abort_multipart_upload(
            Bucket=stage.bucket, Key=one["Key"], UploadId=one["UploadId"]
        )
    assert bool(left) == any(denied)
    return denied[0]


# --- record_failure -------------------------------------------------------------------


def a_failure_is_recorded(stage: Stage) -> str:
    record = stage.another_run("failed")
    job = stage.job_name(record)
    stage.publish(record, State.TRAINING, job)
    detail = {
        "TrainingJobName": job,
        "TrainingJobStatus": "Failed",
        "FailureReason": "AlgorithmError: made up",
    }
    stage.empty(FAILURES)
    stage.send(FAILURES, {"detail": detail})
    _, error = stage.hand_over("record_failure", FAILURES)
    if not error:
        assert stage.state(record) == State.FAILED
    return error


# --- notify ---------------------------------------------------------------------------


def a_success_is_told(stage: Stage) -> str:
    return _tell(stage, State.SUCCEEDED, End.SUCCEEDED)


def a_failure_is_told(stage: Stage) -> str:
    return _tell(stage, State.FAILED, End.FAILED)


def a_run_that_was_put_aside_is_told(stage: Stage) -> str:
    return _tell(stage, State.FAILED, End.PUT_ASIDE, **{PUT_ASIDE: True})


def _tell(stage: Stage, state: State, end: End, **figures: Any) -> str:
    record = stage.another_run(f"told-{end.lower()}")
    stage.publish(record, state, stage.job_name(record), **figures)
    told = layout.told_key(record.run_id, end)
    stage.forget(told)
    key = layout.run_status_key(record.run_id)
    etag = stage.s3.head_object(Bucket=stage.bucket, Key=key)["ETag"].strip('"')
    made = {"key": key, "etag": etag, "sequencer": "0A", "size": 1}
    event = {"detail": {"bucket": {"name": stage.bucket}, "object": made}}
    stage.empty(STATUSES)
    stage.send(STATUSES, event)
    _, error = stage.hand_over("notify", STATUSES)
    if not error:
        assert stage.is_there(told)
    return error


# --- sweep ----------------------------------------------------------------------------


def letters_and_jobs_are_swept(stage: Stage) -> str:
    """A dead letter in each queue, an event in each that isn't delivered, two jobs."""
    for name in _SWEPT:
        stage.empty(f"{name}Queue", f"{name}DeadLetters")
    for name in _FED_BY_RULES:
        stage.empty(f"{name}Undelivered")
    put_aside = stage.another_run("put-aside")
    stage.unanswered(put_aside)
    request = TrainingRequest(run_id=put_aside.run_id)
    for name in _SWEPT:
        stage.send(f"{name}DeadLetters", request.to_json())
    for name in _FED_BY_RULES:
        stage.send(f"{name}Undelivered", {"detail": "undelivered"})
    failed, _ = stage.failed
    stage.unanswered(failed)
    stage.publish(stage.base, State.TRAINING, stage.base_job)
    stage.forget(layout.announced_again_key(stage.base.run_id))
    _, error = stage.sweep()
    if not error:
        assert stage.state(put_aside) == State.FAILED
        assert stage.state(failed) == State.FAILED
        assert stage.is_there(layout.announced_again_key(stage.base.run_id))
        for name in _SWEPT:
            assert stage.count(f"{name}DeadLetters") == 1
        for name in _FED_BY_RULES:
            assert stage.count(f"{name}Undelivered") == 0
            assert stage.count(f"{name}Queue") >= 1
    return error


def a_job_beyond_its_time_is_stopped(stage: Stage) -> str:
    record = stage.another_run(f"overdue-{stage.number()}")
    stage.unanswered(record)
    job = stage.endless_job(record)
    _, error = stage.sweep()
    if not error:
        assert stage.describe(job)["TrainingJobStatus"] in ("Stopping", "Stopped")
        assert stage.state(record) == State.FAILED
    return error
