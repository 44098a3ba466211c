"""From SageMaker's centroids to the files of a run's answer."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from container import assignments, colours, page, words
from container.boundaries import Boundaries, Outline
from container.centroids import (
    centroid_table,
    cluster_order,
    place_on_earth,
    to_csv,
    trained_table,
)
from container.figures import Quality, Refinement
from container.geodata import centroids_geojson, clusters_gpkg
from container.map import MOST_POINTS, draw
from container.nearest import Centroids
from container.passes import (
    LEAST_SECONDS_LEFT,
    Details,
    Measured,
    Run,
    detail,
    measure,
)
from container.refine import OUT_OF_TIME, Refined, is_wanted, refine
from container.shapes import service_areas
from container.statistics import ClusterStatistics, davies_bouldin
from container.view import View
from geoclusters import layout
from geoclusters.aws.outputs import Outputs
from geoclusters.errors import BoundariesError
from geoclusters.geodesy import GEOMETRIES
from geoclusters.places import has_ids
from geoclusters.run import RunRecord

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

CENTROIDS_NAME: Final = "centroids.csv"
TRAINED_NAME: Final = "trained_centroids.csv"
GEOJSON_NAME: Final = "centroids.geojson"
GEOPACKAGE_NAME: Final = "clusters.gpkg"
MAP_NAME: Final = "map.png"
PAGE_NAME: Final = "map.html"

_CSV: Final = "text/csv; charset=utf-8"
#: Vertices of borders of one's own on a map, and in a page.
_MAP_VERTICES: Final = 200_000
_PAGE_VERTICES: Final = 20_000
#: After refining the places are read twice more. The second time takes longer, as much
#: as so many passes, and this much for each place: it is then that they are listed.
_PASSES_AFTER: Final = 3.0
_SECONDS_A_PLACE: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class Results:
    """What came of a run, once its files are written."""

    #: Names of the files.
    files: tuple[str, ...]
    #: Of the clusters in `centroids.csv`.
    statistics: ClusterStatistics
    quality: Quality
    refinement: Refinement | None
    #: What the user should know about them.
    warnings: tuple[str, ...]


def write_results(
    record: RunRecord,
    features: Floats,
    *,
    run: Run,
    outputs: Outputs,
    borders: Boundaries | None,
    rejected: bytes | None,
    gzip_above_rows: int,
) -> Results:
    """Measure a run's clusters, and write what people read.

    Parameters
    ----------
    record : RunRecord
    features : array of float64, shape (k, feature_dim)
        SageMaker's centroids in the geometry's own coordinates, not centred.
    run : Run
        Its places, and the time that there is.
    outputs : Outputs
        Where the files go.
    borders : Boundaries, optional
        Borders of one's own.
    rejected : bytes, optional
        The list of rows that were left out.
    gzip_above_rows : int
        Above so many places their list is packed.

    Raises
    ------
    InputError
        If the model is not of this run, or the time is over.
    SupersededError
        If a newer upload's files stand there.
    """
    found = _find(record, features, run)
    order = cluster_order(
        found.centroids.latitude, found.centroids.longitude, found.statistics.size
    )
    centroids = found.centroids.reordered(order)
    statistics = found.statistics.reordered(order)
    view = View.of(found.measured.extent)
    packed = record.rows_usable > gzip_above_rows
    list_name, list_type = assignments.PACKED if packed else assignments.PLAIN
    with (
        outputs.stream(list_name, list_type) as stream,
        assignments.written_to(
            stream, has_ids=has_ids(statistics.nearest), packed=packed
        ) as listing,
    ):
        details = detail(
            run,
            centroids,
            statistics,
            view=view,
            listing=listing,
            seed=int(record.run_id, 16),
        )
    table = centroid_table(
        centroids.latitude, centroids.longitude, statistics, details.quantiles_m
    )
    warnings = _warnings(record, found)
    if borders is not None:
        warnings += _name_areas(table, borders)
    others = {
        **_trained(found, order),
        **_drawn(record, found, table, details, borders),
        **({} if rejected is None else {layout.REJECTED_NAME: (rejected, _CSV)}),
    }
    outputs.put(CENTROIDS_NAME, to_csv(table), _CSV)
    for name, (body, content_type) in others.items():
        outputs.put(name, body, content_type)
    return Results(
        files=(CENTROIDS_NAME, list_name, *others),
        statistics=statistics,
        quality=_quality(found.centroids, found.measured),
        refinement=found.refinement,
        warnings=warnings,
    )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The run's centroids, SageMaker's own or refined ones."""

    centroids: Centroids
    measured: Measured
    #: How many of SageMaker's had no direction, and were put onto a place.
    moved: int
    #: SageMaker's own, where they were refined.
    trained: tuple[Centroids, Measured] | None = None
    #: What refining found, be it that there was no time for a pass.
    refined: Refined | None = None

    @property
    def statistics(self) -> ClusterStatistics:
        """What their clusters are like."""
        return self.measured.statistics

    @property
    def refinement(self) -> Refinement | None:
        """What `status.json` says of it."""
        if self.trained is None or self.refined is None:
            return None
        return Refinement(
            self.refined.passes, self.refined.reason, _quality(*self.trained)
        )


def _find(record: RunRecord, features: Floats, run: Run) -> _Found:
    geometry = GEOMETRIES[record.geometry]
    placed = place_on_earth(features, geometry, lambda: run.parts)
    moved = len(placed.moved)
    centroids = Centroids(geometry, placed.latitude, placed.longitude)
    began = time.monotonic()
    measured = measure(run, centroids)
    if not is_wanted(record.refine, measured.statistics):
        return _Found(centroids=centroids, measured=measured, moved=moved)
    pass_s = time.monotonic() - began
    refined = refine(
        centroids,
        lambda: run.parts,
        seconds_left=run.seconds_left,
        reserve_s=LEAST_SECONDS_LEFT
        + _PASSES_AFTER * pass_s
        + _SECONDS_A_PLACE * record.rows_usable,
        pass_s=pass_s,
    )
    if not refined.passes:  # there was no time for one
        return _Found(
            centroids=centroids, measured=measured, moved=moved, refined=refined
        )
    better = Centroids(geometry, refined.latitude, refined.longitude)
    return _Found(
        centroids=better,
        measured=measure(run, better),
        trained=(centroids, measured),
        refined=refined,
        moved=moved,
    )


def _quality(centroids: Centroids, measured: Measured) -> Quality:
    statistics = measured.statistics
    return Quality(
        statistics.mean_square_distance,
        statistics.overall_mean_distance_m,
        davies_bouldin(centroids, statistics),
    )


def _warnings(record: RunRecord, found: _Found) -> tuple[str, ...]:
    warnings = []
    if found.moved:
        warnings.append(
            "Clusters that reach so far around the globe that their mean lies near the "
            f"earth's centre, below no place at all: {found.moved}. Each of these "
            "centroids was put onto its nearest place. A larger k gives more useful "
            "clusters."
        )
    if empty := found.statistics.empty:
        warnings.append(
            f"Empty clusters, to whose centroid no place is nearest: {empty}. A "
            "smaller k avoids that."
        )
    if found.refined is not None and found.refined.reason == OUT_OF_TIME:
        warnings.append(
            "The centroids could not be refined to the end: the time was up after "
            f"{found.refined.passes} passes. They are no worse than SageMaker's, and "
            "fewer clusters, or a sample of the places, leave more time."
        )
    if "id" in record.columns and not str(record.table["encoding"]).startswith("utf"):
        warnings.append(
            f"The table doesn't say its encoding, and was read as "
            f"{record.table['encoding']}. If names in the results look wrong, save it "
            "as “CSV UTF-8”, and upload that."
        )
    return tuple(warnings)


def _name_areas(table: "pd.DataFrame", borders: Boundaries) -> tuple[str, ...]:
    """Add to the table which area each centroid stands in; return warnings."""
    if not len(borders.polygons):
        return ()
    try:
        area = borders.area_of(
            table["latitude"].to_numpy(), table["longitude"].to_numpy()
        )
    except BoundariesError as error:
        return (str(error),)
    table.insert(table.columns.get_loc("size"), "area", area)
    return ()


_Files = dict[str, tuple[bytes, str]]


def _trained(found: _Found, order: NDArray[np.intp]) -> _Files:
    if found.trained is None:
        return {}
    centroids, measured = found.trained
    table = trained_table(
        centroids.latitude, centroids.longitude, measured.statistics, order
    )
    return {TRAINED_NAME: (to_csv(table), _CSV)}


def _drawn(
    record: RunRecord,
    found: _Found,
    table: "pd.DataFrame",
    details: Details,
    borders: Boundaries | None,
) -> _Files:
    """Return the maps, and the files for geographic information systems."""
    latitude, longitude = table["latitude"].to_numpy(), table["longitude"].to_numpy()
    window = found.measured.extent.window()
    areas = service_areas(latitude, longitude, found.centroids.geometry, window)
    chosen = colours.of_clusters(latitude, longitude)
    view = details.density.view
    title = record.upload.key.removeprefix(layout.INPUT_PREFIX)
    summary = words.summary(record, found.statistics)
    on_map = None if borders is None else borders.outline(_MAP_VERTICES, window)
    on_page = None if borders is None else borders.outline(_PAGE_VERTICES, window)
    picture = draw(
        title=title,
        subtitle=summary,
        view=view,
        table=table,
        colours=chosen,
        sampled=details.sampled,
        density=details.density if record.rows_usable > MOST_POINTS else None,
        own_borders=None if on_map is None else _to_draw(on_map),
        own_name=record.boundary or "",
    )
    interactive = page.render(
        title=title,
        summary=summary,
        table=table,
        sampled=details.sampled,
        places_in_all=record.rows_usable,
        palette=colours.PALETTE,
        colours=chosen,
        projection=view.projection,
        hulls=details.hulls,
        areas=areas,
        own_borders=None if on_page is None else on_page.polygons,
        own_names=() if on_page is None else on_page.names,
    )
    return {
        GEOJSON_NAME: (centroids_geojson(table), "application/geo+json"),
        GEOPACKAGE_NAME: (
            clusters_gpkg(table, details.hulls, areas),
            "application/geopackage+sqlite3",
        ),
        MAP_NAME: (picture.png, "image/png"),
        PAGE_NAME: (interactive, "text/html; charset=utf-8"),
    }


def _to_draw(outline: Outline) -> NDArray[Any]:
    return np.concatenate((outline.polygons, outline.lines))
