"""What SageMaker demands of a training job beyond its service model."""

import re
from typing import Any

from infra.kmeans_registries import REGISTRIES, Registry
from local.sagemaker.access import ACCOUNT
from local.sagemaker.errors import RefusedError, ValidationError

_LONGEST_RUN_S = 28 * 86_400
#: For algorithms that make no checkpoints, as KMeans.
_LONGEST_WAIT_S = 3_600
_RESERVED = "aws:"
_ECR_IMAGE = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.(?P<suffix>[a-z0-9.-]+)"
    r"/(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?(@.+)?"
)


def refuse_unlawful(request: dict[str, Any], region: str) -> None:
    """Refuse a request for a training job that SageMaker, or this stand-in, would.

    Raises
    ------
    ValidationError
    RefusedError
        If the role is another account's.
    """
    _refuse_foreign_role(request["RoleArn"])
    _refuse_algorithm(request["AlgorithmSpecification"], request["RoleArn"], region)
    _refuse_times(
        request["StoppingCondition"],
        is_spot=request.get("EnableManagedSpotTraining", False),
    )
    mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    _refuse_ambiguous_channels(request["InputDataConfig"])
    for channel in request["InputDataConfig"]:
        _refuse_channel(channel, channel.get("InputMode", mode))
    if request["OutputDataConfig"].get("CompressionType") == "NONE":
        raise ValidationError("This SageMaker stand-in packs models by GZIP alone.")
    refuse_tags(request.get("Tags", []))


def refuse_tags(tags: list[dict[str, str]]) -> None:
    """Refuse tags of the same key, and those that are AWS's own.

    Raises
    ------
    ValidationError
    """
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) < len(keys):
        raise ValidationError("Duplicate tag keys found. Each key must be unique.")
    if any(key.lower().startswith(_RESERVED) for key in keys):
        raise ValidationError(
            "aws: prefixed tag key names are not allowed for external use."
        )


def _refuse_foreign_role(role_arn: str) -> None:
    if role_arn.split(":")[4] != ACCOUNT:
        message = "Cross-account pass role is not allowed."
        raise RefusedError("AccessDeniedException", message)


def _refuse_algorithm(specification: dict[str, Any], role: str, region: str) -> None:
    if "AlgorithmName" in specification:
        if "TrainingImage" in specification:
            raise ValidationError(
                "You can't specify both TrainingImage and AlgorithmName in the "
                "algorithm specification. Please specify one of them."
            )
        raise ValidationError(
            "This SageMaker stand-in has no algorithms by name; TrainingImage must be "
            "that of the built-in KMeans."
        )
    _refuse_image(specification.get("TrainingImage", ""), role, region)
    if specification.get("MetricDefinitions"):
        raise ValidationError(
            "You can't override the metric definitions for Amazon SageMaker "
            "algorithms. Please retry the request without specifying metric "
            "definitions."
        )


def _refuse_image(image: str, role: str, region: str) -> None:
    """Refuse all images but the built-in KMeans, as if a registry had no others."""
    match = _ECR_IMAGE.fullmatch(image)
    if match is None:
        raise ValidationError(
            "Invalid training image. Please provide a valid Amazon Elastic Container "
            "Registry path of the Docker image to run."
        )
    registry = REGISTRIES.get(region, Registry(""))
    if (match["region"], match["suffix"]) != (region, registry.dns_suffix):
        raise ValidationError(
            f"Invalid DNS suffix '{match['suffix']}' for region '{match['region']}' in "
            "training image. Please provide the valid <region>.<dns-suffix>: "
            f"'{region}.{registry.dns_suffix}'"
        )
    if (match["registry"], match["repository"]) != (registry.account, "kmeans"):
        raise ValidationError(
            f"Cannot find repository: {match['repository']} in registry ID: "
            f"{match['registry']} Please check if your ECR repository exists and role "
            f"{role} has proper pull permissions for SageMaker: "
            "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, "
            "ecr:GetDownloadUrlForLayer (This SageMaker stand-in has the built-in "
            "KMeans, kmeans:1, alone.)"
        )
    if match["tag"] not in ("1", "latest"):
        raise ValidationError(f"Cannot find the requested image: {image}")


def _refuse_times(condition: dict[str, int], *, is_spot: bool) -> None:
    run_s = condition.get("MaxRuntimeInSeconds", 0)
    wait_s = condition.get("MaxWaitTimeInSeconds")
    if run_s > _LONGEST_RUN_S:
        raise ValidationError(
            "Invalid MaxRuntimeInSeconds. It must be less than or equal to "
            f"{_LONGEST_RUN_S}"
        )
    if not is_spot:
        if wait_s is not None:
            raise ValidationError(
                "Invalid MaxWaitTimeInSeconds. It is only supported when "
                "EnableManagedSpotTraining is set to true"
            )
        return
    if wait_s is None or wait_s < run_s:
        raise ValidationError(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or "
            "equal to MaxRuntimeInSeconds"
        )
    if wait_s > _LONGEST_WAIT_S:
        raise ValidationError(
            f"MaxWaitTimeInSeconds above {_LONGEST_WAIT_S} is not supported for the "
            "given algorithm."
        )


def _refuse_ambiguous_channels(channels: list[dict[str, Any]]) -> None:
    names = [channel["ChannelName"] for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(
                f"Duplicate channel name '{name}' in input data configuration. Channel "
                "names must be unique."
            )


def _refuse_channel(channel: dict[str, Any], mode: str) -> None:
    name = channel["ChannelName"]
    if "S3DataSource" not in channel["DataSource"]:
        raise ValidationError(
            "This SageMaker stand-in reads channels from S3 only; channel "
            f"{name!r} has no S3DataSource."
        )
    for member, what in (
        ("CompressionType", "compression type"),
        ("RecordWrapperType", "record wrapper type"),
    ):
        kind = channel.get(member, "None")
        if mode != "Pipe" and kind != "None":
            raise ValidationError(
                f"Invalid {what} for channel {name}: {mode} mode only supports NONE, "
                f"got {kind} instead"
            )
    if channel.get("RecordWrapperType", "None") != "None" or "ShuffleConfig" in channel:
        raise ValidationError(
            "This SageMaker stand-in neither wraps objects into records nor shuffles "
            f"them; channel {name!r} wants it."
        )
