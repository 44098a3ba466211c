"""What is installed is what was locked: each version pinned, each file by its hash."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

_ROOT: Final = Path(__file__).parents[2]


def locks() -> list[Path]:
    tracked = subprocess.run(
        ["git", "ls-files", "--", "*.in"],
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [Path(name).with_suffix(".txt") for name in tracked]


def requirements(lock: Path) -> list[str]:
    """Return a lock's logical lines, without its comments."""
    text = re.sub(r"^\s*#.*\n", "", (_ROOT / lock).read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip()]


def test_there_are_locks() -> None:
    assert {str(lock) for lock in locks()} >= {
        "container/requirements.txt",
        "lambdas/ingest/requirements.txt",
        "local/requirements.txt",
        "requirements/deploy.txt",
    }


@pytest.mark.parametrize("lock", locks(), ids=str)
def test_every_requirement_is_one_version_with_its_hashes(lock: Path) -> None:
    assert requirements(lock)
    for line in requirements(lock):
        assert re.fullmatch(
            r"[a-z0-9][a-z0-9-]*(\[[a-z0-9,-]+\])?==[^\s*;]+( ;[^\\]+?)?"
            r"(\s+--hash=sha256:[0-9a-f]{64})+\s*",
            line,
        ), line[:80]


@pytest.mark.parametrize("lock", locks(), ids=str)
def test_no_lock_names_a_place_to_fetch_from(lock: Path) -> None:
    text = (_ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--index-url|--extra-index|--find-links)", text)


def test_whatever_installs_demands_the_hashes() -> None:
    """Of each command that installs Python's packages, wherever it stands."""
    places = {
        "Makefile": r"^\t.*?\bpip install\b.*$|^PIP_INSTALL.*$",
        "container/Dockerfile": r"pip install(?:[^&]|\n)*",
        "infra/bundler.py": r'"pip", "install"(?:.|\n)*?check=True',
    }
    for place, pattern in places.items():
        text = (_ROOT / place).read_text()
        commands = re.findall(pattern, text, re.MULTILINE)
        assert commands, place
        for command in commands:
            assert "--require-hashes" in command, f"{place}: {command}"


def test_the_image_and_the_bundles_take_nothing_but_wheels() -> None:
    """A source distribution would run its own code while it is built."""
    for place in ("container/Dockerfile", "infra/bundler.py"):
        text = (_ROOT / place).read_text()
        assert re.search(r'--only-binary"?,? "?:all:', text), place


def test_every_package_of_npm_has_its_integrity_and_is_installed_by_it() -> None:
    lock: Any = json.loads((_ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]), name
        assert "resolved" not in entry, name
    wanted = json.loads((_ROOT / "package.json").read_text())["devDependencies"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    commands = re.findall(r"\bnpm \w+", (_ROOT / "Makefile").read_text())
    assert commands == ["npm ci"]  # `npm install` would change the lock
