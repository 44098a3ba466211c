"""The trial on AWS, tried here: all of it but AWS itself.

(How it ends that fails: `tests/unit/operations/test_smoke.py`.)
"""

from pathlib import Path
from typing import Any

import pytest

from local import deployment
from operations.smoke import Smoke, new_stack_name
from tests.integration.conftest import Pipeline

TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"


def everything(pipeline: Pipeline) -> dict[str, set[str]]:
    """Return the names of all that a stack may leave behind."""
    client = pipeline.cloud.client
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    found: dict[str, list[Any]] = {
        "stacks": [s["StackName"] for s in stacks if "DELETE" not in s["StackStatus"]],
        "buckets": [one["Name"] for one in client("s3").list_buckets()["Buckets"]],
        "functions": [
            one["FunctionName"]
            for one in client("lambda").list_functions()["Functions"]
        ],
        "sources": [
            one["UUID"]
            for one in client("lambda").list_event_source_mappings()[
                "EventSourceMappings"
            ]
        ],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "roles": [one["RoleName"] for one in client("iam").list_roles()["Roles"]],
        "rules": [one["Name"] for one in client("events").list_rules()["Rules"]],
        "topics": [one["TopicArn"] for one in client("sns").list_topics()["Topics"]],
        "alarms": [
            one["AlarmName"]
            for one in client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "log groups": [
            one["logGroupName"]
            for one in client("logs").describe_log_groups()["logGroups"]
            if one["logGroupName"] != TRAINING_LOGS
        ],
        "training logs": training_logs(client("logs")),
        "keys": usable_keys(client("kms")),
    }
    return {kind: set(names) for kind, names in found.items()}


def training_logs(logs: Any) -> list[Any]:
    """Return the log streams of training jobs, whose group is no stack's."""
    try:
        answer = logs.describe_log_streams(logGroupName=TRAINING_LOGS)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [one["logStreamName"] for one in answer["logStreams"]]


def usable_keys(kms: Any) -> list[Any]:
    """Return all keys but those that wait for their end, as AWS demands."""
    keys = [one["KeyId"] for one in kms.list_keys()["Keys"]]
    described = [kms.describe_key(KeyId=key)["KeyMetadata"] for key in keys]
    return [one["KeyId"] for one in described if one["KeyState"] != "PendingDeletion"]


def training_jobs(pipeline: Pipeline) -> set[str]:
    jobs = pipeline.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return {job["TrainingJobName"] for job in jobs}


def test_the_trial_goes_the_whole_way_under_a_key_and_leaves_nothing(
    pipeline: Pipeline, assembly: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = pipeline.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    before, jobs = everything(pipeline), training_jobs(pipeline)

    smoke = Smoke(stack=new_stack_name(), settings={"kms_key_arn": key}, poll_s=0.2)
    status = smoke.run(pipeline.cloud, deployment.cdk(pipeline.cloud, bundles=assembly))

    assert status["state"] == "SUCCEEDED"
    said = capsys.readouterr().out
    assert "12 clusters of 745 places" in said
    assert "Estimated cost of the run: 0." in said
    assert everything(pipeline) == before
    # SageMaker keeps its list of jobs, and so it can be seen what was asked of it.
    (name,) = training_jobs(pipeline) - jobs
    job = pipeline.sagemaker.describe_training_job(TrainingJobName=name)
    assert job["OutputDataConfig"]["KmsKeyId"] == key
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == key
