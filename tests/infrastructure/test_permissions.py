import json
import re

import pytest

from infra.checks import SOME_KEY
from tests.infrastructure.synthesis import Statement, Template, flatten, render

HERE = "<AWS::Region>:<AWS::AccountId>"
JOBS = f"arn:<AWS::Partition>:sagemaker:{HERE}:training-job/geoclusters-de209872-*"
RUN_STATUSES = "runs/*/status.json"
OUTPUT_STATUSES = "output/*/status.json"
TOLD = {f"runs/*/told-{end}" for end in ("SUCCEEDED", "FAILED", "PUT_ASIDE")}

READ = {
    "ingest": {"input/*", "runs/*/run.json", RUN_STATUSES, OUTPUT_STATUSES},
    "start_training": {"runs/*/run.json", RUN_STATUSES, OUTPUT_STATUSES},
    "record_failure": {"runs/*/run.json", RUN_STATUSES, OUTPUT_STATUSES},
    "report": {
        "runs/*/run.json",
        RUN_STATUSES,
        "runs/*/places/*",
        "runs/*/rejected.csv",
        "runs/*/model/*",
        "output/*",
        "boundaries/*",
    },
    "notify": {RUN_STATUSES, *TOLD},
    "sweep": {
        "runs/*/run.json",
        "runs/*/announced-again",
        RUN_STATUSES,
        OUTPUT_STATUSES,
    },
}
WRITTEN = {
    "ingest": {
        "runs/*/places/*",
        "runs/*/train/*",
        "runs/*/rejected.csv",
        "runs/*/run.json",
        RUN_STATUSES,
        OUTPUT_STATUSES,
    },
    "start_training": {RUN_STATUSES, OUTPUT_STATUSES},
    "record_failure": {RUN_STATUSES, OUTPUT_STATUSES},
    "report": {RUN_STATUSES, "output/*"},
    "notify": TOLD,
    "sweep": {"runs/*/announced-again", RUN_STATUSES, OUTPUT_STATUSES},
}
#: What is written in parts, so that an upload may have to be aborted.
ABORTED = {"report": {"output/*"}}
#: What a function may do to its own queue, so that it can be fed from it.
CONSUME = {
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
}


def keys(statements: set[Statement], action: str) -> set[str]:
    return {
        s.resource.removeprefix("<DataBucket.Arn>/")
        for s in statements
        if s.action == action
    }


def listed(statements: set[Statement]) -> set[str]:
    """Return the prefixes that may be listed."""
    (statement,) = (s for s in statements if s.action == "s3:ListBucket")
    assert statement.resource == "<DataBucket.Arn>"
    condition = json.loads(statement.condition)
    assert condition.keys() == {"StringLike"}
    assert condition["StringLike"].keys() == {"s3:prefix"}
    return set(condition["StringLike"]["s3:prefix"])


def actions(statements: set[Statement], service: str) -> set[tuple[str, str]]:
    return {
        (s.action, s.resource) for s in statements if s.action.startswith(f"{service}:")
    }


@pytest.mark.parametrize("name", READ)
def test_a_function_reads_writes_and_lists_its_own_keys_only(
    template: Template, name: str
) -> None:
    allowed = template.allowed(template.role_of(name))

    assert keys(allowed, "s3:GetObject") == READ[name]
    assert keys(allowed, "s3:PutObject") == WRITTEN[name]
    assert listed(allowed) == READ[name] | WRITTEN[name]
    assert keys(allowed, "s3:AbortMultipartUpload") == ABORTED.get(name, set())
    assert {action for action, _ in actions(allowed, "s3")} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        *(["s3:AbortMultipartUpload"] if name in ABORTED else []),
    }


@pytest.mark.parametrize("name", READ)
def test_a_function_writes_logs_into_its_own_group_only(
    template: Template, name: str
) -> None:
    group = render(template.function(name).properties["LoggingConfig"]["LogGroup"])

    assert actions(template.allowed(template.role_of(name)), "logs") == {
        ("logs:CreateLogStream", group.replace(">", ".Arn>")),
        ("logs:PutLogEvents", group.replace(">", ".Arn>")),
    }


@pytest.mark.parametrize(
    ("name", "queue", "sends_to"),
    [
        ("ingest", "UploadsQueue", ["JobsQueue"]),
        ("start_training", "JobsQueue", ["JobsDeadLetters"]),
        ("record_failure", "FailuresQueue", []),
        ("report", "ModelsQueue", []),
        ("notify", "StatusesQueue", []),
    ],
)
def test_a_function_is_fed_from_its_queue_and_sends_where_it_must(
    template: Template, name: str, queue: str, sends_to: list[str]
) -> None:
    def arn(having: str) -> str:
        return f"<{template.one('AWS::SQS::Queue', having=having).logical_id}.Arn>"

    assert actions(template.allowed(template.role_of(name)), "sqs") == {
        *((action, arn(queue)) for action in CONSUME),
        *(("sqs:SendMessage", arn(target)) for target in sends_to),
    }


def test_the_sweep_looks_at_dead_letters_and_sends_on_what_was_undelivered(
    template: Template,
) -> None:
    def queues(action: str) -> set[str]:
        allowed = actions(template.allowed(template.role_of("sweep")), "sqs")
        return {
            re.sub(r"[0-9A-F]{8}\.Arn", "", resource).strip("<>")
            for found, resource in allowed
            if found == f"sqs:{action}"
        }

    fed = {"IngestUploads", "RecordFailureFailures", "ReportModels"}
    dead = {f"{name}DeadLetters" for name in fed | {"StartTrainingJobs"}}
    undelivered = {f"{name}Undelivered" for name in fed}
    assert queues("ReceiveMessage") == dead | undelivered
    assert queues("ChangeMessageVisibility") == dead
    assert queues("DeleteMessage") == undelivered
    assert queues("SendMessage") == {f"{name}Queue" for name in fed}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ingest", set()),
        ("record_failure", set()),
        ("notify", set()),
        ("report", {"sagemaker:DescribeTrainingJob"}),
        (
            "start_training",
            {
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
            },
        ),
    ],
)
def test_training_jobs_of_this_stack_only_are_started_and_described(
    template: Template, name: str, expected: set[str]
) -> None:
    allowed = template.allowed(template.role_of(name))

    assert actions(allowed, "sagemaker") == {(action, JOBS) for action in expected}


def test_the_sweep_lists_all_training_jobs_and_stops_those_of_this_stack(
    template: Template,
) -> None:
    allowed = template.allowed(template.role_of("sweep"))

    assert actions(allowed, "sagemaker") == {
        ("sagemaker:ListTrainingJobs", "*"),
        ("sagemaker:DescribeTrainingJob", JOBS),
        ("sagemaker:StopTrainingJob", JOBS),
    }


def test_only_notify_tells_of_runs_and_uses_the_topics_key(
    template: Template,
) -> None:
    topic = template.one("AWS::SNS::Topic", having="Runs").logical_id
    key = template.one("AWS::KMS::Key").logical_id
    telling = {
        (name, action, resource)
        for name in READ
        for service in ("sns", "kms")
        for action, resource in actions(
            template.allowed(template.role_of(name)), service
        )
    }

    assert telling == {
        ("notify", "sns:Publish", f"<{topic}>"),
        ("notify", "kms:Decrypt", f"<{key}.Arn>"),
        ("notify", "kms:GenerateDataKey", f"<{key}.Arn>"),
    }


def test_only_start_training_passes_the_training_role_and_only_to_sagemaker(
    template: Template,
) -> None:
    passing = {
        (name, s)
        for name in READ
        for s in template.allowed(template.role_of(name))
        if s.action.startswith("iam:")
    }

    assert passing == {
        (
            "start_training",
            Statement(
                "iam:PassRole",
                f"<{template.training_role()}.Arn>",
                render(
                    {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
                ),
            ),
        )
    }


def test_sagemaker_takes_the_training_role_for_this_account_only(
    template: Template,
) -> None:
    role = template.body["Resources"][template.training_role()]["Properties"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_training_reads_training_data_writes_models_and_reports_on_itself(
    template: Template,
) -> None:
    allowed = template.allowed(template.training_role())

    assert keys(allowed, "s3:GetObject") == {"runs/*/train/*"}
    assert keys(allowed, "s3:PutObject") == {"runs/*/model/*"}
    assert listed(allowed) == {"runs/*/train/*", "runs/*/model/*"}
    group = f"arn:<AWS::Partition>:logs:{HERE}:log-group:/aws/sagemaker/TrainingJobs*"
    assert actions(allowed, "logs") == {
        (f"logs:{action}", group)
        for action in (
            *("CreateLogGroup", "CreateLogStream"),
            *("DescribeLogStreams", "PutLogEvents"),
        )
    }
    (metrics,) = (s for s in allowed if s.action == "cloudwatch:PutMetricData")
    assert json.loads(metrics.condition) == {
        "StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}
    }
    assert {s.action.partition(":")[0] for s in allowed} == {
        "s3",
        "logs",
        "cloudwatch",
    }


def test_analysts_put_uploads_and_borders_read_results_and_nothing_else(
    template: Template,
) -> None:
    policy = template.one("AWS::IAM::ManagedPolicy")
    allowed = set(flatten(policy))

    assert keys(allowed, "s3:PutObject") == {"input/*", "boundaries/*"}
    # uploads are copied onto themselves to run again
    assert keys(allowed, "s3:GetObject") == {"input/*", "output/*"}
    assert listed(allowed) == {"input/*", "boundaries/*", "output/*"}
    assert len(allowed) == 5
    # Nobody has it until somebody attaches it.
    assert not policy.properties.keys() & {"Groups", "Roles", "Users"}


def test_no_policy_allows_everything_of_anything_but_what_has_no_arn(
    template: Template,
) -> None:
    roles = [role.logical_id for role in template.all("AWS::IAM::Role")]
    statements = {s for role in roles for s in template.allowed(role)}

    assert len(roles) == 7
    assert not [s for s in statements if "*" in s.action]
    assert {s.action for s in statements if s.resource == "*"} == {
        "cloudwatch:PutMetricData",
        "sagemaker:ListTrainingJobs",
    }
    assert not [s for s in statements if re.search(r"DataBucket\.Arn>/?\*", s.resource)]


S3_HERE = {"Fn::Join": ["", ["s3.", {"Ref": "AWS::Region"}, ".amazonaws.com*"]]}
BY_S3 = render({"StringLike": {"kms:ViaService": S3_HERE}})
#: Of everybody who reads and writes the bucket.
USE_OF_THE_KEY = {
    Statement("kms:Decrypt", SOME_KEY, BY_S3),
    Statement("kms:GenerateDataKey", SOME_KEY, BY_S3),
}


def added(under_a_key: Template, template: Template, role: str) -> set[Statement]:
    """Return what a role may with a customer's own key, and not without."""
    without, with_ = template.allowed(role), under_a_key.allowed(role)
    assert without <= with_
    return with_ - without


@pytest.mark.parametrize("name", READ)
def test_a_function_uses_the_customers_key_by_way_of_s3_only(
    template: Template, under_a_key: Template, name: str
) -> None:
    assert added(under_a_key, template, template.role_of(name)) == USE_OF_THE_KEY


def test_training_uses_the_customers_key_for_models_and_disks_too(
    template: Template, under_a_key: Template
) -> None:
    assert added(under_a_key, template, template.training_role()) == {
        *USE_OF_THE_KEY,
        Statement("kms:Encrypt", SOME_KEY),
        Statement(
            "kms:CreateGrant",
            SOME_KEY,
            render({"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        ),
    }


def test_analysts_use_the_customers_key_by_way_of_s3_only(
    template: Template, under_a_key: Template
) -> None:
    without, with_ = (
        set(flatten(one.one("AWS::IAM::ManagedPolicy")))
        for one in (template, under_a_key)
    )
    assert with_ - without == USE_OF_THE_KEY
    assert without < with_


def test_without_a_customers_key_only_notify_uses_one_that_of_the_topics(
    template: Template,
) -> None:
    key = template.one("AWS::KMS::Key").logical_id
    roles = [role.logical_id for role in template.all("AWS::IAM::Role")]
    used = {
        (role, resource)
        for role in roles
        for _, resource in actions(template.allowed(role), "kms")
    }
    assert used == {(template.role_of("notify"), f"<{key}.Arn>")}
    assert not actions(set(flatten(template.one("AWS::IAM::ManagedPolicy"))), "kms")


def test_every_policy_belongs_to_one_role_of_the_stack(template: Template) -> None:
    for policy in template.all("AWS::IAM::Policy"):
        assert len(policy.properties["Roles"]) == 1
