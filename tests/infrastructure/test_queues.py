from typing import Any

import pytest

from tests.infrastructure.synthesis import Resource, Template, render

DAY_S = 24 * 3600


def sources(template: Template) -> list[tuple[Resource, Resource, Resource]]:
    """Return each event source mapping with its queue and its function."""
    by_arn = {
        f"<{r.logical_id}.Arn>": r
        for r in [
            *template.all("AWS::SQS::Queue"),
            *template.all("AWS::Lambda::Function"),
        ]
    } | {f"<{r.logical_id}>": r for r in template.all("AWS::Lambda::Function")}
    return [
        (
            mapping,
            by_arn[render(mapping.properties["EventSourceArn"])],
            by_arn[render(mapping.properties["FunctionName"])],
        )
        for mapping in template.all("AWS::Lambda::EventSourceMapping")
    ]


def rules_of_events(template: Template) -> list[Resource]:
    """Return the rules that match events; a schedule needs no queue."""
    return [
        rule
        for rule in template.all("AWS::Events::Rule")
        if "EventPattern" in rule.properties
    ]


def dead_letter_arns(template: Template) -> set[str]:
    redriven = {
        render(queue.properties["RedrivePolicy"]["deadLetterTargetArn"])
        for queue in template.all("AWS::SQS::Queue")
        if "RedrivePolicy" in queue.properties
    }
    undelivered = {
        render(target["DeadLetterConfig"]["Arn"])
        for rule in rules_of_events(template)
        for target in rule.properties["Targets"]
    }
    return redriven | undelivered


def policies(template: Template, queue: Resource) -> list[dict[str, Any]]:
    (policy,) = (
        policy
        for policy in template.all("AWS::SQS::QueuePolicy")
        if policy.properties["Queues"] == [{"Ref": queue.logical_id}]
    )
    return policy.properties["PolicyDocument"]["Statement"]  # type: ignore[no-any-return]


def test_every_function_is_fed_from_a_queue_of_its_own_one_message_at_a_time(
    template: Template,
) -> None:
    fed = sources(template)

    assert {function.logical_id for _, _, function in fed} == {
        function.logical_id for function in template.all("AWS::Lambda::Function")
    } - {template.function("sweep").logical_id}  # started by a schedule
    assert len({queue.logical_id for _, queue, _ in fed}) == 5
    for mapping, _, _ in fed:
        assert mapping.properties["BatchSize"] == 1
        assert mapping.properties["FunctionResponseTypes"] == [
            "ReportBatchItemFailures"
        ]


def test_a_message_stays_hidden_for_six_times_its_functions_timeout(
    template: Template,
) -> None:
    for _, queue, function in sources(template):
        hidden = queue.properties["VisibilityTimeout"]
        assert hidden >= 6 * function.properties["Timeout"]


@pytest.mark.parametrize(
    ("name", "receives"),
    [
        ("ingest", 5),
        ("start_training", 1000),
        ("report", 5),
        ("record_failure", 5),
        ("notify", 5),
    ],
)
def test_a_message_is_received_so_often_and_then_put_aside(
    template: Template, name: str, receives: int
) -> None:
    function = template.function(name).logical_id
    (queue,) = (q for _, q, f in sources(template) if f.logical_id == function)

    assert queue.properties["RedrivePolicy"]["maxReceiveCount"] == receives


def test_every_queue_has_a_dead_letter_queue_or_is_one(template: Template) -> None:
    dead_letters = dead_letter_arns(template)

    for queue in template.all("AWS::SQS::Queue"):
        is_one = f"<{queue.logical_id}.Arn>" in dead_letters
        assert is_one != ("RedrivePolicy" in queue.properties), queue.logical_id


def test_dead_letters_are_kept_for_14_days_and_longer_than_in_their_queue(
    template: Template,
) -> None:
    dead_letters = dead_letter_arns(template)

    for queue in template.all("AWS::SQS::Queue"):
        kept = queue.properties["MessageRetentionPeriod"]
        if f"<{queue.logical_id}.Arn>" in dead_letters:
            assert kept == 14 * DAY_S
        else:
            # Its age goes on counting in the dead-letter queue.
            assert kept == 7 * DAY_S


def test_no_message_grows_too_old_before_it_is_put_aside(template: Template) -> None:
    for _, queue, _ in sources(template):
        receives = queue.properties["RedrivePolicy"]["maxReceiveCount"]
        longest = receives * queue.properties["VisibilityTimeout"]
        assert longest < queue.properties["MessageRetentionPeriod"]


def test_every_rule_has_a_dead_letter_queue_that_it_may_write_to(
    template: Template,
) -> None:
    queues = {f"<{q.logical_id}.Arn>": q for q in template.all("AWS::SQS::Queue")}

    for rule in rules_of_events(template):
        (target,) = rule.properties["Targets"]
        for arn in (target["Arn"], target["DeadLetterConfig"]["Arn"]):
            allowing = [
                statement
                for statement in policies(template, queues[render(arn)])
                if statement["Effect"] == "Allow"
            ]
            (statement,) = allowing
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            assert "sqs:SendMessage" in statement["Action"]
            assert rule.logical_id in render(statement["Condition"])


def test_every_queue_is_encrypted_by_sqs_itself_and_speaks_tls_only(
    template: Template,
) -> None:
    for queue in template.all("AWS::SQS::Queue"):
        assert queue.properties["SqsManagedSseEnabled"] is True
        assert "KmsMasterKeyId" not in queue.properties
        denied = [
            statement
            for statement in policies(template, queue)
            if statement["Effect"] == "Deny"
        ]
        assert [s["Condition"] for s in denied] == [
            {"Bool": {"aws:SecureTransport": "false"}}
        ]


def test_queues_have_no_physical_names_so_that_two_stacks_can_live_together(
    template: Template,
) -> None:
    for queue in template.all("AWS::SQS::Queue"):
        assert "QueueName" not in queue.properties
