"""A FIFO that is read in Pipe mode."""

import io
import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LOOK_MS = 100


class Pipe(io.RawIOBase):
    """The reading end of a FIFO; whoever waits for its data can be stopped.

    Opening a FIFO as a file, and reading it, would wait for the writer whatever signal
    comes.

    Parameters
    ----------
    path : Path
    stopped : callable
        Asked while there are no data; once True, they are taken to be at their end.
    """

    def __init__(self, path: Path, stopped: Callable[[], bool]) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._stopped = stopped
        self._waiting = select.poll()
        self._waiting.register(self._descriptor, select.POLLIN)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, waiting for the first of it; 0 at the end."""
        while not self._waiting.poll(_LOOK_MS):
            if self._stopped():
                return 0
        return os.readv(self._descriptor, [buffer])

    def close(self) -> None:
        """Close it, which its writer is told."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()
