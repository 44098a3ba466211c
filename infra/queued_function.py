"""A function fed from a queue, so that a message waits or ends and never vanishes."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from geoclusters.aws.events import MOST_FAILURES

#: The longest that SQS keeps a message: what ended here must be seen by somebody.
DEAD_LETTER_RETENTION = cdk.Duration.days(14)
#: Longer than all receives can take, else a message would vanish before it is put
#: aside; and shorter than the dead letters', since its age goes on counting there.
QUEUE_RETENTION = cdk.Duration.days(7)


class QueuedFunction(Construct):
    """Rule, queue with dead-letter queue, function; without a pattern there is no rule.

    The rule's target has a dead-letter queue of its own, for events that EventBridge
    couldn't deliver into the queue.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.Function,
        max_receive_count: int = MOST_FAILURES,
        event_pattern: events.EventPattern | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        timeout = function.timeout
        assert timeout is not None, "a queued function needs an explicit timeout"

        #: The function.
        self.function = function
        #: Where messages end that were received too often.
        self.dead_letters = self._dead_letter_queue("DeadLetters")
        #: Where events are kept that the rule couldn't deliver; None without a rule.
        self.undelivered: sqs.Queue | None = None
        #: What the function is fed from.
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=QUEUE_RETENTION,
            visibility_timeout=cdk.Duration.seconds(6 * timeout.to_seconds()),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters,
                max_receive_count=max_receive_count,
            ),
        )
        function.add_event_source(
            event_sources.SqsEventSource(
                self.queue, batch_size=1, report_batch_item_failures=True
            )
        )
        if event_pattern is not None:
            self.undelivered = self._dead_letter_queue("Undelivered")
            cdk.Validations.of(self.undelivered).acknowledge(
                cdk.Acknowledgment(
                    id="AwsSolutions-SQS3",
                    reason="It is a dead-letter queue itself: the rule's.",
                )
            )
            events.Rule(
                self,
                "Rule",
                event_pattern=event_pattern,
                targets=[
                    targets.SqsQueue(self.queue, dead_letter_queue=self.undelivered),
                ],
            )

    def _dead_letter_queue(self, construct_id: str) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            # EventBridge can't deliver into a queue under the key alias/aws/sqs.
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=DEAD_LETTER_RETENTION,
        )
