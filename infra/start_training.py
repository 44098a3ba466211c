"""`start_training`: from a run to a training job."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from geoclusters.environment import StartTrainingSettings
from infra.data_bucket import OUTPUT_STATUSES, RUN_RECORDS, RUN_STATUSES, DataBucket
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.training import Training
from infra.zip_function import ZipFunction


class StartTraining(Construct):
    """Starts each run's training job, and waits where SageMaker's quotas demand it.

    A waiting run is received again and again; the function decides by the message's age
    how long. So the queue can't count failures, and the function puts aside itself what
    fails again and again.
    """

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
        start_training = ZipFunction(
            self,
            "Code",
            name="start_training",
            timeout=cdk.Duration.minutes(1),
            memory_mb=settings.start_training_memory_mb,
            removal_policy=settings.removal_policy,
        )
        #: The function, the queue `jobs`, and that one's dead letters.
        self.queued = QueuedFunction(
            self, "Jobs", function=start_training.function, max_receive_count=1000
        )
        start_training.configure(
            StartTrainingSettings(
                data_bucket=data.bucket.bucket_name,
                jobs_queue_url=self.queued.queue.queue_url,
                jobs_dead_letters_url=self.queued.dead_letters.queue_url,
                job_name_prefix=training.job_name_prefix,
                training_image=training.image,
                training_role_arn=training.role.role_arn,
                instance_type=settings.instance_type,
                instance_count=settings.instance_count,
                input_mode=settings.input_mode,
                kms_key_arn=settings.kms_key_arn,
                max_wait_s=settings.max_wait_hours * 3600,
            )
        )
        statuses = [RUN_STATUSES, OUTPUT_STATUSES]
        data.allow(
            start_training.role,
            read=[RUN_RECORDS, *statuses],
            write=statuses,
        )
        training.allow_starting(start_training.role)
        start_training.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                resources=[self.queued.dead_letters.queue_arn],
            )
        )
