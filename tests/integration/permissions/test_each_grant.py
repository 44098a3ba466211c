"""Without any one of its grants a role's work fails, and with all of them it doesn't.

What the embedded cloud doesn't ask for, and AWS does, is listed here too: so that each
statement of each role is accounted for.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import pytest

from geoclusters import layout
from geoclusters.status import End, State
from tests.integration.permissions import ways
from tests.integration.permissions.grants import Grant
from tests.integration.permissions.stage import PLACES, STACK, TRAINING, Stage
from tests.integration.permissions.ways import Way

RUN_RECORDS, RUN_STATUSES = "runs/*/run.json", "runs/*/status.json"
OUTPUT_STATUSES = "output/*/status.json"
BOTH_STATUSES = (RUN_STATUSES, OUTPUT_STATUSES)
#: What ingest makes of an upload, some rows of which are left out.
PREPARED = (
    *("runs/*/places/*", "runs/*/train/*"),
    *("runs/*/rejected.csv", RUN_RECORDS),
)
#: What the report reads of a run.
REPORTED = (
    *("runs/*/places/*", "runs/*/rejected.csv", "runs/*/model/*"),
    *(RUN_RECORDS, RUN_STATUSES),
)
MARKERS = "runs/*/announced-again"
TOLD = {
    End.SUCCEEDED: "runs/*/told-SUCCEEDED",
    End.FAILED: "runs/*/told-FAILED",
    End.PUT_ASIDE: "runs/*/told-PUT_ASIDE",
}
JOBS = f"training-job/{layout.job_name_prefix(STACK)}-*"
FED_BY_RULES = ("IngestUploads", "RecordFailureFailures", "ReportModels")
DEAD = [f"{name}DeadLetters" for name in (*FED_BY_RULES, "StartTrainingJobs")]
UNDELIVERED = [f"{name}Undelivered" for name in FED_BY_RULES]
TRAINING_LOGS = "log-group:/aws/sagemaker/TrainingJobs*"

Grants = dict[Grant, Way]


def keys(action: str, *patterns: str) -> list[Grant]:
    return [Grant(f"s3:{action}", f"DataBucket/{pattern}") for pattern in patterns]


def on(resource: str | Iterable[str], *actions: str) -> list[Grant]:
    resources = [resource] if isinstance(resource, str) else resource
    return [Grant(action, resource) for resource in resources for action in actions]


def by(way: Way, *grants: Iterable[Grant]) -> Grants:
    return {grant: way for some in grants for grant in some}


#: Of each role: the way that fails without a grant.
NEEDED: Final[Mapping[str, Grants]] = {
    "ingest": by(
        ways.an_upload_is_read,
        keys("GetObject", "input/*", RUN_RECORDS, *BOTH_STATUSES),
        keys("PutObject", *PREPARED, *BOTH_STATUSES),
        on("StartTrainingJobsQueue", "sqs:SendMessage"),
    )
    | by(
        ways.an_upload_event_without_sense_waits,
        on("IngestUploadsQueue", "sqs:ChangeMessageVisibility"),
    ),
    "start_training": by(
        ways.a_job_is_started,
        keys("GetObject", RUN_RECORDS, *BOTH_STATUSES),
        keys("PutObject", *BOTH_STATUSES),
        on(JOBS, "sagemaker:CreateTrainingJob"),
        on("role/TrainingRole", "iam:PassRole"),
    )
    | by(ways.a_job_is_started_twice, on(JOBS, "sagemaker:DescribeTrainingJob"))
    | by(
        ways.a_job_waits_for_a_quota,
        on("StartTrainingJobsQueue", "sqs:ChangeMessageVisibility"),
    )
    | by(
        ways.a_request_that_failed_too_often_is_put_aside,
        on("StartTrainingJobsDeadLetters", "sqs:SendMessage"),
    ),
    TRAINING: by(
        ways.a_job_trains,
        keys("GetObject", "runs/*/train/*"),
        keys("PutObject", "runs/*/model/*"),
        [Grant("s3:ListBucket", "DataBucket", "runs/*/train/*")],
    )
    | by(
        ways.a_job_writes_its_log,
        on(
            TRAINING_LOGS,
            *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        ),
    )
    | by(ways.a_job_tells_its_metrics, on("*", "cloudwatch:PutMetricData")),
    "report": by(
        ways.a_model_is_reported,
        keys("GetObject", *REPORTED, "output/*", "boundaries/*"),
        keys("PutObject", RUN_STATUSES, "output/*"),
        on(JOBS, "sagemaker:DescribeTrainingJob"),
    )
    | by(
        ways.a_model_before_its_jobs_end_waits,
        on("ReportModelsQueue", "sqs:ChangeMessageVisibility"),
    )
    | by(
        ways.a_large_file_that_nobody_wants_leaves_no_parts,
        keys("AbortMultipartUpload", "output/*"),
    ),
    "record_failure": by(
        ways.a_failure_is_recorded,
        keys("GetObject", RUN_RECORDS, *BOTH_STATUSES),
        keys("PutObject", *BOTH_STATUSES),
    )
    | by(
        ways.a_failure_without_sense_waits,
        on("RecordFailureFailuresQueue", "sqs:ChangeMessageVisibility"),
    ),
    "notify": by(
        ways.a_success_is_told,
        keys("GetObject", RUN_STATUSES, TOLD[End.SUCCEEDED]),
        keys("PutObject", TOLD[End.SUCCEEDED]),
        on("TopicsRuns", "sns:Publish"),
    )
    | by(
        ways.a_failure_is_told,
        keys("GetObject", TOLD[End.FAILED]),
        keys("PutObject", TOLD[End.FAILED]),
    )
    | by(
        ways.a_run_that_was_put_aside_is_told,
        keys("GetObject", TOLD[End.PUT_ASIDE]),
        keys("PutObject", TOLD[End.PUT_ASIDE]),
    )
    | by(
        ways.a_status_event_without_sense_waits,
        on("NotifyStatusesQueue", "sqs:ChangeMessageVisibility"),
    ),
    "sweep": by(
        ways.letters_and_jobs_are_swept,
        keys("GetObject", RUN_RECORDS, MARKERS, *BOTH_STATUSES),
        keys("PutObject", MARKERS, *BOTH_STATUSES),
        on("*", "sagemaker:ListTrainingJobs"),
        on(JOBS, "sagemaker:DescribeTrainingJob"),
        on(DEAD, "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"),
        on(UNDELIVERED, "sqs:ReceiveMessage", "sqs:DeleteMessage"),
        on([f"{name}Queue" for name in FED_BY_RULES], "sqs:SendMessage"),
    )
    | by(ways.a_job_beyond_its_time_is_stopped, on(JOBS, "sagemaker:StopTrainingJob")),
}


def listing(*prefixes: str) -> set[Grant]:
    """S3 answers 404 for a missing key to who may list it, and 403 to others."""
    return {Grant("s3:ListBucket", "DataBucket", prefix) for prefix in prefixes}


def logging(construct: str) -> set[Grant]:
    """Lambda writes a function's log under its role."""
    group = f"log-group:{construct}CodeLogs:*"
    return {*on(group, "logs:CreateLogStream", "logs:PutLogEvents")}


def polling(queue: str) -> set[Grant]:
    """Lambda feeds a function from its queue under its role."""
    actions = ("DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage")
    return {*on(queue, *(f"sqs:{action}" for action in actions))}


#: What AWS alone asks for; docs/security.md has a source for each.
ASKED_BY_AWS_ALONE: Final[Mapping[str, set[Grant]]] = {
    "ingest": listing("input/*", *PREPARED, *BOTH_STATUSES)
    | logging("Ingest")
    | polling("IngestUploadsQueue"),
    "start_training": listing(RUN_RECORDS, *BOTH_STATUSES)
    | logging("StartTraining")
    | polling("StartTrainingJobsQueue"),
    # A job's prefix for its models; and the streams of its log.
    TRAINING: listing("runs/*/model/*")
    | {*on(TRAINING_LOGS, "logs:DescribeLogStreams")},
    "report": listing(*REPORTED, "output/*", "boundaries/*")
    | logging("Report")
    | polling("ReportModelsQueue"),
    "record_failure": listing(RUN_RECORDS, *BOTH_STATUSES)
    | logging("RecordFailure")
    | polling("RecordFailureFailuresQueue"),
    "notify": listing(RUN_STATUSES, *TOLD.values())
    | logging("Notify")
    | polling("NotifyStatusesQueue")
    # The topic's key: its messages are encrypted with it.
    | {*on("key/TopicsKey", "kms:Decrypt", "kms:GenerateDataKey")},
    "sweep": listing(RUN_RECORDS, MARKERS, *BOTH_STATUSES) | logging("Sweep"),
}


def test_each_grant_of_each_role_is_accounted_for(stage: Stage) -> None:
    assert stage.roles.keys() == NEEDED.keys() == ASKED_BY_AWS_ALONE.keys()
    for name, role in stage.roles.items():
        needed, others = NEEDED[name].keys(), ASKED_BY_AWS_ALONE[name]
        assert role.grants.keys() == needed | others, name
        assert not needed & others


@pytest.mark.parametrize(
    ("name", "grant"),
    [(name, grant) for name, grants in NEEDED.items() for grant in grants],
    ids=str,
)
def test_without_a_grant_the_work_fails(stage: Stage, name: str, grant: Grant) -> None:
    with stage.roles[name].without(grant):
        error = NEEDED[name][grant](stage)
    assert is_refusal(error, grant), error


def is_refusal(error: str, grant: Grant) -> bool:
    """Return whether an error says that what was asked for is what was taken away."""
    said = [f"not authorized to perform: {grant.action} "]
    if grant.action == "s3:GetObject":  # the answer to HEAD has no body
        said.append("An error occurred (403) when calling the HeadObject operation")
    return any(words.lower() in error.lower() for words in said)


@pytest.mark.parametrize(
    "way",
    dict.fromkeys(way for grants in NEEDED.values() for way in grants.values()),
    ids=lambda way: way.__name__,
)
def test_with_all_grants_the_work_is_done(stage: Stage, way: Way) -> None:
    assert all(role.is_as_deployed for role in stage.roles.values())
    assert way(stage) == ""


def test_an_upload_still_goes_the_whole_way(stage: Stage) -> None:
    for name in ("Ingest", "StartTraining", "Report", "RecordFailure", "Notify"):
        stage.sqs.purge_queue(QueueUrl=stage.pipeline.queue_url(name))
    stage.feed_themselves(True)
    version = stage.pipeline.upload("last.csv", PLACES, k="3")
    stage.pipeline.wait("last.csv", version, State.SUCCEEDED)
    stage.feed_themselves(False)
