"""Run a Docker daemon that can't outlive its parent.

``python -m tests.image.keeper FOLDER COMMAND…`` runs COMMAND, a ``dockerd`` whose
files are all in FOLDER. SIGTERM ends it; so does the end of standard input, a pipe
whose other end only the parent holds, and then FOLDER is removed too. `local.lifeline`
would kill the whole group at once: a daemon must be asked, as its containers go on
without it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

_PATIENCE_S: Final = 40.0
"""Docker gives its containers 15 s."""


def main() -> int:
    """Keep the daemon until it's told to end; return its exit status."""
    folder, *command = sys.argv[1:]
    told, orphaned = threading.Event(), threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        told.set()

    def on_end_of_parent() -> None:
        while os.read(0, 4096):
            pass
        orphaned.set()
        told.set()

    signal.signal(signal.SIGTERM, on_signal)
    # If this process is killed, the kernel asks the daemon to end.
    daemon = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL
    )
    threading.Thread(target=on_end_of_parent, daemon=True).start()
    while daemon.poll() is None and not told.wait(0.1):
        pass
    status = _end(daemon, Path(folder))
    if orphaned.is_set():
        subprocess.run(["rm", "-rf", "--", folder], check=False)
    return status


def _end(daemon: subprocess.Popen[bytes], folder: Path) -> int:
    daemon.terminate()
    try:
        status = daemon.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        status = daemon.wait()
    _kill_what_names(folder)
    _unmount(folder)
    return status


def _kill_what_names(folder: Path) -> None:
    """Kill what a daemon that didn't end in order left running: its containers' shims.

    They name the daemon's socket, which is in `folder`, on their command line.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            words = (process / "cmdline").read_bytes().split(b"\0")
            name = Path(os.fsdecode(words[0])).name
            if name.startswith("containerd") and any(
                word.startswith(os.fsencode(folder) + b"/") for word in words[1:]
            ):
                os.kill(int(process.name), signal.SIGKILL)


def _unmount(folder: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in mounts]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", point], check=False)


if __name__ == "__main__":
    sys.exit(main())
