"""Mini-batches out of a channel: file by file, in order, never shuffled."""

import codecs
import csv
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from geoclusters import recordio
from geoclusters.errors import RecordError
from local.sagemaker.trainer.errors import ClientError

Float32 = npt.NDArray[np.float32]

_RECORDIO = "application/x-recordio-protobuf"
_CSV = "text/csv"
_READ_BYTES = 8 << 20


class Channel:
    """A channel as inputdataconfig.json describes it.

    Parameters
    ----------
    data : Path
        `/opt/ml/input/data`.
    name : str
    config : mapping
        The channel's entry of inputdataconfig.json.
    feature_dim : int
        What each record must have.
    """

    def __init__(
        self, data: Path, name: str, config: Mapping[str, str], feature_dim: int
    ) -> None:
        self._data = data
        self._name = name
        self._piped = config.get("TrainingInputMode") == "Pipe"
        self._feature_dim = feature_dim
        # No content type is RecordIO, as the SDK's `record_set` leaves it.
        self._content_type = config.get("ContentType", _RECORDIO)

    def batches(self, size: int, epoch: int) -> Iterator[Float32]:
        """Yield the mini-batches of one pass, shape (size, feature_dim).

        The last one may be shorter. They run on over the ends of files. In Pipe mode
        each epoch has its own FIFO.

        Raises
        ------
        ClientError
            If there are no data, or they are not what was announced.
        """
        held: list[Float32] = []
        count = 0
        for block in self._blocks(epoch):
            held.append(block)
            count += len(block)
            if count < size:
                continue
            records = np.concatenate(held)
            whole = count - count % size
            for start in range(0, whole, size):
                yield records[start : start + size]
            held, count = [records[whole:]], count - whole
        if count:
            yield np.concatenate(held)

    def _blocks(self, epoch: int) -> Iterator[Float32]:
        """Yield records as they come, in blocks of whatever size."""
        for path in self._paths(epoch):
            try:
                with path.open("rb") as file:
                    yield from self._parse(file)
            except (RecordError, ValueError) as error:
                raise ClientError(
                    f"Unable to read data channel '{self._name}'. Requested "
                    f"content-type is '{self._content_type}'. Please verify the data "
                    f"matches the requested content-type. ({path.name}: {error})"
                ) from error

    def _paths(self, epoch: int) -> list[Path]:
        if self._piped:
            return [self._data / f"{self._name}_{epoch}"]
        folder = self._data / self._name
        # The whole path decides, as in S3's listing.
        files = [path for path in folder.rglob("*") if path.is_file()]
        if not any(path.stat().st_size for path in files):
            raise ClientError(
                "No data was found. Please make sure training data is provided."
            )
        return sorted(files, key=lambda path: path.relative_to(folder).as_posix())

    def _parse(self, file: BinaryIO) -> Iterator[Float32]:
        kind, _, parameters = self._content_type.partition(";")
        if kind.strip() == _RECORDIO:
            blocks = _recordio_blocks(file, self._feature_dim)
        elif kind.strip() == _CSV and parameters.strip() in ("", "label_size=0"):
            blocks = _csv_blocks(file)
        else:
            raise ClientError(
                f"No iterator has been registered for ContentType "
                f"('{self._content_type}')"
            )
        for block in blocks:
            if block.shape[1] != self._feature_dim:
                raise ClientError(
                    f"The data of channel '{self._name}' has {block.shape[1]} "
                    f"features; the hyperparameter feature_dim is {self._feature_dim}."
                )
            yield block


def _recordio_blocks(file: BinaryIO, feature_dim: int) -> Iterator[Float32]:
    """Decode a file of equally long records, some megabytes at a time."""
    rest = b""
    stride = 0
    # A longer record is none of ours, and its file not to be gathered in memory.
    most = max(_READ_BYTES, recordio.record_bytes(feature_dim))
    while data := file.read(_READ_BYTES):
        rest += data
        if not stride and len(rest) >= 8:
            (length,) = struct.unpack_from("<I", rest, 4)
            stride = 8 + -(-length // 4) * 4
            if stride > most:
                break
        whole = len(rest) // stride * stride if stride else 0
        if whole:
            yield recordio.decode(rest[:whole])
            rest = rest[whole:]
    if rest:
        yield recordio.decode(rest)


def _csv_blocks(file: BinaryIO) -> Iterator[Float32]:
    """Read rows of numbers without a header."""
    rows: list[list[str]] = []
    for row in csv.reader(codecs.getreader("utf-8")(file)):
        if row:
            rows.append(row)
        if len(rows) == 100_000:
            yield np.array(rows, np.float32)
            rows = []
    if rows:
        yield np.array(rows, np.float32)
