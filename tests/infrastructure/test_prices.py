import json
import re
from pathlib import Path
from typing import Any

import pytest

from geoclusters.prices import Prices
from infra.kmeans_registries import REGISTRIES
from infra.prices import PriceTable, PriceTableError
from infra.settings import Settings
from tests.infrastructure.synthesis import Template, synthesise

ENTRY = {"region": "eu-north-1", "date": "2026-11-01", "source": "a price list"}


def written(folder: Path, *entries: Any, **changes: Any) -> str:
    file = folder / "prices.json"
    document = {"currency": "USD", "prices": [*entries], **changes}
    file.write_text(json.dumps(document))
    return str(file)


def of_regions(template: Template) -> dict[str, Prices]:
    """Return what the function is told in each region."""
    told = template.environment(template.function("report"))["PRICES"]
    (name,) = (name for name in template.body["Mappings"] if "Prices" in name)
    assert told == f"<{name}[<AWS::Region>, Json]>"
    return {
        region: Prices.from_json(row["Json"])
        for region, row in template.body["Mappings"][name].items()
    }


def test_report_is_told_the_prices_of_its_region_and_machine(
    template: Template,
) -> None:
    prices = of_regions(template)

    assert prices.keys() == REGISTRIES.keys()
    assert prices["us-east-1"] == Prices(
        instance_type="ml.m5.large",
        instance_hour_usd=0.115,
        gb_second_usd=0.0000166667,
        date="2025-10-01",
    )
    assert prices["sa-east-1"] == Prices(instance_type="ml.m5.large")


def test_another_machine_has_another_price() -> None:
    prices = of_regions(synthesise(Settings(instance_type="ml.m5.4xlarge")))

    assert prices["us-east-1"].instance_hour_usd == 0.922
    assert prices["ap-south-1"].instance_hour_usd == 0.97


def test_prices_of_ones_own_replace_ours(tmp_path: Path) -> None:
    entry = {
        **ENTRY,
        "training_instance_hour": {"ml.m5.large": 0.1, "ml.m5.xlarge": 0.2},
        "lambda_gb_second": 0.00001,
    }
    settings = Settings(prices_file=written(tmp_path, entry))
    prices = of_regions(synthesise(settings))

    assert prices["eu-north-1"] == Prices(
        instance_type="ml.m5.large",
        instance_hour_usd=0.1,
        gb_second_usd=0.00001,
        date="2026-11-01",
    )
    assert prices["us-east-1"].instance_hour_usd is None


def test_without_a_file_no_price_is_known() -> None:
    table = Settings(prices_file="").price_table

    assert table.of("us-east-1", "ml.m5.large").instance_hour_usd is None


def test_the_older_of_two_dates_is_told(tmp_path: Path) -> None:
    table = PriceTable.read(
        written(
            tmp_path,
            {**ENTRY, "training_instance_hour": {"ml.m5.large": 0.1}},
            {**ENTRY, "date": "2025-01-31", "lambda_gb_second": 0.00001},
        )
    )

    assert table.of("eu-north-1", "ml.m5.large").date == "2025-01-31"


@pytest.mark.parametrize(
    ("entries", "changes", "message"),
    [
        ([], {"currency": "EUR"}, 'expected an object with "currency": "USD"'),
        ([], {"prices": {}}, "expected entries with date, lambda_gb_second, region"),
        ([{**ENTRY, "hours": {}}], {}, "expected entries with date, "),
        ([{**ENTRY, "date": "2026-1-1"}], {}, "a date such as 2026-11-23, in {'reg"),
        ([{**ENTRY, "region": None}], {}, "expected a region, and a date"),
        (
            [{**ENTRY, "training_instance_hour": {"ml.m5.large": "0.1"}}],
            {},
            "expected a price in USD for ml.m5.large in eu-north-1, not '0.1'",
        ),
        ([{**ENTRY, "lambda_gb_second": -1}], {}, "in eu-north-1, not -1"),
        (
            [{**ENTRY, "training_instance_hour": 1.5}],
            {},
            "expected training_instance_hour to be an object",
        ),
        (
            [{**ENTRY, "lambda_gb_second": 1}] * 2,
            {},
            "it has two prices of lambda_gb_second in eu-north-1",
        ),
    ],
)
def test_a_table_that_cant_be_used_is_refused_with_what_is_wrong(
    tmp_path: Path, entries: list[Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PriceTableError, match=re.escape(message)):
        PriceTable.read(written(tmp_path, *entries, **changes))


def test_each_of_our_prices_says_where_it_is_from() -> None:
    document = json.loads(Path(Settings().prices_file).read_text())

    for entry in document["prices"]:
        assert len(entry["source"]) > 20
        assert entry["region"] in REGISTRIES
