from collections.abc import Callable
from typing import Any

import pytest

from geoclusters.aws.events import (
    JobEnded,
    TrainingRequest,
    messages,
    object_created,
)
from geoclusters.aws.queue import LaterError, growing_delay_s, work
from tests.unit.conftest import sqs_event

Load = Callable[[str], dict[str, Any]]


class Queue:
    """Records what becomes of a message."""

    def __init__(self) -> None:
        self.visibility: list[int] = []

    def change_message_visibility(self, **request: Any) -> None:
        assert request["QueueUrl"] == "https://queue"
        assert request["ReceiptHandle"] == "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a"
        self.visibility.append(request["VisibilityTimeout"])


def test_an_upload_is_read_from_its_event_with_the_key_as_it_is(event: Load) -> None:
    upload = object_created(event("object_created"))
    assert upload.key == "input/depots/hong kong+1.csv"
    assert upload.uri == "s3://data/input/depots/hong kong+1.csv"
    assert (upload.etag, upload.sequencer, upload.size) == (
        "b1946ac92492d2347c6235b4d2611184",
        "617F08299329D189",
        29598,
    )
    assert upload.version_id == "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"


def test_a_failed_job_is_read_from_its_event(event: Load) -> None:
    job = JobEnded.from_event(event("training_job_failed"))
    assert job.job_name == "geoclusters-0123abcd-00112233445566778899-1"
    assert job.status == "Failed"
    assert job.failure_reason == "AlgorithmError: out of memory, exit code: 1"


def test_a_stopped_job_has_no_reason(event: Load) -> None:
    document = event("training_job_failed")
    document["detail"]["TrainingJobStatus"] = "Stopped"
    del document["detail"]["FailureReason"]
    assert JobEnded.from_event(document).failure_reason == ""


def test_a_message_says_how_often_and_since_when() -> None:
    (message,) = messages(sqs_event({"a": 1}, receives=3))
    assert message.body == {"a": 1}
    assert message.receive_count == 3
    assert message.sent_at == pytest.approx(1545082649.183)


def test_a_training_request_comes_back_from_its_message() -> None:
    request = TrainingRequest(run_id="0" * 20, attempt=2)
    (message,) = messages(
        {"Records": [{**sqs_event({})["Records"][0], "body": request.to_json()}]}
    )
    assert TrainingRequest.from_body(message.body) == request


def test_a_message_that_is_done_is_not_handed_back() -> None:
    seen = []
    queue: Any = Queue()
    answer = work(
        sqs_event({"a": 1}),
        lambda message: seen.append(message.body),
        sqs=queue,
        queue_url="https://queue",
    )
    assert answer == {"batchItemFailures": []}
    assert seen == [{"a": 1}]
    assert queue.visibility == []


def test_a_message_that_must_wait_is_handed_back_for_as_long_as_it_says() -> None:
    def later(message: object) -> None:
        raise LaterError("not yet", delay_s=20)

    queue: Any = Queue()
    answer = work(sqs_event({}), later, sqs=queue, queue_url="https://queue")
    identifier = sqs_event({})["Records"][0]["messageId"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": identifier}]}
    assert queue.visibility == [20]


def test_after_the_unexpected_a_message_comes_back_soon_and_ever_later() -> None:
    def fail(message: object) -> None:
        raise RuntimeError("broken")

    queue: Any = Queue()
    for receives in (1, 2, 3, 4, 5):
        with pytest.raises(RuntimeError):
            work(
                sqs_event({}, receives=receives),
                fail,
                sqs=queue,
                queue_url="https://queue",
            )
    assert queue.visibility == [30, 60, 120, 240, 300]


def test_delays_double_up_to_a_bound() -> None:
    delays = [growing_delay_s(n, first_s=30, most_s=300) for n in (1, 2, 3, 4, 5, 999)]
    assert delays == [30, 60, 120, 240, 300, 300]


def test_no_delay_is_longer_than_sqs_takes() -> None:
    assert LaterError("much later", delay_s=100_000).delay_s == 43_200
