"""Which events start which function."""

from aws_cdk import aws_events as events

from geoclusters import layout
from infra.data_bucket import RUN_STATUSES


def uploads(bucket_name: str) -> events.EventPattern:
    """Return the pattern of all that is put under `input/`.

    What is no table is answered too, so the name's ending doesn't matter.
    """
    return _object_created(bucket_name, {"prefix": layout.INPUT_PREFIX})


def models(bucket_name: str) -> events.EventPattern:
    """Return the pattern of the models that SageMaker writes."""
    return _object_created(bucket_name, {"wildcard": layout.MODEL_KEY_PATTERN})


def statuses(bucket_name: str) -> events.EventPattern:
    """Return the pattern of the statuses that runs keep for themselves."""
    return _object_created(bucket_name, {"wildcard": RUN_STATUSES})


def failures(job_name_prefix: str) -> events.EventPattern:
    """Return the pattern of this stack's training jobs that ended without a result."""
    return events.EventPattern(
        source=["aws.sagemaker"],
        detail_type=["SageMaker Training Job State Change"],
        detail={
            "TrainingJobName": [{"prefix": f"{job_name_prefix}-"}],
            "TrainingJobStatus": ["Failed", "Stopped"],
        },
    )


def _object_created(bucket_name: str, key: dict[str, str]) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.s3"],
        detail_type=["Object Created"],
        detail={
            "bucket": {"name": [bucket_name]},
            "object": {"key": [key]},
        },
    )
