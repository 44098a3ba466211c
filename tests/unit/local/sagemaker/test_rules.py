"""Jobs that SageMaker's service model allows, and SageMaker doesn't."""

from typing import Any

import pytest

from infra.kmeans_registries import REGISTRIES, image_uri
from local.sagemaker.errors import ValidationError
from local.sagemaker.rules import refuse_unlawful
from tests.unit.local.sagemaker.conftest import IMAGE, Service
from tests.unit.local.sagemaker.test_api import error_of

DAY_S = 86_400


def specification(**changes: Any) -> dict[str, Any]:
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", **changes}
    return {"AlgorithmSpecification": algorithm}


def spot(run_s: int, wait_s: int | None = None) -> dict[str, Any]:
    condition = {"MaxRuntimeInSeconds": run_s}
    if wait_s is not None:
        condition["MaxWaitTimeInSeconds"] = wait_s
    return {"EnableManagedSpotTraining": True, "StoppingCondition": condition}


def assert_refused(
    service: Service, request: dict[str, Any], said: str, code: str
) -> None:
    found = error_of(service.client.create_training_job, **request)
    assert found == (code, said)
    name = request["TrainingJobName"]
    assert error_of(service.client.describe_training_job, TrainingJobName=name)
    assert not (service.state / "jobs" / name).exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            specification(MetricDefinitions=[{"Name": "train:msd", "Regex": "(.*)"}]),
            "You can't override the metric definitions for Amazon SageMaker "
            "algorithms. Please retry the request without specifying metric "
            "definitions.",
        ),
        (
            specification(AlgorithmName="kmeans"),
            "You can't specify both TrainingImage and AlgorithmName in the algorithm "
            "specification. Please specify one of them.",
        ),
        (
            specification(TrainingImage=image_uri("eu-central-1")),
            "Invalid DNS suffix 'amazonaws.com' for region 'eu-central-1' in training "
            "image. Please provide the valid <region>.<dns-suffix>: "
            "'us-east-1.amazonaws.com'",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 28 * DAY_S + 1}},
            "Invalid MaxRuntimeInSeconds. It must be less than or equal to 2419200",
        ),
        (
            {
                "StoppingCondition": {
                    "MaxRuntimeInSeconds": 600,
                    "MaxWaitTimeInSeconds": 600,
                }
            },
            "Invalid MaxWaitTimeInSeconds. It is only supported when "
            "EnableManagedSpotTraining is set to true",
        ),
        (
            spot(600),
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or "
            "equal to MaxRuntimeInSeconds",
        ),
        (
            spot(600, 599),
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or "
            "equal to MaxRuntimeInSeconds",
        ),
        (
            spot(600, 3_601),
            "MaxWaitTimeInSeconds above 3600 is not supported for the given algorithm.",
        ),
        (
            {"Tags": [{"Key": "AWS:mine", "Value": ""}]},
            "aws: prefixed tag key names are not allowed for external use.",
        ),
    ],
)
def test_a_job_against_the_rules_is_refused(
    service: Service, changes: dict[str, Any], said: str
) -> None:
    request = service.request("unlawful", **changes)
    assert_refused(service, request, said, "ValidationException")


def test_a_registry_of_another_account_has_no_such_image(service: Service) -> None:
    image = IMAGE.replace("382416733822", "000000000000")
    request = service.request("foreign", **specification(TrainingImage=image))
    code, message = error_of(service.client.create_training_job, **request)
    assert code == "ValidationException"
    assert message.startswith(
        "Cannot find repository: kmeans in registry ID: 000000000000 Please check if "
    )


def test_each_regions_own_image_is_taken_there_and_nowhere_else(
    service: Service,
) -> None:
    for region in REGISTRIES:
        image = specification(TrainingImage=image_uri(region))
        request = service.request("local", **image)
        refuse_unlawful(request, region)
        other = "us-east-1" if region != "us-east-1" else "us-east-2"
        with pytest.raises(ValidationError, match="Invalid DNS suffix"):
            refuse_unlawful(request, other)


def test_a_role_of_another_account_is_refused(service: Service) -> None:
    role = "arn:aws:iam::123456789012:role/trainer"
    request = service.request("foreign", RoleArn=role)
    said = "Cross-account pass role is not allowed."
    assert_refused(service, request, said, "AccessDeniedException")


def test_two_channels_of_one_name_are_refused(service: Service) -> None:
    request = service.request("twins")
    request["InputDataConfig"] *= 2
    said = (
        "Duplicate channel name 'train' in input data configuration. Channel names "
        "must be unique."
    )
    assert_refused(service, request, said, "ValidationException")


@pytest.mark.parametrize("mode", ["File", "FastFile"])
@pytest.mark.parametrize(
    ("member", "kind", "what"),
    [
        ("CompressionType", "Gzip", "compression type"),
        ("RecordWrapperType", "RecordIO", "record wrapper type"),
    ],
)
def test_only_pipes_unpack_and_wrap(
    service: Service, mode: str, member: str, kind: str, what: str
) -> None:
    request = service.request("packed", **specification(TrainingInputMode="Pipe"))
    (channel,) = request["InputDataConfig"]
    channel |= {"InputMode": mode, member: kind}
    said = (
        f"Invalid {what} for channel train: {mode} mode only supports NONE, got {kind} "
        "instead"
    )
    assert_refused(service, request, said, "ValidationException")


@pytest.mark.parametrize(
    "change", [{"RecordWrapperType": "RecordIO"}, {"ShuffleConfig": {"Seed": 1}}]
)
def test_what_the_stand_in_does_to_no_object_it_refuses(
    service: Service, change: dict[str, Any]
) -> None:
    request = service.request("odd", **specification(TrainingInputMode="Pipe"))
    request["InputDataConfig"][0] |= change
    said = (
        "This SageMaker stand-in neither wraps objects into records nor shuffles them; "
        "channel 'train' wants it."
    )
    assert_refused(service, request, said, "ValidationException")


def test_a_model_that_isnt_to_be_packed_is_refused(service: Service) -> None:
    request = service.request("loose")
    request["OutputDataConfig"]["CompressionType"] = "NONE"
    said = "This SageMaker stand-in packs models by GZIP alone."
    assert_refused(service, request, said, "ValidationException")


def test_spot_training_that_waits_as_long_as_it_may_is_taken(service: Service) -> None:
    service.create("spot", **spot(3_600, 3_600))
    job = service.wait("spot")
    assert job["TrainingJobStatus"] == "Completed"
    assert job["EnableManagedSpotTraining"] is True


@pytest.mark.parametrize(
    ("count", "run_s", "said"),
    [
        (
            1_000_000,
            600,
            "'Maximum number of instances per training job' is 20 Instances, with "
            "current utilization of 0 Instances and a request delta of 1000000 "
            "Instances. ",
        ),
        (
            1,
            5 * DAY_S + 1,
            "'Longest run time for a training job' is 432000 Seconds, with current "
            "utilization of 0 Seconds and a request delta of 432001 Seconds. ",
        ),
    ],
)
def test_a_job_is_held_to_the_accounts_default_quotas(
    service: Service, count: int, run_s: int, said: str
) -> None:
    request = service.request(
        "greedy", StoppingCondition={"MaxRuntimeInSeconds": run_s}
    )
    request["ResourceConfig"]["InstanceCount"] = count
    said = (
        f"The account-level service limit {said}Please use AWS Service Quotas to "
        "request an increase for this quota. If AWS Service Quotas is not available, "
        "contact AWS support to request an increase for this quota."
    )
    assert_refused(service, request, said, "ResourceLimitExceeded")


def test_the_default_quotas_may_be_raised(service: Service) -> None:
    service.server.settings.change(
        {"longest_run_seconds": 20 * DAY_S, "instances_a_job": 0}
    )
    condition = {"MaxRuntimeInSeconds": 20 * DAY_S}
    request = service.request("long", StoppingCondition=condition)
    code, message = error_of(service.client.create_training_job, **request)
    assert code == "ResourceLimitExceeded"
    assert "'Maximum number of instances per training job' is 0 Instances" in message
    service.server.settings.change({"instances_a_job": 1})
    service.client.create_training_job(**request)


def test_tags_that_are_awss_own_cannot_be_added(service: Service) -> None:
    arn = service.create("tagged")
    tags = [{"Key": "aws:mine", "Value": ""}]
    code, _ = error_of(service.client.add_tags, ResourceArn=arn, Tags=tags)
    assert code == "ValidationException"
    assert service.client.list_tags(ResourceArn=arn)["Tags"] == []
