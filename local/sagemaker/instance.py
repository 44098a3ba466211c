"""A machine that a training job runs on: `/opt/ml`, the process, the artefact.

`/opt/ml` lies under the job's own folder, as several jobs run at once; the trainer
finds it by `OPT_ML_VARIABLE`. All else is as in a SageMaker container:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import contextlib
import json
import os
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.sagemaker.aws import Line
from local.sagemaker.channels import Channel

OPT_ML_VARIABLE = "GEOCLUSTERS_OPT_ML"
"""Tells the trainer where its `/opt/ml` is."""

SHARED_VARIABLE = "GEOCLUSTERS_SHARED"
"""Names a folder where the trainers of one job meet: here stands for their network."""

PROJECT = Path(__file__).resolve().parents[2]
_FAILURE_CHARS = 1024


class OptMl:
    """The folder that is `/opt/ml` to the trainer.

    Parameters
    ----------
    root : Path
    host : str
        What the machine is called, and …
    hosts : sequence of str
        … all of the job's.
    """

    def __init__(
        self, root: Path, host: str = "algo-1", hosts: Sequence[str] = ("algo-1",)
    ) -> None:
        self.root, self.host, self._hosts = root, host, hosts

    def lay_out(self, request: Mapping[str, Any], channels: list[Channel]) -> None:
        """Make the folders and write the configuration files."""
        for folder in ("input/config", "input/data", "model", "output/data"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self._write("hyperparameters", request.get("HyperParameters", {}))
        self._write(
            "inputdataconfig", {channel.name: channel.config() for channel in channels}
        )
        self._write(
            "resourceconfig",
            {
                "current_host": self.host,
                "hosts": list(self._hosts),
                "network_interface_name": "eth1",
            },
        )

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        path = self.root / "input/config" / f"{name}.json"
        path.write_text(json.dumps(content))

    def data(self, channel: Channel) -> Path:
        """Return a channel's folder, or what its FIFOs' names start with."""
        return self.root / "input/data" / channel.name

    def failure(self) -> str:
        """Return the start of what the trainer says about its failure."""
        with contextlib.suppress(FileNotFoundError):
            text = (self.root / "output/failure").read_text(errors="replace")
            return text[:_FAILURE_CHARS]
        return ""

    def pack(self, artefact: Path) -> bool:
        """Pack `model/` as SageMaker does: members by bare name, owner 0/0.

        Returns
        -------
        bool
            Whether there was anything to pack; the archive is written anyway.
        """
        members = sorted((self.root / "model").iterdir())
        with tarfile.open(artefact, "w:gz") as archive:
            for member in members:
                archive.add(member, arcname=member.name, filter=_as_root)
        return bool(members)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


class Trainer:
    """The trainer's process, its log and its end.

    It leads a process group of its own, and hangs on a lifeline (`local.lifeline`):
    however this server ends, the trainer's group ends with it.

    Parameters
    ----------
    python : Path
        The interpreter that has numpy.
    opt_ml : OptMl
    environment : dict
        The request's variables and the job's; a few of ours are added.
    log : Path
        A file that the log is copied to, line by line.
    on_exit : callable
        Called, from another thread, once the process has ended.
    """

    def __init__(
        self,
        python: Path,
        opt_ml: OptMl,
        environment: Mapping[str, str],
        log: Path,
        on_exit: Callable[[], None],
    ) -> None:
        self.lines: list[Line] = []
        self._ended = threading.Event()
        self._process = subprocess.Popen(
            [python, "-m", "local.lifeline", "local.sagemaker.trainer", "train"],
            cwd=PROJECT,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(opt_ml.root),
                "PYTHONUNBUFFERED": "1",
                # Its threads wait busily, and several jobs may run at once.
                "OPENBLAS_NUM_THREADS": "1",
                **environment,
                OPT_ML_VARIABLE: str(opt_ml.root),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(
            target=self._read, args=(log, on_exit), name="trainer log", daemon=True
        ).start()

    @property
    def ended(self) -> bool:
        """Whether the process has ended and its log is complete."""
        return self._ended.is_set()

    @property
    def exit_code(self) -> int:
        """The exit code as a shell shows it: 128 and the signal, if one ended it."""
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def wait(self) -> None:
        """Wait until the process has ended and its log is complete."""
        self._ended.wait()

    def terminate(self) -> None:
        """Ask the trainer to end: SIGTERM to its process."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End its whole process group, unless the process has been waited for."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, log: Path, on_exit: Callable[[], None]) -> None:
        assert self._process.stdout and self._process.stdin
        with log.open("ab", buffering=0) as file:
            for raw in self._process.stdout:
                file.write(raw)
                text = raw.decode(errors="replace").rstrip("\r\n")
                self.lines.append(Line(round(time.time() * 1000), text))
        self._process.wait()
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._ended.set()
        on_exit()
