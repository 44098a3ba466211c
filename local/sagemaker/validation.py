"""What SageMaker says about a request before it looks at its jobs.

Required members, types, enums, lengths, ranges and patterns come from botocore's own
service model, a few rules beyond it from the API reference.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel

from local.sagemaker.errors import SerializationError, ValidationError

JOB_NAME_PATTERN = "^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
"""As it stands in SageMaker's messages; the model has it without the caret."""

# The service model doesn't require these, SageMaker does for the jobs we can run.
_ALSO_REQUIRED = {
    "CreateTrainingJob": (
        "AlgorithmSpecification",
        "InputDataConfig",
        "ResourceConfig",
        "StoppingCondition",
    )
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}
_NUMBERS = ("integer", "long", "float", "double")
#: Classes of characters that Python's expressions don't know, as they know them.
_CLASSES = {
    r"\p{Alnum}": "a-zA-Z0-9",
    # Letters, separators and numbers: Python's word characters and Unicode's spaces.
    r"\p{L}\p{Z}\p{N}": r"\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
_ECR_IMAGE = re.compile(
    r"(?P<registry>\d{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?(@.+)?"
)


@cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sagemaker")


def validate(operation: str, request: dict[str, Any]) -> None:
    """Refuse a request that its operation's shape doesn't allow.

    Raises
    ------
    SerializationError
        If a member has the wrong type.
    ValidationError
        With SageMaker's message, for all other faults at once.
    """
    shape: Any = _service().operation_model(operation).input_shape
    faults = list(_faults(shape, request, ""))
    faults += [
        _null(name) for name in _ALSO_REQUIRED.get(operation, ()) if name not in request
    ]
    if operation == "CreateTrainingJob":
        faults += _create_rules(request)
    if faults:
        plural = "errors" if len(faults) > 1 else "error"
        message = f"{len(faults)} validation {plural} detected: {'; '.join(faults)}"
        raise ValidationError(message)
    if operation == "CreateTrainingJob":
        _refuse_what_we_cannot_run(request)


def _faults(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield the faults of one value and of all that is in it."""
    if not _has_type(value, shape.type_name):
        message = f"{_camel(path) or 'the request'} can not be a {_json_type(value)}"
        raise SerializationError(message)
    if shape.type_name == "structure":
        for name in shape.metadata.get("required", ()):
            if value.get(name) is None:
                yield _null(_join(path, name))
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _faults(member, value[name], _join(path, name))
    elif shape.type_name == "list":
        for number, item in enumerate(value, start=1):
            where = f"{path}.{number}.member"
            yield from _faults(shape.member, item, where)
    elif shape.type_name == "map":
        for key, item in value.items():
            where = f"{path}.{key}.member"
            yield from _faults(shape.value, item, where)
    for rule in _broken_rules(shape, value):
        yield _fault(value, path, rule)


def _broken_rules(shape: Any, value: Any) -> Iterator[str]:
    """Yield the rules of a value's own that it doesn't keep, in SageMaker's words."""
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"Member must satisfy enum value set: [{', '.join(allowed)}]"
    is_number = shape.type_name in _NUMBERS
    what, size = ("value", value) if is_number else ("length", 0)
    if not is_number and hasattr(value, "__len__"):
        size = len(value)
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"Member must have {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"Member must have {what} less than or equal to {most}"
    pattern = shape.metadata.get("pattern")
    if pattern and not _expression(pattern).fullmatch(value):
        shown = JOB_NAME_PATTERN if shape.name == "TrainingJobName" else pattern
        yield f"Member must satisfy regular expression pattern: {shown}"


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    for java, python in _CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def _has_type(value: Any, type_name: str) -> bool:
    if isinstance(value, bool):  # to Python an int, to JSON none
        return type_name == "boolean"
    return isinstance(value, _TYPES.get(type_name, (object,)))


def _create_rules(request: dict[str, Any]) -> list[str]:
    faults = []
    resources = request.get("ResourceConfig") or {}
    for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        path = f"ResourceConfig.{name}"
        if name != "InstanceType" and resources.get(name, 1) < 1:
            rule = "Member must have value greater than or equal to 1"
            faults.append(_fault(resources[name], path, rule))
        elif resources and name not in resources:
            faults.append(_null(path))
    return faults


def _refuse_what_we_cannot_run(request: dict[str, Any]) -> None:
    """Say at once what SageMaker would do and this stand-in can't."""
    _refuse_unknown_image(
        request["AlgorithmSpecification"].get("TrainingImage", ""), request["RoleArn"]
    )
    for channel in request["InputDataConfig"]:
        if "S3DataSource" not in channel["DataSource"]:
            message = (
                "This SageMaker stand-in reads channels from S3 only; channel "
                f"{channel['ChannelName']!r} has no S3DataSource."
            )
            raise ValidationError(message)


def _refuse_unknown_image(image: str, role: str) -> None:
    """Refuse all images but the built-in KMeans, as if a registry had no others."""
    match = _ECR_IMAGE.fullmatch(image)
    if match is None:
        raise ValidationError(
            "Invalid training image. Please provide a valid Amazon Elastic Container "
            "Registry path of the Docker image to run."
        )
    if match["repository"] != "kmeans":
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


def _fault(value: Any, path: str, rule: str) -> str:
    where = _camel(path)
    return f"Value '{value}' at '{where}' failed to satisfy constraint: {rule}"


def _null(path: str) -> str:
    where = _camel(path)
    return (
        f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _camel(path: str) -> str:
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean"}
    return "null" if value is None else names.get(type(value), "number")
