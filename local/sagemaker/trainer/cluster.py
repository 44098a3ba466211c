"""The machines of one job: what they learned is brought together on the first.

Each runs through its own records and comes to centres of its own. The first machine
takes those of all, weighted by their counts, and shrinks them to k: a step that doesn't
mind how many there are. Of test data each scores its own shards. (How SageMaker's
machines talk to each other isn't documented. Here they meet in a folder, in place of a
network.)
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
        self._put(f"{self.host}-centers", centers, counts.astype(np.float32))

    def gather(self, centers: Float32, counts: Float32) -> tuple[Float32, Float32]:
        """Return the centres of all machines, and their counts.

        Waits for each: should one fail, this process is killed.

        Parameters
        ----------
        centers, counts : float32 arrays, shape (m, d) and (m,)
            This machine's own.
        """
        states = [(centers, counts)]
        states += [self._take(f"{host}-centers") for host in self.hosts[1:]]
        all_centers, all_counts = zip(*states, strict=True)
        return np.concatenate(all_centers), np.concatenate(all_counts)

    def spread(self, centroids: Float32 | None) -> Float32:
        """Return the first machine's centroids, on each.

        There are none if it was stopped before it had any.
        """
        if centroids is not None:
            self._put("centroids", centroids, np.empty(0))
            return centroids
        return self._take("centroids")[0]

    def add_up(self, ssd: float, records: int) -> tuple[float, int]:
        """Return the sums of what all machines found; but their own on the others.

        Parameters
        ----------
        ssd : float
            The sum of squared distances of the records that this machine has.
        records : int
        """
        if not self.leads:
            self._put(f"{self.host}-scores", np.array([ssd]), np.array([records]))
            return ssd, records
        for host in self.hosts[1:]:
            (more,), (further,) = self._take(f"{host}-scores")
            ssd, records = ssd + float(more), records + int(further)
        return ssd, records

    def give_up(self, feature_dim: int) -> None:
        """Let no other machine wait for this one, which has nothing."""
        nothing = np.empty((0, feature_dim), np.float32)
        if self.leads:
            self.spread(nothing)
        else:
            self.send(nothing, np.empty(0))
            self.add_up(0.0, 0)

    def _put(self, name: str, *arrays: npt.NDArray[Any]) -> None:
        if len(self.hosts) == 1:
            return
        path = self._path(name)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            np.savez(file, *arrays)
        os.replace(draft, path)  # noqa: PTH105 - atomic, and known for it

    def _take(self, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        path = self._path(name)
        while not path.exists():
            time.sleep(_LOOK_S)
        with np.load(path) as arrays:
            return arrays["arr_0"], arrays["arr_1"]

    def _path(self, name: str) -> Path:
        assert self.shared is not None, "several machines need a folder to meet in"
        return self.shared / f"{name}.npz"
