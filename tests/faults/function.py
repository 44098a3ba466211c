"""A function in a process of its own, whose calls go through the proxy."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import IO, Any, Final

from geoclusters.environment import FunctionSettings
from local.cloud import PROJECT
from tests.faults.proxy import Fault, Meanwhile
from tests.faults.world import World

_UNIT_PYTHON: Final = PROJECT / ".venv/bin/python"
_READY: Final = "ready "


class Function:
    """One function in a process of its own, whose calls go through the proxy."""

    def __init__(
        self,
        world: World,
        module: str,
        settings: FunctionSettings,
        *,
        python: Path = _UNIT_PYTHON,
        ahead_s: float = 0,
        left_s: float = 900,
    ) -> None:
        self._world = world
        self._command = [str(python), "-m", "tests.faults.forks", module]
        self._command += [str(ahead_s), str(left_s)]
        self._env = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": str(world.cloud.state / "tmp/matplotlib"),
            "TMPDIR": str(world.cloud.state / "tmp"),
            **world.cloud.environment(),
            "AWS_ENDPOINT_URL": world.proxy.url,
            "AWS_ENDPOINT_URL_SAGEMAKER": world.proxy.url,
            # A call that fails, fails: what is tried is what comes after.
            "AWS_MAX_ATTEMPTS": "1",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
            **settings.to_env(),
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Function":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            with self._process:
                pass
            self._process = None

    def invoke(
        self, event: Any, *faults: Fault, meanwhile: Meanwhile | None = None
    ) -> Any:
        """Hand an event to the function; return its answer, None if it was killed."""
        process = self._running()
        self._world.proxy.begin(*faults, meanwhile=meanwhile, kill=self._kill)
        print(json.dumps(event), file=_pipe(process.stdin), flush=True)
        line = _pipe(process.stdout).readline()
        assert line, "the function's processes ended"
        if line.startswith(_READY):
            assert any(fault.kind == "kill" for fault in faults), "the worker died"
            self._worker = _pid(line)
            return None
        return json.loads(line)

    def _kill(self) -> None:
        os.kill(self._worker, signal.SIGKILL)

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # to end the worker too
            )
            self._worker = _pid(_pipe(self._process.stdout).readline())
        return self._process


def _pid(line: str) -> int:
    """Return which process says that it is ready."""
    assert line.startswith(_READY), f"no worker began: {line!r}"
    return int(line.removeprefix(_READY))


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
