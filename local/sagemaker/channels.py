"""A training job's channels: which objects they hold, and how they reach the trainer.

File mode (and FastFile, which looks the same from inside) copies the objects; Pipe mode
makes one FIFO an epoch and streams the objects through it, one after the other.
"""

import errno
import gzip
import json
import logging
import math
import os
import stat
import threading
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from local.sagemaker.aws import Aws, S3Uri
from local.sagemaker.errors import JobFailure, ValidationError

_LOG = logging.getLogger(__name__)
_FIFO_LOOK_S = 0.02
_CLOSE_S = 2.0
_FAILED = "ClientError: Data download failed:"
_DISK_FULL = f"{_FAILED}Insufficient disk space"
#: What a folder answers that has a file in its place, or the other way round.
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


@dataclass(frozen=True)
class Item:
    """An object of a channel and the path that it has inside the container."""

    uri: S3Uri
    path: PurePosixPath


@dataclass(frozen=True)
class Channel:
    """One entry of InputDataConfig.

    Attributes
    ----------
    definition : dict
        The entry as the request has it.
    default_mode : str
        AlgorithmSpecification's TrainingInputMode.
    """

    definition: dict[str, Any]
    default_mode: str

    @property
    def name(self) -> str:
        """The channel's name."""
        name: str = self.definition["ChannelName"]
        return name

    @property
    def piped(self) -> bool:
        """Whether the channel is read through FIFOs."""
        return self.mode == "Pipe"

    @property
    def mode(self) -> str:
        """How the trainer gets the data: File, FastFile or Pipe."""
        mode: str = self.definition.get("InputMode", self.default_mode)
        return mode

    @property
    def gzipped(self) -> bool:
        """Whether the objects are decompressed on their way: in Pipe mode alone."""
        return self.piped and self.definition.get("CompressionType") == "Gzip"

    @property
    def _source(self) -> dict[str, Any]:
        source: dict[str, Any] = self.definition["DataSource"]["S3DataSource"]
        return source

    def config(self) -> dict[str, str]:
        """Return the channel's entry in inputdataconfig.json."""
        config = {
            "TrainingInputMode": "Pipe" if self.piped else "File",
            "S3DistributionType": self._source.get(
                "S3DataDistributionType", "FullyReplicated"
            ),
            "RecordWrapperType": self.definition.get("RecordWrapperType", "None"),
        }
        if "ContentType" in self.definition:
            config["ContentType"] = self.definition["ContentType"]
        return config

    def items(self, aws: Aws) -> list[Item]:
        """Return the channel's objects, in S3's order or the manifest's.

        Raises
        ------
        ValidationError
            If there is none, in SageMaker's words.
        """
        uri: str = self._source["S3Uri"]
        try:
            source = S3Uri.parse(uri)
            if self._source["S3DataType"] == "ManifestFile":
                items = _manifest_items(aws.read(source))
            elif self._source["S3DataType"] == "S3Prefix":
                items = [
                    Item(S3Uri(source.bucket, key), _relative(key, source.key))
                    for key in aws.keys(source)
                ]
            else:
                raise ValueError(
                    f"this stand-in reads S3Prefix and ManifestFile, "
                    f"not {self._source['S3DataType']}"
                )
        except ClientError as error:
            reason = error.response["Error"].get("Message", str(error))
            raise _no_objects(uri, reason) from error
        except ValueError as error:
            raise ValidationError(f"Channel {self.name!r}: {error}.") from error
        if not items:
            raise _no_objects(uri)
        return items

    def share(self, items: list[Item], number: int, hosts: int) -> list[Item]:
        """Return the objects that one of several machines gets, the first being 0.

        With ShardedByS3Key each object goes to one of them, in turn; else to all.
        """
        kind = self._source.get("S3DataDistributionType", "FullyReplicated")
        return items[number::hosts] if kind == "ShardedByS3Key" else items


def _no_objects(uri: str, reason: str | None = None) -> ValidationError:
    message = (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
        "ensure that the bucket exists in the selected region, that objects exist "
        'under that S3 prefix, and that the role has "s3:ListBucket" permissions on '
        "the bucket."
    )
    return ValidationError(
        f"{message} Error message from S3: {reason}" if reason else message
    )


def _relative(key: str, prefix: str) -> PurePosixPath:
    """Return where an object lies in its channel's folder: its key below the prefix.

    A prefix may end inside a name (`train/part` for `train/part-0.pbr`): the name is
    then kept whole.
    """
    folder = f"{prefix.rstrip('/')}/"
    if not key.startswith(folder):
        folder = prefix[: prefix.rfind("/") + 1]
    return _inside(key.removeprefix(folder), key)


def _manifest_items(manifest: bytes) -> list[Item]:
    """Read `[{"prefix": "s3://…/"}, "a", "b"]`."""
    try:
        head, *names = json.loads(manifest)
        uris = [(head["prefix"] + name, name) for name in names]
    except (KeyError, TypeError, ValueError) as error:  # a text that isn't JSON, too
        raise ValueError(
            'its manifest is not JSON of the form [{"prefix": "s3://…"}, "name", …]'
        ) from error
    return [Item(S3Uri.parse(uri), _inside(name, name)) for uri, name in uris]


def _inside(path: str, key: str) -> PurePosixPath:
    """Return a relative path that can't leave its folder."""
    parts = PurePosixPath(path.lstrip("/")).parts
    if not parts or ".." in parts:
        raise ValueError(f"the key {key!r} is no path inside a channel")
    return PurePosixPath(*parts)


def download(
    aws: Aws,
    items: list[Item],
    folder: Path,
    check: Callable[[], None],
    *,
    room: float = math.inf,
) -> int:
    """Copy a channel's objects into its folder; return how many bytes they are.

    Parameters
    ----------
    aws : Aws
    items : list of Item
    folder : Path
    check : callable
        Called before each object and each piece of one; raises to end the download.
    room : float
        Bytes that the job's volume still takes.

    Raises
    ------
    JobFailure
        If an object can't be read, there is no room for it, or its key is also a
        folder of another's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    used = 0
    for item in items:
        check()
        path = folder / item.path
        try:
            used += aws.download(item.uri, path, check, room=room - used)
        except OSError as error:
            raise _unwritable(item, error) from error
        except ClientError as error:
            raise _unreadable(item, error) from error
    return used


def _unwritable(item: Item, error: OSError) -> Exception:
    if error.errno == errno.ENOSPC:
        return JobFailure(_DISK_FULL)
    if error.errno in _IN_THE_WAY:
        why = "the key can't be a file and a folder of other keys at once"
        return _undownloaded(item, why)
    return error


def _unreadable(item: Item, error: ClientError) -> JobFailure:
    """Return the failure of a job that may not read its data, or can't, as AWS says it.

    For example in https://github.com/aws/amazon-sagemaker-examples/issues/4384.
    """
    said = error.response["Error"]
    return _undownloaded(item, f"{said['Code']}: {said['Message']}")


def _undownloaded(item: Item, why: str) -> JobFailure:
    uri = f"s3://{item.uri.bucket}/{item.uri.key}"
    return JobFailure(f"{_FAILED}Unable to download object {uri} ({why})")


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class PipeFeeder:
    """Streams a channel into `<channel>_0`, `<channel>_1`, …, one FIFO an epoch.

    The next FIFO is made once the last has a reader, which so finds it when it is done.

    Parameters
    ----------
    aws : Aws
    items : list of Item
    base : Path
        `/opt/ml/input/data/<channel>`, without the number.
    gzipped : bool
        Whether the objects are to be decompressed.
    on_failure : callable
        Called, from another thread, once there is a failure.
    """

    def __init__(
        self,
        aws: Aws,
        items: list[Item],
        base: Path,
        *,
        gzipped: bool,
        on_failure: Callable[[], None],
    ) -> None:
        self._aws = aws
        self._items = items
        self._base = base
        self._gzipped = gzipped
        self._on_failure = on_failure
        self._closed = threading.Event()
        #: Why it ended: the reader then waits for what never comes.
        self.failure: Exception | None = None
        self._thread = threading.Thread(
            target=self._feed, name=f"pipe {base.name}", daemon=True
        )
        base.parent.mkdir(parents=True, exist_ok=True)
        self._make(0)
        self._thread.start()

    def close(self) -> None:
        """Stop feeding; the reader must be gone.

        What still waits for S3 ends by itself: there is nobody to write to.
        """
        self._closed.set()
        self._thread.join(_CLOSE_S)

    def _make(self, epoch: int) -> Path:
        path = self._base.with_name(f"{self._base.name}_{epoch}")
        if not path.exists():
            os.mkfifo(path)
        assert stat.S_ISFIFO(path.stat().st_mode)
        return path

    def _feed(self) -> None:
        epoch = 0
        try:
            while (descriptor := self._open(self._make(epoch))) is not None:
                self._make(epoch + 1)
                self._feed_epoch(epoch, descriptor)
                epoch += 1
        except Exception as error:
            if not self._closed.is_set():
                self.failure = self.failure or error
                self._on_failure()

    def _feed_epoch(self, epoch: int, descriptor: int) -> None:
        try:
            self._write(descriptor)
        except BrokenPipeError as error:
            # A reader that has seen enough (the first mini-batch) is no fault.
            _LOG.info("%s_%d: %s", self._base.name, epoch, error)
        except Exception as error:
            # Before the FIFO is closed, which the reader takes for the data's end.
            self.failure = error
            raise
        finally:
            os.close(descriptor)

    def _open(self, path: Path) -> int | None:
        """Open for writing once there is a reader; None after `close`."""
        while not self._closed.is_set():
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # ENXIO: nobody reads yet
                self._closed.wait(_FIFO_LOOK_S)
                continue
            os.set_blocking(descriptor, True)
            return descriptor
        return None

    def _write(self, descriptor: int) -> None:
        for item in self._items:
            try:
                with closing(
                    self._aws.stream(item.uri, gzipped=self._gzipped)
                ) as pieces:
                    for piece in pieces:
                        _write_all(descriptor, piece)
            except ClientError as error:
                raise _unreadable(item, error) from error
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise _undownloaded(item, f"not whole gzip: {error}") from error
