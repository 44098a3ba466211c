"""What is in the image, and what isn't."""

import json
import re
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from local.cloud import PROJECT
from local.runtime.launch import IMAGE_TAG
from tests.image.conftest import docker, in_image
from tests.image.machine import MARK
from tests.image.prepared import Prepared

_PACKAGES: Final = """
import importlib.metadata, json
print(json.dumps(sorted(
    [d.metadata["Name"], d.version] for d in importlib.metadata.distributions()
)))
"""
_FILES: Final = """
import json, pathlib
root = pathlib.Path("/var/task")
print(json.dumps([str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]))
"""
_FONT: Final = """
import json, os
os.environ["MPLCONFIGDIR"] = "/opt/font-cache"
from matplotlib import font_manager, ft2font
path = font_manager.findfont("WenQuanYi Micro Hei", fallback_to_default=False)
print(json.dumps(sorted(ft2font.FT2Font(path).get_charmap())))
"""
_OF_THE_CDK: Final = "geoclusters-report:cdk"
_CHUNK: Final = 2**20


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_its_packages_are_exactly_those_of_the_lock_file() -> None:
    lock = (PROJECT / "container/requirements.txt").read_text()
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE)
    installed = [(normal(name), version) for name, version in in_image(_PACKAGES)]
    assert sorted(installed) == sorted((normal(name), v) for name, v in pinned)


def test_its_code_is_that_of_two_folders_and_no_more() -> None:
    files = [Path(name) for name in in_image(_FILES)]
    assert {file.parts[0] for file in files} == {"container", "geoclusters"}
    code = {str(file) for file in files if file.suffix == ".py"}
    tracked = subprocess.run(
        ["git", "ls-files", "container/*.py", "geoclusters/*.py"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert code == set(tracked)
    # Nothing that pins, explains or makes it.
    kept = {file.suffix for file in files}
    assert not kept & {".md", ".in"}


def test_its_font_has_chinese_japanese_and_korean_letters() -> None:
    letters = set(in_image(_FONT))
    for text in ("歐洲城市", "欧州の都市", "ヨーロッパ", "유럽도시"):
        assert {ord(letter) for letter in text} <= letters, text


def test_by_itself_it_runs_as_nobody_and_starts_the_handler() -> None:
    (image,) = json.loads(docker("image", "inspect", IMAGE_TAG))
    config = image["Config"]
    user = config["User"].split(":")[0]
    assert user.isdecimal()
    assert int(user) > 0
    assert config["Entrypoint"][-2:] == ["-m", "awslambdaric"]
    assert config["Cmd"] == ["container.handler.handler"]


def test_nothing_of_the_builds_secrets_stays_in_a_layer(prepared: Prepared) -> None:
    options = " ".join(prepared.build_options)
    secrets = [Path(path) for path in re.findall(r"id=\w+,src=(\S+)", options)]
    assert secrets
    for secret in secrets:
        assert MARK in secret.read_text()
    found = occurrences([MARK.encode(), b"container.handler.handler", b"WenQuanYi"])
    assert found == {b"container.handler.handler", b"WenQuanYi"}


def occurrences(wanted: list[bytes]) -> set[bytes]:
    """Return which texts stand in a layer of the image, its history or its settings."""
    found: set[bytes] = set()
    with subprocess.Popen(
        ["docker", "save", IMAGE_TAG], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                if file := archive.extractfile(member):
                    found |= in_stream(file, wanted)
    assert process.returncode == 0
    return found


def in_stream(file: IO[bytes], wanted: list[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    overlap = max(map(len, wanted)) - 1
    before = b""
    for chunk in unpacked(file):
        text = before + chunk
        found |= {each for each in wanted if each in text}
        before = text[-overlap:]
    return found


def unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a layer's bytes; newer engines save it packed."""
    chunk = file.read(_CHUNK)
    gunzip = zlib.decompressobj(31) if chunk.startswith(b"\x1f\x8b") else None
    while chunk:
        yield gunzip.decompress(chunk) if gunzip else chunk
        chunk = file.read(_CHUNK)


def test_what_the_cdk_would_push_is_what_is_tested(prepared: Prepared) -> None:
    """The asset's folder, Dockerfile and arguments make the very same image."""
    source = image_asset(prepared)["source"]
    folder = prepared.assembly / source["directory"]
    command = ["build", "--quiet", "--tag", _OF_THE_CDK]
    command += ["--file", str(folder / source["dockerFile"])]
    command += ["--platform", source["platform"]]
    for name, value in source["dockerBuildArgs"].items():
        command += ["--build-arg", f"{name}={value}"]
    for name, value in source["dockerBuildSecrets"].items():
        command += ["--secret", f"id={name},{value}"]
    if "--network" in prepared.build_options:
        command += ["--network", "host"]
    docker(*command, str(folder))
    ids = [
        docker("image", "inspect", "--format", "{{.Id}}", tag)
        for tag in (IMAGE_TAG, _OF_THE_CDK)
    ]
    docker("image", "rm", _OF_THE_CDK)
    assert ids[0] == ids[1]


def image_asset(prepared: Prepared) -> Any:
    (manifest,) = prepared.assembly.glob("*.assets.json")
    (asset,) = json.loads(manifest.read_text())["dockerImages"].values()
    return asset
