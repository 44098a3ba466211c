"""`sweep`: settles, every quarter of an hour, what nobody heard of."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from geoclusters import layout
from geoclusters.environment import SweepSettings
from infra.data_bucket import OUTPUT_STATUSES, RUN_RECORDS, RUN_STATUSES, DataBucket
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.training import Training
from infra.zip_function import ZipFunction

_EVERY: Final = cdk.Duration.minutes(15)
_MARKERS = f"{layout.RUNS_PREFIX}*/{layout.ANNOUNCED_AGAIN_NAME}"


class Sweep(Construct):
    """Answers runs whose messages are dead letters or whose job ended unheard.

    It is started by a schedule and has no queue: what one sweep doesn't get done, the
    next one does.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataBucket,
        training: Training,
        uploads: QueuedFunction,
        jobs: QueuedFunction,
        models: QueuedFunction,
        failures: QueuedFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        sweep = ZipFunction(
            self,
            "Code",
            name="sweep",
            timeout=cdk.Duration.minutes(5),
            memory_mb=settings.sweep_memory_mb,
            removal_policy=settings.removal_policy,
        )
        #: The function.
        self.function = sweep.function
        fed_by_rules = (uploads, models, failures)
        undelivered = [q.undelivered for q in fed_by_rules if q.undelivered]
        sweep.configure(
            SweepSettings(
                data_bucket=data.bucket.bucket_name,
                job_name_prefix=training.job_name_prefix,
                uploads_queue_url=uploads.queue.queue_url,
                models_queue_url=models.queue.queue_url,
                failures_queue_url=failures.queue.queue_url,
                uploads_undelivered_url=undelivered[0].queue_url,
                models_undelivered_url=undelivered[1].queue_url,
                failures_undelivered_url=undelivered[2].queue_url,
                uploads_dead_letters_url=uploads.dead_letters.queue_url,
                jobs_dead_letters_url=jobs.dead_letters.queue_url,
                models_dead_letters_url=models.dead_letters.queue_url,
                failures_dead_letters_url=failures.dead_letters.queue_url,
            )
        )
        statuses = [RUN_STATUSES, OUTPUT_STATUSES]
        data.allow(
            sweep.role,
            read=[RUN_RECORDS, _MARKERS, *statuses],
            write=[_MARKERS, *statuses],
        )
        training.allow_sweeping(sweep.role)
        dead = [q.dead_letters for q in (uploads, jobs, models, failures)]
        for actions, queues in (
            (["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"], dead),
            (["sqs:ReceiveMessage", "sqs:DeleteMessage"], undelivered),
            (["sqs:SendMessage"], [q.queue for q in fed_by_rules]),
        ):
            sweep.role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=actions, resources=[queue.queue_arn for queue in queues]
                )
            )
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.rate(_EVERY),
            targets=[targets.LambdaFunction(sweep.function)],
        )
