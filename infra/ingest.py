"""`ingest`: from an upload to training data."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from geoclusters import layout
from geoclusters.environment import IngestSettings
from infra import event_patterns
from infra.data_bucket import (
    OUTPUT_STATUSES,
    RUN_LEFT_OUT,
    RUN_PLACES,
    RUN_RECORDS,
    RUN_STATUSES,
    RUN_TRAINING_DATA,
    DataBucket,
)
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.zip_function import ZipFunction

_UPLOADS = f"{layout.INPUT_PREFIX}*"


class Ingest(Construct):
    """Reads each upload once, writes its run and hands that to the queue `jobs`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataBucket,
        jobs: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        ingest = ZipFunction(
            self,
            "Code",
            name="ingest",
            timeout=cdk.Duration.minutes(15),
            memory_mb=settings.ingest_memory_mb,
            removal_policy=settings.removal_policy,
        )
        #: The function, its queue, and that one's dead letters.
        self.queued = uploads = QueuedFunction(
            self,
            "Uploads",
            function=ingest.function,
            event_pattern=event_patterns.uploads(data.bucket.bucket_name),
        )
        ingest.configure(
            IngestSettings(
                data_bucket=data.bucket.bucket_name,
                uploads_queue_url=uploads.queue.queue_url,
                jobs_queue_url=jobs.queue_url,
                default_k=settings.default_k,
                max_upload_bytes=settings.max_upload_bytes,
                most_left_out_percent=settings.most_left_out_percent,
                instance_count=settings.instance_count,
            )
        )
        # numpy's OpenBLAS, which nothing here uses, starts threads that wait busily.
        ingest.function.add_environment("OPENBLAS_NUM_THREADS", "1")
        statuses = [RUN_STATUSES, OUTPUT_STATUSES]
        data.allow(
            ingest.role,
            read=[_UPLOADS, RUN_RECORDS, *statuses],
            write=[
                RUN_PLACES,
                RUN_TRAINING_DATA,
                RUN_LEFT_OUT,
                RUN_RECORDS,
                *statuses,
            ],
        )
        ingest.role.add_to_principal_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[jobs.queue_arn])
        )
