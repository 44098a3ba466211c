from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from local.errors import LocalError
from local.runtime.launch import DockerLauncher, ProcessLauncher, image_command
from tests.unit.local.support import function


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "container").mkdir()
    dockerfile = tmp_path / "container/Dockerfile"
    dockerfile.write_text('FROM base\nCMD ["container.handler.handler"]\n')
    return tmp_path


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    def program(name: str, script: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return program


def test_the_handler_is_the_one_that_the_image_runs(project: Path) -> None:
    command = image_command(project / "container/Dockerfile")
    assert command == ("container.handler.handler",)


def test_a_dockerfile_without_a_handler_is_refused(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM base\nCMD python\n")
    with pytest.raises(LocalError, match="expected a line like CMD"):
        image_command(dockerfile)


def test_a_process_sees_what_lambda_gives_and_nothing_of_the_users(
    project: Path,
    program: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:2")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/cloud/server.crt")
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    python = program("python", 'echo "ARGS $*"; pwd; env; touch "$TMPDIR/left"')
    log = tmp_path / "log"

    process = ProcessLauncher(project, python).start(
        function(environment={"DATA_BUCKET": "data"}), "127.0.0.1:3", log
    )
    assert process.wait() == 0
    process.kill()

    args, cwd, *lines = log.read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines)
    assert args == "ARGS -m awslambdaric container.handler.handler"
    assert cwd == str(project)
    assert not Path(env["TMPDIR"]).exists()
    assert env["HOME"] == env["TMPDIR"]
    for name in ("TMPDIR", "HOME", "MPLCONFIGDIR", "PWD", "PATH"):
        del env[name]
    assert env == {
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONPATH": str(project),
        "LAMBDA_TASK_ROOT": str(project),
        "DATA_BUCKET": "data",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:2",
        "AWS_CA_BUNDLE": "/cloud/server.crt",
        "AWS_LAMBDA_FUNCTION_NAME": "report",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/report",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:3",
        "TZ": ":UTC",
    }


def test_a_function_may_name_another_handler_than_the_image(
    project: Path, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    python = program("python", 'echo "$*"')
    other = replace(function(), command=("other.handler",))

    process = ProcessLauncher(project, python).start(other, "", tmp_path / "log")
    process.wait()

    assert (tmp_path / "log").read_text() == "-m awslambdaric other.handler\n"


def test_an_image_is_built_once_for_each_that_is_deployed(
    project: Path,
    program: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = tmp_path / "calls"
    docker = program("docker", f'echo "$*" >> {calls}; echo "$DATA_BUCKET"')
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/cloud/server.crt")
    launcher = DockerLauncher(project, ["--build-arg", "BASE_IMAGE=mine"])

    first = function(environment={"DATA_BUCKET": "data"})
    for deployed in (first, first, replace(first, image_uri="registry/image:2")):
        launcher.start(deployed, "127.0.0.1:3", tmp_path / "log").wait()

    lines = calls.read_text().splitlines()
    assert [line.split()[0] for line in lines] == [
        "build",
        "run",
        "run",
        "build",
        "run",
    ]
    assert lines[0].endswith("--build-arg BASE_IMAGE=mine .")
    assert "--read-only --ipc none --tmpfs /tmp:size=512m" in lines[1]
    assert "--cap-drop ALL --security-opt no-new-privileges --user 993:990" in lines[1]
    assert "--memory 512m" in lines[1]
    assert "--env DATA_BUCKET" in lines[1]
    assert "--volume /cloud/server.crt:/cloud/server.crt:ro" in lines[1]
    assert "data" not in lines[1].replace("DATA_BUCKET", "")
    assert (tmp_path / "log").read_text() == "data\n" * 3
