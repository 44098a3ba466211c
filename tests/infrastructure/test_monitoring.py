import json
from typing import Any

import pytest

from infra.settings import Settings, SettingsError
from tests.infrastructure.synthesis import Resource, Template, render, synthesise
from tests.infrastructure.test_queues import dead_letter_arns, sources

CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}
HERE = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def alarms_on(template: Template, metric: str) -> dict[str, Resource]:
    """Return the alarms on a metric, by what they watch."""
    return {
        render(dimension["Value"]): alarm
        for alarm in template.all("AWS::CloudWatch::Alarm")
        if alarm.properties["MetricName"] == metric
        for dimension in alarm.properties["Dimensions"]
    }


def queue_names(template: Template, arns: set[str]) -> set[str]:
    return {arn.replace(".Arn>", ".QueueName>") for arn in arns}


def statements(policy: dict[str, Any], service: dict[str, str]) -> list[dict[str, Any]]:
    return [s for s in policy["Statement"] if s["Principal"] == service]


def test_every_alarm_tells_the_topic_and_says_what_to_do(template: Template) -> None:
    topic = template.one("AWS::SNS::Topic", having="Alarms").logical_id

    for alarm in template.all("AWS::CloudWatch::Alarm"):
        properties = alarm.properties
        assert properties["AlarmActions"] == [{"Ref": topic}]
        assert "OKActions" not in properties
        assert properties["TreatMissingData"] == "notBreaching"
        assert properties["ComparisonOperator"] == "GreaterThanThreshold"
        assert len(render(properties["AlarmDescription"])) > 40


def test_every_dead_letter_raises_an_alarm(template: Template) -> None:
    found = alarms_on(template, "ApproximateNumberOfMessagesVisible")

    assert found.keys() == queue_names(template, dead_letter_arns(template))
    for alarm in found.values():
        assert alarm.properties["Threshold"] == 0
        assert "make redrive" in alarm.properties["AlarmDescription"]


def test_every_functions_errors_raise_an_alarm(template: Template) -> None:
    found = alarms_on(template, "Errors")

    functions = template.all("AWS::Lambda::Function")
    assert found.keys() == {f"<{function.logical_id}>" for function in functions}
    for alarm in found.values():
        assert (alarm.properties["Threshold"], alarm.properties["Statistic"]) == (
            0,
            "Sum",
        )


def test_every_queue_that_stands_still_raises_an_alarm(template: Template) -> None:
    found = alarms_on(template, "ApproximateAgeOfOldestMessage")

    assert found.keys() == {
        f"<{queue.logical_id}.QueueName>" for _, queue, _ in sources(template)
    }
    for name, alarm in found.items():
        # A run may wait 12 hours for SageMaker's quotas.
        hours = 14 if "Jobs" in name else 2
        assert alarm.properties["Threshold"] == hours * 3600


def test_failed_jobs_raise_an_alarm(template: Template) -> None:
    (watched,) = alarms_on(template, "NumberOfMessagesSent")

    assert "RecordFailureFailuresQueue" in watched


def test_messages_are_encrypted_under_a_key_that_lets_cloudwatch_in(
    template: Template,
) -> None:
    key = template.one("AWS::KMS::Key")

    assert key.properties["EnableKeyRotation"] is True
    (statement,) = statements(key.properties["KeyPolicy"], CLOUDWATCH)
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert statement["Condition"] == HERE
    for topic in template.all("AWS::SNS::Topic"):
        assert topic.properties["KmsMasterKeyId"] == {
            "Fn::GetAtt": [key.logical_id, "Arn"]
        }


def test_cloudwatch_tells_of_alarms_only_and_nobody_speaks_without_tls(
    template: Template,
) -> None:
    for policy in template.all("AWS::SNS::TopicPolicy"):
        document = policy.properties["PolicyDocument"]
        (topic,) = (render(topic) for topic in policy.properties["Topics"])
        (denied,) = (s for s in document["Statement"] if s["Effect"] == "Deny")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        publishing = statements(document, CLOUDWATCH)
        assert [s["Condition"] for s in publishing] == (
            [HERE] if "Alarms" in topic else []
        )
    assert len(template.all("AWS::SNS::TopicPolicy")) == 2


def test_only_notify_tells_of_runs(template: Template) -> None:
    telling = {
        (role.logical_id, s.resource)
        for role in template.all("AWS::IAM::Role")
        for s in template.allowed(role.logical_id)
        if s.action == "sns:Publish"
    }

    topic = template.one("AWS::SNS::Topic", having="Runs").logical_id
    assert telling == {(template.role_of("notify"), f"<{topic}>")}


def test_nobody_gets_an_e_mail_who_was_not_named() -> None:
    assert not synthesise(Settings()).all("AWS::SNS::Subscription")


def test_who_is_named_gets_an_e_mail() -> None:
    template = synthesise(
        Settings(runs_email="analysts@example.com", alarms_email="ops@example.com")
    )

    assert {
        (subscription.properties["Endpoint"], subscription.properties["Protocol"])
        for subscription in template.all("AWS::SNS::Subscription")
    } == {("analysts@example.com", "email"), ("ops@example.com", "email")}


def test_what_is_no_e_mail_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="runs_email='nobody': expected an e-mail"):
        Settings(runs_email="nobody")


def test_the_dashboard_shows_every_function_and_queue(template: Template) -> None:
    page = json.dumps(template.one("AWS::CloudWatch::Dashboard").properties)

    for function in template.all("AWS::Lambda::Function"):
        assert function.logical_id in page
    for _, queue, _ in sources(template):
        assert queue.logical_id in page
    for alarm in template.all("AWS::CloudWatch::Alarm"):
        assert alarm.logical_id in page
