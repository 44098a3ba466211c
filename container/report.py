"""From a model artefact to the answer of a run.

The steps are in `report`; what may end a run early is told by its exceptions:
`LaterError` (the job isn't done), `SupersededError` (a newer upload answers), and
`InputError`, which is the answer FAILED.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from container.centroids import centroid_table, place_on_earth, to_csv
from container.map import draw
from container.model import MAX_ARCHIVE_BYTES, decode_centroids
from container.sample import Sample
from container.statistics import ClusterStatistics, Tally
from container.window import Extent
from geoclusters import layout, places
from geoclusters.aws.outputs import Outputs, read_run_record
from geoclusters.aws.queue import LaterError, growing_delay_s
from geoclusters.errors import InputError
from geoclusters.failures import explain_job_end
from geoclusters.geodesy import GEOMETRIES, Geometry
from geoclusters.places import Places
from geoclusters.run import RunRecord
from geoclusters.status import State, Status, run_figures

if TYPE_CHECKING:
    import pandas as pd
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

CENTROIDS_NAME: Final = "centroids.csv"
MAP_NAME: Final = "map.png"

#: Places on a map; more don't show, and drawing them takes time.
_MOST_DRAWN: Final = 200_000
_FIRST_DELAY_S: Final = 20
_MOST_DELAY_S: Final = 300


def report(
    key: str,
    *,
    receive_count: int,
    bucket: str,
    s3: "S3Client",
    sagemaker: "SageMakerClient",
) -> Status:
    """Answer the run that a model artefact belongs to; return its status.

    Parameters
    ----------
    key : str
        Of the artefact.
    receive_count : int
        How often its message was received, this time included.
    bucket : str
        The data bucket.

    Raises
    ------
    LaterError
        If its training job is still at work. SageMaker uploads a model before the job
        is Completed, and models of jobs that were stopped.
    SupersededError
        If a newer upload of the same key answers instead.
    """
    run_id, job_name = layout.parse_model_key(key)
    record = read_run_record(s3, bucket, run_id)
    outputs = Outputs(s3, record.upload)
    state = outputs.state()
    if state is not None and state.is_final:
        return _status(record, state, "this run had ended before", job_name)
    job = sagemaker.describe_training_job(TrainingJobName=job_name)
    job_status = job["TrainingJobStatus"]
    if job_status in ("InProgress", "Stopping"):
        delay_s = growing_delay_s(
            receive_count, first_s=_FIRST_DELAY_S, most_s=_MOST_DELAY_S
        )
        msg = f"the training job is {job_status}"
        raise LaterError(msg, delay_s=delay_s)
    if job_status != "Completed":
        message = explain_job_end(job_name, job_status, job.get("FailureReason", ""))
        status = _status(record, State.FAILED, message, job_name)
    else:
        message = f"Training is done; the {record.k} clusters are being measured."
        outputs.publish(_status(record, State.REPORTING, message, job_name))
        try:
            status = _measure(record, key, job_name, outputs=outputs, s3=s3)
        except InputError as error:
            status = _status(record, State.FAILED, str(error), job_name)
    outputs.publish(status)
    return status


def _measure(
    record: RunRecord, key: str, job_name: str, *, outputs: Outputs, s3: "S3Client"
) -> Status:
    """Write the result files; return the status that names them."""
    geometry = GEOMETRIES[record.geometry]
    bucket = record.upload.bucket

    def parts() -> Iterator[Places]:
        for part in range(record.places_parts):
            body = s3.get_object(
                Bucket=bucket, Key=layout.places_key(record.run_id, part)
            )["Body"]
            yield places.decode(body.read())

    centroids = decode_centroids(
        _read_model(s3, bucket, key),
        k=record.k,
        feature_dim=record.feature_dim,
        name=f"s3://{bucket}/{key}",
    )
    placed = place_on_earth(centroids + record.centre, geometry, parts)
    tally = Tally(geometry, placed.latitude, placed.longitude)
    extent = Extent()
    extent.add(placed.latitude, placed.longitude)
    sample = Sample(_MOST_DRAWN, seed=int(record.run_id, 16))
    for part in parts():
        tally.add(part)
        extent.add(part["latitude"], part["longitude"])
        nothing = np.zeros(len(part))
        sample.add(part, nothing.astype(np.intp), nothing)
    statistics = tally.result()
    table = centroid_table(placed.latitude, placed.longitude, statistics)
    outputs.put(CENTROIDS_NAME, to_csv(table), "text/csv; charset=utf-8")
    picture = _map(record, table, statistics, extent, sample)
    outputs.put(MAP_NAME, picture, "image/png")
    files = [CENTROIDS_NAME, MAP_NAME]
    if record.left_out:
        rejected = s3.get_object(Bucket=bucket, Key=layout.rejected_key(record.run_id))[
            "Body"
        ].read()
        outputs.put(layout.REJECTED_NAME, rejected, "text/csv; charset=utf-8")
        files.append(layout.REJECTED_NAME)
    return Status(
        upload=record.upload,
        state=State.SUCCEEDED,
        message=_summary(record, statistics),
        files=tuple(files),
        warnings=_warnings(record, len(placed.moved), statistics),
        figures={
            **_figures(record, job_name),
            **_distances(geometry, statistics),
        },
    )


def _read_model(s3: "S3Client", bucket: str, key: str) -> bytes:
    """Return the artefact, or just more of it than is allowed."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    try:
        return body.read(MAX_ARCHIVE_BYTES + 1)
    finally:
        body.close()


def _map(
    record: RunRecord,
    table: "pd.DataFrame",
    statistics: ClusterStatistics,
    extent: Extent,
    sample: Sample,
) -> bytes:
    drawn_places = sample.result().places
    drawn = draw(
        title=record.upload.key.removeprefix(layout.INPUT_PREFIX),
        subtitle=_summary(record, statistics),
        window=extent.window(),
        place_latitude=drawn_places["latitude"],
        place_longitude=drawn_places["longitude"],
        places_in_all=sample.seen,
        centroid_latitude=table["latitude"].to_numpy(),
        centroid_longitude=table["longitude"].to_numpy(),
    )
    return drawn.png


def _summary(record: RunRecord, statistics: ClusterStatistics) -> str:
    return (
        f"{record.k} clusters of {record.rows_usable:,} places, on average "
        f"{in_words(statistics.overall_mean_distance_m)} from their centroid."
    )


def in_words(distance_m: float) -> str:
    """Return a distance with three digits at most, for people."""
    if distance_m < 1000:
        return f"{distance_m:,.0f} m"
    whole_km = int(distance_m / 1000)
    decimals = max(3 - len(str(whole_km)), 0)
    return f"{distance_m / 1000:,.{decimals}f} km"


def _warnings(
    record: RunRecord, moved: int, statistics: ClusterStatistics
) -> tuple[str, ...]:
    warnings = []
    if record.boundary is not None:
        warnings.append(
            f"Borders were asked for ({layout.BOUNDARIES_PREFIX}{record.boundary}), "
            "but maps don't draw borders of one's own yet: the map shows countries' "
            "borders alone."
        )
    if moved:
        warnings.append(
            "Clusters that reach so far around the globe that their mean lies near the "
            f"earth's centre, below no place at all: {moved}. Each of these centroids "
            "was put onto its nearest place. A larger k gives more useful clusters."
        )
    if empty := int((statistics.size == 0).sum()):
        warnings.append(
            f"Empty clusters, to whose centroid no place is nearest: {empty}. A "
            "smaller k avoids that."
        )
    return tuple(warnings)


def _distances(geometry: Geometry, statistics: ClusterStatistics) -> dict[str, Any]:
    unit = "m²" if geometry.name == "spherical" else "degrees²"
    return {
        "mean_square_distance": statistics.mean_square_distance,
        "mean_square_distance_unit": unit,
        "mean_distance_m": statistics.overall_mean_distance_m,
    }


def _figures(record: RunRecord, job_name: str) -> dict[str, Any]:
    return {**run_figures(record), "training_job": job_name}


def _status(record: RunRecord, state: State, message: str, job_name: str) -> Status:
    return Status(
        upload=record.upload,
        state=state,
        message=message,
        figures=_figures(record, job_name),
    )
