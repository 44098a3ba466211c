import os
import subprocess
from pathlib import Path

import pytest

from local import __main__ as main
from local import certificate
from local.cloud import Cloud
from local.errors import LocalError


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud that was never started."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    cloud = Cloud(tmp_path / "state")
    cloud.state = tmp_path / "state"
    return cloud


def test_the_environment_leads_to_this_cloud_and_to_no_other(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere")
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.setenv("SOMETHING", "else")

    environment = cloud.process_environment()

    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint_url
    assert environment["AWS_ENDPOINT_URL_SAGEMAKER"] == cloud.sagemaker_url
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert environment["SOMETHING"] == "else"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} & set(
        environment
    )


def test_aws_tools_trust_this_cloud_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/ssl/a-companys.crt")

    environment = cloud.process_environment()

    assert cloud.endpoint_url.startswith("https://127.0.0.1:")
    assert environment["AWS_CA_BUNDLE"] == f"{cloud.state}/tls/server.crt"
    assert environment["NODE_EXTRA_CA_CERTS"] == environment["AWS_CA_BUNDLE"]


def test_a_certificate_vouches_for_loopback_and_only_its_owner_has_the_key(
    tmp_path: Path,
) -> None:
    path, key = tmp_path / "server.crt", tmp_path / "server.key"

    certificate.make(path, key)

    assert key.stat().st_mode & 0o077 == 0
    text = subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "IP Address:127.0.0.1" in text
    assert "CA:FALSE" in text


def test_without_openssl_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match="no `openssl`"):
        certificate.make(tmp_path / "server.crt", tmp_path / "server.key")


def test_a_client_needs_nothing_of_the_users_settings(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-is-not-there")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert cloud.client("s3").meta.endpoint_url == cloud.endpoint_url
    assert cloud.client("sagemaker").meta.endpoint_url == cloud.sagemaker_url


def test_the_printed_lines_are_what_a_shell_needs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")

    shell = subprocess.run(
        ["/bin/sh", "-eu"],
        input=main.instructions(cloud) + "\nenv",
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
    )

    lines = shell.stdout.splitlines()
    for name, value in cloud.environment().items():
        assert f"{name}={value}" in lines
    assert not [line for line in lines if line.startswith("AWS_PROFILE=")]


def test_a_folder_with_something_in_it_is_no_new_cloud(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(LocalError, match="is not empty"), Cloud(tmp_path):
        pass


def test_what_a_user_can_put_right_is_said_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    (tmp_path / "something").touch()

    assert main.main(["up", "--state", str(tmp_path)]) == 1

    assert "is not empty" in capsys.readouterr().err
