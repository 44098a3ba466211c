"""SageMaker KMeans' hyperparameters as functions of the run's size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoclusters.hyperparameters import (
    extra_center_factor,
    first_shard_rows,
    hyperparameters,
    mini_batch_size,
)

ks = st.integers(2, 3_000)


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    k = draw(ks)
    return draw(st.integers(k, 5_000_000)), k


@given(sizes())
def test_every_value_is_a_string_within_sagemakers_range(size: tuple[int, int]) -> None:
    n, k = size
    chosen = hyperparameters(n, k, 3)
    assert (chosen["k"], chosen["feature_dim"]) == (str(k), "3")
    for name in (
        "mini_batch_size",
        "epochs",
        "extra_center_factor",
        "local_lloyd_num_trials",
    ):
        assert int(chosen[name]) >= 1
    assert chosen["init_method"] in ("random", "kmeans++")
    assert chosen["local_lloyd_init_method"] in ("random", "kmeans++")
    assert json.loads(chosen["eval_metrics"]) == ["msd"]


@given(sizes())
def test_the_first_mini_batch_can_supply_the_initial_centres(
    size: tuple[int, int],
) -> None:
    n, k = size
    centers = k * extra_center_factor(n, k)
    assert k <= centers <= min(n, first_shard_rows(k))
    assert mini_batch_size(k) >= 4 * centers


@given(ks)
def test_the_first_shard_holds_the_first_mini_batch(k: int) -> None:
    assert first_shard_rows(k) >= mini_batch_size(k) >= 5_000


def test_a_small_file_keeps_centres_below_its_records() -> None:
    # As SageMaker is known to train: 150 centres of 210 records.
    assert extra_center_factor(210, 15) == 10
    assert extra_center_factor(15, 15) == 1


def test_many_clusters_of_a_small_file_still_have_centres_to_choose_from() -> None:
    # (One centre a cluster would leave nothing to shrink.)
    assert extra_center_factor(210, 100) == 2
    assert extra_center_factor(390, 100) == 3


def test_starts_are_fewer_where_each_costs_more() -> None:
    trials = [
        int(hyperparameters(n, k, 3)["local_lloyd_num_trials"])
        for n, k in ((1_000, 100), (100_000, 100), (100_000, 1_000))
    ]
    assert trials == [200, 50, 20]


def test_a_large_file_costs_one_pass_and_a_bounded_number_of_centres() -> None:
    chosen = hyperparameters(10_000_000, 100, 3)
    assert chosen["epochs"] == "1"
    assert int(chosen["extra_center_factor"]) * 100 == 5_000
    assert chosen["mini_batch_size"] == "20000"


@pytest.mark.parametrize(("n", "k", "d"), [(14, 15, 3), (10, 1, 3), (10, 2, 0)])
def test_sizes_that_cannot_be_are_refused(n: int, k: int, d: int) -> None:
    with pytest.raises(ValueError, match=f"k={k}, n={n}, feature_dim={d}"):
        hyperparameters(n, k, d)
