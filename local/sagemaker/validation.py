"""What SageMaker says about a request before it looks at its jobs.

Required members, types, enums, lengths, ranges and patterns come from botocore's own
service model, a few members that it is lax about from the API reference. What goes
beyond that is in `rules`.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
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


@cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sagemaker")


def validate(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Refuse a request that its operation's shape doesn't allow.

    Returns
    -------
    dict
        The request without nulls, which are as good as left out, and without members
        that the operation doesn't know.

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
        _null(name)
        for name in _ALSO_REQUIRED.get(operation, ())
        if request.get(name) is None
    ]
    if operation == "CreateTrainingJob":
        faults += _create_rules(request)
    if faults:
        plural = "errors" if len(faults) > 1 else "error"
        message = f"{len(faults)} validation {plural} detected: {'; '.join(faults)}"
        raise ValidationError(message)
    known: dict[str, Any] = _known(shape, request)
    return known


def _known(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return {
            name: _known(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [_known(shape.member, item) for item in value]
    return value


def _faults(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield the faults of one value and of all that is in it."""
    _check_type(shape, value, path)
    if shape.type_name == "structure":
        for name in shape.metadata.get("required", ()):
            if value.get(name) is None:
                yield _null(_join(path, name))
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _faults(member, value[name], _join(path, name))
    elif shape.type_name == "list":
        yield from _faults_of_list(shape.member, value, path)
    elif shape.type_name == "map":
        yield from _faults_of_map(shape, value, path)
    for rule, is_kept in _rules(shape):
        if not is_kept(value):
            yield _fault(value, path, rule)


def _faults_of_list(member: Any, items: list[Any], path: str) -> Iterator[str]:
    """Yield the faults of each item that is a structure, but of plain ones together."""
    for number, item in enumerate(items, start=1):
        where = f"{path}.{number}.member"
        if member.type_name == "structure":
            yield from _faults(member, item, where)
        else:
            _check_type(member, item, where)
    if member.type_name != "structure":
        yield from _faults_of_all("Member", member, items, items, path)


def _faults_of_map(shape: Any, items: dict[str, Any], path: str) -> Iterator[str]:
    for key, item in items.items():
        _check_type(shape.value, item, f"{path}.{key}.member")
    yield from _faults_of_all("Map keys", shape.key, items, items, path)
    yield from _faults_of_all("Map value", shape.value, items.values(), items, path)


def _faults_of_all(
    what: str, shape: Any, items: Iterable[Any], whole: Any, path: str
) -> Iterator[str]:
    """Yield one fault, with all rules, if any of the items breaks any of them."""
    rules = dict(_rules(shape))
    if not all(is_kept(item) for item in items for is_kept in rules.values()):
        rule = f"{what} must satisfy constraint: [{', '.join(rules)}]"
        yield _fault(whole, path, rule)


def _rules(shape: Any) -> Iterator[tuple[str, Callable[[Any], bool]]]:
    """Yield a shape's rules, in SageMaker's words, and what says if they are kept."""
    allowed = shape.metadata.get("enum")
    if allowed:
        shown = f"[{', '.join(allowed)}]"
        yield f"Member must satisfy enum value set: {shown}", allowed.__contains__
    is_number = shape.type_name in _NUMBERS
    # The size of a number is the number itself.
    what, size = ("value", operator.pos) if is_number else ("length", len)
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None:
        rule = f"Member must have {what} less than or equal to {most}"
        yield rule, lambda value: size(value) <= most
    if least is not None:
        rule = f"Member must have {what} greater than or equal to {least}"
        yield rule, lambda value: size(value) >= least
    pattern = shape.metadata.get("pattern")
    if pattern:
        shown = JOB_NAME_PATTERN if shape.name == "TrainingJobName" else pattern
        rule = f"Member must satisfy regular expression pattern: {shown}"
        yield rule, lambda value: _expression(pattern).fullmatch(value) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    for java, python in _CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def _check_type(shape: Any, value: Any, path: str) -> None:
    if not _has_type(value, shape.type_name):
        message = f"{_camel(path) or 'the request'} can not be a {_json_type(value)}"
        raise SerializationError(message)


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


def _fault(value: Any, path: str, rule: str) -> str:
    where = _camel(path)
    shown = _shown(value)
    return f"Value '{shown}' at '{where}' failed to satisfy constraint: {rule}"


def _null(path: str) -> str:
    where = _camel(path)
    return (
        f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    )


def _shown(value: Any) -> str:
    """Return a value as it stands in SageMaker's messages, which is Java's way."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_shown(value[key])}' for key in value)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _camel(path: str) -> str:
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean"}
    return "null" if value is None else names.get(type(value), "number")
