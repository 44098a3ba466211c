"""Writing under `output/<path>/`, where the newer upload wins.

Several runs may answer at one place: the same key uploaded twice, a moment apart, whose
jobs finish in either order. So each object carries its upload's sequencer as metadata
and is written on condition that it is still the one that was looked at.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.objects import LOST_A_RACE, NO_OBJECT
from geoclusters.aws.upload import PartedUpload, checksum_of
from geoclusters.errors import GeoclustersError, printable
from geoclusters.run import RunRecord, Upload, is_newer
from geoclusters.status import State, Status, progress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRIES = 20


class SupersededError(GeoclustersError):
    """A newer upload of the same key answers at this place; the run ends here."""


class _Found(NamedTuple):
    """What stands at a key: the condition for replacing it, and whose it is."""

    etag: str | None
    sequencer: str
    body: bytes = b""
    #: Of the bytes, where it was asked for.
    checksum: str | None = None


_NOTHING = _Found(None, "")


class Outputs:
    """The answers to one upload."""

    def __init__(self, s3: "S3Client", upload: Upload) -> None:
        self._s3 = s3
        self._upload = upload

    def put(self, name: str, body: bytes, content_type: str) -> None:
        """Write a result file.

        Raises
        ------
        SupersededError
            If a newer upload's file stands there. The run's own status says so then.
        """
        key = self._upload.output_prefix + name
        for _ in range(_TRIES):
            if self._try_to_put(self._look(key), key, body, content_type):
                return
        raise _contention(key)

    @contextmanager
    def stream(self, name: str, content_type: str) -> Iterator[io.BufferedIOBase]:
        """Yield a file to write; it becomes a result file when the block ends.

        So it may be larger than memory: it is uploaded in parts. Where the block ends
        with an exception nothing is left of it.

        Raises
        ------
        SupersededError
            If a newer upload's file stands there, before the block or when it ends. The
            run's own status says so then.
        """
        key = self._upload.output_prefix + name
        self._check_not_superseded(self._look(key))
        upload = PartedUpload(
            self._s3,
            bucket=self._upload.bucket,
            key=key,
            content_type=content_type,
            metadata=self._metadata,
        )
        try:
            with upload.writing() as file:
                yield file
            if upload.small_body is not None:
                self.put(name, upload.small_body, content_type)
            else:
                self._complete(upload, key)
        finally:
            upload.discard()

    def publish(self, status: Status) -> bool:
        """Write `status.json`, unless the run is already past that state.

        A copy stands at the run itself, where later uploads don't reach it.

        Returns
        -------
        bool
            Whether it was written.

        Raises
        ------
        SupersededError
            If a newer upload's status stands there. The run's own status says so then.
        """
        body = status.to_json().encode()
        written = self._advance(
            self._upload.output_prefix + layout.STATUS_NAME, status.state, body
        )
        if written:
            self._keep(status.state, body)
        return written

    def state(self) -> State | None:
        """Return the state that this upload's run was last said to be in, if any.

        Raises
        ------
        SupersededError
            If a newer upload's status stands there. The run's own status says so then.
        """
        found = self._read(self._upload.output_prefix + layout.STATUS_NAME)
        self._check_not_superseded(found)
        state = self._state_of_this_run(found)
        if state is not None and state.is_final:
            self._keep(state, found.body)  # who wrote it may have failed before this
        return state

    def superseded(self) -> SupersededError:
        """Say in the run's own status that a newer upload answers; return the error.

        A run that had ended before keeps its status.
        """
        message = f"A newer upload of {printable(self._upload.uri)} answers instead."
        status = Status(upload=self._upload, state=State.SUPERSEDED, message=message)
        self._keep(status.state, status.to_json().encode())
        return SupersededError(message)

    def _keep(self, state: State, body: bytes) -> None:
        """Write the run's own copy of its status."""
        self._advance(layout.run_status_key(self._upload.run_id), state, body)

    def _advance(self, key: str, state: State, body: bytes) -> bool:
        """Replace a status, unless this run is already past that state there."""
        for _ in range(_TRIES):
            found = self._read(key)
            earlier = self._state_of_this_run(found)
            if earlier is not None and not state.may_follow(earlier):
                return False
            if self._try_to_put(found, key, body, "application/json"):
                return True
        raise _contention(key)

    def _complete(self, upload: PartedUpload, key: str) -> None:
        """Let an upload in parts take the place of what stands there.

        S3 keeps the parts when the condition of their completion fails. Where something
        was deleted meanwhile it doesn't, says so at the next try, and that propagates.
        """
        for _ in range(_TRIES):
            found = self._look(key)
            if found.checksum == upload.checksum and self._is_of_this_run(found):
                return  # an earlier attempt did it, perhaps one whose answer was lost
            if self._try_to_replace(found, upload.complete):
                return
        raise _contention(key)

    def _look(self, key: str) -> _Found:
        try:
            answer = self._s3.head_object(
                Bucket=self._upload.bucket, Key=key, ChecksumMode="ENABLED"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_OBJECT:
                return _NOTHING
            raise
        sequencer = answer["Metadata"].get("sequencer", "")
        return _Found(answer["ETag"], sequencer, checksum=checksum_of(answer))

    def _read(self, key: str) -> _Found:
        try:
            answer = self._s3.get_object(Bucket=self._upload.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_OBJECT:
                return _NOTHING
            raise
        sequencer = answer["Metadata"].get("sequencer", "")
        return _Found(answer["ETag"], sequencer, answer["Body"].read())

    def _try_to_put(
        self, found: _Found, key: str, body: bytes, content_type: str
    ) -> bool:
        """Return whether it was replaced: False where someone else was quicker."""
        put = partial(
            self._s3.put_object,
            Bucket=self._upload.bucket,
            Key=key,
            Body=body,
            ContentType=content_type,
            Metadata=self._metadata,
        )
        return self._try_to_replace(found, put)

    def _try_to_replace(self, found: _Found, write: Callable[..., object]) -> bool:
        """Return whether it was replaced: False where someone else was quicker."""
        self._check_not_superseded(found)
        condition: dict[str, Any] = (
            {"IfMatch": found.etag} if found.etag else {"IfNoneMatch": "*"}
        )
        try:
            write(**condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in LOST_A_RACE:
                return False
            raise
        return True

    @property
    def _metadata(self) -> dict[str, str]:
        return {"sequencer": self._upload.sequencer, "run-id": self._upload.run_id}

    def _check_not_superseded(self, found: _Found) -> None:
        if is_newer(found.sequencer, self._upload.sequencer):
            raise self.superseded()

    def _is_of_this_run(self, found: _Found) -> bool:
        return found.sequencer == self._upload.sequencer

    def _state_of_this_run(self, found: _Found) -> State | None:
        if not self._is_of_this_run(found):
            return None
        return progress(json.loads(found.body))


def read_run_record(s3: "S3Client", bucket: str, run_id: str) -> RunRecord:
    """Return a run's record from the data bucket."""
    answer = s3.get_object(Bucket=bucket, Key=layout.run_record_key(run_id))
    return RunRecord.from_json(answer["Body"].read())


def find_run_record(s3: "S3Client", bucket: str, run_id: str) -> RunRecord | None:
    """Return a run's record; None if there is none yet."""
    try:
        return read_run_record(s3, bucket, run_id)
    except ClientError as error:
        if error.response["Error"]["Code"] in NO_OBJECT:
            return None
        raise


def read_own_status(s3: "S3Client", bucket: str, run_id: str, **condition: Any) -> Any:
    """Return the status that a run keeps for itself.

    None if there is none yet, or none that fulfils a condition such as `IfMatch`.
    """
    key = layout.run_status_key(run_id)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] in (*NO_OBJECT, "PreconditionFailed"):
            return None
        raise
    return json.loads(answer["Body"].read())


def _contention(key: str) -> GeoclustersError:
    return GeoclustersError(f"{key} changed at each of {_TRIES} tries to write it")
