"""`status.json`: the one file to poll for an upload's answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from geoclusters.run import RunRecord, Upload

SCHEMA_VERSION = 1


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "QUEUED"
    TRAINING = "TRAINING"
    REPORTING = "REPORTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (State.SUCCEEDED, State.FAILED, State.SUPERSEDED)

    def may_follow(self, earlier: "State") -> bool:
        """Return whether a run in the state `earlier` may enter this one.

        Events come twice and out of order; a run never goes back.
        """
        return not earlier.is_final and _ORDER.index(self) >= _ORDER.index(earlier)


_ORDER = tuple(State)

#: Says of a FAILED run that it failed for a fault of geoclusters' own.
PUT_ASIDE: Final = "put_aside"


class End(StrEnum):
    """An end of a run that who wants to know is told of."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    #: Sent back after a mend, the run has another end; that is told too.
    PUT_ASIDE = "PUT_ASIDE"

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "End | None":
        """Return the end that a status tells of; None if it tells of none."""
        if document.get(PUT_ASIDE):
            return cls.PUT_ASIDE
        return next((end for end in cls if end == document["state"]), None)


def progress(document: Mapping[str, Any]) -> State:
    """Return how far a status says that its run is.

    A run that was put aside counts as one that only waits: its message, sent back after
    a mend, takes it up again.
    """
    return State.QUEUED if document.get(PUT_ASIDE) else State(document["state"])


@dataclass(frozen=True, kw_only=True)
class Status:
    """What `status.json` says of a run.

    Figures that a step knows go into `figures`, under the names that docs/status.md
    explains.
    """

    upload: Upload
    state: State
    #: For people: what happens now, or what went wrong and what to do.
    message: str
    #: Names of the result files beside `status.json`; it is written after them.
    files: tuple[str, ...] = ()
    #: What the user should know although the run succeeded.
    warnings: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of `status.json`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "state": self.state,
            "message": self.message,
            "run_id": self.upload.run_id,
            "upload": {
                "uri": self.upload.uri,
                "version_id": self.upload.version_id,
                "etag": self.upload.etag,
                "sequencer": self.upload.sequencer,
                "size": self.upload.size,
            },
            "updated_at": now(),
            **self.figures,
            "warnings": self.warnings,
            "files": self.files,
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def run_figures(record: RunRecord) -> dict[str, Any]:
    """Return the figures that are known of a run once its upload was read."""
    return {
        "k": record.k,
        "geometry": record.geometry,
        "refine": record.refine,
        "boundary": record.boundary,
        "parameters": record.parameters,
        "parameters_file": record.parameters_file,
        "columns": record.columns,
        "table": record.table,
        "rows": {
            "read": record.rows_read,
            "usable": record.rows_usable,
            "duplicates": record.rows_usable - record.distinct_places,
            "duplicates_exact": record.distinct_places_exact,
            "left_out": record.left_out,
        },
    }


def status_of_job(
    record: RunRecord, state: State, message: str, job_name: str, **more: Any
) -> Status:
    """Return the status of a run that has a training job; `more` are other figures."""
    return Status(
        upload=record.upload,
        state=state,
        message=message,
        figures={**run_figures(record), "training_job": job_name, **more},
    )


def now() -> str:
    """Return the time, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
