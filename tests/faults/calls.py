"""Every AWS call that a function makes: a call that isn't listed here fails a test.

As `tests/faults/proxy.py` names them: the operation and, for S3, the key's pattern.
Those of the second list are made only after something went wrong.
"""

from typing import Final, NamedTuple


class Calls(NamedTuple):
    """The calls of one function, or of one of its ways."""

    always: frozenset[str]
    after_faults: frozenset[str] = frozenset()


_OUTPUT_STATUS = {"GetObject output/*/status.json", "PutObject output/*/status.json"}
_RUN_STATUS = {"GetObject runs/*/status.json", "PutObject runs/*/status.json"}

_RESULTS = (
    "assignments.csv",
    "centroids.csv",
    "centroids.geojson",
    "clusters.gpkg",
    "map.html",
    "map.png",
    "rejected.csv",
)
_HIDING = frozenset({"ChangeMessageVisibility"})

INGEST: Final = Calls(
    always=frozenset(
        {
            *_OUTPUT_STATUS,
            *_RUN_STATUS,
            "GetObject runs/*/run.json",
            "GetObject input/*.csv",
            "GetObject input/*.json",
            "PutObject runs/*/places/part-*.npy",
            "PutObject runs/*/train/part-*.pbr",
            "PutObject runs/*/rejected.csv",
            "PutObject runs/*/run.json",
            "SendMessage",
        }
    ),
    after_faults=_HIDING,
)

#: Of an archive more than one part is read.
INGEST_ZIP: Final = Calls(
    always=INGEST.always - {"GetObject input/*.csv"} | {"GetObject input/*.zip"},
    after_faults=_HIDING,
)

#: Where the event's key may be an encoded one.
INGEST_ENCODED: Final = Calls(
    always=INGEST.always | {"HeadObject input/*.csv"}, after_faults=_HIDING
)

INGEST_BAD: Final = Calls(
    always=frozenset(
        {
            *_OUTPUT_STATUS,
            *_RUN_STATUS,
            "GetObject runs/*/run.json",
            "GetObject input/*.csv",
            "GetObject input/*.json",
        }
    ),
    after_faults=_HIDING,
)

#: Where the key is too long for its outputs.
INGEST_REJECTED: Final = Calls(
    always=frozenset(
        {
            "GetObject output/*/*/status.json",
            "PutObject output/*/*/status.json",
            *_RUN_STATUS,
            "GetObject runs/*/run.json",
            "GetObject input/*.csv",
        }
    ),
    after_faults=_HIDING,
)

#: Of an upload that was overwritten before it was read.
INGEST_SUPERSEDED: Final = Calls(
    always=frozenset({*_RUN_STATUS, "GetObject output/*/status.json"}),
    after_faults=_HIDING,
)

INGEST_PARAMETERS: Final = Calls(
    always=INGEST_BAD.always - {"GetObject input/*.csv"}, after_faults=_HIDING
)

START_TRAINING: Final = Calls(
    always=frozenset(
        {
            *_OUTPUT_STATUS,
            *_RUN_STATUS,
            "GetObject runs/*/run.json",
            "CreateTrainingJob",
        }
    ),
    after_faults=_HIDING | {"DescribeTrainingJob"},
)

#: Where the job was created before.
START_TRAINING_AGAIN: Final = Calls(
    always=START_TRAINING.always | {"DescribeTrainingJob"}, after_faults=_HIDING
)

#: Where SageMaker has no room for the job.
START_TRAINING_LATER: Final = Calls(
    always=START_TRAINING.always | _HIDING, after_faults=_HIDING
)

#: Of what failed five times in a row.
START_TRAINING_NEVER: Final = Calls(
    always=frozenset({"GetObject runs/*/status.json", "SendMessage"}),
    after_faults=_HIDING,
)

RECORD_FAILURE: Final = Calls(
    always=frozenset({*_OUTPUT_STATUS, *_RUN_STATUS, "GetObject runs/*/run.json"}),
    after_faults=_HIDING,
)

#: Of a run whose upload was overwritten meanwhile.
_SUPERSEDED: Final = frozenset(
    {*_RUN_STATUS, "GetObject output/*/status.json", "GetObject runs/*/run.json"}
)
RECORD_FAILURE_SUPERSEDED: Final = Calls(_SUPERSEDED, after_faults=_HIDING)
START_TRAINING_SUPERSEDED: Final = Calls(_SUPERSEDED, after_faults=_HIDING)
REPORT_SUPERSEDED: Final = Calls(_SUPERSEDED, after_faults=_HIDING)

REPORT: Final = Calls(
    always=frozenset(
        {
            *_OUTPUT_STATUS,
            *_RUN_STATUS,
            "GetObject runs/*/run.json",
            "GetObject runs/*/rejected.csv",
            "GetObject runs/*/places/part-*.npy",
            "GetObject runs/*/model/*/output/model.tar.gz",
            "DescribeTrainingJob",
            *(
                f"{operation} output/*/{name}"
                for operation in ("HeadObject", "PutObject")
                for name in _RESULTS
            ),
        }
    ),
    after_faults=_HIDING,
)

REPORT_IN_PARTS: Final = Calls(
    always=(REPORT.always - {"PutObject output/*/assignments.csv"})
    | {
        f"{operation} output/*/assignments.csv"
        for operation in (
            "CreateMultipartUpload",
            "UploadPart",
            "CompleteMultipartUpload",
        )
    },
    after_faults=_HIDING | {"AbortMultipartUpload output/*/assignments.csv"},
)

REPORT_REFINED: Final = Calls(
    always=REPORT.always
    | {
        "GetObject boundaries/areas.geojson",
        "HeadObject output/*/trained_centroids.csv",
        "PutObject output/*/trained_centroids.csv",
    },
    after_faults=_HIDING,
)


REPORT_WITHOUT_BORDERS: Final = Calls(
    always=REPORT.always | {"GetObject boundaries/nowhere.geojson"},
    after_faults=_HIDING,
)

#: Of a model whose job isn't Completed yet.
REPORT_LATER: Final = Calls(
    always=frozenset(
        {
            "GetObject output/*/status.json",
            "GetObject runs/*/run.json",
            "DescribeTrainingJob",
            *_HIDING,
        }
    ),
    after_faults=_HIDING,
)


def _notify(end: str) -> Calls:
    return Calls(
        always=frozenset(
            {
                "GetObject runs/*/status.json",
                f"GetObject runs/*/told-{end}",
                f"PutObject runs/*/told-{end}",
                "Publish",
            }
        ),
        after_faults=_HIDING,
    )


NOTIFY: Final = _notify("FAILED")
NOTIFY_SUCCEEDED: Final = _notify("SUCCEEDED")
NOTIFY_PUT_ASIDE: Final = _notify("PUT_ASIDE")

SWEEP: Final = Calls(
    always=frozenset(
        {
            *_OUTPUT_STATUS,
            *_RUN_STATUS,
            "GetObject runs/*/run.json",
            "HeadObject runs/*/announced-again",
            "PutObject runs/*/announced-again",
            "ListTrainingJobs",
            "ReceiveMessage",
            "SendMessage",
            "DeleteMessage",
            "ChangeMessageVisibility",
        }
    ),
)

_SWEEP_OF_JOBS: Final = frozenset(
    {
        *_OUTPUT_STATUS,
        *_RUN_STATUS,
        "GetObject runs/*/run.json",
        "ListTrainingJobs",
        "DescribeTrainingJob",
        "ReceiveMessage",
    }
)
SWEEP_FAILED: Final = Calls(always=_SWEEP_OF_JOBS)
SWEEP_OVERDUE: Final = Calls(always=_SWEEP_OF_JOBS | {"StopTrainingJob"})

#: All of them.
ALL: Final = frozenset[str]().union(
    *(
        one.always | one.after_faults
        for one in list(globals().values())
        if isinstance(one, Calls)
    )
)
