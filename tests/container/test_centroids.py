import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from container.centroids import centroid_table as table_of
from container.centroids import cluster_order, place_on_earth, to_csv, trained_table
from container.quantiles import Histogram
from container.statistics import ClusterStatistics
from geoclusters import places
from geoclusters.errors import ModelError
from geoclusters.geodesy import EARTH_RADIUS_M, GEOMETRIES, to_cartesian

Floats = NDArray[np.float64]

SPHERE, PLANE = GEOMETRIES["spherical"], GEOMETRIES["planar"]


def unused() -> Iterator[places.Places]:
    raise AssertionError("the places needn't be read")


def part(*latlon: tuple[float, float]) -> places.Places:
    latitude, longitude = np.array(latlon).T
    return places.make(np.arange(len(latlon)), latitude, longitude)


def test_a_centroid_follows_its_direction_to_the_surface() -> None:
    latitude, longitude = np.array([22.3, -17.5, 90.0]), np.array([114.1, 180.0, 0.0])
    below = to_cartesian(latitude, longitude) * np.array([[0.999], [0.5], [0.011]])
    placed = place_on_earth(below, SPHERE, unused)
    np.testing.assert_allclose(placed.latitude, latitude, atol=1e-7)
    np.testing.assert_allclose(placed.longitude, longitude, atol=1e-7)
    assert not len(placed.moved)


def test_a_centroid_without_direction_takes_its_nearest_place() -> None:
    centroids = np.array([[0.0, 0.0, 0.009 * EARTH_RADIUS_M], [EARTH_RADIUS_M, 0, 0]])
    parts = [part((10, 20), (-40, 3)), part((80, -5), (79, -5)), part((0, 0))]
    placed = place_on_earth(centroids, SPHERE, lambda: parts)
    assert placed.moved.tolist() == [0]
    assert (placed.latitude[0], placed.longitude[0]) == (80, -5)
    assert (placed.latitude[1], placed.longitude[1]) == (0, 0)


def test_planar_centroids_are_degrees_already() -> None:
    placed = place_on_earth(np.array([[22.3, -114.1]]), PLANE, unused)
    assert (placed.latitude[0], placed.longitude[0]) == (22.3, -114.1)


def test_rounding_beyond_the_antimeridian_is_forgiven() -> None:
    placed = place_on_earth(np.array([[90.00000001, 180.00000001]]), PLANE, unused)
    assert (placed.latitude[0], placed.longitude[0]) == (90, 180)


@pytest.mark.parametrize("centroid", [(91.0, 0.0), (0.0, -180.1)])
def test_a_centroid_that_is_no_place_is_refused(centroid: tuple[float, float]) -> None:
    with pytest.raises(ModelError, match="upload the table again"):
        place_on_earth(np.array([centroid]), PLANE, unused)


def statistics(size: list[int], ids: list[str] | None = None) -> ClusterStatistics:
    is_empty = np.array(size) == 0
    k = len(size)
    column = None if ids is None else np.array([id.encode() for id in ids])
    nearest = places.make(np.arange(k) + 2, np.full(k, 1.5), np.arange(k) / 3, column)
    nearest[is_empty] = np.zeros((), nearest.dtype)
    return ClusterStatistics(
        size=np.array(size),
        mean_distance_m=np.where(is_empty, np.nan, 1234.56789),
        max_distance_m=np.where(is_empty, np.nan, 9999.0),
        nearest=nearest,
        nearest_distance_m=np.where(is_empty, np.nan, 12.3456),
        scatter=np.where(is_empty, np.nan, 1234.0),
        mean_square_distance=1.0,
        overall_mean_distance_m=1.0,
        extent=1.0,
        histogram=Histogram(k),
    )


def centroid_table(
    latitude: Floats, longitude: Floats, figures: ClusterStatistics
) -> pd.DataFrame:
    median_m = np.where(figures.size == 0, np.nan, 1000 + np.arange(len(latitude)))
    return table_of(latitude, longitude, figures, np.stack((median_m, 3 * median_m), 1))


def test_clusters_are_numbered_by_size_then_from_south_then_from_west() -> None:
    latitude = np.array([5.0, 1.0, 1.0, -3.0])
    longitude = np.array([7.0, 9.0, 8.0, 0.0])
    table = centroid_table(latitude, longitude, statistics([4, 2, 2, 2]))
    assert table["cluster"].tolist() == [1, 2, 3, 4]
    assert table["latitude"].tolist() == [5, -3, 1, 1]
    assert table["longitude"].tolist() == [7, 0, 8, 9]
    assert table["size"].tolist() == [4, 2, 2, 2]


def test_the_csv_is_plain() -> None:
    table = centroid_table(
        np.array([22.31234567, -0.5]), np.array([114.1, -180.0]), statistics([3, 0])
    )
    assert to_csv(table) == (
        b"cluster,latitude,longitude,size,share,mean_distance_m,median_distance_m,"
        b"p95_distance_m,max_distance_m,"
        b"nearest_row,nearest_latitude,nearest_longitude,nearest_distance_m\n"
        b"1,22.3123457,114.1000000,3,1.0,1234.568,1000.000,3000.000,9999.000,"
        b"2,1.5,0.0,12.346\n"
        b"2,-0.5000000,-180.0000000,0,0.0,,,,,,,,\n"
    )


def test_medians_and_percentiles_follow_their_clusters() -> None:
    latitude = np.array([1.0, 2.0, 3.0])
    table = centroid_table(latitude, latitude, statistics([1, 9, 4]))
    assert table["median_distance_m"].tolist() == [1001, 1002, 1000]
    assert table["p95_distance_m"].tolist() == [3003, 3006, 3000]


@pytest.mark.parametrize(
    ("size", "share"),
    [
        ([1, 2], ["0.666667", "0.333333"]),
        ([99_999_999, 1], ["1.0", "0.00000001"]),
        ([380_000_000 - 7, 7], ["1.0", "0.0000000184211"]),
        ([5], ["1.0"]),
        ([3, 1, 0], ["0.75", "0.25", "0.0"]),
    ],
)
def test_shares_have_six_digits_however_small(
    size: list[int], share: list[str]
) -> None:
    k = len(size)
    csv_file = io.StringIO(
        to_csv(centroid_table(np.zeros(k), np.zeros(k), statistics(size))).decode()
    )
    assert [row["share"] for row in csv.DictReader(csv_file)] == share


def test_trained_centroids_have_the_numbers_of_what_became_of_them() -> None:
    latitude, longitude = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])
    order = cluster_order(latitude, longitude, np.array([3, 9, 4]))
    table = trained_table(latitude + 0.5, longitude, statistics([5, 1, 0]), order)
    assert to_csv(table).decode().splitlines() == [
        "cluster,latitude,longitude,size,share,mean_distance_m,max_distance_m",
        "1,2.5000000,20.0000000,1,0.166667,1234.568,9999.000",
        "2,3.5000000,30.0000000,0,0.0,,",
        "3,1.5000000,10.0000000,5,0.833333,1234.568,9999.000",
    ]


def test_nearest_places_follow_their_clusters() -> None:
    latitude = np.array([1.0, 2.0, 3.0])
    table = centroid_table(latitude, latitude, statistics([1, 9, 4], ["a", "b", "c"]))
    assert table["latitude"].tolist() == [2, 3, 1]
    assert table["nearest_row"].tolist() == [3, 4, 2]
    assert table["nearest_id"].tolist() == ["b", "c", "a"]
    assert table["nearest_longitude"].tolist() == [1 / 3, 2 / 3, 0]


def test_a_nearest_place_is_found_again_by_its_coordinates() -> None:
    figures = statistics([3, 2])
    exact = [(1e-9, -179.99999999999997), (-0.1234567890123456, 5e-324)]
    figures.nearest["latitude"], figures.nearest["longitude"] = np.transpose(exact)
    text = to_csv(centroid_table(np.zeros(2), np.zeros(2), figures)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    cells = [(row["nearest_latitude"], row["nearest_longitude"]) for row in rows]
    assert [(float(a), float(b)) for a, b in cells] == exact
    assert "e" not in cells[0][0]


IDS = [
    "007",
    "+1.50",
    "a,b",
    'say "here"',
    '"',
    "two\nlines",
    "two\r\nlines",
    "a\rb",
    " spaces ",
    "Zürich 北 🏥",
    "a\u2028b\x85c",
    "a;b\tc",
    "1e5",
    "NA",
    "",
]


def test_ids_come_back_exactly_as_they_stood() -> None:
    k = len(IDS)
    table = centroid_table(np.zeros(k), np.arange(k) / 1, statistics([1] * k, IDS))
    text = to_csv(table).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["nearest_id"] for row in rows] == IDS
    assert list(rows[0])[9:] == [
        "nearest_row",
        "nearest_id",
        "nearest_latitude",
        "nearest_longitude",
        "nearest_distance_m",
    ]
    again = pd.read_csv(
        io.BytesIO(to_csv(table)), dtype={"nearest_id": str}, keep_default_na=False
    )
    assert again["nearest_id"].tolist() == IDS


def test_what_a_spreadsheet_would_run_is_a_text() -> None:
    table = centroid_table(np.zeros(2), np.zeros(2), statistics([2, 1], ["=1", "-12"]))
    table.insert(3, "area", ["@SUM(1,1)", "a;+cmd"])
    rows = list(csv.DictReader(io.StringIO(to_csv(table).decode(), newline="")))
    assert [row["nearest_id"] for row in rows] == ["'=1", "-12"]
    assert [row["area"] for row in rows] == ["'@SUM(1,1)", "a;'+cmd"]


def test_an_id_that_is_no_utf_8_does_not_keep_the_rest_back() -> None:
    figures = statistics([3], ["?"])
    figures.nearest["id"] = b"\xff"
    table = centroid_table(np.zeros(1), np.zeros(1), figures)
    assert table["nearest_id"].tolist() == ["\ufffd"]


def test_an_empty_cluster_has_no_id() -> None:
    table = centroid_table(np.zeros(2), np.zeros(2), statistics([3, 0], ["a", "b"]))
    assert to_csv(table).endswith(b",0,0.0,,,,,,,,,\n")


def test_no_zero_is_negative() -> None:
    placed = place_on_earth(np.array([[-1e-12, -1e-12]]), PLANE, unused)
    table = centroid_table(placed.latitude, placed.longitude, statistics([1]))
    assert b"-0" not in to_csv(table)


def test_pandas_reads_the_csv_back(tmp_path: Path) -> None:
    path = tmp_path / "centroids.csv"
    table = centroid_table(np.array([1.5, 2]), np.array([3.0, 4]), statistics([3, 0]))
    path.write_bytes(to_csv(table))
    pd.testing.assert_frame_equal(
        pd.read_csv(path, dtype={"nearest_row": "Int64"}),
        table,
        check_exact=False,
        atol=1e-3,
    )
