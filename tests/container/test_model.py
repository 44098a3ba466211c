import contextlib
import gzip
import io
import json
import struct
import tarfile
import tracemalloc
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
from tests.container.artefacts import array_list, tar_gz

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


def gzip_only(content: bytes) -> bytes:
    return gzip.compress(content, 1)


def zip_in_tar_gz(content: bytes) -> bytes:
    return tar_gz(("model_algo-1", zipped("model_algo-1", content)))


def test_bombs_are_refused() -> None:
    zeros = bytes(model.MAX_UNPACKED_BYTES + 1)
    assert "unpacks to more than" in refusal(gzip_only(zeros))
    assert "unpacks to more than" in refusal(zip_in_tar_gz(zeros))
    assert "more than" in refusal(bytes(model.MAX_ARCHIVE_BYTES + 1))


@pytest.mark.parametrize("wrap", [gzip_only, zip_in_tar_gz])
def test_no_more_of_a_bomb_is_unpacked_than_is_allowed(
    wrap: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_UNPACKED_BYTES", 2**20)
    bomb = wrap(bytes(64 * 2**20))
    tracemalloc.start()
    try:
        assert "unpacks to more than" in refusal(bomb)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 2**20 < most_bytes < 8 * 2**20  # it is copied now and then


def test_a_member_that_claims_more_than_the_archive_holds_is_refused() -> None:
    info = tarfile.TarInfo("model_algo-1")
    info.size = 2**40
    assert "no" in refusal(gzip.compress(info.tobuf() + bytes(1024)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_link_or_folder_is_no_model(kind: bytes) -> None:
    info = tarfile.TarInfo("model_algo-1")
    info.type, info.linkname = kind, "/etc/passwd"
    assert "no plain file" in refusal(gzip.compress(info.tobuf() + bytes(1024)))


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def noted(note: bytes, content: bytes) -> bytes:
    """Return a model's members in a tar archive, one of which says more of the next."""
    line = b"%d " % (len(note) + 5) + note + b"\n"
    return (
        header("PaxHeaders/model_algo-1", tarfile.XHDTYPE, len(line))
        + line.ljust(512, b"\0")
        + header("model_algo-1", size=len(content))
        + content.ljust(512, b"\0")
        + bytes(1024)
    )


@pytest.mark.parametrize(
    "note",
    [
        *(b"mtime=1.5", b"path=/etc/passwd", b"size=-1024", b"GNU.sparse.map=a,b"),
        *(b"GNU.sparse.size=x", b"GNU.sparse.major=1", b"linkpath=../../../a"),
    ],
)
def test_what_an_archive_says_of_the_next_file_is_passed_over(note: bytes) -> None:
    archive = gzip.compress(noted(note, array_list(CENTROIDS)))
    assert np.array_equal(decode(archive), CENTROIDS)


def test_long_chains_and_many_files_are_refused_soon() -> None:
    chain = header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1) + bytes(512)
    whole = tar_gz(("model_algo-1", array_list(CENTROIDS)))
    longest = chain * 50_000 + gzip.decompress(whole)
    assert np.array_equal(decode(gzip.compress(longest, 1)), CENTROIDS)
    many = header("a") * 100_000
    assert "more than 1000 files" in refusal(gzip.compress(many, 1))


def test_a_file_of_less_than_no_bytes_is_refused() -> None:
    backwards = bytearray(header("a"))
    backwards[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512 as GNU's tar writes it
    backwards[148:156] = b" " * 8
    backwards[148:156] = b"%06o\0 " % sum(backwards)
    assert "less than no bytes" in refusal(gzip.compress(backwards + bytes(1024)))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE])
def test_a_sparse_or_unusual_file_is_no_model(kind: bytes) -> None:
    data = array_list(CENTROIDS)
    archive = header("model_algo-1", kind, len(data)) + data.ljust(512, b"\0")
    assert "no plain file" in refusal(gzip.compress(archive + bytes(1024)))


@pytest.mark.parametrize("name", ["../model_algo-1", "/model_algo-1"])
def test_a_path_leads_nowhere_nothing_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    archive = tar_gz((name, array_list(CENTROIDS)), ("../../evil", b"x"))
    assert np.array_equal(decode(archive), CENTROIDS)
    assert list(tmp_path.rglob("*")) == [tmp_path / "inner"]
    assert not Path("/model_algo-1").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_is_unpacked_by_bounded_methods_alone(method: int) -> None:
    packed = zipped("model_algo-1", method=method)
    assert "another method" in refusal(tar_gz(("model_algo-1", packed)))


# Before damage each is read, so that all of a way in is damaged.
_VALID = [
    gzip.decompress(tar_gz(("model_algo-1", array_list(CENTROIDS)), STATE)),
    gzip.decompress(tar_gz(("model_algo-1", zipped("model_algo-1")))),
    noted(b"mtime=1.5", array_list(CENTROIDS)),
]


@settings(max_examples=400, deadline=None)
@given(
    which=st.sampled_from(_VALID),
    changes=st.lists(
        st.tuples(st.integers(0, 2**12), st.binary(min_size=1, max_size=12)), max_size=4
    ),
    cut=st.integers(0, 2**12),
    mends_sum=st.booleans(),
)
def test_a_damaged_archive_is_read_or_refused(
    which: bytes, changes: list[tuple[int, bytes]], cut: int, mends_sum: bool
) -> None:
    damaged = bytearray(which)
    for position, data in changes:
        start = position % len(damaged)
        damaged[start : start + len(data)] = data
    if mends_sum and len(damaged) >= 512:
        damaged[148:156] = b" " * 8
        damaged[148:156] = b"%06o\0 " % sum(damaged[:512])
    archive = gzip.compress(damaged[: max(len(damaged) - cut, 0)], 1)
    with contextlib.suppress(ModelError):
        assert decode(archive).shape == (2, 3)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_no_model(data: bytes) -> None:
    for archive in (data, gzip.compress(data, 1), tar_gz(("model_algo-1", data))):
        with pytest.raises(ModelError):
            decode(archive)


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
