import contextlib
import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container import model
from geoclusters.errors import ModelError
from tests.image.artefacts import array_list, tar_gz

REAL = ("ahmed-gaal-7x8", "jesamkim-7x5", "daniel-fudge-10x2-latlon")
CENTROIDS = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
STATE = ("state_4c2b8b1a-6f0a-4a51-bd05-3a83bd0ac7b0", b"not the result")


def decode(archive: bytes, k: int = 2, feature_dim: int = 3) -> NDArray[np.float64]:
    return model.decode_centroids(
        archive, k=k, feature_dim=feature_dim, name="s3://data/model.tar.gz"
    )


def refusal(archive: bytes, k: int = 2, feature_dim: int = 3) -> str:
    with pytest.raises(ModelError) as caught:
        decode(archive, k, feature_dim)
    message = str(caught.value)
    assert message.startswith("s3://data/model.tar.gz: expected a k-means model with")
    assert "Upload the table again" in message
    return message


@pytest.mark.parametrize("name", REAL)
def test_real_models_decode_exactly(data: Callable[[str], Path], name: str) -> None:
    expected = np.array(
        json.loads(data("sagemaker-models/expected.json").read_text())[name]
    )
    archive = data(f"sagemaker-models/{name}/model.tar.gz").read_bytes()
    assert np.array_equal(decode(archive, *expected.shape), expected)


def test_a_pca_model_is_refused_as_such(data: Callable[[str], Path]) -> None:
    archive = data("sagemaker-models/renejra-pca/model.tar.gz").read_bytes()
    assert "found a model of PCA algorithm, with arrays called mean, s, v" in refusal(
        archive
    )


def test_these_tests_artefacts_are_what_mxnet_writes(tmp_path: Path) -> None:
    path = tmp_path / "model"
    mx.nd.save(str(path), [mx.nd.array(CENTROIDS)])
    assert path.read_bytes() == array_list(CENTROIDS)


@pytest.mark.parametrize(
    "name", ["model_algo-1", "./model_algo-1", "opt/ml/model/model_algo-1"]
)
def test_the_model_is_found_wherever_it_stands(name: str) -> None:
    member = (name, array_list(CENTROIDS))
    for archive in (tar_gz(member), tar_gz(member, STATE), tar_gz(STATE, member)):
        decoded = decode(archive)
        assert decoded.dtype == np.float64
        assert np.array_equal(decoded, CENTROIDS)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_model_wrapped_in_a_zip_is_unwrapped(method: int) -> None:
    assert np.array_equal(
        decode(tar_gz(("model_algo-1", zipped("model_algo-1", method=method)))),
        CENTROIDS,
    )


def test_a_zip_without_a_model_is_refused() -> None:
    found = refusal(tar_gz(("model_algo-1", zipped("mx-mod-symbol.json"))))
    assert "a zip file of 'mx-mod-symbol.json' without 'model_algo-1'" in found


def zipped(
    name: str, content: bytes | None = None, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, array_list(CENTROIDS) if content is None else content)
    return buffer.getvalue()


def test_bombs_are_refused_before_they_unpack() -> None:
    zeros = bytes(model.MAX_UNPACKED_BYTES + 1)
    assert "unpacks to more than" in refusal(gzip.compress(zeros, 1))
    bomb = zipped("model_algo-1", zeros)
    assert "unpacks to more than" in refusal(tar_gz(("model_algo-1", bomb)))
    assert "more than" in refusal(bytes(model.MAX_ARCHIVE_BYTES + 1))


def test_a_member_that_claims_more_than_the_archive_holds_is_refused() -> None:
    info = tarfile.TarInfo("model_algo-1")
    info.size = 2**40
    assert "no" in refusal(gzip.compress(info.tobuf() + bytes(1024)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_link_or_folder_is_no_model(kind: bytes) -> None:
    info = tarfile.TarInfo("model_algo-1")
    info.type, info.linkname = kind, "/etc/passwd"
    assert "no plain file" in refusal(gzip.compress(info.tobuf() + bytes(1024)))


def test_an_archive_without_one_model_is_refused() -> None:
    twin = ("model_algo-1", array_list(CENTROIDS))
    assert "0 files called 'model_algo-1'" in refusal(tar_gz(STATE))
    assert "in an archive of nothing" in refusal(tar_gz())
    assert "2 files called" in refusal(tar_gz(twin, twin))


def test_garbage_is_refused() -> None:
    assert "no gzip archive" in refusal(b"garbage")
    assert "it is cut off" in refusal(b"")
    assert "no readable tar archive" in refusal(gzip.compress(b"garbage" * 100))
    assert "no list of MXNet arrays" in refusal(tar_gz(("model_algo-1", b"x" * 99)))


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    whole = tar_gz(("model_algo-1", array_list(CENTROIDS)))
    for length in range(0, len(whole), 7):
        refusal(whole[:length])
    inner = array_list(CENTROIDS)
    for length in range(len(inner)):
        refusal(tar_gz(("model_algo-1", inner[:length])))


def test_another_shape_is_refused_with_both_shapes() -> None:
    archive = tar_gz(("model_algo-1", array_list(CENTROIDS)))
    message = refusal(archive, 15, 3)
    assert "15 centroids of 3 numbers each, found an array of 2 × 3" in message
    refusal(archive, 3, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    centroids = CENTROIDS.copy()
    centroids[1, 2] = bad
    archive = tar_gz(("model_algo-1", array_list(centroids)))
    assert "not all finite" in refusal(archive)


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 71), st.integers(0, 255)), min_size=1, max_size=3
    )
)
def test_a_damaged_header_never_reaches_mxnet(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(array_list(CENTROIDS))
    for position, value in changes:
        damaged[position] = value
    with contextlib.suppress(ModelError):  # some bytes don't matter
        assert decode(tar_gz(("model_algo-1", bytes(damaged)))).shape == (2, 3)


def test_lengths_beyond_the_file_are_refused() -> None:
    whole = array_list(CENTROIDS)
    huge = whole[:36] + struct.pack("<2Q", 2**62, 3) + whole[52:]
    assert "cut off" in refusal(tar_gz(("model_algo-1", huge)))
