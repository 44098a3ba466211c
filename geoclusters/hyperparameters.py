"""SageMaker KMeans' hyperparameters as functions of the run's size.

The algorithm initialises k × `extra_center_factor` centres from the first mini-batch,
moves them through the data in its order, and shrinks them to k at the end, the best of
`local_lloyd_num_trials` starts. What its defaults cost, and what these choices give,
was measured (docs/algorithm.md): many centres that lie well apart matter most, starts
next, epochs little.

Names, ranges and defaults:
https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html
"""

#: More centres than these improve little, and cost time and memory: a mini-batch has
#: four records a centre, and a distance for each pair (10,000 centres: 1.6 GB).
_CENTERS = 5_000
_MOST_CENTERS = 10_000
_LARGEST_FACTOR = 100
#: What SageMaker makes of "auto".
_USUAL_FACTOR = 10
#: Centres are records of the first mini-batch; of a small file take this part at most.
#: (SageMaker is known to train on 210 records with 150 initial centres.)
_CENTERS_PER_RECORDS = (5, 7)
#: Where that is less than so many a cluster, so many are taken if there are as many.
_FEWEST_FACTOR = 4
_DEFAULT_MINI_BATCH = 5_000
_RECORDS_PER_CENTER = 4
_SMALL_FILE_ROWS = 200_000
_SMALL_FILE_EPOCHS = 3
_FEWEST_TRIALS, _MOST_TRIALS = 20, 200
#: In a start each pass computes centres × k distances; all starts' together are these.
_TRIALS_DISTANCES = 25_000_000


def mini_batch_size(k: int) -> int:
    """Return the number of records that SageMaker reads at a time.

    The first of these mini-batches supplies the initial centres, so it holds at least
    four records for each; a file may be shorter than one mini-batch.

    Parameters
    ----------
    k : int
        Clusters, at least 2.
    """
    centers = k * _largest_factor(k)
    return max(_DEFAULT_MINI_BATCH, _RECORDS_PER_CENTER * centers)


def first_shard_rows(k: int) -> int:
    """Return how many rows the fair sample that training starts with must have.

    Parameters
    ----------
    k : int
        Clusters, at least 2.
    """
    return mini_batch_size(k)


def extra_center_factor(n: int, k: int) -> int:
    """Return how many centres SageMaker keeps for each cluster until it shrinks them.

    Parameters
    ----------
    n : int
        Records, at least k.
    k : int
        Clusters, at least 2.
    """
    part, whole = _CENTERS_PER_RECORDS
    usual = n * part // (whole * k)
    return max(1, min(_largest_factor(k), max(usual, min(n // k, _FEWEST_FACTOR))))


def hyperparameters(n: int, k: int, feature_dim: int) -> dict[str, str]:
    """Return a training job's hyperparameters, by SageMaker's names.

    Parameters
    ----------
    n : int
        Records, at least k.
    k : int
        Clusters, at least 2.
    feature_dim : int
        Values of a record, at least 1.

    Raises
    ------
    ValueError
        If there are fewer records than clusters, fewer than two clusters or no
        features.
    """
    if not 2 <= k <= n or feature_dim < 1:
        msg = (
            f"expected 2 <= k <= n and feature_dim >= 1; got {k=}, {n=}, {feature_dim=}"
        )
        raise ValueError(msg)
    factor = extra_center_factor(n, k)
    trials = min(_MOST_TRIALS, _TRIALS_DISTANCES // (k * factor * k))
    return {
        "k": str(k),
        "feature_dim": str(feature_dim),
        "mini_batch_size": str(mini_batch_size(k)),
        "epochs": str(_SMALL_FILE_EPOCHS if n <= _SMALL_FILE_ROWS else 1),
        # Centres chosen at random leave out what is small and far off.
        "init_method": "kmeans++",
        "extra_center_factor": str(factor),
        "local_lloyd_init_method": "kmeans++",
        "local_lloyd_num_trials": str(max(_FEWEST_TRIALS, trials)),
        "eval_metrics": '["msd"]',
        "force_dense": "True",
    }


def _largest_factor(k: int) -> int:
    """Return the `extra_center_factor` of a file that is large enough for it."""
    wanted = max(_CENTERS // k, _USUAL_FACTOR)
    return max(1, min(wanted, _LARGEST_FACTOR, _MOST_CENTERS // k))
