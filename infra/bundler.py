"""Makes the contents of a function's zip, without Docker."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii

from infra.elf import drop_symbols

PROJECT_ROOT = Path(__file__).resolve().parent.parent

#: Lambda refuses more than 250 MiB (262 MB), unpacked. (polars has 137 MB, numpy 57,
#: pyproj 33.)
LARGEST_BUNDLE_BYTES = 250_000_000

_NOT_CODE = shutil.ignore_patterns("__pycache__", "*.in", "*.md", "requirements.txt")


@jsii.implements(cdk.ILocalBundling)
class ZipBundler:
    """Bundles one function of `lambdas/` with its packages, for Lambda's machines."""

    def __init__(self, name: str) -> None:
        self._name = name

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        """Fill the CDK's output folder; there is no other way to bundle."""
        bundle(self._name, Path(output_dir))
        return True


def bundle(name: str, target: Path) -> None:
    """Put everything that the function needs at run time into the folder `target`.

    The same sources give the same bytes.

    Raises
    ------
    ValueError
        If the bundle is larger than Lambda takes.
    """
    function = Path("lambdas") / name
    _install(PROJECT_ROOT / function / "requirements.txt", target)
    shutil.copytree(
        PROJECT_ROOT / "geoclusters", target / "geoclusters", ignore=_NOT_CODE
    )
    shutil.copytree(PROJECT_ROOT / function, target / function, ignore=_NOT_CODE)
    shutil.copy(PROJECT_ROOT / "lambdas/__init__.py", target / "lambdas")
    _compile(target)

    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if size > LARGEST_BUNDLE_BYTES:
        msg = (
            f"the bundle of {name} has {size:,} bytes, more than the "
            f"{LARGEST_BUNDLE_BYTES:,} that may be: take packages out of "
            f"{function}/requirements.in"
        )
        raise ValueError(msg)


def _install(lock: Path, target: Path) -> None:
    subprocess.run(
        [
            _uv(),
            *("pip", "install", "--quiet", "--requirements", str(lock)),
            *("--target", str(target), "--python", sys.executable),
            # Lambda's Python 3.11 has glibc 2.26.
            *("--python-platform", "x86_64-manylinux2014", "--python-version", "3.11"),
            *("--only-binary", ":all:", "--require-hashes", "--link-mode", "copy"),
        ],
        check=True,
    )
    # Scripts, and so the RECORD that lists their hashes, name the interpreter here.
    (target / ".lock").unlink(missing_ok=True)
    shutil.rmtree(target / "bin", ignore_errors=True)
    for record in target.glob("*.dist-info/RECORD"):
        record.unlink()
    for tests in sorted(target.rglob("tests")):
        shutil.rmtree(tests, ignore_errors=True)
    for library in target.rglob("*.so"):
        drop_symbols(library)  # polars has 40 MB of them


def _compile(target: Path) -> None:
    # Lambda can't write byte code itself, and with it a cold start takes a quarter of
    # the time. Compiled one file after the other in a fresh process, and not marked
    # with its source's time, it is the same every time.
    subprocess.run(
        [
            *(sys.executable, "-I", "-m", "compileall", "-q", "-j", "1"),
            *("--invalidation-mode", "unchecked-hash"),
            *("-s", str(target), "-p", "/var/task", str(target)),
        ],
        check=True,
    )


def _uv() -> str:
    beside = Path(sys.executable).parent
    uv = shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        msg = "bundling needs uv: install requirements/deploy.txt"
        raise FileNotFoundError(msg)
    return uv
