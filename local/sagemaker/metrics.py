"""The metrics of SageMaker's KMeans, as its log tells them."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from local.sagemaker.aws import Line, Point

#: As DescribeTrainingJob has them for the built-in algorithm.
DEFINITIONS = [
    *(
        {
            "Name": f"{channel}:{name}",
            "Regex": rf"#quality_metric: host=\S+, {channel} {name} <loss>=(\S+)",
        }
        for channel in ("train", "test")
        for name in ("msd", "ssd")
    ),
    {
        "Name": "train:progress",
        "Regex": r"#progress_metric: host=\S+, completed (\S+) %",
    },
    {
        "Name": "train:throughput",
        "Regex": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    },
]
_EXPRESSIONS = {item["Name"]: re.compile(item["Regex"]) for item in DEFINITIONS}


def points(lines: Iterable[Line]) -> list[Point]:
    """Return the metrics that a log tells, one a second of each.

    CloudWatch keeps no finer than that, and a job may have a million epochs.
    """
    found: dict[tuple[str, int], Point] = {}
    for line in sorted(lines, key=lambda line: line.time_ms):
        for name, expression in _EXPRESSIONS.items():
            match = expression.search(line.text)
            if match and (value := _finite(match[1])) is not None:
                point = Point(name, value, line.time_ms)
                found[name, line.time_ms // 1000] = point
    return list(found.values())


def final(found: Sequence[Point]) -> list[dict[str, Any]]:
    """Return each metric's last value, as FinalMetricDataList has them."""
    last = {point.name: point for point in found}
    return [
        {"MetricName": name, "Value": point.value, "Timestamp": point.time_ms / 1000}
        for name, point in last.items()
    ]


def _finite(text: str) -> float | None:
    """Return a number that CloudWatch takes: neither NaN nor infinite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
