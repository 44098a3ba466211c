"""The stack: what there is, and how it hangs together."""

import aws_cdk as cdk
from constructs import Construct

from geoclusters import layout
from infra.analyst_policy import AnalystPolicy
from infra.data_bucket import DataBucket
from infra.ingest import Ingest
from infra.monitoring import Monitoring
from infra.notify import Notify
from infra.record_failure import RecordFailure
from infra.report import Report
from infra.settings import Settings
from infra.start_training import StartTraining
from infra.sweep import Sweep
from infra.topics import Topics
from infra.training import Training


class GeoclustersStack(cdk.Stack):
    """Everything between an upload and its results."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        env: cdk.Environment | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            description="geoclusters: a CSV of places in, centroids and a map out",
        )
        data = DataBucket(self, "Data", settings=settings)
        training = Training(
            self,
            "Training",
            data=data,
            job_name_prefix=layout.job_name_prefix(self.stack_name),
        )
        start_training = StartTraining(
            self, "StartTraining", settings=settings, data=data, training=training
        )
        jobs = start_training.queued
        ingest = Ingest(self, "Ingest", settings=settings, data=data, jobs=jobs.queue)
        record_failure = RecordFailure(
            self, "RecordFailure", settings=settings, data=data, training=training
        )
        report = Report(self, "Report", settings=settings, data=data, training=training)
        topics = Topics(self, "Topics", settings=settings)
        notify = Notify(self, "Notify", settings=settings, data=data, topics=topics)
        sweep = Sweep(
            self,
            "Sweep",
            settings=settings,
            data=data,
            training=training,
            uploads=ingest.queued,
            jobs=jobs,
            models=report.queued,
            failures=record_failure.queued,
        )
        Monitoring(
            self,
            "Monitoring",
            settings=settings,
            topics=topics,
            queued={
                "ingest": ingest.queued,
                "start_training": jobs,
                "record_failure": record_failure.queued,
                "report": report.queued,
                "notify": notify.queued,
            },
            others={"sweep": sweep.function},
        )
        analysts = AnalystPolicy(self, "Analysts", data=data)

        name = data.bucket.bucket_name
        for key, value, description in (
            ("DataBucketName", name, "The bucket of uploads and results"),
            ("InputUri", f"s3://{name}/{layout.INPUT_PREFIX}", "Put tables here"),
            ("OutputUri", f"s3://{name}/{layout.OUTPUT_PREFIX}", "Results lie here"),
            ("RunsTopicArn", topics.runs.topic_arn, "Tells of runs that ended"),
            ("AlarmsTopicArn", topics.alarms.topic_arn, "Tells of what to look at"),
            ("AnalystPolicyArn", analysts.policy_arn, "Attach it to who may use this"),
        ):
            cdk.CfnOutput(self, key, value=value, description=description)
