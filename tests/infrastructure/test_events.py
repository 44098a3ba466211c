import functools
from typing import Any

import pytest

from geoclusters import layout
from tests.infrastructure.synthesis import Template

BUCKET = {"name": [{"Ref": "DataBucket"}]}
PREFIXES = [
    layout.INPUT_PREFIX,
    layout.BOUNDARIES_PREFIX,
    layout.RUNS_PREFIX,
    layout.OUTPUT_PREFIX,
]


def pattern(template: Template, having: str) -> dict[str, Any]:
    rule = template.one("AWS::Events::Rule", having=having)
    return rule.properties["EventPattern"]  # type: ignore[no-any-return]


def wildcards(template: Template, having: str) -> list[str]:
    keys = pattern(template, having)["detail"]["object"]["key"]
    return [key.get("wildcard") or f"{key['prefix']}*" for key in keys]


@functools.cache
def meet(one: str, other: str) -> bool:
    """Say whether any string matches both of two patterns with asterisks."""
    if not one or not other:
        return set(one + other) <= {"*"}
    if one[0] == "*":
        return meet(one[1:], other) or meet(one, other[1:])
    if other[0] == "*":
        return meet(other, one)
    return one[0] == other[0] and meet(one[1:], other[1:])


def written_keys(template: Template, role: str) -> set[str]:
    return {
        statement.resource.removeprefix("<DataBucket.Arn>/")
        for statement in template.allowed(role)
        if statement.action == "s3:PutObject"
    }


def test_uploads_are_all_that_is_put_under_input_in_this_bucket(
    template: Template,
) -> None:
    assert pattern(template, "Uploads") == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": BUCKET,
            "object": {
                "key": [{"prefix": "input/"}],
            },
        },
    }


def test_models_are_what_sagemaker_writes_for_a_run_in_this_bucket(
    template: Template,
) -> None:
    assert pattern(template, "Models") == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": BUCKET,
            "object": {"key": [{"wildcard": "runs/*/model/*/output/model.tar.gz"}]},
        },
    }


def test_failures_are_this_stacks_training_jobs_that_failed_or_were_stopped(
    template: Template,
) -> None:
    assert pattern(template, "Failures") == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
        "detail": {
            "TrainingJobName": [{"prefix": "geoclusters-de209872-"}],
            "TrainingJobStatus": ["Failed", "Stopped"],
        },
    }


def test_statuses_are_those_that_runs_keep_for_themselves(template: Template) -> None:
    detail = pattern(template, "Statuses")["detail"]

    assert detail == {
        "bucket": BUCKET,
        "object": {"key": [{"wildcard": "runs/*/status.json"}]},
    }


def test_the_sweep_is_started_every_quarter_of_an_hour(template: Template) -> None:
    rule = template.one("AWS::Events::Rule", having="Schedule").properties

    assert rule["ScheduleExpression"] == "rate(15 minutes)"
    assert rule["State"] == "ENABLED"
    (target,) = rule["Targets"]
    sweep = template.function("sweep").logical_id
    assert target["Arn"] == {"Fn::GetAtt": [sweep, "Arn"]}


def test_there_are_no_other_rules(template: Template) -> None:
    assert len(template.all("AWS::Events::Rule")) == 5


def test_the_failures_rule_and_the_functions_name_training_jobs_alike(
    template: Template,
) -> None:
    prefix = pattern(template, "Failures")["detail"]["TrainingJobName"][0]["prefix"]

    for name in ("start_training", "record_failure"):
        environment = template.environment(template.function(name))
        assert f"{environment['JOB_NAME_PREFIX']}-" == prefix


def test_prefixes_are_disjoint() -> None:
    for one in PREFIXES:
        assert one.endswith("/")
        assert [p for p in PREFIXES if p.startswith(one)] == [one]


@pytest.mark.parametrize(
    ("rule", "function"),
    [("Uploads", "ingest"), ("Models", "report"), ("Statuses", "notify")],
)
def test_no_rule_matches_what_its_own_function_may_write(
    template: Template, rule: str, function: str
) -> None:
    written = written_keys(template, template.role_of(function))

    assert written
    for wildcard in wildcards(template, rule):
        assert not [key for key in written if meet(wildcard, key)]


def test_the_models_rule_matches_what_the_training_role_may_write(
    template: Template,
) -> None:
    written = written_keys(template, template.training_role())
    (wildcard,) = wildcards(template, "Models")

    assert any(meet(wildcard, key) for key in written)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a*c", "abc", True),
        ("a*", "*b", True),
        ("a*", "b*", False),
        ("*.csv", "x/*/status.json", False),
        ("", "**", True),
        ("", "a", False),
    ],
)
def test_patterns_meet_where_some_string_matches_both(
    one: str, other: str, expected: bool
) -> None:
    assert meet(one, other) is expected
