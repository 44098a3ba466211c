"""What a map.html must show, of a run's other results, as `check.mjs` reads it."""

import csv
import io
import json
from typing import Any, Final

#: Columns of centroids.csv that are texts; all others are numbers.
_TEXTS: Final = ("area", "nearest_id")


def of_results(
    centroids_csv: bytes, *, title: str, places_shown: int, places_in_all: int
) -> dict[str, Any]:
    """Return what the page of a run must show."""
    rows = csv.DictReader(io.StringIO(centroids_csv.decode(), newline=""))
    return {
        "title": title,
        "places_shown": places_shown,
        "places_in_all": places_in_all,
        "clusters": [
            {name: _value(name, text) for name, text in row.items()} for row in rows
        ],
    }


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    return json.loads(text) if text else None
