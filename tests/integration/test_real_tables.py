"""Tables of real places: every row is counted, and none is lost or changed.

What is expected is read with nothing of geoclusters' own.
"""

import csv
import io
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from geoclusters.places import ID
from tests.integration.conftest import Pipeline

FOLDERS = ("places", "hong-kong")
HONG_KONG = "hong-kong/Traffic_Camera_Locations_En.csv"
STATIONS = "places/noaa-isd-stations.csv"
EARTHQUAKES = "places/usgs-earthquakes-week.csv"


class Stated(NamedTuple):
    """What the tables' README says of a file's rows, and what follows from it."""

    words: str
    read: int
    usable: int
    missing: int = 0
    null_island: int = 0
    latitude: str = "latitude"
    longitude: str = "longitude"
    why: str = "they are called so"


STATED = {
    HONG_KONG: Stated(
        "210, all usable and distinct",
        read=210,
        usable=210,
        why="they are called so; rather than 'northing' and 'easting'",
    ),
    STATIONS: Stated(
        "29,640: 28,074 usable, 1,187 blank, 379 at (0, 0); some true latitudes of 0 "
        "with another longitude",
        read=29_640,
        usable=28_074,
        missing=1_187,
        null_island=379,
        latitude="LAT",
        longitude="LON",
    ),
    EARTHQUAKES: Stated("1,386, all usable", read=1_386, usable=1_386),
}
#: Cameras that were moved in one of the two kinds of coordinates only.
CONTRADICTING_ROWS = {201, 208, 211}


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return a table's rows; the first one is row 2 of a spreadsheet."""
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


class Sifted(NamedTuple):
    """A table's rows by what they are worth."""

    #: Row, latitude and longitude.
    usable: list[tuple[int, float, float]]
    #: Row and reason.
    rejected: list[tuple[int, str]]


def sift(path: Path, stated: Stated) -> Sifted:
    sifted = Sifted([], [])
    for number, row in enumerate(rows_of(path), 2):
        latitude, longitude = row[stated.latitude], row[stated.longitude]
        if not (latitude.strip() and longitude.strip()):
            sifted.rejected.append((number, "coordinate missing"))
        elif float(latitude) == float(longitude) == 0:
            sifted.rejected.append((number, "both coordinates 0"))
        else:
            sifted.usable.append((number, float(latitude), float(longitude)))
    return sifted


@pytest.fixture(scope="module")
def answers(pipeline: Pipeline, shared_data: Path) -> dict[str, Any]:
    """The status of each table's run, by its path."""
    versions = {
        path: pipeline.upload(f"real/{path}", (shared_data / path).read_bytes(), k="5")
        for path in STATED
    }
    return {path: pipeline.wait(f"real/{path}", versions[path]) for path in STATED}


def test_every_table_that_is_there_is_tried(shared_data: Path) -> None:
    found = {
        path.relative_to(shared_data).as_posix()
        for folder in FOLDERS
        for path in (shared_data / folder).rglob("*")
        if path.suffix in (".csv", ".tsv", ".txt", ".gz", ".zip")
    }
    assert found == STATED.keys()


@pytest.mark.parametrize("path", STATED)
def test_rows_are_counted_as_the_tables_owner_states(
    answers: dict[str, Any], pipeline: Pipeline, shared_data: Path, path: str
) -> None:
    stated = STATED[path]
    readme = (shared_data / "README.md").read_text()
    words = re.search(rf"^\| `{re.escape(path)}` \|[^|]*\| ([^|]*) \|", readme, re.M)
    assert words is not None
    assert words[1] == stated.words

    usable, rejected = sift(shared_data / path, stated)
    by_reason = {
        reason: [row for row, other in rejected if other == reason]
        for reason in ("coordinate missing", "both coordinates 0")
    }
    assert len(by_reason["coordinate missing"]) == stated.missing
    assert len(by_reason["both coordinates 0"]) == stated.null_island
    left_out = {
        reason: {"rows": len(rows), "first": rows[:5]}
        for reason, rows in by_reason.items()
        if rows
    }
    distinct = {place[1:] for place in usable}
    status = answers[path]
    assert status["rows"] == {
        "read": stated.read,
        "usable": stated.usable,
        "duplicates": stated.usable - len(distinct),
        "duplicates_exact": True,
        "left_out": left_out,
    }
    assert ("distinct" in stated.words) <= (status["rows"]["duplicates"] == 0)
    assert status["warnings"] == []

    record = pipeline.record(status["run_id"])
    assert (record["rows_read"], record["rows_usable"]) == (stated.read, stated.usable)
    assert record["distinct_places"] == len(distinct)
    assert record["left_out"] == left_out


@pytest.mark.parametrize("path", STATED)
def test_status_and_record_tell_how_a_table_was_read(
    answers: dict[str, Any], pipeline: Pipeline, path: str
) -> None:
    stated, status = STATED[path], answers[path]
    assert status["columns"] == {
        "latitude": stated.latitude,
        "longitude": stated.longitude,
        "notation": "decimal degrees",
        "why": stated.why,
    }
    assert status["table"] == {
        "compression": "",
        "encoding": "utf-8",
        "delimiter": ",",
        "decimal_mark": ".",
        "header_row": 1,
    }
    record = pipeline.record(status["run_id"])
    assert record["columns"] == status["columns"]
    assert record["table"] == status["table"]


@pytest.mark.parametrize("path", STATED)
def test_every_row_is_a_place_or_listed_with_its_reason(
    answers: dict[str, Any], pipeline: Pipeline, shared_data: Path, path: str
) -> None:
    usable, rejected = sift(shared_data / path, STATED[path])
    status = answers[path]
    assert pipeline.places(status["run_id"]).tolist() == usable

    assert ("rejected.csv" in status["files"]) == bool(rejected)
    if rejected:
        text = pipeline.result(f"real/{path}", "rejected.csv").decode()
        header, *listed = csv.reader(io.StringIO(text))
        assert header == ["row", "reason"]
        assert [(int(row), reason) for row, reason in listed] == rejected


def test_places_on_the_equator_are_places(
    answers: dict[str, Any], pipeline: Pipeline
) -> None:
    stations = pipeline.places(answers[STATIONS]["run_id"])
    assert np.count_nonzero(stations["latitude"] == 0) > 0


@pytest.fixture(scope="module")
def by_grid(pipeline: Pipeline, shared_data: Path) -> Any:
    """The status of Hong Kong's cameras, read by their easting and northing."""
    version = pipeline.upload(
        "real/grid.csv",
        (shared_data / HONG_KONG).read_bytes(),
        k="15",
        latitude="northing",
        longitude="easting",
        crs="EPSG:2326",
        id="key",
    )
    return pipeline.wait("real/grid.csv", version)


def test_projected_coordinates_are_the_same_places(
    answers: dict[str, Any], pipeline: Pipeline, by_grid: Any
) -> None:
    assert by_grid["columns"] == {
        "latitude": "northing",
        "longitude": "easting",
        "notation": "projected",
        "crs": "Hong Kong 1980 Grid System",
        "id": "key",
        "why": "the upload's parameters name them, in Hong Kong 1980 Grid System",
    }
    assert by_grid["rows"] == answers[HONG_KONG]["rows"]
    by_degrees = pipeline.places(answers[HONG_KONG]["run_id"])
    apart_m = {
        int(one["row"]): haversine_m(one, other)
        for one, other in zip(
            pipeline.places(by_grid["run_id"]), by_degrees, strict=True
        )
    }
    assert list(apart_m) == by_degrees["row"].tolist()
    assert {row for row, metres in apart_m.items() if metres > 5} == CONTRADICTING_ROWS
    assert np.median(list(apart_m.values())) < 0.01


def haversine_m(one: Any, other: Any) -> float:
    """Return the distance of two places on the globe."""
    phi, phi_other = math.radians(one["latitude"]), math.radians(other["latitude"])
    lam, lam_other = math.radians(one["longitude"]), math.radians(other["longitude"])
    a = (
        math.sin((phi - phi_other) / 2) ** 2
        + math.cos(phi) * math.cos(phi_other) * math.sin((lam - lam_other) / 2) ** 2
    )
    return 2 * 6_371_008.8 * math.asin(math.sqrt(a))


def test_the_nearest_place_of_each_centroid_is_told_by_its_id(
    pipeline: Pipeline, by_grid: Any, shared_data: Path
) -> None:
    cameras = dict(enumerate(rows_of(shared_data / HONG_KONG), 2))
    places = {int(place["row"]): place for place in pipeline.places(by_grid["run_id"])}
    assert {row: place[ID].decode() for row, place in places.items()} == {
        row: camera["key"] for row, camera in cameras.items()
    }
    centroids = pipeline.centroids("real/grid.csv")
    assert len(centroids) == 15
    for centroid in centroids:
        row = int(centroid["nearest_row"])
        assert centroid["nearest_id"] == cameras[row]["key"]
        assert float(centroid["nearest_latitude"]) == places[row]["latitude"]
        assert float(centroid["nearest_longitude"]) == places[row]["longitude"]
        to_centroid = {
            "latitude": float(centroid["latitude"]),
            "longitude": float(centroid["longitude"]),
        }
        nearest = min(places, key=lambda row: haversine_m(places[row], to_centroid))
        assert nearest == row
        metres = haversine_m(places[row], to_centroid)
        assert float(centroid["nearest_distance_m"]) == pytest.approx(metres, abs=0.01)
