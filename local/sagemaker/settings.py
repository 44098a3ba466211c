"""What may be set while the server runs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.errors import SerializationError


@dataclass
class Settings:
    """The stand-in's settings; what one job may have is AWS's default.

    Attributes
    ----------
    uploading_seconds : float
        How long a job stays Uploading once its model is in S3.
    quota : int, dict or None
        Instances of one type that may run at a time, for every type or by type; None,
        and a type that isn't named, has no limit.
    instances_a_job : int
        Instances that one job may have.
    longest_run_seconds : int
        MaxRuntimeInSeconds that one job may have.
    stop_grace_seconds : float
        How long a trainer has between SIGTERM and SIGKILL.
    throttle : int
        So many of the next calls are refused, as if there had been too many.
    """

    uploading_seconds: float = 0.0
    quota: int | dict[str, int] | None = None
    instances_a_job: int = 20
    longest_run_seconds: int = 432_000
    stop_grace_seconds: float = 120.0
    throttle: int = 0

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set those settings that are named: all of them, or none.

        Raises
        ------
        SerializationError
            If there is no such setting, or it can't have such a value.
        """
        for name, value in changes.items():
            if name not in _VALUES:
                known = ", ".join(sorted(_VALUES))
                raise SerializationError(f"{name} is no setting; there are {known}")
            what, is_right = _VALUES[name]
            if not is_right(value):
                raise SerializationError(f"{name} must be {what}, not {value!r}")
        for name, value in changes.items():
            setattr(self, name, value)

    def quota_of(self, instance_type: str) -> int | None:
        """Return how many instances of a type may run at a time, if that is limited."""
        if isinstance(self.quota, dict):
            return self.quota.get(instance_type)
        return self.quota


def _is_count(value: Any) -> bool:
    # To Python a boolean is a number too.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and 0 <= value < math.inf)


def _is_quota(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_count, value.values()))
    return value is None or _is_count(value)


_COUNT = "a whole number that isn't negative", _is_count
_TIME = "a number of seconds", _is_time
_VALUES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "uploading_seconds": _TIME,
    "quota": ("a whole number, an object of such by instance type, or null", _is_quota),
    "instances_a_job": _COUNT,
    "longest_run_seconds": _COUNT,
    "stop_grace_seconds": _TIME,
    "throttle": _COUNT,
}
