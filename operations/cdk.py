"""The real CDK CLI, for whatever cloud its environment leads to."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from operations.errors import OperationError

PROJECT = Path(__file__).resolve().parents[1]
CLI = PROJECT / "node_modules/.bin/cdk"

_OUTPUT_TAIL_LINES = 30


class Cdk:
    """The CLI under one environment.

    Parameters
    ----------
    environment
        What decides about cloud and credentials; by default this process's.
    bundles
        An assembly of the same code: what it bundled is taken over by `synthesise`.
    timeout_s
        The longest that one command may take.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        bundles: Path | None = None,
        timeout_s: float = 600.0,
    ) -> None:
        self.environment = environment
        self._bundles = bundles
        self._timeout_s = timeout_s

    def bootstrap(self, target: str, *, cwd: Path) -> None:
        """Prepare an account and region for deployments by the CDK, once.

        In a folder of its own: beside our cdk.json the CLI would synthesise the app
        first, for nothing.
        """
        self._cdk("bootstrap", target, "--progress", "events", cwd=cwd)

    def synthesise(
        self, output: Path, *, context: Mapping[str, str] | None = None
    ) -> Path:
        """Synthesise the app into a folder, for several deployments, and return it."""
        if self._bundles:
            _take_over(self._bundles, output)
        self._cdk("synth", "--quiet", "--output", str(output), *_context(context))
        return output

    def deploy(
        self, *, app: Path | None = None, context: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Deploy the stack and return its outputs.

        Parameters
        ----------
        app
            A synthesised assembly. Without one the app is synthesised, into `cdk.out`.
        context
            Settings, as ``--context`` gives them; not with an assembly, which has its
            own.

        Raises
        ------
        OperationError
            When the deployment fails; with the end of what the CLI said.
        """
        with tempfile.TemporaryDirectory(prefix="geoclusters-") as folder:
            outputs = Path(folder) / "outputs.json"
            options = ["--require-approval", "never", "--outputs-file", str(outputs)]
            options += ["--progress", "events"]
            self._cdk("deploy", *options, *_app(app), *_context(context))
            stacks: dict[str, dict[str, str]] = json.loads(outputs.read_text())
        (stack_outputs,) = stacks.values()
        return stack_outputs

    def destroy(
        self, *, app: Path | None = None, context: Mapping[str, str] | None = None
    ) -> None:
        """Destroy the stack; what its removal policies retain stays."""
        options = ["--force", "--progress", "events"]
        self._cdk("destroy", *options, *_app(app), *_context(context))

    def check_docker(self) -> None:
        """Raise an OperationError where there is no Docker that builds an image."""
        variables = os.environ if self.environment is None else self.environment
        program = variables.get("CDK_DOCKER", "docker")
        self._run(f"{program} info", [program, "info"], cwd=PROJECT)

    def _cdk(self, *arguments: str, cwd: Path = PROJECT) -> None:
        self._run(f"cdk {arguments[0]}", [str(CLI), *arguments], cwd=cwd)

    def _run(self, name: str, command: list[str], *, cwd: Path) -> None:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise OperationError(
                f"{error.filename} is missing. `make` installs what a deployment "
                "needs, but for Docker."
            ) from error
        with process:
            try:
                output, _ = process.communicate(timeout=self._timeout_s)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)  # the CLI, and the app it runs
                if isinstance(error, subprocess.TimeoutExpired):
                    raise OperationError(
                        f"`{name}` took more than {self._timeout_s:g} s."
                    ) from None
                raise
        if process.returncode:
            tail = "\n".join(output.splitlines()[-_OUTPUT_TAIL_LINES:])
            raise OperationError(f"`{name}` failed:\n{tail}")


def _take_over(bundles: Path, output: Path) -> None:
    """Link what is bundled into the output: the CDK makes no asset that it finds there.

    An asset's name is the hash of what it is made of. `.cache` has the CLI's archives.
    """
    (bundles / ".cache").mkdir(exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    for path in [bundles / ".cache", *bundles.glob("asset.*")]:
        (output / path.name).symlink_to(path.resolve())


def _app(app: Path | None) -> list[str]:
    return ["--app", str(app)] if app else []


def _context(context: Mapping[str, str] | None) -> list[str]:
    return [
        word
        for name, value in (context or {}).items()
        for word in ("--context", f"{name}={value}")
    ]
