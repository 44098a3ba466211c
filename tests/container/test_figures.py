import json
from typing import Any

import pytest

from container.cost import Compute
from container.figures import Quality, Refinement, figures
from container.training_job import TrainingJob
from geoclusters.prices import Prices
from geoclusters.run import RunRecord
from geoclusters.status import State, Status
from tests.container.fakes import description
from tests.container.test_report import run
from tests.statuses import problem

PRICES = Prices(instance_type="ml.m5.large", instance_hour_usd=0.115, date="2026-08-11")
QUALITY = Quality(5_000.5, 61.25, 0.75)
REFINED = Refinement(4, "no centroid moved 1 m", Quality(5_100.0, 62.0, None))


def record(**changes: Any) -> RunRecord:
    return run(**changes).record


def published(of: RunRecord, **changes: Any) -> Any:
    """Return the figures as a status holds them."""
    values: dict[str, Any] = {
        "quality": QUALITY,
        "empty_clusters": 0,
        "refinement": None,
        "functions": [Compute("ingest", of.preparation_s, 2048)],
        "prices": PRICES,
    }
    job = TrainingJob.from_description(description("job-1"))
    status = Status(
        upload=of.upload,
        state=State.SUCCEEDED,
        message="done",
        files=("centroids.csv", "map.png"),
        figures=figures(of, job, **{**values, **changes}),
    )
    document = json.loads(status.to_json())
    assert problem(document) is None
    return document


def test_a_run_that_succeeded_has_all_figures() -> None:
    status = published(record(), empty_clusters=1)
    assert status["training_job"] == status["training"]["job"] == "job-1"
    assert status["mean_square_distance"] == 5_000.5
    assert status["mean_distance_m"] == 61.25
    assert status["davies_bouldin"] == 0.75
    assert status["empty_clusters"] == 1
    assert status["training"]["sagemaker_mean_square_distance"] == 3712.25
    assert status["refinement"] == {"wanted": "never", "done": False}
    assert status["estimated_cost"]["includes"] == {"training": 0.001981}
    assert status["rows"]["usable"] == 6
    assert status["versions"]["numpy"]


@pytest.mark.parametrize(
    ("geometry", "unit"), [("spherical", "m²"), ("planar", "degrees²")]
)
def test_the_unit_is_the_geometrys(geometry: str, unit: str) -> None:
    status = published(record(geometry=geometry))
    assert status["mean_square_distance_unit"] == unit


def test_of_refined_centroids_both_figures_are_shown() -> None:
    status = published(record(refine="always"), refinement=REFINED)
    assert status["mean_square_distance"] == 5_000.5
    assert status["refinement"] == {
        "wanted": "always",
        "done": True,
        "passes": 4,
        "stopped_because": "no centroid moved 1 m",
        "trained": {
            "mean_square_distance": 5_100.0,
            "mean_distance_m": 62.0,
            "davies_bouldin": None,
        },
    }


def test_an_index_that_is_not_defined_is_null() -> None:
    quality = QUALITY._replace(davies_bouldin=None)
    assert published(record(), quality=quality)["davies_bouldin"] is None


def test_without_a_price_the_status_says_why_there_is_no_estimate() -> None:
    cost = published(record(), prices=Prices(instance_type="ml.m5.large"))
    assert cost["estimated_cost"]["usd"] is None
    assert "prices_file" in cost["estimated_cost"]["reason"]
