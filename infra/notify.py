"""`notify`: from a run's last status to a message for who wants to know."""

import aws_cdk as cdk
from constructs import Construct

from geoclusters import layout
from geoclusters.aws.queue import FIRST_RETRY_S
from geoclusters.environment import NotifySettings
from geoclusters.status import End
from infra import event_patterns
from infra.data_bucket import RUN_STATUSES, DataBucket
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.topics import Topics
from infra.zip_function import ZipFunction

_TOLD = [f"{layout.RUNS_PREFIX}*/{layout.TOLD_NAME}{end}" for end in End]


class Notify(Construct):
    """Tells the topic `runs` of each end of a run, once."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataBucket,
        topics: Topics,
    ) -> None:
        super().__init__(scope, construct_id)
        notify = ZipFunction(
            self,
            "Code",
            name="notify",
            # No longer than it takes a message that failed to come back: by then who
            # had it before can't be telling of its run any more.
            timeout=cdk.Duration.seconds(FIRST_RETRY_S),
            memory_mb=settings.notify_memory_mb,
            removal_policy=settings.removal_policy,
        )
        #: The function, its queue, and that one's dead letters.
        self.queued = statuses = QueuedFunction(
            self,
            "Statuses",
            function=notify.function,
            event_pattern=event_patterns.statuses(data.bucket.bucket_name),
        )
        notify.configure(
            NotifySettings(
                data_bucket=data.bucket.bucket_name,
                statuses_queue_url=statuses.queue.queue_url,
                topic_arn=topics.runs.topic_arn,
            )
        )
        data.allow(notify.role, read=[RUN_STATUSES, *_TOLD], write=_TOLD)
        topics.allow_telling(notify.role)
