"""Every AWS call that a function makes: a call that isn't listed here fails a test.

As `tests/faults/proxy.py` names them: the operation and, for S3, the key's pattern.
Those of the second list are made only after something went wrong.
"""

from typing import Final, NamedTuple


class Calls(NamedTuple):
    """The calls of one function."""

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

RECORD_FAILURE: Final = Calls(
    always=frozenset({*_OUTPUT_STATUS, *_RUN_STATUS, "GetObject runs/*/run.json"}),
    after_faults=_HIDING,
)

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

NOTIFY: Final = Calls(
    always=frozenset(
        {
            "GetObject runs/*/status.json",
            "HeadObject runs/*/told-FAILED",
            "PutObject runs/*/told-FAILED",
            "Publish",
        }
    ),
    after_faults=_HIDING,
)

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
