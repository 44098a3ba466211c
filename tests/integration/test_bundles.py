"""What goes into the zips, made once for real: uv fetches the locked packages."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from infra import bundler

ROOT = Path(__file__).resolve().parents[2]
#: Zip functions run on its interpreter, and with its boto3, in the embedded cloud.
PYTHON = ROOT / ".venv-cloud/bin/python"
NAMES = ["ingest", "start_training", "record_failure", "notify", "sweep"]


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp(name)
    bundler.bundle(name, target)
    return target


def digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(folder))] = digest
    return found


def test_a_bundle_is_at_most_250_mb(bundle: Path) -> None:
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())

    assert size <= 250_000_000


def test_a_bundle_has_its_function_the_shared_code_and_no_other_function(
    name: str, bundle: Path
) -> None:
    assert (bundle / "geoclusters/layout.py").exists()
    folders = [path.name for path in (bundle / "lambdas").iterdir() if path.is_dir()]
    assert sorted(folders) == sorted(["__pycache__", name])
    assert not list(bundle.rglob("requirements*"))


def test_a_bundle_has_no_tests_and_no_scripts(bundle: Path) -> None:
    assert not list(bundle.rglob("tests"))
    assert not (bundle / "bin").exists()


def test_every_module_has_byte_code_that_is_never_checked(bundle: Path) -> None:
    for source in bundle.rglob("*.py"):
        code = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        # PEP 552: bit 0 says that it goes by a hash, bit 1 that this is checked.
        assert code.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


def test_two_bundlings_are_the_same_byte_for_byte(
    name: str, bundle: Path, tmp_path: Path
) -> None:
    bundler.bundle(name, tmp_path / "elsewhere")

    assert digests(tmp_path / "elsewhere") == digests(bundle)


def test_a_bundle_and_boto3_are_all_that_the_function_imports(
    name: str, bundle: Path, tmp_path: Path
) -> None:
    code = (
        "import importlib, json, sys\n"
        f"importlib.import_module('lambdas.{name}.handler')\n"
        "files = {n: getattr(m, '__file__', None) for n, m in sys.modules.items()}\n"
        "print(json.dumps({n: f for n, f in files.items() if f}))\n"
    )
    done = subprocess.run(
        [PYTHON, "-P", "-B", "-c", code],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(bundle),
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_SERVICE_NAME": name,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    files = json.loads(done.stdout)
    # The Lambda runtime has boto3 and what that brings.
    brought = {"boto3", "botocore", "s3transfer", "dateutil", "six", "urllib3"}
    elsewhere = {
        module.partition(".")[0]
        for module, file in files.items()
        if "site-packages" in file and not file.startswith(str(bundle))
    }
    assert elsewhere <= brought
    assert files[f"lambdas.{name}.handler"].startswith(str(bundle))


def test_a_bundle_that_lambda_would_refuse_is_refused_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bundler, "LARGEST_BUNDLE_BYTES", 1_000_000)

    with pytest.raises(ValueError, match=r"the bundle of record_failure has [0-9,]+ b"):
        bundler.bundle("record_failure", tmp_path / "bundle")
