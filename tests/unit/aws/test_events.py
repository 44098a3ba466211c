from collections.abc import Callable
from typing import Any

import pytest

from geoclusters.aws.events import (
    JobEnded,
    TrainingRequest,
    created_key,
    messages,
    object_created,
)
from geoclusters.aws.queue import LaterError, growing_delay_s, work
from geoclusters.errors import EventError
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


def changed(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return an event with another field; without it, where the value is missing."""
    *folders, name = path.split(".")
    place = event
    for folder in folders:
        place = place[folder]
    if value is MISSING:
        del place[name]
    else:
        place[name] = value
    return event


MISSING = object()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("detail", MISSING),
        ("detail", []),
        ("detail.bucket", None),
        ("detail.bucket.name", 7),
        ("detail.object", "input/a.csv"),
        ("detail.object.key", MISSING),
        ("detail.object.key", ""),
        ("detail.object.key", "input/\ud800.csv"),
        ("detail.object.size", "29598"),
        ("detail.object.size", 29598.0),
        ("detail.object.size", True),
        ("detail.object.size", -1),
        ("detail.object.size", 10**4000),
        ("detail.object.etag", 'a"b'),
        ("detail.object.etag", "a\r\nx-amz-meta-k: 1"),
        ("detail.object.sequencer", "not hexadecimal"),
        ("detail.object.sequencer", MISSING),
        ("detail.object.version-id", 3),
    ],
)
def test_an_upload_of_another_form_is_refused_by_the_fields_name(
    event: Load, path: str, value: Any
) -> None:
    document = changed(event("object_created"), path, value)
    with pytest.raises(EventError, match=f"`{path}") as caught:
        object_created(document)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("detail.TrainingJobName", "two\nlines"),
        ("detail.TrainingJobName", "x" * 64),
        ("detail.TrainingJobStatus", "Completed"),
        ("detail.TrainingJobStatus", MISSING),
        ("detail.FailureReason", ["a", "list"]),
    ],
)
def test_a_jobs_end_of_another_form_is_refused(
    event: Load, path: str, value: Any
) -> None:
    document = changed(event("training_job_failed"), path, value)
    with pytest.raises(EventError, match=f"`{path}` must be"):
        JobEnded.from_event(document)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"run_id": "0" * 20},
        {"run_id": "../../secret", "attempt": 1},
        {"run_id": "0" * 20, "attempt": "1"},
        {"run_id": "0" * 20, "attempt": 0},
        {"run_id": 7, "attempt": 1},
    ],
)
def test_a_training_request_of_another_form_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(EventError, match="must be"):
        TrainingRequest.from_body(body)


#: What no function can make anything of.
POISON = (
    *("", "no JSON", "[]", "null", '"text"', "{", '{"a": NaN}', '{"a": 1, "a": 2}'),
    *("[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}", '{"\udcff": 1'),
)


@pytest.mark.parametrize("body", POISON, ids=range(len(POISON)))
def test_a_message_that_cant_be_read_comes_back_as_soon_as_any_other(body: str) -> None:
    queue: Any = Queue()
    event = sqs_event({}, receives=2)
    event["Records"][0]["body"] = body
    with pytest.raises(EventError, match="the message"):
        work(
            event,
            lambda message: object_created(message.body),  # type: ignore[arg-type]
            sqs=queue,
            queue_url="https://queue",
        )
    assert queue.visibility == [60]


@pytest.mark.parametrize(
    "event", [{}, {"Records": {}}, {"Records": [7]}, {"Records": [{"messageId": "1"}]}]
)
def test_what_is_no_event_of_a_queue_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(EventError, match="must be"):
        list(messages(event))


def test_of_a_model_the_key_is_enough() -> None:
    assert created_key({"detail": {"object": {"key": "runs/x"}}}) == "runs/x"
