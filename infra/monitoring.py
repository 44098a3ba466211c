"""What an operator sees of a deployment: alarms and a dashboard."""

from collections.abc import Mapping

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alarms import Alarms
from infra.dashboard import Dashboard
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.topics import Topics


class Monitoring(Construct):
    """Alarms that tell the topic `alarms`, and all that is measured on one page.

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
        alarms = Alarms(
            self,
            "Alarms",
            settings=settings,
            topics=topics,
            queued=queued,
            others=others,
        )
        Dashboard(self, "Dashboard", queued=queued, others=others, alarms=alarms.all)
