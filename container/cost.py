"""What a run costs on AWS, as far as that is known when it ends.

Two things take time: the machines that train, and the functions that read the table and
report on it. The rest (requests, a minute of the training machine's volume, messages,
log lines) is well below a tenth of a cent, and not counted; what is stored costs as
long as it is kept.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from container.training_job import TrainingJob
from geoclusters.prices import Prices

TRAINING: Final = "training"
#: Millionths of a dollar.
_DECIMALS: Final = 6
_ADVICE: Final = "The deployment's setting prices_file can name a table that has it."


class Compute(NamedTuple):
    """A function's work for a run."""

    name: str
    #: How long it ran; None where that isn't known.
    seconds: float | None
    memory_mb: int


def estimated_cost(
    job: TrainingJob, functions: Iterable[Compute], prices: Prices
) -> dict[str, Any]:
    """Return the estimate as `estimated_cost` in `status.json`.

    Without the price of the training there is none: it is most of the cost.
    """
    reason = _why_unknown(job, prices)
    if reason or job.billable_seconds is None or prices.instance_hour_usd is None:
        return _estimate(None, {}, None, reason)
    hours = job.billable_seconds * job.instance_count / 3600
    includes = {TRAINING: round(hours * prices.instance_hour_usd, _DECIMALS)}
    for function in functions:
        if function.seconds is not None and prices.gb_second_usd is not None:
            gb_seconds = function.seconds * function.memory_mb / 1024
            usd = round(gb_seconds * prices.gb_second_usd, _DECIMALS)
            includes[function.name] = usd
    total = round(sum(includes.values()), _DECIMALS)
    return _estimate(total, includes, prices.date, None)


def _why_unknown(job: TrainingJob, prices: Prices) -> str | None:
    if job.billable_seconds is None:
        return "SageMaker doesn't say how many seconds of training it bills."
    if job.instance_type != prices.instance_type:
        return (
            f"It was trained on {job.instance_type}, but the deployment has come to "
            f"use {prices.instance_type} since, and knows no other price."
        )
    if prices.instance_hour_usd is None:
        return (
            f"No price is known of an hour of training on {job.instance_type} in this "
            f"region. {_ADVICE}"
        )
    return None


def _estimate(
    usd: float | None,
    includes: dict[str, float],
    prices_date: str | None,
    reason: str | None,
) -> dict[str, Any]:
    return {
        "usd": usd,
        "includes": includes,
        "prices_date": prices_date,
        "reason": reason,
    }
