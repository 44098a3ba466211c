"""All that is measured of a deployment, on one page."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.queued_function import QueuedFunction

_WIDTH = 12


class Dashboard(Construct):
    """A CloudWatch dashboard: runs, queues, functions, dead letters, alarms."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        queued: Mapping[str, QueuedFunction],
        others: Mapping[str, lambda_.Function],
        alarms: Sequence[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, construct_id)
        functions = {name: one.function for name, one in queued.items()} | dict(others)
        cloudwatch.Dashboard(
            self,
            "Page",
            default_interval=cdk.Duration.days(1),
            widgets=[
                [cloudwatch.AlarmStatusWidget(alarms=[*alarms], width=2 * _WIDTH)],
                [
                    _graph(
                        "Messages",
                        [
                            one.queue.metric_number_of_messages_sent(label=name)
                            for name, one in queued.items()
                        ],
                    ),
                    _graph(
                        "Age of the oldest message (seconds)",
                        [
                            one.queue.metric_approximate_age_of_oldest_message(
                                label=name
                            )
                            for name, one in queued.items()
                        ],
                    ),
                ],
                [
                    _graph(
                        "Dead letters",
                        [
                            one.dead_letters.metric_approximate_number_of_messages_visible(
                                label=name
                            )
                            for name, one in queued.items()
                        ],
                    ),
                    _graph(
                        "Errors",
                        [f.metric_errors(label=name) for name, f in functions.items()],
                    ),
                ],
                [
                    _graph(
                        "Duration (milliseconds)",
                        [
                            f.metric_duration(label=name, statistic="Maximum")
                            for name, f in functions.items()
                        ],
                    ),
                    _graph(
                        "Throttles",
                        [
                            f.metric_throttles(label=name)
                            for name, f in functions.items()
                        ],
                    ),
                ],
            ],
        )


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*metrics], width=_WIDTH)
