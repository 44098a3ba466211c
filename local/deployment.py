"""The real CDK CLI against a local cloud: bootstrap, deploy, destroy."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local.cloud import ACCOUNT, PROJECT, REGION, Cloud
from local.errors import LocalError

CDK = PROJECT / "node_modules/.bin/cdk"

_TIMEOUT_S = 600.0
_OUTPUT_TAIL_LINES = 30


def bootstrap(cloud: Cloud) -> None:
    """Prepare the cloud's account for deployments by the CDK, once."""
    # Beside our cdk.json the CLI would synthesise the app first, for nothing.
    _cdk(cloud, "bootstrap", f"aws://{ACCOUNT}/{REGION}", cwd=cloud.state)


def deploy(
    cloud: Cloud, *, app: Path | None = None, context: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Deploy the stack and return its outputs.

    Parameters
    ----------
    app
        A synthesised assembly (``cdk synth --output DIR``). Without one the app is
        synthesised, into ``cdk.out``.
    context
        Settings, as ``--context`` gives them; not with an assembly, which has its own.

    Raises
    ------
    LocalError
        When the deployment fails; with the end of what the CLI said.
    """
    with tempfile.NamedTemporaryFile(dir=cloud.state, suffix=".json") as outputs:
        options = ["--require-approval", "never", "--outputs-file", outputs.name]
        _cdk(cloud, "deploy", *options, *_app(app), *_context(context))
        stacks: dict[str, dict[str, str]] = json.load(outputs)
    (stack_outputs,) = stacks.values()
    return stack_outputs


def destroy(
    cloud: Cloud, *, app: Path | None = None, context: Mapping[str, str] | None = None
) -> None:
    """Destroy the stack; what its removal policies retain stays."""
    _cdk(cloud, "destroy", "--force", *_app(app), *_context(context))


def synthesise(output: Path, *, context: Mapping[str, str] | None = None) -> Path:
    """Synthesise the app into a folder, for several deployments, and return it."""
    command = [CDK, "synth", "--quiet", "--output", output, *_context(context)]
    _run("cdk synth", [str(word) for word in command])
    return output


def _cdk(cloud: Cloud, *arguments: str, cwd: Path = PROJECT) -> None:
    command = [str(CDK), *arguments, "--progress", "events"]
    _run(f"cdk {arguments[0]}", command, env=cloud.process_environment(), cwd=cwd)


def _app(app: Path | None) -> list[str]:
    return ["--app", str(app)] if app else []


def _context(context: Mapping[str, str] | None) -> list[str]:
    return [
        word
        for name, value in (context or {}).items()
        for word in ("--context", f"{name}={value}")
    ]


def _run(
    name: str,
    command: list[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = PROJECT,
) -> None:
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise LocalError(
            f"{error.filename} is missing. "
            "`make demo` installs what the local cloud needs."
        ) from error
    with process:
        try:
            output, _ = process.communicate(timeout=_TIMEOUT_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # the CLI, and the app it runs
            if isinstance(error, subprocess.TimeoutExpired):
                raise LocalError(f"`{name}` took more than {_TIMEOUT_S:g} s.") from None
            raise
    if process.returncode:
        tail = "\n".join(output.splitlines()[-_OUTPUT_TAIL_LINES:])
        raise LocalError(f"`{name}` failed:\n{tail}")
