"""What an operator should look at, and what to do then."""

from collections.abc import Mapping
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.topics import Topics

_PERIOD: Final = cdk.Duration.minutes(5)
#: A message that is tried five times has ended by then; what is older isn't read.
_OLD: Final = cdk.Duration.hours(2)


class Alarms(Construct):
    """Alarms on dead letters, on functions that fail, and on queues that stand still.

    Parameters
    ----------
    queued : mapping of str to QueuedFunction
        Each function that has a queue, by its name.
    others : mapping of str to Function
        Those that have none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        topics: Topics,
        queued: Mapping[str, QueuedFunction],
        others: Mapping[str, lambda_.Function],
    ) -> None:
        super().__init__(scope, construct_id)
        self._topics = topics
        #: All of them.
        self.all: list[cloudwatch.Alarm] = []
        for name, one in queued.items():
            self._on_letters(f"{name}-dead-letters", one.dead_letters)
            if one.undelivered is not None:
                self._on_letters(f"{name}-undelivered", one.undelivered)
            # Runs may wait for SageMaker's quotas as long as the setting says.
            waits = settings.max_wait_hours if name == "start_training" else 0
            old = cdk.Duration.hours(_OLD.to_hours() + waits)
            self._on_age(name, one.queue, old)
        functions = {name: one.function for name, one in queued.items()}
        for name, function in {**functions, **others}.items():
            self._on_errors(name, function)
        self._on_failed_jobs(queued["record_failure"].queue)

    def _on_letters(self, name: str, queue: sqs.Queue) -> None:
        self._add(
            name,
            queue.metric_approximate_number_of_messages_visible(
                period=_PERIOD, statistic="Maximum"
            ),
            above=0,
            advice="Messages were put aside. Find the cause in the functions' logs, "
            "mend it, then `make redrive`.",
        )

    def _on_age(self, name: str, queue: sqs.Queue, old: cdk.Duration) -> None:
        self._add(
            f"{name}-queue-stands",
            queue.metric_approximate_age_of_oldest_message(
                period=_PERIOD, statistic="Maximum"
            ),
            above=old.to_seconds(),
            advice=f"A message waits for {name} for more than {old.to_hours()} hours: "
            "is the function throttled, or at its concurrency's limit?",
        )

    def _on_errors(self, name: str, function: lambda_.Function) -> None:
        self._add(
            f"{name}-errors",
            function.metric_errors(period=_PERIOD, statistic="Sum"),
            above=0,
            advice=f"{name} ended with an error. Its message comes back; look into "
            f"the log group {function.log_group.log_group_name}.",
        )

    def _on_failed_jobs(self, failures: sqs.Queue) -> None:
        # SageMaker has no metric of failed jobs; its events of those arrive here.
        self._add(
            "failed-jobs",
            failures.metric_number_of_messages_sent(period=_PERIOD, statistic="Sum"),
            above=0,
            advice="A training job failed or was stopped. The run's status.json says "
            "why.",
        )

    def _add(
        self, name: str, metric: cloudwatch.Metric, *, above: float, advice: str
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_description=advice,
            metric=metric,
            threshold=above,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self._topics.tell_of(alarm)
        self.all.append(alarm)
