"""Requests that SageMaker refuses, lists and settings, over HTTP with boto3."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.sagemaker.api import SETTINGS_PATH
from tests.unit.local.sagemaker.conftest import IMAGE, KEYS, Service


@pytest.fixture
def unchecked(service: Service) -> Iterator[Any]:
    """Yield a client that leaves checking to the server."""
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    client = boto3.client(
        "sagemaker",
        endpoint_url=service.server.endpoint_url,
        **{**KEYS, "config": config},
    )
    yield client
    client.close()


def error_of(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_name_is_spent_for_good(service: Service) -> None:
    arn = service.create("taken")
    service.wait("taken")
    code, message = error_of(
        service.client.create_training_job, **service.request("taken")
    )
    assert code == "ResourceInUse"
    assert message == (
        "Training job names must be unique within an AWS account and region, and a "
        f"training job with this name already exists ({arn})"
    )


@pytest.mark.parametrize("operation", ["describe_training_job", "stop_training_job"])
def test_an_unknown_job_is_not_found(service: Service, operation: str) -> None:
    call = getattr(service.client, operation)
    assert error_of(call, TrainingJobName="nobody") == (
        "ValidationException",
        "Requested resource not found.",
    )


def test_a_name_outside_the_pattern_is_refused_in_sagemakers_words(
    service: Service,
) -> None:
    request = service.request("x_y")
    assert error_of(service.client.create_training_job, **request) == (
        "ValidationException",
        "1 validation error detected: Value 'x_y' at 'trainingJobName' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: "
        "^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    )


def test_all_that_is_wrong_is_said_at_once(service: Service, unchecked: Any) -> None:
    request = service.request("x_y")
    del request["RoleArn"]
    del request["InputDataConfig"][0]["DataSource"]
    request["ResourceConfig"]["InstanceCount"] = 0
    request["AlgorithmSpecification"]["TrainingInputMode"] = "Fast"
    code, message = error_of(unchecked.create_training_job, **request)
    assert code == "ValidationException"
    assert message.startswith("5 validation errors detected: Value null at 'roleArn'")
    assert "'inputDataConfig.1.member.dataSource'" in message
    assert (
        "Value '0' at 'resourceConfig.instanceCount' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1" in message
    )
    assert "Member must satisfy enum value set: [Pipe, File, FastFile]" in message


def test_lengths_ranges_and_patterns_are_those_of_the_service(
    service: Service, unchecked: Any
) -> None:
    request = service.request("n" * 64)
    request["RoleArn"] = "a role by its name alone"
    request["InputDataConfig"][0]["ChannelName"] = "my channel"
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": 0}
    request["Tags"] = [{"Key": "Größe ok", "Value": "a|b"}]
    request["HyperParameters"] = {"k": "1" * 2501}
    code, message = error_of(unchecked.create_training_job, **request)
    assert code == "ValidationException"
    # The name is too long, and so for its pattern too.
    assert message.startswith("7 validation errors detected: ")
    for fault in (
        "at 'trainingJobName' failed to satisfy constraint: Member must have length "
        "less than or equal to 63",
        "Value 'a role by its name alone' at 'roleArn' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: arn:aws[a-z\-]*:iam::\d{12}",
        "Value 'my channel' at 'inputDataConfig.1.member.channelName'",
        "Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy "
        "constraint: Member must have value greater than or equal to 1",
        "Value 'a|b' at 'tags.1.member.value'",
        f"Value '{{k={'1' * 2501}}}' at 'hyperParameters' failed to satisfy "
        "constraint: Map value must satisfy constraint: [Member must have length less "
        "than or equal to 2500, Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: .*]",
    ):
        assert fault in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"Environment": {"1 bad=key": "x", "GOOD": "y"}},
            "1 validation error detected: Value '{1 bad=key=x, GOOD=y}' at "
            "'environment' failed to satisfy constraint: Map keys must satisfy "
            "constraint: [Member must have length less than or equal to 512, Member "
            "must have length greater than or equal to 0, Member must satisfy regular "
            "expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]",
        ),
        (
            {"HyperParameters": {"k" * 257: "1"}},
            f"1 validation error detected: Value '{{{'k' * 257}=1}}' at "
            "'hyperParameters' failed to satisfy constraint: Map keys must satisfy "
            "constraint: [Member must have length less than or equal to 256, Member "
            "must have length greater than or equal to 0, Member must satisfy regular "
            "expression pattern: .*]",
        ),
        (
            {"VpcConfig": {"SecurityGroupIds": ["sg 1", "sg-2"], "Subnets": ["s-1"]}},
            "1 validation error detected: Value '[sg 1, sg-2]' at "
            "'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must "
            "satisfy constraint: [Member must have length less than or equal to 32, "
            "Member must have length greater than or equal to 0, Member must satisfy "
            "regular expression pattern: [-0-9a-zA-Z]+]",
        ),
    ],
)
def test_keys_values_and_plain_items_are_refused_all_together(
    service: Service, change: dict[str, Any], said: str
) -> None:
    request = service.request("together", **change)
    assert error_of(service.client.create_training_job, **request) == (
        "ValidationException",
        said,
    )


def test_a_member_of_the_wrong_type_cannot_be_read(
    service: Service, unchecked: Any
) -> None:
    request = service.request("typed")
    request["HyperParameters"] = {"k": 15}
    code, message = error_of(unchecked.create_training_job, **request)
    assert code == "SerializationException"
    assert message == "hyperParameters.k.member can not be a number"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE.replace("kmeans", "our/own"),
                    "TrainingInputMode": "File",
                }
            },
            "Cannot find repository: our/own in registry ID: 382416733822 Please check "
            "if your ECR repository exists and role arn:aws:iam::000000000000:role/"
            "trainer has proper pull permissions for SageMaker: ",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE.replace(":1", ":7"),
                    "TrainingInputMode": "File",
                }
            },
            "Cannot find the requested image: ",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "docker.io/kmeans:1",
                    "TrainingInputMode": "File",
                }
            },
            "Invalid training image. Please provide a valid Amazon Elastic Container "
            "Registry path of the Docker image to run.",
        ),
    ],
)
def test_what_the_stand_in_cannot_run_it_refuses(
    service: Service, change: dict[str, Any], said: str
) -> None:
    request = service.request("refused", **change)
    code, message = error_of(service.client.create_training_job, **request)
    assert code == "ValidationException"
    assert said in message


@pytest.mark.parametrize("bucket", ["training", "no-such-bucket"])
def test_a_channel_without_objects_is_refused(service: Service, bucket: str) -> None:
    request = service.request("empty")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3Uri"] = f"s3://{bucket}/nothing/"
    code, message = error_of(service.client.create_training_job, **request)
    assert code == "ValidationException"
    assert message.startswith(
        f'No S3 objects found under S3 URL "s3://{bucket}/nothing/" given in input'
    )
    assert error_of(service.client.describe_training_job, TrainingJobName="empty")


@pytest.mark.parametrize("manifest", [b"{}", b"[", b'[{"prefix": "s3://b/"}, 1]'])
def test_a_manifest_that_is_none_is_refused(service: Service, manifest: bytes) -> None:
    service.put(".manifest", manifest)
    request = service.request("no-manifest")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3DataType"] = "ManifestFile"
    source["S3Uri"] += ".manifest"
    code, message = error_of(service.client.create_training_job, **request)
    assert code == "ValidationException"
    assert message.startswith("Channel 'train': ")


def test_a_quota_is_counted_per_instance_type(service: Service) -> None:
    service.server.settings.quota = 1
    service.create("first", "run")
    code, message = error_of(
        service.client.create_training_job, **service.request("second")
    )
    assert code == "ResourceLimitExceeded"
    assert message.startswith(
        "The account-level service limit 'ml.m5.large for training job usage' is 1 "
        "Instances, with current utilization of 1 Instances and a request delta of 1 "
        "Instances."
    )
    other = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    service.create("other", ResourceConfig=other)
    service.client.stop_training_job(TrainingJobName="first")
    service.wait("first")
    service.create("second")


def test_each_instance_type_may_have_a_quota_of_its_own(service: Service) -> None:
    url = service.server.endpoint_url + SETTINGS_PATH
    status, answer = post(url, b'{"quota": {"ml.m5.large": 1}}', {})
    assert (status, answer["quota"]) == (200, {"ml.m5.large": 1})
    service.create("first", "run")
    refused = error_of(service.client.create_training_job, **service.request("second"))
    assert refused[0] == "ResourceLimitExceeded"
    other = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    for name in ("unlimited-1", "unlimited-2"):
        service.create(name, "run", ResourceConfig=other)


@pytest.mark.parametrize("role", ["nobody", "other"])
def test_a_role_that_sagemaker_cannot_assume_is_refused(
    service: Service, role: str
) -> None:
    arn = f"arn:aws:iam::000000000000:role/{role}"
    request = service.request("without-role", RoleArn=arn)
    code, message = error_of(service.client.create_training_job, **request)
    assert code == "ValidationException"
    assert message == (
        f"Could not assume role {arn}. Please ensure that the role exists and allows "
        "principal 'sagemaker.amazonaws.com' to assume the role."
    )


def test_tags_are_added_listed_and_deleted(service: Service) -> None:
    client = service.client
    arn = service.create("tagged", Tags=[{"Key": "team", "Value": "maps"}])
    assert "Tags" not in service.describe("tagged")
    new: Any = [{"Key": "team", "Value": "roads"}, {"Key": "cost", "Value": ""}]
    assert client.add_tags(ResourceArn=arn, Tags=new)["Tags"] == new
    client.delete_tags(ResourceArn=arn, TagKeys=["team", "unknown"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == new[1:]
    service.wait("tagged")
    assert client.list_tags(ResourceArn=arn)["Tags"] == new[1:]


def test_tags_that_cannot_be_are_refused(service: Service) -> None:
    client = service.client
    arn = service.create("tagged")
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    code, message = error_of(client.add_tags, ResourceArn=arn, Tags=twice)
    assert code == "ValidationException"
    assert message.startswith("Duplicate tag keys found.")
    request = service.request("ambiguous", Tags=twice)
    assert error_of(client.create_training_job, **request)[0] == "ValidationException"
    many: Any = [{"Key": str(number), "Value": ""} for number in range(50)]
    client.add_tags(ResourceArn=arn, Tags=many)
    code, message = error_of(client.add_tags, ResourceArn=arn, Tags=twice[:1])
    assert code == "ValidationException"
    assert message.endswith("the maximum number of tags is 50.")
    for call, members in (
        (client.list_tags, {}),
        (client.add_tags, {"Tags": twice[:1]}),
        (client.delete_tags, {"TagKeys": ["a"]}),
    ):
        code, message = error_of(call, ResourceArn=f"{arn}-other", **members)
        assert (code, message) == (
            "ValidationException",
            "Requested resource not found.",
        )


def test_a_quota_of_zero_names_the_quota(service: Service) -> None:
    service.server.settings.quota = 0
    code, message = error_of(
        service.client.create_training_job, **service.request("none")
    )
    assert code == "ResourceLimitExceeded"
    assert "is 0 Instances, with current utilization of 0 Instances" in message


def test_jobs_are_listed_by_pages_filters_and_order(service: Service) -> None:
    for name in ("a-1", "b-1", "a-2", "b-2", "a-3"):
        service.create(name, "crash" if name == "a-2" else "write")
        service.wait(name)

    def names(**request: Any) -> list[str]:
        pages = service.client.get_paginator("list_training_jobs").paginate(**request)
        return [
            job["TrainingJobName"]
            for page in pages
            for job in page["TrainingJobSummaries"]
        ]

    assert names() == ["a-1", "b-1", "a-2", "b-2", "a-3"]
    assert names(PaginationConfig={"PageSize": 2}) == [
        "a-1",
        "b-1",
        "a-2",
        "b-2",
        "a-3",
    ]
    assert names(
        SortBy="Name", SortOrder="Descending", PaginationConfig={"PageSize": 1}
    ) == ["b-2", "b-1", "a-3", "a-2", "a-1"]
    assert names(NameContains="A-") == ["a-1", "a-2", "a-3"]
    assert names(StatusEquals="Failed") == ["a-2"]
    # boto3 sends whole seconds.
    minute = timedelta(minutes=1)
    created = service.describe("a-2")["CreationTime"]
    assert len(names(CreationTimeAfter=created - minute)) == 5
    assert names(CreationTimeAfter=created + minute) == []
    assert len(names(LastModifiedTimeBefore=created + minute)) == 5
    assert names(LastModifiedTimeBefore=created - minute) == []


def test_a_page_has_1_to_100_jobs_and_a_token_of_ours(
    service: Service, unchecked: Any
) -> None:
    code, message = error_of(unchecked.list_training_jobs, MaxResults=101)
    assert code == "ValidationException"
    assert "Value '101' at 'maxResults'" in message
    assert error_of(service.client.list_training_jobs, NextToken="!")[0] == (
        "ValidationException"
    )


def test_a_page_goes_on_only_in_the_order_that_it_began_with(service: Service) -> None:
    for name in ("a", "b"):
        service.create(name)
    ask = service.client.list_training_jobs
    orders: list[Any] = [
        {"SortBy": by, "SortOrder": order}
        for by in ("Name", "CreationTime", "Status")
        for order in ("Ascending", "Descending")
    ]
    for order in orders:
        token = ask(MaxResults=1, **order)["NextToken"]
        (job,) = ask(NextToken=token, **order)["TrainingJobSummaries"]
        last = "b" if order["SortOrder"] == "Ascending" else "a"
        assert job["TrainingJobName"] == last or order["SortBy"] == "Status"
        for other in orders:
            if other != order:
                found = error_of(ask, NextToken=token, **other)
                assert found == ("ValidationException", "Invalid pagination token.")


@pytest.mark.parametrize(
    "place",
    [
        b"[]",
        b"{}",
        b"7",
        b'["CreationTime", "Ascending", "x", "a"]',
        b'["CreationTime", "Ascending", 1.5, null]',
        b"\xff",
    ],
)
def test_a_token_that_nobody_made_is_refused(service: Service, place: bytes) -> None:
    token = base64.urlsafe_b64encode(place).decode()
    found = error_of(service.client.list_training_jobs, NextToken=token)
    assert found == ("ValidationException", "Invalid pagination token.")
    arn = service.create("tagged")
    found = error_of(service.client.list_tags, ResourceArn=arn, NextToken=token)
    assert found == ("ValidationException", "Invalid pagination token.")


def test_no_job_has_a_warm_pool_or_a_plan(service: Service) -> None:
    service.create("plain")
    ask = service.client.list_training_jobs
    plan = "arn:aws:sagemaker:us-east-1:000000000000:training-plan/mine"
    assert ask(WarmPoolStatusEquals="Available")["TrainingJobSummaries"] == []
    assert ask(TrainingPlanArnEquals=plan)["TrainingJobSummaries"] == []


def test_nulls_and_unknown_members_are_as_good_as_left_out(service: Service) -> None:
    request = service.request("nulls", Tags=None, Environment=None, Colour="red")
    request["OutputDataConfig"]["KmsKeyId"] = None
    headers = {"X-Amz-Target": "SageMaker.CreateTrainingJob"}
    body = json.dumps(request).encode()
    assert post(service.server.endpoint_url, body, headers)[0] == 200
    body = json.dumps({"TrainingJobName": "nulls"}).encode()
    headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}
    _, job = post(service.server.endpoint_url, body, headers)
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert not job.keys() & {"Tags", "Environment", "Colour"}
    assert service.wait("nulls")["TrainingJobStatus"] == "Completed"
    for name in ("RoleArn", "StoppingCondition"):
        body = json.dumps({**request, "TrainingJobName": "less", name: None}).encode()
        headers = {"X-Amz-Target": "SageMaker.CreateTrainingJob"}
        status, answer = post(service.server.endpoint_url, body, headers)
        where = name[0].lower() + name[1:]
        assert (status, answer["message"]) == (
            400,
            f"1 validation error detected: Value null at '{where}' failed to satisfy "
            "constraint: Member must not be null",
        )


def test_an_operation_that_is_not_there_is_unknown(service: Service) -> None:
    code, message = error_of(service.client.list_models)
    assert code == "UnknownOperationException"
    assert "ListModels" in message


def test_what_is_not_json_cannot_be_read(service: Service) -> None:
    headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob"}
    status, answer = post(service.server.endpoint_url, b"{", headers)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_calls_are_throttled_on_demand_and_clients_try_again(service: Service) -> None:
    service.create("job")
    service.server.settings.throttle = 3
    describe = service.client.describe_training_job
    code, message = error_of(describe, TrainingJobName="job")
    assert (code, message) == ("ThrottlingException", "Rate exceeded")
    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, proxies={})
    patient = boto3.client(
        "sagemaker",
        endpoint_url=service.server.endpoint_url,
        **{**KEYS, "config": config},
    )
    answer = patient.describe_training_job(TrainingJobName="job")
    assert answer["TrainingJobName"] == "job"
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    patient.close()
    assert service.server.settings.throttle == 0


def test_settings_change_while_the_server_runs(service: Service) -> None:
    url = service.server.endpoint_url + SETTINGS_PATH
    status, answer = post(url, b'{"quota": 3, "uploading_seconds": 1.5}', {})
    assert (status, answer["quota"], answer["uploading_seconds"]) == (200, 3, 1.5)
    with urllib.request.urlopen(url) as response:
        assert json.load(response) == answer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"colour": "red"},
            "colour is no setting; there are instances_a_job, longest_run_seconds, "
            "quota, stop_grace_seconds, throttle, uploading_seconds",
        ),
        (
            {"throttle": "many"},
            "throttle must be a whole number that isn't negative, not 'many'",
        ),
        (
            {"throttle": True},
            "throttle must be a whole number that isn't negative, not True",
        ),
        (
            {"quota": "x"},
            "quota must be a whole number, an object of such by instance type, or "
            "null, not 'x'",
        ),
        (
            {"quota": {"ml.m5.large": -1}},
            "quota must be a whole number, an object of such by instance type, or "
            "null, not {'ml.m5.large': -1}",
        ),
        (
            {"uploading_seconds": -0.5},
            "uploading_seconds must be a number of seconds, not -0.5",
        ),
        (
            {"stop_grace_seconds": float("inf")},
            "stop_grace_seconds must be a number of seconds, not inf",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_and_change_nothing(
    service: Service, change: dict[str, Any], said: str
) -> None:
    url = service.server.endpoint_url + SETTINGS_PATH
    before = asdict(service.server.settings)
    body = json.dumps({"instances_a_job": 7, **change}).encode()
    status, answer = post(url, body, {})
    assert (status, answer["message"]) == (400, said)
    assert asdict(service.server.settings) == before
    assert service.client.list_training_jobs()["TrainingJobSummaries"] == []
