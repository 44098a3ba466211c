"""`report`: from a model to results."""

import aws_cdk as cdk
from constructs import Construct

from geoclusters import layout
from geoclusters.environment import ReportSettings
from infra import event_patterns
from infra.data_bucket import (
    RUN_LEFT_OUT,
    RUN_MODELS,
    RUN_PLACES,
    RUN_RECORDS,
    RUN_STATUSES,
    DataBucket,
)
from infra.image_function import ImageFunction
from infra.prices import RegionalPrices
from infra.queued_function import QueuedFunction
from infra.settings import Settings
from infra.training import Training

_OUTPUT = f"{layout.OUTPUT_PREFIX}*"
_BOUNDARIES = f"{layout.BOUNDARIES_PREFIX}*"


class Report(Construct):
    """Turns the models of completed training jobs into what analysts read."""

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
        report = ImageFunction(
            self,
            "Code",
            name="report",
            timeout=cdk.Duration.minutes(15),
            memory_mb=settings.report_memory_mb,
            base_image=settings.base_image,
            build_secrets=settings.build_secrets,
            removal_policy=settings.removal_policy,
        )
        #: The function, its queue, and that one's dead letters.
        self.queued = queued = QueuedFunction(
            self,
            "Models",
            function=report.function,
            event_pattern=event_patterns.models(data.bucket.bucket_name),
        )
        prices = RegionalPrices(
            self,
            "Prices",
            table=settings.price_table,
            instance_type=settings.instance_type,
        )
        report.configure(
            ReportSettings(
                data_bucket=data.bucket.bucket_name,
                models_queue_url=queued.queue.queue_url,
                gzip_above_rows=settings.gzip_above_rows,
                prices=prices.json,
                ingest_memory_mb=settings.ingest_memory_mb,
                report_memory_mb=settings.report_memory_mb,
            )
        )
        # numpy's OpenBLAS starts threads that wait busily.
        report.function.add_environment("OPENBLAS_NUM_THREADS", "1")
        data.allow(
            report.role,
            read=[
                RUN_RECORDS,
                RUN_STATUSES,
                RUN_PLACES,
                RUN_LEFT_OUT,
                RUN_MODELS,
                _OUTPUT,
                _BOUNDARIES,
            ],
            write=[RUN_STATUSES, _OUTPUT],
            write_in_parts=[_OUTPUT],
        )
        training.allow_describing(report.role)
