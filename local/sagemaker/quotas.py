"""The account's quotas, in SageMaker's words."""

from collections.abc import Iterable
from typing import Any

from local.sagemaker.defaults import MAX_RUNTIME_S
from local.sagemaker.errors import ResourceLimitExceededError
from local.sagemaker.record import JobRecord
from local.sagemaker.settings import Settings


def refuse_above_quotas(
    request: dict[str, Any], jobs: Iterable[JobRecord], settings: Settings
) -> None:
    """Refuse a job that is too much beside the others, or by itself.

    Raises
    ------
    ResourceLimitExceededError
    """
    kind = request["ResourceConfig"]["InstanceType"]
    count = request["ResourceConfig"]["InstanceCount"]
    quota = settings.quota_of(kind)
    if quota is not None:
        used = _used(kind, jobs)
        _refuse(f"{kind} for training job usage", quota, used=used, more=count)
    _refuse(
        "Maximum number of instances per training job",
        settings.instances_a_job,
        more=count,
    )
    _refuse(
        "Longest run time for a training job",
        settings.longest_run_seconds,
        more=request["StoppingCondition"].get("MaxRuntimeInSeconds", MAX_RUNTIME_S),
        unit="Seconds",
    )


def _used(kind: str, jobs: Iterable[JobRecord]) -> int:
    return sum(
        job["ResourceConfig"]["InstanceCount"]
        for job in jobs
        if not job.ended and job["ResourceConfig"]["InstanceType"] == kind
    )


def _refuse(
    name: str, quota: int, *, more: int, used: int = 0, unit: str = "Instances"
) -> None:
    if used + more > quota:
        raise ResourceLimitExceededError(
            f"The account-level service limit '{name}' is {quota} {unit}, with current "
            f"utilization of {used} {unit} and a request delta of {more} {unit}. "
            "Please use AWS Service Quotas to request an increase for this quota. If "
            "AWS Service Quotas is not available, contact AWS support to request an "
            "increase for this quota."
        )
