"""The two ways to start an image function: as a process, or in its container."""

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.errors import LocalError
from local.runtime.function import Function

DOCKERFILE = Path("container/Dockerfile")
IMAGE_TAG = "geoclusters-report:local"
LAMBDA_USER = "993:990"
"""The user and group as which Lambda runs a function, whatever the image says."""

_TMP_MB = 512
"""What Lambda gives a function in /tmp unless it is asked for more."""
#: Lambda's: files that are open, processes and threads. It has no /dev/shm either.
_LIMITS = ("--ulimit", "nofile=1024:1024", "--pids-limit", "1024")

_CA_BUNDLE = "AWS_CA_BUNDLE"
#: How a function finds the local cloud, and whom it trusts there.
_CLOUD = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", _CA_BUNDLE)


def _cloud() -> dict[str, str]:
    return {name: os.environ[name] for name in _CLOUD if name in os.environ}


def image_command(dockerfile: Path) -> tuple[str, ...]:
    """Return the image's CMD: the handler that awslambdaric is told.

    Raises
    ------
    LocalError
        When the Dockerfile has no CMD in JSON form.
    """
    commands = re.findall(r"^CMD\s+(\[.*\])\s*$", dockerfile.read_text(), re.MULTILINE)
    if not commands:
        raise LocalError(f'{dockerfile}: expected a line like CMD ["package.handler"]')
    return tuple(json.loads(commands[-1]))


def build_image(
    root: Path, options: Sequence[str] = (), env: Mapping[str, str] = os.environ
) -> None:
    """Build the report's image as `IMAGE_TAG`.

    Parameters
    ----------
    options
        More options for ``docker build``, where the machine needs some.

    Raises
    ------
    LocalError
        When there is no Docker, or it fails; it has said why.
    """
    command = ["docker", "build", "--file", str(DOCKERFILE), "--tag", IMAGE_TAG]
    try:
        subprocess.run(
            [*command, *options, "."],
            cwd=root,
            env={**env, "DOCKER_BUILDKIT": "1"},
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except FileNotFoundError:
        raise LocalError("There is no `docker` on this machine.") from None
    except subprocess.CalledProcessError:
        raise LocalError("`docker build` failed.") from None


class FunctionProcess:
    """A function as a process on this machine, with a temporary folder of its own."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str], log: Path):
        self._tmp = tempfile.mkdtemp(prefix="worker-")
        env = {**env, "HOME": self._tmp, "TMPDIR": self._tmp}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        status = self._process.wait()
        shutil.rmtree(self._tmp, ignore_errors=True)
        return status

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""
        self._process.kill()


class ProcessLauncher:
    """Runs the container's handler under awslambdaric, without a container.

    Parameters
    ----------
    root
        The project: working directory and import path, as /var/task is in the image.
    python
        Interpreter of an environment made from the container's pinned requirements.
    """

    def __init__(self, root: Path, python: Path) -> None:
        self._root = root
        self._python = python
        self._command = image_command(root / DOCKERFILE)

    def start(self, function: Function, runtime_api: str, log: Path) -> FunctionProcess:
        """Start the function; what it prints goes to the end of `log`."""
        env = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self._root),
            "LAMBDA_TASK_ROOT": str(self._root),
            "MPLBACKEND": "Agg",
            # For all workers, as finding the fonts takes a while.
            "MPLCONFIGDIR": str(Path(tempfile.gettempdir()) / "matplotlib"),
            **_cloud(),
            **function.environment_variables(runtime_api),
        }
        command = function.command or self._command
        return FunctionProcess(
            [str(self._python), "-m", "awslambdaric", *command], self._root, env, log
        )


class Container:
    """A function in its container."""

    def __init__(self, name: str, arguments: list[str], env: dict[str, str], log: Path):
        self._name = name
        with log.open("ab") as output:
            self._client = subprocess.Popen(
                ["docker", "run", "--rm", "--name", name, *arguments],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        return self._client.wait()

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""
        if self._client.poll() is None:
            subprocess.run(["docker", "kill", self._name], capture_output=True)
            self._client.kill()


class DockerLauncher:
    """Runs the image that is built from the Dockerfile, confined as Lambda does.

    A registry stands in between on AWS. Here the image is built where it runs: at the
    start, and again when a deploy names another one (the name holds a hash of what goes
    into the image, and what has not changed comes from Docker's cache).
    """

    def __init__(self, root: Path, build_options: Sequence[str]) -> None:
        self._root = root
        self._build_options = build_options
        self._image_uri: str | None = None
        self._building = threading.Lock()
        self._numbers = itertools.count(1)
        build_image(root, build_options)

    def start(self, function: Function, runtime_api: str, log: Path) -> Container:
        """Start the function; what it prints goes to the end of `log`."""
        with self._building:
            if self._image_uri not in (None, function.image_uri):
                build_image(self._root, self._build_options)
            self._image_uri = function.image_uri
        env = {**_cloud(), **function.environment_variables(runtime_api)}
        arguments = ["--init", "--network", "host", "--read-only"]
        arguments += ["--ipc", "none", "--tmpfs", f"/tmp:size={_TMP_MB}m"]
        arguments += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        arguments += ["--user", LAMBDA_USER, *_LIMITS]
        arguments += ["--memory", f"{function.memory_mb}m"]
        if _CA_BUNDLE in env:
            certificate = env[_CA_BUNDLE]
            arguments += ["--volume", f"{certificate}:{certificate}:ro"]
        for name in env:
            arguments += ["--env", name]  # the value is in the client's environment
        name = f"geoclusters-{os.getpid()}-{next(self._numbers)}"
        return Container(name, [*arguments, IMAGE_TAG, *function.command], env, log)
