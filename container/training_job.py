"""What SageMaker says of a training job that is done."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

_MEAN_SQUARE_DISTANCE: Final = "train:msd"


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training job as DescribeTrainingJob describes it.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
    """

    name: str
    #: The algorithm's image.
    image: str
    #: The machines that trained, e.g. `ml.m5.large`, and how many.
    instance_type: str
    instance_count: int
    #: From the download of the data to the upload of the model; …
    seconds: int | None
    #: … and what SageMaker bills, for each instance.
    billable_seconds: int | None
    #: The mean square distance that the algorithm reported, in the square of its
    #: features' unit (m² or degrees²), and in its single precision.
    mean_square_distance: float | None

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Self:
        """Read DescribeTrainingJob's answer.

        Times and metrics may be missing there: they are None then.
        """
        resources = description["ResourceConfig"]
        return cls(
            name=description["TrainingJobName"],
            image=description["AlgorithmSpecification"]["TrainingImage"],
            instance_type=resources["InstanceType"],
            instance_count=resources["InstanceCount"],
            seconds=description.get("TrainingTimeInSeconds"),
            billable_seconds=description.get("BillableTimeInSeconds"),
            mean_square_distance=_last_of(
                _MEAN_SQUARE_DISTANCE, description.get("FinalMetricDataList", [])
            ),
        )

    def figures(self) -> dict[str, Any]:
        """Return the job as `training` in `status.json`."""
        return {
            "job": self.name,
            "image": self.image,
            "instance_type": self.instance_type,
            "instance_count": self.instance_count,
            "seconds": self.seconds,
            "billable_seconds": self.billable_seconds,
            "sagemaker_mean_square_distance": self.mean_square_distance,
        }


def _last_of(name: str, metrics: list[Mapping[str, Any]]) -> float | None:
    """Return a metric's last value, if it is a number at all.

    Of several instances each may have reported one.
    """
    found = [metric for metric in metrics if metric["MetricName"] == name]
    if not found:
        return None
    value = float(max(found, key=lambda metric: metric["Timestamp"])["Value"])
    return value if math.isfinite(value) else None
