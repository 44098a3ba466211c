"""What AWS takes for the machines of one deployment: a run's cost is estimated from it.

The stack knows the table (`infra/prices.json`) and hands the function only what holds
in its region, as JSON in one environment variable.
"""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Prices:
    """On-demand prices in USD; None where none is known."""

    #: The machine that trains.
    instance_type: str
    #: An hour of one such machine, training.
    instance_hour_usd: float | None = None
    #: A second of a function that has 1 GB (1,024 MB) of memory, on x86_64.
    gb_second_usd: float | None = None
    #: When the older of the two was looked up: ISO 8601, a day.
    date: str | None = None

    def to_json(self) -> str:
        """Return the prices as the text of an environment variable."""
        known = {
            name: value for name, value in asdict(self).items() if value is not None
        }
        return json.dumps(known)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))
