"""What the build of the image needs of this machine: a base, and pip's settings."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from local.cloud import PROJECT
from local.errors import LocalError
from local.runtime.launch import DOCKERFILE
from tests.image.packages import install

#: In files that a build may read and an image must not hold.
MARK: Final = "geoclusters-build-secret-0f4c1e9ab2d7"

_MADE: Final = "geoclusters-base:bookworm"
#: What Docker's own base has and the Dockerfile counts on.
_PACKAGES: Final = "python3,python3-venv,ca-certificates"
_PULL_TIMEOUT_S: Final = 90.0
#: pip's settings that say where packages come from, and how to get there.
_WHERE: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy")


def base_image(env: Mapping[str, str], folder: Path) -> str:
    """Return an image to build on: Docker's own, or one of Debian's packages."""
    pulled = wanted_base()
    for name in (pulled, _MADE):
        if _docker(env, "image", "inspect", name):
            return name
    if _docker(env, "pull", "--quiet", pulled, timeout_s=_PULL_TIMEOUT_S):
        return pulled
    print(
        f"{pulled} can't be pulled: making a base from Debian's packages.", flush=True
    )
    install("mmdebstrap", "debian-archive-keyring")
    archive = folder / "base.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}"]
    made = subprocess.run(
        [*command, "bookworm", str(archive)],
        stdin=subprocess.DEVNULL,
        env={**env, "TMPDIR": str(folder)},
    )
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if made.returncode or not _docker(
        env, "import", "--change", path, str(archive), _MADE
    ):
        raise LocalError("No base for the image could be made; see above.")
    archive.unlink()
    return _MADE


def wanted_base() -> str:
    """Return the Dockerfile's own base."""
    text = (PROJECT / DOCKERFILE).read_text()
    (name,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", text, re.MULTILINE)
    return str(name)


def _docker(env: Mapping[str, str], *words: str, timeout_s: float = 300) -> bool:
    try:
        done = subprocess.run(
            ["docker", *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def secrets(folder: Path) -> dict[str, Path]:
    """Write the build's secrets, by the names that the Dockerfile knows.

    They hold what pip goes by on this machine, and a mark by which an image that holds
    them would be known.
    """
    settings = pip_settings()
    certificates = settings.pop("cert", os.environ.get("REQUESTS_CA_BUNDLE"))
    lines = [f"# {MARK}", "[global]"]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    written = {"pip": _secret(folder / "pip.conf", "\n".join(lines) + "\n")}
    if certificates:
        text = f"# {MARK}\n" + Path(certificates).read_text(errors="replace")
        written["ca"] = _secret(folder / "ca.pem", text)
    return written


def _secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def pip_settings() -> dict[str, str]:
    """Return what pip is told here of where packages come from; and its ``cert``.

    Folders of this machine are left out: a build doesn't see them.
    """
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = dict(_settings_in(listing))
    return {name: found[name] for name in (*_WHERE, "cert") if found.get(name)}


def _settings_in(listing: str) -> Iterator[tuple[str, str]]:
    # The environment's come first in the list and win.
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        name = name.rpartition(".")[2].removeprefix("default-")
        words = str(ast.literal_eval(value)).split()
        if name != "cert":
            words = [word for word in words if not word.startswith(("/", "file:"))]
        yield name, "\n    ".join(words)


def build_options(base: str, secrets: Mapping[str, Path]) -> list[str]:
    """Return what ``docker build`` is told beside the Dockerfile's own defaults."""
    options = ["--build-arg", f"BASE_IMAGE={base}"]
    for name, path in secrets.items():
        options += ["--secret", f"id={name},src={path}"]
    for name in (*_PROXIES, *map(str.upper, _PROXIES)):
        if name in os.environ:  # Docker keeps these out of the image
            options += ["--build-arg", name]
    return options
