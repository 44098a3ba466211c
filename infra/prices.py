"""The table of prices that runs' costs are estimated from: `prices.json`, or one's own.

An entry has prices of one region, with the day they were looked up and where. Estimates
carry that day, as AWS changes prices.
"""

import datetime
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import aws_cdk as cdk
from constructs import Construct

from geoclusters.prices import Prices
from infra.kmeans_registries import REGISTRIES

_LAMBDA = "lambda_gb_second"
_TRAINING = "training_instance_hour"
_KEYS = {"region", "date", "source", _LAMBDA, _TRAINING}


class PriceTableError(ValueError):
    """A table of prices can't be used; the message says why."""


class _Price(NamedTuple):
    usd: float
    date: str


class PriceTable:
    """Prices by region and by what is paid for.

    Parameters
    ----------
    prices : mapping
        By region and instance type, or region and `lambda_gb_second`.
    """

    def __init__(self, prices: Mapping[tuple[str, str], _Price]) -> None:
        self._prices = prices

    @classmethod
    def read(cls, file: str) -> Self:
        """Read a file like `prices.json`; no file ("") is a table without prices.

        Raises
        ------
        PriceTableError
            If it isn't one, or names two prices for one thing.
        """
        if not file:
            return cls({})
        try:
            document = json.loads(Path(file).read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"it is no JSON in UTF-8: {error}"
            raise PriceTableError(msg) from error
        prices: dict[tuple[str, str], _Price] = {}
        for region, what, price in _prices(document):
            if (region, what) in prices:
                msg = f"it has two prices of {what} in {region}; leave one of them out"
                raise PriceTableError(msg)
            prices[region, what] = price
        return cls(prices)

    def of(self, region: str, instance_type: str) -> Prices:
        """Return what is known of a region, for one type of machine."""
        hour = self._prices.get((region, instance_type))
        gb_second = self._prices.get((region, _LAMBDA))
        dates = [price.date for price in (hour, gb_second) if price]
        return Prices(
            instance_type=instance_type,
            instance_hour_usd=hour.usd if hour else None,
            gb_second_usd=gb_second.usd if gb_second else None,
            date=min(dates, default=None),
        )


class RegionalPrices(Construct):
    """What a table says of whichever region the stack goes to, as a mapping."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: PriceTable,
        instance_type: str,
    ) -> None:
        super().__init__(scope, construct_id)
        prices = cdk.CfnMapping(
            self,
            "Prices",
            mapping={
                region: {"Json": table.of(region, instance_type).to_json()}
                for region in REGISTRIES
            },
        )
        #: `Prices` of the stack's region, as JSON.
        self.json: str = prices.find_in_map(cdk.Aws.REGION, "Json")


def _prices(document: Any) -> Iterator[tuple[str, str, _Price]]:
    if not isinstance(document, dict) or document.get("currency") != "USD":
        msg = 'expected an object with "currency": "USD" and a list "prices"'
        raise PriceTableError(msg)
    entries = document.get("prices")
    for entry in entries if isinstance(entries, list) else [None]:
        if not (isinstance(entry, dict) and entry.keys() <= _KEYS):
            msg = f"expected entries with {', '.join(sorted(_KEYS))}, not {entry!r}"
            raise PriceTableError(msg)
        region, date = entry.get("region"), entry.get("date")
        if not (isinstance(region, str) and isinstance(date, str) and _is_day(date)):
            msg = f"expected a region, and a date such as 2026-11-23, in {entry!r}"
            raise PriceTableError(msg)
        hours = entry.get(_TRAINING, {})
        if not isinstance(hours, dict):
            msg = f"expected {_TRAINING} to be an object, in {entry!r}"
            raise PriceTableError(msg)
        found = {**hours, **{key: entry[key] for key in (_LAMBDA,) if key in entry}}
        for what, usd in found.items():
            if type(usd) not in (int, float) or not 0 <= usd < math.inf:
                msg = f"expected a price in USD for {what} in {region}, not {usd!r}"
                raise PriceTableError(msg)
            yield region, what, _Price(float(usd), date)


def _is_day(date: str) -> bool:
    try:
        return datetime.date.fromisoformat(date).isoformat() == date
    except ValueError:
        return False
