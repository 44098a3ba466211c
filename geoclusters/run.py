"""The run record: everything that a later step needs to know about a run.

`ingest` writes it to `runs/<run-id>/run.json` once everything that it speaks of is
there; no other function changes it.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import unquote_plus

from geoclusters import layout
from geoclusters.errors import RunRecordError

SCHEMA_VERSION = 1

#: What reading another document as a run record raises.
_NO_RECORD = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The object whose arrival started a run."""

    bucket: str
    key: str
    #: Without quotation marks.
    etag: str
    #: Orders the events of one key; see `layout.run_id` and `is_newer`.
    sequencer: str
    #: In bytes.
    size: int
    #: What S3 answered to the upload; known once the object was opened.
    version_id: str | None = None

    @property
    def run_id(self) -> str:
        """The id of the one run that this upload starts."""
        return layout.run_id(
            bucket=self.bucket, key=self.key, etag=self.etag, sequencer=self.sequencer
        )

    @property
    def uri(self) -> str:
        """The upload's address, for people."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def output_prefix(self) -> str:
        """Where its results go."""
        return layout.output_prefix(self.key)

    @property
    def decoded(self) -> Self:
        """The upload that an event means whose key is encoded, as in an address."""
        return replace(self, key=unquote_plus(self.key))


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What `ingest` found and wrote."""

    upload: Upload
    #: Number of clusters asked for.
    k: int
    #: A name in `geodesy.GEOMETRIES`.
    geometry: str
    #: One of `parameters.REFINEMENTS`.
    refine: str
    #: The file under boundaries/ with the borders asked for, if any.
    boundary: str | None
    #: The parameters that the upload's owner gave, by name; …
    parameters: dict[str, Any]
    #: … and the key of the file of parameters, where there was one.
    parameters_file: str | None
    #: Which columns were read, how, and why; see `tables.reader.Table.columns`.
    columns: dict[str, str]
    #: What was found out about the file; see `tables.reader.Table.detected`.
    table: dict[str, str | int]
    #: Rows of the table, the header not counted.
    rows_read: int
    rows_usable: int
    #: Different places among them; an estimate where there are too many to count.
    distinct_places: int
    distinct_places_exact: bool
    #: For each reason why rows were left out: how many `rows`, and the `first` ones.
    left_out: dict[str, Any]
    #: Subtracted from the features before they became float32; length feature_dim.
    centre: tuple[float, ...]
    #: Number of parts under places/.
    places_parts: int
    #: Number of shards under train/, and their size in bytes.
    train_parts: int
    train_bytes: int
    #: When ingest began, ISO 8601 in UTC, …
    created_at: str
    #: … and when all but the record was written; None in older records.
    prepared_at: str | None = None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.upload.run_id

    @property
    def feature_dim(self) -> int:
        """Number of features of a training record."""
        return len(self.centre)

    @property
    def preparation_s(self) -> float | None:
        """How long ingest took, in seconds, where that is known."""
        if self.prepared_at is None:
            return None
        begun, done = map(datetime.fromisoformat, (self.created_at, self.prepared_at))
        return (done - begun).total_seconds()

    def to_json(self) -> str:
        """Return the record as the text of `run.json`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            **asdict(self),
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a record from the text of `run.json`.

        Raises
        ------
        RunRecordError
            If it is of another schema version, or no run record.
        """
        try:
            document = json.loads(text)
            version = document.pop("schema_version")
            if version != SCHEMA_VERSION:
                msg = f"run.json has schema version {version}, not {SCHEMA_VERSION}"
                raise RunRecordError(msg)
            run_id = document.pop("run_id")
            document["upload"] = Upload(**document["upload"])
            document["centre"] = tuple(document["centre"])
            record = cls(**document)
            own_run_id = record.run_id
        except _NO_RECORD as error:
            msg = f"run.json is no run record: {error!r}"
            raise RunRecordError(msg) from error
        if own_run_id != run_id:
            msg = f"run.json says run {run_id}, its upload says {own_run_id}"
            raise RunRecordError(msg)
        return record


def is_newer(sequencer: str, other: str) -> bool:
    """Return whether an event of a key came after another of the same key.

    Sequencers are hexadecimal strings, compared after filling up the shorter one with
    zeros on the right:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    width = max(len(sequencer), len(other))
    return sequencer.upper().ljust(width, "0") > other.upper().ljust(width, "0")
