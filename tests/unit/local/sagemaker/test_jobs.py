"""A job's way from its request to its end, over HTTP, with the stub trainer."""

import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from local.sagemaker import aws
from tests.unit.local.sagemaker.conftest import (
    BUCKET,
    EventDoor,
    Serve,
    Service,
    wait_until,
)


def statuses(job: Any) -> list[str]:
    return [change["Status"] for change in job["SecondaryStatusTransitions"]]


def test_a_job_completes_by_way_of_all_its_statuses(service: Service) -> None:
    arn = service.create("whole")
    job = service.wait("whole")
    assert arn == "arn:aws:sagemaker:us-east-1:000000000000:training-job/whole"
    assert job["TrainingJobArn"] == arn
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    assert statuses(job) == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    for change in job["SecondaryStatusTransitions"]:
        assert change["StartTime"] <= change["EndTime"]
        assert change["StatusMessage"]
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["LastModifiedTime"] == job["TrainingEndTime"]
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == (
        f"s3://{BUCKET}/{service.model_key('whole')}"
    )
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("train:msd", 0.25)


def test_what_a_request_leaves_out_is_described(service: Service) -> None:
    request = service.request("terse", StoppingCondition={})
    del request["InputDataConfig"][0]["DataSource"]["S3DataSource"][
        "S3DataDistributionType"
    ]
    service.client.create_training_job(**request)
    job = service.describe("terse")
    for name in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        assert job[name] is False
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    (channel,) = job["InputDataConfig"]
    assert channel["CompressionType"] == channel["RecordWrapperType"] == "None"
    source = channel["DataSource"]["S3DataSource"]
    assert source["S3DataDistributionType"] == "FullyReplicated"


def test_what_a_request_says_is_described_as_it_is(service: Service) -> None:
    request = service.request("wordy", EnableNetworkIsolation=True)
    request["OutputDataConfig"]["KmsKeyId"] = "alias/mine"
    service.client.create_training_job(**request)
    job = service.describe("wordy")
    assert job["EnableNetworkIsolation"] is True
    assert job["OutputDataConfig"] == request["OutputDataConfig"]
    assert job["StoppingCondition"] == request["StoppingCondition"]


def test_the_model_is_packed_by_bare_names_and_owned_by_root(service: Service) -> None:
    service.create("packed")
    service.wait("packed")
    with tarfile.open(fileobj=io.BytesIO(service.model("packed"))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["model_algo-1", "state_0a1b"]
        assert {(member.uid, member.gid) for member in members} == {(0, 0)}


def test_the_model_is_there_while_the_job_is_uploading(service: Service) -> None:
    service.server.settings.uploading_seconds = 0.4
    service.create("slow-upload")
    wait_until(lambda: service.has_model("slow-upload"))
    job = service.describe("slow-upload")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == (
        "InProgress",
        "Uploading",
    )
    assert "ModelArtifacts" not in job
    job = service.wait("slow-upload")
    uploading = job["SecondaryStatusTransitions"][-2]
    took = uploading["EndTime"] - uploading["StartTime"]
    assert took.total_seconds() >= 0.4


def test_a_failing_trainer_fails_the_job_with_its_reason(service: Service) -> None:
    service.create("failing", "fail")
    job = service.wait("failing")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: no good!!!")
    assert job["FailureReason"].endswith(", exit code: 2")
    assert len(job["FailureReason"]) == 1024
    assert not service.has_model("failing")


def test_a_crash_without_a_word_is_an_algorithm_error(service: Service) -> None:
    service.create("crashing", "crash")
    job = service.wait("crashing")
    assert job["FailureReason"] == "AlgorithmError: , exit code: 139"


def test_a_stopped_job_uploads_what_its_trainer_has(service: Service) -> None:
    service.create("stopped", "run")
    service.wait_for_log("stopped", "running")
    service.client.stop_training_job(TrainingJobName="stopped")
    assert service.describe("stopped")["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = service.wait("stopped")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert statuses(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert service.has_model("stopped")
    assert "FailureReason" not in job


def test_a_trainer_deaf_to_sigterm_is_killed_and_has_no_model(service: Service) -> None:
    service.server.settings.stop_grace_seconds = 0.1
    service.create("deaf", "ignore")
    service.wait_for_log("deaf", "running")
    service.client.stop_training_job(TrainingJobName="deaf")
    job = service.wait("deaf")
    assert statuses(job)[-2:] == ["Stopping", "Stopped"]
    assert not service.has_model("deaf")
    assert "ModelArtifacts" not in job


def test_a_job_stopped_while_uploading_ends_stopped(service: Service) -> None:
    service.server.settings.uploading_seconds = 0.3
    service.create("late-stop")
    service.wait("late-stop", "Uploading")
    service.client.stop_training_job(TrainingJobName="late-stop")
    job = service.wait("late-stop")
    assert job["TrainingJobStatus"] == "Stopped"
    assert service.has_model("late-stop")


def test_stopping_twice_is_no_fault_but_stopping_what_ended_is(
    service: Service,
) -> None:
    service.server.settings.uploading_seconds = 0.2
    service.create("twice", "run")
    service.wait_for_log("twice", "running")
    service.client.stop_training_job(TrainingJobName="twice")
    service.client.stop_training_job(TrainingJobName="twice")
    service.wait("twice")
    with pytest.raises(ClientError) as caught:
        service.client.stop_training_job(TrainingJobName="twice")
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "The request was rejected because the training job is in status "
        "Stopped.",
    }


def test_a_job_that_runs_too_long_is_stopped_by_its_condition(
    service: Service,
) -> None:
    service.create("long", "run", StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = service.wait("long")
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert job["TrainingTimeInSeconds"] >= 1


@pytest.fixture
def slow_download(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service's one object take longer to download than any test waits."""
    iter_chunks = StreamingBody.iter_chunks

    def dribble(body: StreamingBody, size: int) -> Iterator[bytes]:
        for piece in iter_chunks(body, size):
            time.sleep(0.2)
            yield piece

    monkeypatch.setattr(aws, "_PIECE_BYTES", 100)
    monkeypatch.setattr(StreamingBody, "iter_chunks", dribble)
    service.put("part-00000.pbr", bytes(300_000))


@pytest.mark.usefixtures("slow_download")
def test_the_download_counts_towards_the_runtime(service: Service) -> None:
    service.create("slow", StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = service.wait("slow")
    assert job["TrainingJobStatus"] == "Stopped"
    assert statuses(job)[-3:] == ["Downloading", "Stopping", "MaxRuntimeExceeded"]


@pytest.mark.usefixtures("slow_download")
def test_a_job_is_stopped_in_the_middle_of_an_object(service: Service) -> None:
    service.create("midway")
    service.wait("midway", "Downloading")
    service.client.stop_training_job(TrainingJobName="midway")
    job = service.wait("midway")
    assert statuses(job)[-3:] == ["Downloading", "Stopping", "Stopped"]


def test_a_job_whose_object_does_not_come_ends_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(
        StreamingBody, "iter_chunks", lambda *_: iter(lambda: released.wait(60), True)
    )
    service.create("late", StoppingCondition={"MaxRuntimeInSeconds": 1})
    service.create("stuck")
    service.wait("stuck", "Downloading")
    service.client.stop_training_job(TrainingJobName="stuck")
    assert service.wait("stuck")["SecondaryStatus"] == "Stopped"
    assert service.wait("late")["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert not released.is_set()
    released.set()
    for name in ("late", "stuck"):
        wait_until(partial(_is_cleared, service.state / "jobs" / name))


def _is_cleared(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["job.json"]


def test_the_container_is_laid_out_as_sagemakers(service: Service) -> None:
    service.put("deeper/part-00001.pbr", b"more")
    service.put("folder/", b"")
    service.create("shown", "show", Environment={"GEOCLUSTERS_TRAINER_SEED": "7"})
    service.wait("shown")
    with tarfile.open(fileobj=io.BytesIO(service.model("shown"))) as archive:
        member = archive.extractfile("shown.json")
        assert member is not None
        shown = json.load(member)
    files = shown["files"]
    assert files.pop("input/data/train/part-00000.pbr") == "data"
    assert files.pop("input/data/train/deeper/part-00001.pbr") == "more"
    assert json.loads(files.pop("input/config/hyperparameters.json")) == {"act": "show"}
    assert json.loads(files.pop("input/config/inputdataconfig.json")) == {
        "train": {
            "ContentType": "application/x-recordio-protobuf",
            "TrainingInputMode": "File",
            "S3DistributionType": "ShardedByS3Key",
            "RecordWrapperType": "None",
        }
    }
    assert json.loads(files.pop("input/config/resourceconfig.json")) == {
        "current_host": "algo-1",
        "hosts": ["algo-1"],
        "network_interface_name": "eth1",
    }
    assert not files
    assert shown["argv"][-2:] == ["local.sagemaker.trainer", "train"]
    environment = shown["environment"]
    assert environment["TRAINING_JOB_NAME"] == "shown"
    assert environment["TRAINING_JOB_ARN"].endswith(":training-job/shown")
    assert environment["GEOCLUSTERS_TRAINER_SEED"] == "7"
    assert "AWS_SECRET_ACCESS_KEY" not in environment


@pytest.mark.parametrize("mode", ["FastFile", "Pipe"])
def test_other_input_modes_bring_the_same_data(service: Service, mode: str) -> None:
    service.put("part-00001.pbr", b"more" * 100_000)
    request = service.request(mode, "pipe" if mode == "Pipe" else "show")
    request["AlgorithmSpecification"]["TrainingInputMode"] = mode
    service.client.create_training_job(**request)
    assert service.wait(mode)["TrainingJobStatus"] == "Completed"
    with tarfile.open(fileobj=io.BytesIO(service.model(mode))) as archive:
        content = {
            member.name: (archive.extractfile(member) or io.BytesIO()).read()
            for member in archive.getmembers()
        }
    if mode == "Pipe":
        assert content["0"] == content["1"] == b"data" + b"more" * 100_000
    else:
        files = json.loads(content["shown.json"])["files"]
        config = json.loads(files["input/config/inputdataconfig.json"])
        assert config["train"]["TrainingInputMode"] == "File"
        assert len(files["input/data/train/part-00001.pbr"]) == 400_000


def test_a_pipe_that_nobody_reads_does_not_outlast_its_job(service: Service) -> None:
    request = service.request("unread", "run")
    request["AlgorithmSpecification"]["TrainingInputMode"] = "Pipe"
    service.client.create_training_job(**request)
    service.wait_for_log("unread", "running")
    service.client.stop_training_job(TrainingJobName="unread")
    assert service.wait("unread")["TrainingJobStatus"] == "Stopped"
    wait_until(
        lambda: not any(thread.name == "pipe train" for thread in threading.enumerate())
    )


def test_a_manifest_names_the_channels_objects(service: Service) -> None:
    manifest = [{"prefix": f"s3://{BUCKET}/{service.prefix}/train/"}, "part-00000.pbr"]
    service.put("unnamed.pbr")
    service.put(".manifest", json.dumps(manifest).encode())
    request = service.request("by-manifest", "show")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3DataType"] = "ManifestFile"
    source["S3Uri"] += ".manifest"
    service.client.create_training_job(**request)
    assert service.wait("by-manifest")["TrainingJobStatus"] == "Completed"
    with tarfile.open(fileobj=io.BytesIO(service.model("by-manifest"))) as archive:
        member = archive.extractfile("shown.json")
        assert member is not None
        files = json.load(member)["files"]
    data = [name for name in files if name.startswith("input/data")]
    assert data == ["input/data/train/part-00000.pbr"]


@pytest.mark.parametrize(
    "manifest", [b"\xff\xfe\xfd", b"{", b"[]", b'["a", "b"]', b'[{"prefix": 1}, "a"]']
)
def test_a_broken_manifest_is_told_in_plain_words(
    service: Service, manifest: bytes
) -> None:
    service.put(".manifest", manifest)
    request = service.request("broken-manifest")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3DataType"] = "ManifestFile"
    source["S3Uri"] += ".manifest"
    with pytest.raises(ClientError) as caught:
        service.client.create_training_job(**request)
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Channel 'train': its manifest is not JSON of the form "
        '[{"prefix": "s3://…"}, "name", …].',
    }


@pytest.mark.parametrize("order", [("both", "both/below"), ("both/below", "both")])
def test_a_key_that_is_a_file_and_a_folder_is_named(
    service: Service, order: tuple[str, str]
) -> None:
    for name in ("both", "both/below"):
        service.put(name)
    prefix = f"s3://{BUCKET}/{service.prefix}/train/"
    service.put(".manifest", json.dumps([{"prefix": prefix}, *order]).encode())
    request = service.request("two-in-one")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source.update(S3DataType="ManifestFile", S3Uri=f"{prefix}.manifest")
    service.client.create_training_job(**request)
    assert service.wait("two-in-one")["FailureReason"] == (
        f"ClientError: Data download failed:Unable to download object {prefix}"
        f"{order[1]} (the key can't be a file and a folder of other keys at once)"
    )


def test_an_output_bucket_that_is_missing_fails_the_job(service: Service) -> None:
    service.create("nowhere", OutputDataConfig={"S3OutputPath": "s3://no-bucket/x"})
    reason = service.wait("nowhere")["FailureReason"]
    assert reason.startswith("ClientError: Artifact upload failed: s3://no-bucket/x/")


def test_the_log_is_in_cloudwatch_before_the_job_ends(
    service: Service, logs: Any
) -> None:
    service.server.settings.uploading_seconds = 0.3
    service.create("logged")
    service.wait("logged", "Uploading")
    group = "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(
        logGroupName=group, logStreamNamePrefix="logged/"
    )["logStreams"]
    assert stream["logStreamName"].startswith("logged/algo-1-")
    assert stream["logStreamName"].rpartition("-")[2].isdecimal()
    lines = logs.get_log_events(
        logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
    )["events"]
    assert lines[0]["message"] == "acting: write"
    assert service.describe("logged")["TrainingJobStatus"] == "InProgress"


def test_each_change_of_state_is_an_event_in_order(
    service: Service, events: EventDoor
) -> None:
    events.refuse = 2
    arn = service.create("eventful")
    details = events.details("Completed")
    assert [detail["SecondaryStatus"] for detail in details] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    last = details[-1]
    assert last["TrainingJobArn"] == arn
    assert last["HyperParameters"] == {"act": "write"}
    assert "ModelArtifacts" not in last
    now_ms = time.time() * 1000
    assert abs(int(last["CreationTime"]) - now_ms) < 60_000
    assert abs(int(last["SecondaryStatusTransitions"][0]["EndTime"]) - now_ms) < 60_000


def test_the_event_of_a_failed_job_has_its_reason(
    service: Service, events: EventDoor
) -> None:
    service.create("failed-event", "crash")
    (detail,) = events.details("Failed")[-1:]
    assert detail["FailureReason"] == "AlgorithmError: , exit code: 139"


def test_events_are_put_as_entries_of_sagemakers(
    service: Service, events: EventDoor
) -> None:
    arn = service.create("entry")
    entry = events.entries.get(timeout=10)
    assert entry["Source"] == "aws.sagemaker"
    assert entry["DetailType"] == "SageMaker Training Job State Change"
    assert entry["Resources"] == [arn]


def test_jobs_survive_a_restart(
    service: Service, serve: Serve, stub_python: Path
) -> None:
    service.create("done")
    done = service.wait("done")
    service.create("left", "run", Tags=[{"Key": "of", "Value": "before"}])
    service.wait_for_log("left", "running")
    service.create("stopping", "ignore")
    service.wait_for_log("stopping", "running")
    service.client.stop_training_job(TrainingJobName="stopping")
    left = service.describe("left")
    service.server.close()

    again = serve(stub_python)
    assert again.wait("stopping")["TrainingJobStatus"] == "Stopped"
    described = again.describe("done")
    assert described["ModelArtifacts"] == done["ModelArtifacts"]
    assert described["SecondaryStatus"] == "Completed"
    running = again.wait("left", "Training")
    assert running["CreationTime"] == left["CreationTime"]
    assert "Restarting" in [
        each["Status"] for each in running["SecondaryStatusTransitions"]
    ]
    tags = again.client.list_tags(ResourceArn=left["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "of", "Value": "before"}]
    log = again.state / "jobs/left/log.txt"
    wait_until(lambda: log.read_text().count("running") == 2)
    again.client.stop_training_job(TrainingJobName="left")
    assert again.wait("left")["TrainingJobStatus"] == "Stopped"
    assert again.has_model("left")


@pytest.mark.parametrize(
    "record", [b"", b'{"TrainingJobName": "da', b"[]", b"{}", b"\xff"]
)
def test_a_damaged_record_stops_no_other_jobs_restart(
    service: Service,
    serve: Serve,
    stub_python: Path,
    caplog: pytest.LogCaptureFixture,
    record: bytes,
) -> None:
    for name in ("damaged", "whole"):
        service.create(name, "run")
        service.wait_for_log(name, "running")
    service.server.close()
    path = service.state / "jobs/damaged/job.json"
    path.write_bytes(record)

    again = serve(stub_python)
    assert f"{path} is damaged, and put aside: " in caplog.text
    assert path.with_suffix(".damaged").read_bytes() == record
    assert again.wait("whole", "Training")
    listed = again.client.list_training_jobs()["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in listed] == ["whole"]
    again.create("damaged")
    assert again.wait("damaged")["TrainingJobStatus"] == "Completed"
    again.client.stop_training_job(TrainingJobName="whole")
    again.wait("whole")


def test_an_ended_job_leaves_only_its_record_and_log(service: Service) -> None:
    service.create("tidy")
    service.wait("tidy")
    folder = service.state / "jobs/tidy"
    wait_until(
        lambda: {path.name for path in folder.iterdir()} == {"job.json", "log.txt"}
    )
