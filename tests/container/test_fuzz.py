"""Whatever is said to be a model or borders: it is read, or refused as declared."""

import gzip
import io
import zipfile
from typing import Final

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from container.boundaries import names, packing
from container.model import decode_centroids
from geoclusters.errors import BoundariesError, ModelError
from tests.container import border_files
from tests.container.artefacts import array_list, tar_gz
from tests.mutations import mutated

MODEL: Final = array_list(np.arange(6.0).reshape(2, 3))
STATE: Final = ("state_1f0e", b"counts and centres")


def wrapped(data: bytes) -> bytes:
    """Return what old tutorials find: the model in a zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model_algo-1", data)
    return file.getvalue()


ARCHIVES: Final = (
    tar_gz(("model_algo-1", MODEL)),
    tar_gz(STATE, ("model_algo-1", MODEL)),
    tar_gz(("../../tmp/model_algo-1", MODEL)),
    tar_gz(("model_algo-1", wrapped(MODEL))),
    tar_gz(("/" + "x" * 200 + "/model_algo-1", MODEL)),
)


def decode_or_be_refused(archive: bytes) -> None:
    try:
        centroids = decode_centroids(archive, k=2, feature_dim=3, name="model.tar.gz")
    except ModelError as error:
        assert str(error).startswith("model.tar.gz: expected a k-means model with 2")
        assert len(str(error)) < 2_000
    else:
        assert centroids.shape == (2, 3)
        assert np.isfinite(centroids).all()


@given(mutated(ARCHIVES))
def test_a_changed_archive_of_a_model_is_decoded_or_refused(archive: bytes) -> None:
    decode_or_be_refused(archive)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(mutated([gzip.decompress(archive) for archive in ARCHIVES]))
def test_a_changed_tar_of_a_model_is_decoded_or_refused(tar: bytes) -> None:
    decode_or_be_refused(gzip.compress(tar, 1))


@given(mutated([MODEL, wrapped(MODEL)]))
def test_a_changed_model_is_decoded_or_refused(model: bytes) -> None:
    decode_or_be_refused(tar_gz(("model_algo-1", model)))


SHAPEFILE: Final = border_files.shapefile(border_files.frame())
BORDERS: Final = (
    border_files.geojson([({"name": "=cmd"}, border_files.SQUARE)]),
    border_files.geojson([({"name": "Zürich"}, border_files.ROAD)])
    .decode()
    .encode("utf-16"),
    border_files.zipped(SHAPEFILE),
    border_files.zipped({f"../../tmp/{n}": part for n, part in SHAPEFILE.items()}),
    border_files.zipped({"/etc/a.geojson": border_files.geojson([])}),
    border_files.geopackage({"areas": border_files.frame()}),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(mutated(BORDERS))
def test_changed_borders_reach_gdal_in_a_kind_that_it_may_read_or_not_at_all(
    data: bytes,
) -> None:
    try:
        source = packing.unpack(data)
    except BoundariesError as error:
        assert len(str(error)) < 1_000
    else:
        assert source.kind in (packing.GEOJSON, packing.GEOPACKAGE, packing.SHAPEFILE)


@given(st.lists(st.tuples(st.text(max_size=20), st.text() | st.none()), max_size=5))
def test_any_names_of_areas_are_one_line_each(
    columns: list[tuple[str, str | None]],
) -> None:
    names.choose({column: [value] for column, value in columns})
    for name in names.of_features([value for _, value in columns]):
        assert name.isprintable()
        assert 0 < len(name) <= 100
