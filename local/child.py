"""One child process of the local cloud: started, waited for, stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.errors import LocalError

LOOPBACK = "127.0.0.1"
_LOG_TAIL_LINES = 15


def free_ports(count: int) -> list[int]:
    """Return different loopback ports that nothing listens on."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in sockets]


def is_listening(port: int) -> bool:
    """Say whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def log_tail(path: Path, lines: int = _LOG_TAIL_LINES) -> str:
    """Return the last lines of a log, or an empty text where there is none."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


class Child:
    """A server process in a process group of its own, on a lifeline.

    Parameters
    ----------
    name
        What messages call it; its log is ``<name>.log`` in `logs`.
    command
        Interpreter, ``-m``, ``local.lifeline`` and so on; standard input is the
        lifeline.
    patience_s
        How long it may take to end when it is asked to.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        port: int,
        cwd: Path,
        env: Mapping[str, str],
        logs: Path,
        patience_s: float = 5,
    ) -> None:
        self.name = name
        self._patience_s = patience_s
        self.port = port
        self.log = logs / f"{name}.log"
        self._stopped = False
        if is_listening(port):
            raise LocalError(
                f"{name}: port {port} on {LOOPBACK} is already in use. "
                "Stop what uses it, or choose another port."
            )
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    [str(word) for word in command],
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise LocalError(
                    f"{name}: {error.filename} is missing. "
                    "`make demo` installs what the local cloud needs."
                ) from error

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the port accepts connections.

        Raises
        ------
        LocalError
            When the process ended or the time ran out; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not is_listening(self.port):
            self.check()
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{self.name} did not answer on port {self.port} within "
                    f"{timeout_s:g} s. The end of its log:\n{log_tail(self.log)}"
                )
            time.sleep(0.02)

    def check(self) -> None:
        """Raise a LocalError, with the end of the log, if the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise LocalError(
                f"{self.name} ended unexpectedly (exit status {status}). "
                f"The end of its log:\n{log_tail(self.log)}"
            )

    def stop(self) -> None:
        """End the process and everything in its group; safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        self._signal_group(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._patience_s)
        # Workers may outlive the leader: the group is killed before the leader is
        # forgotten, as its id is the leader's.
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
