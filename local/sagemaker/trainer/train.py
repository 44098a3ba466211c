"""The training: read, cluster, log as the container does, write the model."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local.sagemaker.trainer.artefact import write_model
from local.sagemaker.trainer.cluster import Cluster
from local.sagemaker.trainer.errors import ClientError, StoppedEarlyError
from local.sagemaker.trainer.hyperparameters import Hyperparameters, parse
from local.sagemaker.trainer.kmeans import (
    LocalLloyd,
    TooFewRecordsError,
    WebScaleKMeans,
    evaluate,
)
from local.sagemaker.trainer.log import Log, Reads
from local.sagemaker.trainer.records import RECORDIO, Channel

Float32 = npt.NDArray[np.float32]

_LOG = logging.getLogger("trainer")
_CHANNELS = ("train", "test")
_NO_DATA = "No data was found. Please make sure training data is provided."


@dataclass(frozen=True)
class _Job:
    """What every step of one machine's training goes by."""

    chosen: Hyperparameters
    channels: Mapping[str, Channel]
    cluster: Cluster
    rng: np.random.Generator
    stopped: Callable[[], bool]
    log: Log


def train(
    opt_ml: Path,
    rng: np.random.Generator,
    stopped: Callable[[], bool],
    shared: Path | None = None,
) -> Float32 | None:
    """Run the training that `/opt/ml/input` describes, and write its model.

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
        The centroids; None if another machine has them.

    Raises
    ------
    ClientError
        If the hyperparameters or the data can't be used.
    StoppedEarlyError
        If it was stopped before the first mini-batch.
    """
    job = _set_up(opt_ml, rng, stopped, shared)
    try:
        model = _iterate(job)
    except StoppedEarlyError:
        job.cluster.give_up(job.chosen.feature_dim)
        raise
    centroids = None
    if job.cluster.leads:
        centroids = _finalize(job, model)
        with job.log.timed("model.serialize.time"):
            write_model(opt_ml / "model/model_algo-1", centroids)
    else:
        job.cluster.send(model.centers, model.counts)
    job.log.times()
    _test(job, centroids)
    job.log.end()
    return centroids


def _set_up(
    opt_ml: Path,
    rng: np.random.Generator,
    stopped: Callable[[], bool],
    shared: Path | None,
) -> _Job:
    config = opt_ml / "input/config"
    cluster = Cluster.read(config, shared)
    log = Log(cluster.host)
    given = json.loads((config / "hyperparameters.json").read_text())
    log.configuration(given)
    chosen = parse(given)
    found = json.loads((config / "inputdataconfig.json").read_text())
    _check_channels(found)
    channels = {
        name: Channel(opt_ml / "input/data", name, entry, chosen.feature_dim, stopped)
        for name, entry in found.items()
    }
    log.set_up(given, [channel.kind for channel in channels.values()])
    return _Job(chosen, channels, cluster, rng, stopped, log)


def _check_channels(found: Mapping[str, Any]) -> None:
    unknown = ", ".join(repr(name) for name in found if name not in _CHANNELS)
    fault = ""
    if unknown:
        were = "were" if "," in unknown else "was"
        fault = f"Additional properties are not allowed ({unknown} {were} unexpected)"
    elif "train" not in found:
        fault = "'train' is a required property"
    if fault:
        raise ClientError(
            "Unable to initialize the algorithm. Failed to validate input data "
            f"configuration. (caused by ValidationError)\n\nCaused by: {fault}"
        )


def _iterate(job: _Job) -> WebScaleKMeans:
    """Take initial centres from the first mini-batch, then run all epochs."""
    reads = Reads()
    model: WebScaleKMeans | None = None
    for epoch in range(job.chosen.epochs):
        began = time.monotonic()
        model = _pass(job, model, reads, epoch)
        if model is None:
            raise StoppedEarlyError
        _LOG.info("processed a total of %d examples", reads.records)
        if job.stopped():
            break
        job.log.epoch(epoch, job.chosen.epochs, reads, time.monotonic() - began)
    assert model is not None, "epochs is at least 1"
    return model


def _pass(
    job: _Job, model: WebScaleKMeans | None, reads: Reads, epoch: int
) -> WebScaleKMeans | None:
    """Run through the data once; return the model, None if stopped before the first."""
    if epoch:
        reads.reset()
    for batch in job.channels["train"].batches(job.chosen.mini_batch_size, epoch):
        if job.stopped():
            return model
        if model is None:
            with job.log.timed("initialize.time"):
                model = _initialise(batch, job.chosen, job.rng)
            _log_first(job, len(batch), reads)
        with job.log.timed("update.time"):
            model.update(batch)
        reads.add(len(batch))
    if not reads.records and not job.stopped():
        raise ClientError(_NO_DATA)
    _log_stream(job, epoch + 1, reads)
    return model


def _log_first(job: _Job, records: int, reads: Reads) -> None:
    """Log the first mini-batch as read for the initial centres, and then once more."""
    reads.add(records)
    job.log.metrics(reads.metrics(), Meta="init_train_data_iter")
    _log_stream(job, 0, reads)
    reads.reset()


def _log_stream(job: _Job, epoch: int, reads: Reads) -> None:
    if job.channels["train"].kind == RECORDIO:  # which alone tensorio reads
        job.log.stream("train", epoch, reads, job.chosen.feature_dim)


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


def _finalize(job: _Job, model: WebScaleKMeans) -> Float32:
    """Bring the machines' centres together and shrink them to k."""
    cluster = job.cluster
    if len(cluster.hosts) == 1:
        _LOG.warning(
            "wait_for_all_workers will not sync workers since the kv store is not "
            "running distributed"
        )
        if job.chosen.extra_center_factor == 1:
            _LOG.info("No shrinking is required as extra_center_factor is 1.")
            return model.centers
    with job.log.timed("finalize.time"), job.log.timed("_shrink.time"):
        return _shrink(job, *cluster.gather(model.centers, model.counts))


def _shrink(job: _Job, centers: Float32, counts: Float32) -> Float32:
    chosen = job.chosen
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
        job.rng,
        on_attempt=lambda attempt, msd: _LOG.info(
            "local kmeans attempt #%d. Current mean square distance %f", attempt, msd
        ),
        stopped=job.stopped,
    )
    # The container prints 0 here, whatever the distance is.
    _LOG.info("finished shrinking process. Mean Square Distance = 0")
    scores = {"msd": msd, "ssd": msd * float(counts.sum())}
    for metric in chosen.eval_metrics:
        job.log.quality("train", metric, scores[metric])
    return centroids


def _test(job: _Job, centroids: Float32 | None) -> None:
    """Score the centroids: each machine its own shards, or the first all data."""
    channel = job.channels.get("test")
    if channel is None:
        _LOG.info("Test data is not provided.")
        return
    if channel.sharded:
        centroids = job.cluster.spread(centroids)
    if centroids is None or not len(centroids):
        return
    batches = channel.batches(job.chosen.mini_batch_size, 0)
    ssd, records = evaluate(batches, centroids)
    if channel.sharded:
        ssd, records = job.cluster.add_up(ssd, records)
    if job.cluster.leads:
        scores = {"msd": ssd / max(records, 1), "ssd": ssd}
        for metric in job.chosen.eval_metrics:
            job.log.score(metric, scores[metric])
