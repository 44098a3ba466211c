"""Mini-batches out of a channel: file by file, in order, never shuffled."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from geoclusters import recordio
from geoclusters.errors import RecordError
from local.sagemaker.trainer import messages
from local.sagemaker.trainer.errors import ClientError
from local.sagemaker.trainer.pipe import Pipe

Float32 = npt.NDArray[np.float32]

RECORDIO = "application/x-recordio-protobuf"
_CSV = "text/csv"
_LABEL_SIZE = re.compile(r"\s*label_size\s*=\s*(\d+)\s*", re.ASCII)
#: Without a word on it, a row starts with its label, as for algorithms that want one:
#: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html#cdf-csv-format
_USUAL_LABEL_SIZE = 1
_READ_BYTES = 8 << 20
#: A record with a label, keys and more may be so many times a plain one.
_ROOM = 4


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
    stopped : callable
        Asked while a pipe has no data; once True, it is taken to be at its end.
    """

    def __init__(
        self,
        data: Path,
        name: str,
        config: Mapping[str, str],
        feature_dim: int,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._data = data
        self._name = name
        self._piped = config.get("TrainingInputMode") == "Pipe"
        self._feature_dim = feature_dim
        self._stopped = stopped
        #: Whether each machine has records of its own.
        self.sharded = config.get("S3DistributionType") == "ShardedByS3Key"
        # No content type is RecordIO, as the SDK's `record_set` leaves it.
        self._content_type = config.get("ContentType", RECORDIO)
        kind, _, self._parameters = self._content_type.partition(";")
        #: The content type without its parameters.
        self.kind = kind.strip()

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
                with self._open(path) as file:
                    yield from self._parse(file)
            except (RecordError, ValueError) as error:
                if self._stopped():  # in the middle of a record
                    return
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

    def _open(self, path: Path) -> BinaryIO:
        if self._piped:
            return io.BufferedReader(Pipe(path, self._stopped))
        return path.open("rb")

    def _label_size(self) -> int | None:
        """Return how many columns of CSV are labels; None if that isn't said right."""
        if not self._parameters.strip():
            return _USUAL_LABEL_SIZE
        match = _LABEL_SIZE.fullmatch(self._parameters)
        return int(match[1]) if match else None

    def _parse(self, file: BinaryIO) -> Iterator[Float32]:
        label_size = self._label_size()
        if self.kind == RECORDIO:
            blocks = _recordio_blocks(file, self._feature_dim)
        elif self.kind == _CSV and label_size is not None:
            blocks = _csv_blocks(file, label_size)
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
    """Decode a file's records, some megabytes at a time."""
    rest = b""
    # A longer record is none of ours, and its file not to be gathered in memory.
    most = max(_READ_BYTES, _ROOM * recordio.record_bytes(feature_dim))
    while data := file.read(_READ_BYTES):
        rest += data
        values, used = _decode(rest, most)
        if used:
            yield values
            rest = rest[used:]
    if rest:
        raise RecordError(f"its last record is cut short: it has {len(rest)} bytes")


def _decode(data: bytes, most: int) -> tuple[Float32, int]:
    """Return the values of the whole records at the start, and their length."""
    stride = messages.stride(data) if len(data) >= 8 else most
    if stride > most:
        raise RecordError(f"expected records of at most {most} bytes; found {stride}")
    whole = len(data) // stride * stride
    if not whole:
        return np.empty((0, 1), np.float32), 0
    try:  # that all are alike, as they nearly always are
        return recordio.decode(data[:whole]), whole
    except RecordError:
        return messages.decode(data)


def _csv_blocks(file: BinaryIO, label_size: int) -> Iterator[Float32]:
    """Read rows of numbers without a header, and without their labels."""
    rows: list[list[str]] = []
    for row in csv.reader(codecs.getreader("utf-8")(file)):
        if row:
            rows.append(row[label_size:])
        if len(rows) == 100_000:
            yield np.array(rows, np.float32)
            rows = []
    if rows:
        yield np.array(rows, np.float32)
