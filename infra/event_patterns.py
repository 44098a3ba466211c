"""Which events start which function.

EventBridge refuses a rule that it finds too complex: as its open matcher, event-ruler,
counts, more than 10 beginnings of wildcard patterns that one value can match at once.
Three spellings of a suffix come to 6, the model pattern to 5; all eight spellings of
`.csv` would come to 16.
"""

from aws_cdk import aws_events as events

from geoclusters import layout


def uploads(bucket_name: str) -> events.EventPattern:
    """Return the pattern of tables that were put under `input/`.

    A list of patterns is an "or": prefix and suffix together need a wildcard, which
    minds the case.
    """
    suffix = layout.UPLOAD_SUFFIX
    spellings = (suffix.lower(), suffix.upper(), suffix.title())
    return _object_created(
        bucket_name, [f"{layout.INPUT_PREFIX}*{spelling}" for spelling in spellings]
    )


def models(bucket_name: str) -> events.EventPattern:
    """Return the pattern of the models that SageMaker writes."""
    return _object_created(bucket_name, [layout.MODEL_KEY_PATTERN])


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


def _object_created(bucket_name: str, wildcards: list[str]) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.s3"],
        detail_type=["Object Created"],
        detail={
            "bucket": {"name": [bucket_name]},
            "object": {"key": [{"wildcard": wildcard} for wildcard in wildcards]},
        },
    )
