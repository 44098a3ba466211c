import dataclasses
import io
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from botocore.validate import ParamValidator

from geoclusters import layout
from geoclusters.aws.events import TrainingRequest
from geoclusters.aws.outputs import Outputs, SupersededError
from geoclusters.aws.queue import LaterError
from geoclusters.environment import StartTrainingSettings
from geoclusters.errors import EventError
from geoclusters.run import RunRecord, Upload
from geoclusters.status import State, Status
from lambdas.start_training import handler as entry
from lambdas.start_training.request import training_request
from lambdas.start_training.start import start_training
from lambdas.start_training.wait import Wait
from tests.unit.conftest import sqs_event

MakeRecord = Callable[..., RunRecord]

SETTINGS = StartTrainingSettings(
    data_bucket="data",
    jobs_queue_url="https://queue",
    jobs_dead_letters_url="https://dead-letters",
    job_name_prefix="geoclusters-0123abcd",
    training_image="438346466558.dkr.ecr.eu-central-1.amazonaws.com/kmeans:1",
    training_role_arn="arn:aws:iam::111122223333:role/training",
    instance_type="ml.m5.large",
    instance_count=2,
    input_mode="File",
    kms_key_arn="",
    max_wait_s=12 * 3600,
)
NOW = 1_700_000_000.0


class SageMaker:
    """Answers CreateTrainingJob with the errors that it was given, then with a job."""

    def __init__(self, *errors: tuple[str, str], known: str = "InProgress") -> None:
        self._errors = list(errors)
        self._known = known
        self.requests: list[dict[str, Any]] = []

    def create_training_job(self, **request: Any) -> None:
        if self._errors:
            code, message = self._errors.pop(0)
            error: Any = {"Error": {"Code": code, "Message": message}}
            raise ClientError(error, "CreateTrainingJob")
        self.requests.append(request)

    def describe_training_job(self, **request: Any) -> dict[str, str]:
        name = request["TrainingJobName"]
        reason = (
            {"FailureReason": "AlgorithmError: x"} if self._known == "Failed" else {}
        )
        return {"TrainingJobName": name, "TrainingJobStatus": self._known, **reason}


@pytest.fixture
def record(s3: Any, make_record: MakeRecord) -> RunRecord:
    record = make_record()
    key = layout.run_record_key(record.run_id)
    s3.put_object(Bucket="data", Key=key, Body=record.to_json().encode())
    return record


def start(
    s3: Any, record: RunRecord, sagemaker: Any, *, tries: int = 1, waited_s: float = 5
) -> Status:
    return start_training(
        TrainingRequest(run_id=record.run_id),
        Wait(tries, NOW - waited_s, NOW),
        s3=s3,
        sagemaker=sagemaker,
        settings=SETTINGS,
    )


def published(s3: Any) -> Any:
    answer = s3.get_object(Bucket="data", Key="output/depots/hk/status.json")
    return json.loads(answer["Body"].read())


def test_a_run_is_trained_by_a_job_of_its_own_name(s3: Any, record: RunRecord) -> None:
    sagemaker = SageMaker()
    status = start(s3, record, sagemaker)
    assert status.state is State.TRAINING
    (request,) = sagemaker.requests
    name = f"geoclusters-0123abcd-{record.run_id}-1"
    assert request["TrainingJobName"] == name
    assert published(s3)["training_job"] == name
    assert published(s3)["state"] == "TRAINING"


def test_the_request_is_one_that_sagemaker_takes(make_record: MakeRecord) -> None:
    assert problems(training_request(make_record(), "job-1", SETTINGS)) == ""


def problems(request: Any) -> str:
    """Return what SageMaker would find wrong with a request."""
    service = get_session().get_service_model("sagemaker")
    shape = service.operation_model("CreateTrainingJob").input_shape
    assert shape is not None
    report = ParamValidator().validate(dict(request), shape)
    return str(report.generate_report())


def test_models_and_disks_are_encrypted_by_the_customers_key_if_there_is_one(
    make_record: MakeRecord,
) -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/0123"
    settings = dataclasses.replace(SETTINGS, kms_key_arn=key)
    request = training_request(make_record(), "job-1", settings)
    assert request["OutputDataConfig"]["KmsKeyId"] == key
    assert request["ResourceConfig"]["VolumeKmsKeyId"] == key
    assert problems(request) == ""

    without = training_request(make_record(), "job-1", SETTINGS)
    assert "KmsKeyId" not in without["OutputDataConfig"]
    assert "VolumeKmsKeyId" not in without["ResourceConfig"]


def test_the_model_will_land_where_the_report_looks(make_record: MakeRecord) -> None:
    record = make_record()
    job = layout.job_name("geoclusters-0123abcd", record.run_id, 1)
    request = training_request(record, job, SETTINGS)
    path = request["OutputDataConfig"]["S3OutputPath"]
    key = f"{path}/{job}/output/model.tar.gz".removeprefix("s3://data/")
    assert layout.parse_model_key(key) == (record.run_id, job)


def test_the_request_reads_the_runs_shards(make_record: MakeRecord) -> None:
    record = make_record()
    request = training_request(record, "job-1", SETTINGS)
    (channel,) = request["InputDataConfig"]
    assert channel["ContentType"] == "application/x-recordio-protobuf"
    source = channel["DataSource"]["S3DataSource"]
    assert source["S3Uri"] == f"s3://data/runs/{record.run_id}/train/"
    assert request["HyperParameters"]["k"] == "15"
    assert request["HyperParameters"]["feature_dim"] == "3"


def test_there_are_never_more_instances_than_shards(make_record: MakeRecord) -> None:
    def instances(parts: int) -> int:
        record = make_record(train_parts=parts)
        request = training_request(record, "job-1", SETTINGS)
        return request["ResourceConfig"]["InstanceCount"]

    assert [instances(parts) for parts in (1, 2, 9)] == [1, 2, 2]


def test_volume_and_run_time_grow_with_the_data(make_record: MakeRecord) -> None:
    def needs(**changes: int) -> tuple[int, int]:
        request = training_request(make_record(**changes), "job-1", SETTINGS)
        return (
            request["ResourceConfig"]["VolumeSizeInGB"],
            request["StoppingCondition"]["MaxRuntimeInSeconds"],
        )

    small = needs()
    large = needs(rows_usable=50_000_000, train_bytes=36 * 50_000_000)
    assert small[0] < large[0]
    assert small[1] < large[1]
    assert needs(rows_usable=10**10)[1] == 432_000


def test_the_same_message_again_finds_its_job(s3: Any, record: RunRecord) -> None:
    for known in ("InProgress", "Stopping", "Completed"):
        sagemaker = SageMaker(("ResourceInUse", "must be unique"), known=known)
        assert start(s3, record, sagemaker).state is State.TRAINING


def test_a_job_of_the_same_name_that_failed_is_told(s3: Any, record: RunRecord) -> None:
    sagemaker = SageMaker(("ResourceInUse", "must be unique"), known="Failed")
    assert start(s3, record, sagemaker).state is State.FAILED
    assert "AlgorithmError: x" in published(s3)["message"]


QUOTA = (
    "The account-level service limit 'ml.m5.large for training job usage' is {} "
    "Instances, with current utilization of {} Instances and a request delta of 1 "
    "Instances. Please use AWS Service Quotas to request an increase for this quota."
)


@pytest.mark.parametrize(
    "error",
    [("ResourceLimitExceeded", QUOTA.format(2, 2)), ("ThrottlingException", "Rate")],
)
def test_without_room_the_run_waits_longer_each_time(
    s3: Any, record: RunRecord, error: tuple[str, str]
) -> None:
    delays = []
    for tries in (1, 2, 9):
        with pytest.raises(LaterError) as later:
            start(s3, record, SageMaker(error), tries=tries)
        delays.append(later.value.delay_s)
    assert delays == pytest.approx([30, 60, 300], rel=0.26)
    status = published(s3)
    assert status["state"] == "QUEUED"
    assert status["waiting"] == {"since": "2023-11-14T22:13:15+00:00", "tries": 9}
    assert "9 tries so far" in status["message"]
    assert "waiting since 2023-11-14T22:13:15" in status["message"]


def test_runs_that_wait_for_the_same_quota_come_back_at_different_moments(
    s3: Any, record: RunRecord
) -> None:
    random.seed(6)
    delays = []
    for _ in range(40):
        with pytest.raises(LaterError) as later:
            start(s3, record, SageMaker(("ThrottlingException", "Rate")), tries=9)
        delays.append(later.value.delay_s)
    assert len(set(delays)) > 20
    assert 225 <= min(delays) < 250
    assert 350 < max(delays) <= 375


def test_waiting_is_bounded(s3: Any, record: RunRecord) -> None:
    error = ("ResourceLimitExceeded", QUOTA.format(2, 2))
    status = start(s3, record, SageMaker(error), tries=99, waited_s=12 * 3600 + 1)
    assert status.state is State.FAILED
    assert "waited 12 hours" in published(s3)["message"]


def test_a_quota_of_zero_fails_at_once_and_is_named(s3: Any, record: RunRecord) -> None:
    error = ("ResourceLimitExceeded", QUOTA.format(0, 0))
    assert start(s3, record, SageMaker(error)).state is State.FAILED
    assert "“ml.m5.large for training job usage” is 0" in published(s3)["message"]


@pytest.mark.parametrize(
    ("limit", "asked", "needed"),
    [
        ("1", "2", ", and one training job needs 2"),
        ("3", "1,024", ", and one training job needs 1024"),
        ("0", "1", ". Ask"),
        ("0.0", "1", ". Ask"),
        ("2", "2", None),
        ("1,024", "2", None),
    ],
)
def test_a_quota_smaller_than_one_job_fails_at_once_and_no_other_does(
    s3: Any, record: RunRecord, limit: str, asked: str, needed: str | None
) -> None:
    said = QUOTA.format(limit, limit).replace("delta of 1", f"delta of {asked}")
    sagemaker = SageMaker(("ResourceLimitExceeded", said))
    if needed is None:
        with pytest.raises(LaterError):
            start(s3, record, sagemaker)
        return
    assert start(s3, record, sagemaker).state is State.FAILED
    assert needed in published(s3)["message"]


def test_of_a_quota_of_zero_nothing_else_need_be_said(
    s3: Any, record: RunRecord
) -> None:
    said = "The account-level service limit 'ml.x for training job usage' is 0."
    error = ("ResourceLimitExceeded", said)
    assert start(s3, record, SageMaker(error)).state is State.FAILED


def test_a_request_that_sagemaker_refuses_fails_at_once(
    s3: Any, record: RunRecord
) -> None:
    error = ("ValidationException", "1 validation error detected: …")
    assert start(s3, record, SageMaker(error)).state is State.FAILED
    assert "1 validation error detected" in published(s3)["message"]


def test_an_unexpected_error_propagates(s3: Any, record: RunRecord) -> None:
    with pytest.raises(ClientError, match="InternalFailure"):
        start(s3, record, SageMaker(("InternalFailure", "oops")))


def test_no_job_is_spent_on_an_upload_that_was_overwritten(
    s3: Any, record: RunRecord, make_upload: Callable[..., Upload]
) -> None:
    newer = make_upload(sequencer="0B")
    Outputs(s3, newer).publish(Status(upload=newer, state=State.QUEUED, message=""))
    sagemaker = SageMaker()
    with pytest.raises(SupersededError):
        start(s3, record, sagemaker)
    assert sagemaker.requests == []


def test_no_job_is_started_for_a_run_that_has_ended(s3: Any, record: RunRecord) -> None:
    ended = Status(upload=record.upload, state=State.FAILED, message="ended")
    Outputs(s3, record.upload).publish(ended)
    sagemaker = SageMaker()
    assert start(s3, record, sagemaker).state is State.FAILED
    assert sagemaker.requests == []
    assert published(s3)["message"] == "ended"


class Queue:
    """Records how long a message is hidden, and what is sent to where."""

    def __init__(self) -> None:
        self.visibility: list[int] = []
        self.sent: list[tuple[str, str]] = []

    def send_message(self, **request: Any) -> None:
        self.sent.append((request["QueueUrl"], request["MessageBody"]))

    def change_message_visibility(self, **request: Any) -> None:
        self.visibility.append(request["VisibilityTimeout"])


@pytest.mark.parametrize(
    ("errors", "failures", "visibility", "state"),
    [
        ([], 0, [], "TRAINING"),
        ([("ThrottlingException", "Rate exceeded")], 1, [30], "QUEUED"),
    ],
)
def test_the_handler_starts_a_job_or_has_the_message_wait(
    s3: Any,
    record: RunRecord,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[tuple[str, str]],
    failures: int,
    visibility: list[int],
    state: str,
) -> None:
    queue, sent_now = Queue(), sqs_event({"run_id": record.run_id, "attempt": 1})
    sent_now["Records"][0]["attributes"]["SentTimestamp"] = str(int(NOW * 1000))
    monkeypatch.setattr("time.time", lambda: NOW + 1)
    monkeypatch.setattr(
        entry, "_resources", lambda: (SETTINGS, s3, SageMaker(*errors), queue)
    )
    answer = entry.handler(sent_now, None)
    assert len(answer["batchItemFailures"]) == failures
    assert queue.visibility == pytest.approx(visibility, rel=0.26)
    assert published(s3)["state"] == state


@pytest.fixture
def handed_over(
    s3: Any, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, Queue]]:
    """Hand a message over, which SageMaker answers with errors; see what came of it."""

    def hand_over(
        body: Any = None, *errors: tuple[str, str], receives: int, sent_s: float = NOW
    ) -> tuple[Any, Queue]:
        queue = Queue()
        request = {"run_id": record.run_id, "attempt": 1}
        event = sqs_event(request if body is None else body, receives=receives)
        attributes = event["Records"][0]["attributes"]
        attributes["SentTimestamp"] = str(int(sent_s * 1000))
        monkeypatch.setattr("time.time", lambda: NOW + 60)
        monkeypatch.setattr(
            entry, "_resources", lambda: (SETTINGS, s3, SageMaker(*errors), queue)
        )
        try:
            return entry.handler(event, None), queue
        except (ClientError, EventError, ValueError) as error:
            return error, queue

    return hand_over


BROKEN, BUSY = ("InternalFailure", "oops"), ("ThrottlingException", "Rate exceeded")
HandOver = Callable[..., tuple[Any, Queue]]


@pytest.mark.parametrize("body", [None, {"no": "run"}])
def test_a_message_that_failed_five_times_is_a_dead_letter(
    handed_over: HandOver,
    record: RunRecord,
    body: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(entry.logger.registered_handler, "stream", log)
    for receives in range(1, 6):
        error, queue = handed_over(body, BROKEN, receives=receives)
        assert isinstance(error, Exception)
        assert (len(queue.visibility), queue.sent) == (1, [])
    answer, queue = handed_over(body, BROKEN, receives=6)
    assert answer == {"batchItemFailures": []}  # and so Lambda deletes it
    ((url, text),) = queue.sent
    assert url == SETTINGS.jobs_dead_letters_url
    expected = {"run_id": record.run_id, "attempt": 1} if body is None else body
    assert json.loads(text) == expected
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    assert logged[-1]["message"].endswith("it is put aside")
    assert logged[-1].get("run_id") == (record.run_id if body is None else None)


def test_a_run_that_waited_long_is_put_aside_after_five_failures_in_a_row_only(
    handed_over: HandOver,
) -> None:
    for receives in (*range(1, 10), 11, 12):
        answer, _ = handed_over(None, BUSY, receives=receives)
        assert len(answer["batchItemFailures"]) == 1
    for receives in range(13, 18):
        error, queue = handed_over(None, BROKEN, receives=receives)
        assert isinstance(error, ClientError)
        assert queue.sent == []
    _, queue = handed_over(None, BROKEN, receives=18)
    assert len(queue.sent) == 1


def test_a_run_sent_back_from_the_dead_letters_is_counted_anew(
    handed_over: HandOver,
) -> None:
    for receives in range(1, 10):
        handed_over(None, BUSY, receives=receives)
    again = 2_000_000_000.0  # after its status was written
    for receives in range(1, 6):
        error, _ = handed_over(None, BROKEN, receives=receives, sent_s=again)
        assert isinstance(error, ClientError)
    _, queue = handed_over(None, BROKEN, receives=6, sent_s=again)
    assert len(queue.sent) == 1


def test_two_messages_of_one_run_wait_side_by_side(handed_over: HandOver) -> None:
    """As they do where an event came twice: neither failed, so neither is put aside."""
    for receives in range(1, 10):
        for sent_s in (NOW, NOW + 3):
            answer, queue = handed_over(None, BUSY, receives=receives, sent_s=sent_s)
            assert len(answer["batchItemFailures"]) == 1
            assert queue.sent == []


def test_a_run_whose_job_was_created_is_not_put_aside(handed_over: HandOver) -> None:
    """It waited long, and the function ended right after it had said TRAINING."""
    for receives in range(1, 10):
        handed_over(None, BUSY, receives=receives)
    handed_over(None, receives=10)
    known = ("ResourceInUse", "must be unique")
    answer, queue = handed_over(None, known, receives=11)
    assert (answer, queue.sent) == ({"batchItemFailures": []}, [])


def test_where_it_cant_be_known_what_failed_time_is_the_bound(
    handed_over: HandOver, s3: Any, record: RunRecord
) -> None:
    key = layout.run_status_key(record.run_id)
    s3.put_object(Bucket="data", Key=key, Body=b"{ no status")
    error, queue = handed_over(None, receives=9)
    assert isinstance(error, ValueError)
    long_ago = NOW - SETTINGS.max_wait_s - 3600
    _, queue = handed_over(None, receives=9, sent_s=long_ago)
    assert len(queue.sent) == 1
