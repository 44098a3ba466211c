"""SageMaker KMeans' hyperparameters: names, ranges, defaults, refusals.

https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.trainer.errors import ClientError

DEFAULTS = {
    "init_method": "random",
    "mini_batch_size": "5000",
    "epochs": "1",
    "extra_center_factor": "auto",
    "local_lloyd_max_iter": "300",
    "local_lloyd_tol": "0.0001",
    "local_lloyd_init_method": "kmeans++",
    "local_lloyd_num_trials": "auto",
    "half_life_time_size": "0",
    "eval_metrics": '["msd"]',
    "force_dense": "true",
    "_disable_wait_to_read": "false",
    "_enable_profiler": "false",
    "_kvstore": "auto",
    "_log_level": "info",
    "_num_gpus": "auto",
    "_num_kv_servers": "1",
    "_num_slices": "1",
    "_tuning_objective_metric": "",
}
"""As the container prints them."""

AUTO = 10
"""What the container makes of `auto`: its logs have 10 times k centres, 10 starts."""

_REQUIRED = ("k", "feature_dim")
_INIT_METHODS = ("random", "kmeans++")
_METRICS = ("msd", "ssd")
#: Python's own idea of a number is wider: " 5 ", "5_0", other scripts' digits.
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters, parsed. Names are SageMaker's."""

    k: int
    feature_dim: int
    mini_batch_size: int
    epochs: int
    init_method: str
    extra_center_factor: int
    half_life_time_size: int
    local_lloyd_init_method: str
    local_lloyd_max_iter: int
    local_lloyd_num_trials: int
    local_lloyd_tol: float
    eval_metrics: tuple[str, ...]
    force_dense: bool


def parse(given: Mapping[str, Any]) -> Hyperparameters:
    """Merge given hyperparameters into the defaults and parse them.

    Parameters
    ----------
    given : mapping
        The content of hyperparameters.json: flat, all strings.

    Raises
    ------
    ClientError
        With all that is missing, unknown or out of its range.
    """
    faults = [
        f"Additional hyperparameters are not allowed ({name!r} was unexpected)"
        for name in given
        if name not in _PARSERS and name not in DEFAULTS
    ]
    faults += [
        f"{name!r} is a required hyperparameter"
        for name in _REQUIRED
        if name not in given
    ]
    values: dict[str, Any] = {}
    for name, text in {**DEFAULTS, **given}.items():
        if name not in _PARSERS:  # undocumented, and without effect here
            continue
        try:
            values[name] = _PARSERS[name](str(text))
        except ValueError as error:
            faults.append(f"{text!r} is not valid for {name!r}: expected {error}")
    if faults:
        raise ClientError("; ".join(faults))
    return Hyperparameters(**values)


def _integer(least: int, *, auto: int | None = None) -> Callable[[str], int]:
    expected = f"an integer of at least {least}" + (" or 'auto'" if auto else "")

    def parse_integer(text: str) -> int:
        if auto is not None and text == "auto":
            return auto
        try:
            value = int(text) if _INTEGER.fullmatch(text) else least - 1
        except ValueError:  # too long a number
            raise ValueError(expected) from None
        if value < least:
            raise ValueError(expected)
        return value

    return parse_integer


def _share(text: str) -> float:
    value = float(text) if _DECIMAL.fullmatch(text) else -1.0
    if not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse_choice(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse_choice


def _metrics(text: str) -> tuple[str, ...]:
    expected = f"a JSON list of {' and '.join(_METRICS)}"
    try:
        # The SDK of old wrote Python's quotes, and the container took them.
        names = json.loads(text.replace("'", '"'))
    except (ValueError, RecursionError):
        raise ValueError(expected) from None
    is_list = isinstance(names, list) and len(names) > 0
    if not is_list or any(name not in _METRICS for name in names):
        raise ValueError(expected)
    return tuple(names)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "k": _integer(1),
    "feature_dim": _integer(1),
    "mini_batch_size": _integer(1),
    "epochs": _integer(1),
    "init_method": _one_of(_INIT_METHODS),
    "extra_center_factor": _integer(1, auto=AUTO),
    "half_life_time_size": _integer(0),
    "local_lloyd_init_method": _one_of(_INIT_METHODS),
    "local_lloyd_max_iter": _integer(1),
    "local_lloyd_num_trials": _integer(1, auto=AUTO),
    "local_lloyd_tol": _share,
    "eval_metrics": _metrics,
    "force_dense": _boolean,
}
