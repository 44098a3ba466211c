"""`record_failure`: from a failed or stopped training job to a status that says so."""

import aws_cdk as cdk
from constructs import Construct

from geoclusters.environment import RecordFailureSettings
from infra import event_patterns
from infra.data_bucket import OUTPUT_STATUSES, RUN_RECORDS, RUN_STATUSES, DataBucket
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.training import Training
from infra.zip_function import ZipFunction


class RecordFailure(Construct):
    """Writes the status of runs whose training job ended without a result."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataBucket,
        training: Training,
    ) -> None:
        super().__init__(scope, construct_id)
        record_failure = ZipFunction(
            self,
            "Code",
            name="record_failure",
            timeout=cdk.Duration.minutes(1),
            memory_mb=settings.record_failure_memory_mb,
            removal_policy=settings.removal_policy,
        )
        #: The function, its queue, and that one's dead letters.
        self.queued = failures = QueuedFunction(
            self,
            "Failures",
            function=record_failure.function,
            event_pattern=event_patterns.failures(training.job_name_prefix),
        )
        record_failure.configure(
            RecordFailureSettings(
                data_bucket=data.bucket.bucket_name,
                failures_queue_url=failures.queue.queue_url,
                job_name_prefix=training.job_name_prefix,
            )
        )
        statuses = [RUN_STATUSES, OUTPUT_STATUSES]
        data.allow(
            record_failure.role,
            read=[RUN_RECORDS, *statuses],
            write=statuses,
        )
