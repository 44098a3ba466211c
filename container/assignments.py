r"""`assignments.csv`: each usable row of the upload with its cluster.

A header, and a line for each place in the file's order: `row`, `id` (only if the upload
has ids), `latitude`, `longitude`, `cluster`, `distance_m`. UTF-8, quoted by RFC 4180,
lines that end in \n. An id that a spreadsheet would run as a formula has an apostrophe
before it; see `geoclusters.spreadsheet`.
"""

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from geoclusters.ahead import write_behind
from geoclusters.places import ID, Places
from geoclusters.spreadsheet import as_texts

#: At level 6 such a table is a tenth smaller and takes seven times as long
#: (docs/performance.md).
_GZIP_LEVEL: Final = 1
#: So many bytes of places become text at a time; what that takes is some times as much.
_BYTES_AT_ONCE: Final = 6 * 1024 * 1024
#: Metres to the millimetre, as numbers that keep their zeros.
_METRES: Final = pl.Decimal(precision=20, scale=3)


class FileType(NamedTuple):
    """What a file is called, and what S3 is told of it."""

    name: str
    content_type: str


PLAIN: Final = FileType("assignments.csv", "text/csv; charset=utf-8")
PACKED: Final = FileType("assignments.csv.gz", "application/gzip")


class Writable(Protocol):
    """As much of a binary file as is needed here."""

    def write(self, data: bytes, /) -> object:
        """Write all of the bytes."""


class AssignmentsFile:
    """Writes a header, and then lines.

    Parameters
    ----------
    file : Writable
        Where they go.
    has_ids : bool
        Whether the places have ids.
    """

    def __init__(self, file: Writable, *, has_ids: bool) -> None:
        self._file = file
        self._has_ids = has_ids
        names = ["row", ID, "latitude", "longitude", "cluster", "distance_m"]
        if not has_ids:
            names.remove(ID)
        file.write((",".join(names) + "\n").encode())

    def add(
        self, places: Places, cluster: NDArray[np.intp], distance_m: NDArray[np.float64]
    ) -> None:
        """Write lines for places, shape (n,).

        Parameters
        ----------
        places : Places
            With ids, if the file has them.
        cluster : array of int, shape (n,)
            Indices of their clusters: one less than the numbers.
        distance_m : array of float64, shape (n,)
            Their distances to the centroids, in metres.
        """
        step = _BYTES_AT_ONCE // places.itemsize
        for start in range(0, len(places), step):
            rows = slice(start, start + step)
            table = self._table(places[rows], cluster[rows], distance_m[rows])
            # Not straight into the file: polars would wrap what goes wrong there.
            text = io.BytesIO()
            table.write_csv(text, include_header=False, float_scientific=False)
            self._file.write(text.getvalue())

    def _table(
        self, places: Places, cluster: NDArray[np.intp], distance_m: NDArray[np.float64]
    ) -> pl.DataFrame:
        columns: dict[str, Any] = {"row": np.ascontiguousarray(places["row"])}
        if self._has_ids:
            columns[ID] = _text(places[ID])
        for name in ("latitude", "longitude"):
            columns[name] = places[name] + 0.0  # no negative zero
        columns["cluster"] = cluster + 1
        columns["distance_m"] = pl.Series(distance_m).cast(_METRES)
        return pl.DataFrame(columns)


@contextmanager
def written_to(
    stream: Writable, *, has_ids: bool, packed: bool
) -> Iterator[AssignmentsFile]:
    """Yield a file of assignments that goes into a stream, which stays open.

    Parameters
    ----------
    stream : Writable
        A binary file.
    has_ids : bool
        Whether the places have ids.
    packed : bool
        Whether to pack the file by gzip, which goes on in another thread. The same
        assignments give the same bytes.
    """
    if not packed:
        yield AssignmentsFile(stream, has_ids=has_ids)
        return
    with (
        gzip.GzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0) as pack,  # type: ignore[call-overload]
        write_behind(pack.write, 1) as write,
    ):
        yield AssignmentsFile(_Behind(write), has_ids=has_ids)


def _text(ids: NDArray[np.bytes_]) -> pl.Series:
    """Return ids, shape (n,), as cells of text; none where one is empty.

    What is no UTF-8 isn't worth a failed run: it gets replacement characters.
    """
    encoded = pl.Series(ids.astype(object), dtype=pl.Binary)
    try:
        text = encoded.cast(pl.String)
    except pl.exceptions.ComputeError:
        text = pl.Series([id.decode("utf-8", "replace") for id in encoded])
    return as_texts(text.set(text == "", None))


class _Behind:
    """A file whose `write` is a function."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
