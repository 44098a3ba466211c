"""The training: read, cluster, log as the container does, write the model."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from local.sagemaker.trainer.cluster import Cluster
from local.sagemaker.trainer.errors import ClientError, StoppedEarlyError
from local.sagemaker.trainer.hyperparameters import (
    AUTO,
    DEFAULTS,
    Hyperparameters,
    parse,
)
from local.sagemaker.trainer.kmeans import (
    LocalLloyd,
    TooFewRecordsError,
    WebScaleKMeans,
    evaluate,
)
from local.sagemaker.trainer.records import Channel

Float32 = npt.NDArray[np.float32]

_LOG = logging.getLogger("trainer")


def train(
    opt_ml: Path,
    rng: np.random.Generator,
    stopped: Callable[[], bool],
    shared: Path | None = None,
) -> Float32 | None:
    """Run the training that `/opt/ml/input` describes.

    Parameters
    ----------
    opt_ml : Path
    rng : numpy.random.Generator
    stopped : callable
        Asked between mini-batches and starts; once True, what there is is finished.
    shared : Path
        Where the job's machines meet, if they are several.

    Returns
    -------
    float32 array, shape (k, feature_dim), or None
        The centroids; None if another machine writes them.

    Raises
    ------
    ClientError
        If the hyperparameters or the data can't be used.
    StoppedEarlyError
        If it was stopped before the first mini-batch.
    """
    config = opt_ml / "input/config"
    chosen = _read_hyperparameters(config)
    channels = json.loads((config / "inputdataconfig.json").read_text())
    if "train" not in channels:
        raise ClientError("The channel 'train' is required.")
    data = opt_ml / "input/data"

    def channel(name: str) -> Channel:
        return Channel(data, name, channels[name], chosen.feature_dim)

    cluster = Cluster.read(config, shared)
    host = f"host={cluster.host}"
    try:
        model = _iterate(channel("train"), chosen, rng, stopped, host)
        state = model.centers, model.counts
    except StoppedEarlyError:
        cluster.send(np.empty((0, chosen.feature_dim), np.float32), np.empty(0))
        raise
    if not cluster.leads:
        cluster.send(*state)
        return None
    centers, counts = cluster.gather(*state)
    centroids = _shrink(centers, counts, chosen, rng, stopped, host)
    if "test" in channels:
        batches = channel("test").batches(chosen.mini_batch_size, 0)
        _score(batches, chosen, centroids, host)
    else:
        _LOG.info("Test data is not provided.")
    return centroids


def _read_hyperparameters(config: Path) -> Hyperparameters:
    given = json.loads((config / "hyperparameters.json").read_text())
    _LOG.info("Reading default configuration: %s", DEFAULTS)
    _LOG.info(
        "Merging with provided configuration from "
        "/opt/ml/input/config/hyperparameters.json: %s",
        given,
    )
    merged = {**DEFAULTS, **given}
    _LOG.info("Final configuration: %s", merged)
    chosen = parse(given)
    for name in ("extra_center_factor", "local_lloyd_num_trials"):
        if merged[name] == "auto":
            _LOG.info("'%s' was set to 'auto', evaluated to %d.", name, AUTO)
    return chosen


def _iterate(
    channel: Channel,
    chosen: Hyperparameters,
    rng: np.random.Generator,
    stopped: Callable[[], bool],
    host: str,
) -> WebScaleKMeans:
    """Take initial centres from the first mini-batch, then run all epochs."""
    model: WebScaleKMeans | None = None
    started = time.monotonic()
    total = 0
    for epoch in range(chosen.epochs):
        records = 0
        for batch in channel.batches(chosen.mini_batch_size, epoch):
            if stopped():
                break
            if model is None:
                model = _initialise(batch, chosen, rng)
            model.update(batch)
            records += len(batch)
        if model is None:
            if stopped():
                raise StoppedEarlyError
            raise ClientError(
                "No data was found. Please make sure training data is provided."
            )
        total += records
        _LOG.info("processed a total of %d examples", records)
        if stopped():
            break
        share = 100 * (epoch + 1) / chosen.epochs
        _LOG.info("#progress_metric: %s, completed %s %% of epochs", host, share)
    assert model is not None, "epochs is at least 1"
    rate = total / max(time.monotonic() - started, 1e-9)
    _LOG.info("#throughput_metric: %s, train throughput=%s records/second", host, rate)
    return model


def _initialise(
    batch: Float32, chosen: Hyperparameters, rng: np.random.Generator
) -> WebScaleKMeans:
    if len(batch) < chosen.mini_batch_size:
        _LOG.warning(
            "Batch size %d is bigger than the first batch data. "
            "Effective batch size used to initialize is %d",
            chosen.mini_batch_size,
            len(batch),
        )
    if len(batch) < chosen.k:
        raise ClientError(
            f"The number of records in the first mini-batch ({len(batch)}) is smaller "
            f"than the number of clusters, k={chosen.k}."
        )
    try:
        return WebScaleKMeans(
            batch,
            count=chosen.k * chosen.extra_center_factor,
            init_method=chosen.init_method,
            half_life_time_size=chosen.half_life_time_size,
            rng=rng,
        )
    except TooFewRecordsError as error:
        raise ClientError(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def _shrink(
    centers: Float32,
    counts: Float32,
    chosen: Hyperparameters,
    rng: np.random.Generator,
    stopped: Callable[[], bool],
    host: str,
) -> Float32:
    _LOG.info("shrinking %d centers into %d", len(centers), chosen.k)
    lloyd = LocalLloyd(
        init_method=chosen.local_lloyd_init_method,
        max_iter=chosen.local_lloyd_max_iter,
        num_trials=chosen.local_lloyd_num_trials,
        tol=chosen.local_lloyd_tol,
    )
    centroids, msd = lloyd.shrink(
        centers,
        counts,
        chosen.k,
        rng,
        on_attempt=lambda attempt, msd: _LOG.info(
            "local kmeans attempt #%d. Current mean square distance %f", attempt, msd
        ),
        stopped=stopped,
    )
    # The container prints 0 here, whatever the distance is.
    _LOG.info("finished shrinking process. Mean Square Distance = 0")
    scores = {"msd": msd, "ssd": msd * float(counts.sum())}
    for metric in chosen.eval_metrics:
        _LOG.info(
            "#quality_metric: %s, train %s <loss>=%s", host, metric, scores[metric]
        )
    return centroids


def _score(
    batches: Iterator[Float32], chosen: Hyperparameters, centroids: Float32, host: str
) -> None:
    scores = evaluate(batches, centroids)
    for metric in chosen.eval_metrics:
        _LOG.info(
            "#quality_metric: %s, test %s <loss>=%s", host, metric, scores[metric]
        )
