import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from geoclusters import layout
from geoclusters.aws.events import JobEnded
from geoclusters.aws.outputs import Outputs
from geoclusters.environment import RecordFailureSettings
from geoclusters.run import RunRecord
from geoclusters.status import State
from lambdas.record_failure import handler as entry
from lambdas.record_failure.record import record_failure
from tests.statuses import HandMade
from tests.unit.conftest import sqs_event

SETTINGS = RecordFailureSettings(
    data_bucket="data",
    failures_queue_url="https://queue",
    job_name_prefix="stack-0123abcd",
)


@pytest.fixture
def record(s3: Any, make_record: Callable[..., RunRecord]) -> RunRecord:
    record = make_record()
    key = layout.run_record_key(record.run_id)
    s3.put_object(Bucket="data", Key=key, Body=record.to_json().encode())
    return record


def job(record: RunRecord, reason: str = "AlgorithmError: x") -> JobEnded:
    name = layout.job_name(SETTINGS.job_name_prefix, record.run_id, 1)
    return JobEnded(job_name=name, status="Failed", failure_reason=reason)


def published(s3: Any) -> Any:
    answer = s3.get_object(Bucket="data", Key="output/depots/hk/status.json")
    return json.loads(answer["Body"].read())


def test_a_failed_job_is_told_with_sagemakers_reason(
    s3: Any, record: RunRecord
) -> None:
    record_failure(job(record), s3=s3, settings=SETTINGS)
    status = published(s3)
    assert status["state"] == "FAILED"
    assert "AlgorithmError: x" in status["message"]
    assert status["rows"]["usable"] == 205


def test_a_failure_is_told_once(s3: Any, record: RunRecord) -> None:
    record_failure(job(record, "first"), s3=s3, settings=SETTINGS)
    record_failure(job(record, "second"), s3=s3, settings=SETTINGS)
    assert "first" in published(s3)["message"]


def test_a_run_that_succeeded_stays_so(s3: Any, record: RunRecord) -> None:
    done = HandMade(upload=record.upload, state=State.SUCCEEDED, message="done")
    Outputs(s3, record.upload).publish(done)
    record_failure(job(record), s3=s3, settings=SETTINGS)
    assert published(s3)["state"] == "SUCCEEDED"


def test_a_job_of_another_stack_is_none_of_ours(s3: Any, record: RunRecord) -> None:
    name = layout.job_name("other-0123abcd", record.run_id, 1)
    theirs = JobEnded(job_name=name, status="Failed", failure_reason="")
    with pytest.raises(ValueError, match="not a training job of this stack"):
        record_failure(theirs, s3=s3, settings=SETTINGS)


def test_the_handler_reads_its_settings_and_the_event(
    s3: Any, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(entry.logger.registered_handler, "stream", log)
    for name, value in SETTINGS.to_env().items():
        monkeypatch.setenv(name, value)
    entry._resources.cache_clear()
    failed = job(record)
    event = {
        "detail": {
            "TrainingJobName": failed.job_name,
            "TrainingJobStatus": failed.status,
            "FailureReason": failed.failure_reason,
        }
    }
    answer = entry.handler(sqs_event(event), None)
    entry._resources.cache_clear()
    assert answer == {"batchItemFailures": []}
    assert published(s3)["state"] == "FAILED"
    # Every line of a run's is found by its id.
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["run_id"], line["state"]) == (record.run_id, "FAILED")
    assert line["job_name"] == failed.job_name
