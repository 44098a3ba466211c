import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import checks

ROOT = Path(__file__).resolve().parents[2]
CDK_JSON = json.loads((ROOT / "cdk.json").read_text())
FLAGS = ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"
#: What the assembly is made from.
SOURCES = [".dockerignore", "app.py", "container", "geoclusters", "infra", "lambdas"]


def clone(project: Path, target: Path) -> Path:
    """Copy the sources, with new times."""
    target.mkdir()
    for source in SOURCES:
        if (project / source).is_dir():
            shutil.copytree(
                project / source, target / source, copy_function=shutil.copyfile
            )
        else:
            shutil.copyfile(project / source, target / source)
    return target


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(ROOT, tmp_path_factory.mktemp("clones") / "one")


def synthesise(project: Path) -> Path:
    assembly = project / "cdk.out"
    done = checks.synthesise(assembly, project=project)
    assert done.returncode == 0, done.stderr
    return assembly


@pytest.fixture(scope="module")
def assembly(project: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CDK_VALIDATION", raising=False)
        return synthesise(project)


def test_neither_the_cdk_nor_cdk_nag_finds_what_is_not_acknowledged_with_a_reason(
    assembly: Path,
) -> None:
    report = json.loads((assembly / "validation-report.json").read_text())

    assert report["pluginReports"] == []


def test_neither_cdk_nag_nor_cfn_lint_finds_anything_under_a_customers_key(
    tmp_path: Path,
) -> None:
    done = checks.synthesise(tmp_path, kms_key_arn=checks.SOME_KEY)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "validation-report.json").read_text())
    linted = checks.lint(tmp_path)

    assert report["pluginReports"] == []
    assert checks.SOME_KEY in (tmp_path / "geoclusters.template.json").read_text()
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stderr


def test_what_cdk_nag_finds_ends_the_synth(tmp_path: Path) -> None:
    # Without the acknowledgments, cdk-nag must find something: so it is on.
    code = (
        "import aws_cdk as cdk\n"
        "cdk.Validations.acknowledge = lambda *_: None\n"
        "import app\n"
        "app.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "CDK_OUTDIR": str(tmp_path),
            "CDK_CONTEXT_JSON": json.dumps(checks.context()),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    report = json.loads((tmp_path / "validation-report.json").read_text())
    assert "AwsSolutions-S1" in json.dumps(report)
    assert done.returncode != 0


def test_cfn_lint_finds_nothing(assembly: Path) -> None:
    done = checks.lint(assembly)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def contents(assembly: Path) -> dict[Path, bytes]:
    # An asset that isn't bundled is named by where its sources lie.
    clone = str(assembly.parent).encode()
    return {
        path.relative_to(assembly): path.read_bytes().replace(clone, b"")
        for path in assembly.rglob("*")
        if path.is_file()
    }


def test_another_clone_gives_the_same_assembly(
    project: Path, assembly: Path, tmp_path: Path
) -> None:
    again = synthesise(clone(project, tmp_path / "another one"))

    assert contents(again) == contents(assembly)


def test_a_bad_setting_ends_the_synth_in_one_line(tmp_path: Path) -> None:
    done = checks.synthesise(tmp_path, default_k="1")

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "default_k=1: expected a whole number from 2 to 10000" in done.stderr


def test_all_recommended_feature_flags_are_set() -> None:
    recommended = json.loads(FLAGS.read_text())

    context = CDK_JSON["context"]
    assert {key: context.get(key) for key in recommended} == recommended


def test_cdk_json_sets_nothing_but_feature_flags() -> None:
    assert not [key for key in CDK_JSON["context"] if "/" not in key]


def test_images_are_built_from_an_allow_list(assembly: Path) -> None:
    assets = json.loads((assembly / "geoclusters.assets.json").read_text())
    (image,) = assets["dockerImages"].values()
    context = assembly / image["source"]["directory"]
    files = {p.relative_to(context) for p in context.rglob("*") if p.is_file()}

    assert image["source"]["dockerFile"] == "container/Dockerfile"
    assert image["source"]["platform"] == "linux/amd64"
    assert image["source"]["dockerBuildArgs"].keys() == {"BASE_IMAGE"}
    assert {file.parts[0] for file in files} == {
        "container",
        "geoclusters",
        ".dockerignore",
    }
    assert not [f for f in files if f.suffix in (".md", ".in", ".pyc")]
    assert Path("container/requirements.txt") in files
    assert Path("geoclusters/layout.py") in files
