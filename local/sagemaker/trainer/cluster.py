"""The machines of one job: what they learned is brought together on the first.

Each runs through its own records and comes to centres of its own. The first machine
takes those of all, weighted by their counts, and shrinks them to k: a step that doesn't
mind how many there are. (How SageMaker's machines talk to each other isn't documented.
Here they meet in a folder, in place of a network.)
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_LOOK_S = 0.05


@dataclass(frozen=True)
class Cluster:
    """One machine's view of all.

    Attributes
    ----------
    host : str
        Its name.
    hosts : tuple of str
        All names; the first leads.
    shared : Path or None
        The folder where they meet.
    """

    host: str
    hosts: tuple[str, ...]
    shared: Path | None

    @classmethod
    def read(cls, config: Path, shared: Path | None) -> Cluster:
        """Read `resourceconfig.json`."""
        found = json.loads((config / "resourceconfig.json").read_text())
        return cls(found["current_host"], tuple(found["hosts"]), shared)

    @property
    def leads(self) -> bool:
        """Whether this machine writes the model."""
        return self.host == self.hosts[0]

    def send(self, centers: Float32, counts: npt.NDArray[Any]) -> None:
        """Hand centres, shape (m, d), and their counts to the first machine."""
        if self.leads:
            return
        path = self._path(self.host)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            np.savez(file, centers=centers, counts=counts.astype(np.float32))
        os.replace(draft, path)  # noqa: PTH105 - atomic, and known for it

    def gather(self, centers: Float32, counts: Float32) -> tuple[Float32, Float32]:
        """Return the centres of all machines, and their counts.

        Waits for each: should one fail, this process is killed.

        Parameters
        ----------
        centers, counts : float32 arrays, shape (m, d) and (m,)
            This machine's own.
        """
        all_centers, all_counts = [centers], [counts]
        for host in self.hosts[1:]:
            path = self._path(host)
            while not path.exists():
                time.sleep(_LOOK_S)
            with np.load(path) as state:
                all_centers.append(state["centers"])
                all_counts.append(state["counts"])
        return np.concatenate(all_centers), np.concatenate(all_counts)

    def _path(self, host: str) -> Path:
        assert self.shared is not None, "several machines need a folder to meet in"
        return self.shared / f"{host}.npz"
