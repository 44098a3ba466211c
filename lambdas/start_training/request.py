"""The request for a training job. Pure."""

import math
from typing import TYPE_CHECKING, Final

from geoclusters import layout
from geoclusters.environment import StartTrainingSettings
from geoclusters.hyperparameters import hyperparameters
from geoclusters.run import RunRecord

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import (
        TrainingInputModeType,
        TrainingInstanceTypeType,
    )
    from mypy_boto3_sagemaker.type_defs import (
        CreateTrainingJobRequestTypeDef,
        OutputDataConfigTypeDef,
        ResourceConfigTypeDef,
    )

_GIB = 1024**3
#: What an instance needs beside the data, in GiB.
_LEAST_VOLUME_GIB: Final = 5
#: SageMaker's own bound of a job's run time: five days.
_MOST_RUNTIME_S: Final = 432_000
#: Start, download and upload of a small job take minutes; an hour is generous.
_LEAST_RUNTIME_S: Final = 3_600
#: Far below what one instance was seen to read (3,453 in a job too small to get going).
_RECORDS_A_SECOND: Final = 1_000


def training_request(
    record: RunRecord, job_name: str, settings: StartTrainingSettings
) -> "CreateTrainingJobRequestTypeDef":
    """Return the arguments of CreateTrainingJob for a run."""
    bucket = record.upload.bucket
    parameters = hyperparameters(
        record.rows_usable, record.k, feature_dim=record.feature_dim
    )
    # more instances than shards stay idle
    instances = min(settings.instance_count, record.train_parts)
    input_mode: TrainingInputModeType = settings.input_mode  # type: ignore[assignment]
    instance_type: TrainingInstanceTypeType = settings.instance_type  # type: ignore[assignment]
    output: OutputDataConfigTypeDef = {
        "S3OutputPath": f"s3://{bucket}/{layout.model_prefix(record.run_id)}"
    }
    machines: ResourceConfigTypeDef = {
        "InstanceType": instance_type,
        "InstanceCount": instances,
        "VolumeSizeInGB": _volume_gib(record, settings.input_mode),
    }
    if settings.kms_key_arn:
        # The bucket's default isn't enough: where no key is named SageMaker encrypts
        # models with the account's `aws/s3`, and disks with a key of its own.
        output["KmsKeyId"] = machines["VolumeKmsKeyId"] = settings.kms_key_arn
    return {
        "TrainingJobName": job_name,
        "AlgorithmSpecification": {
            "TrainingImage": settings.training_image,
            "TrainingInputMode": input_mode,
        },
        "RoleArn": settings.training_role_arn,
        "HyperParameters": parameters,
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "application/x-recordio-protobuf",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{bucket}/{layout.train_prefix(record.run_id)}",
                        "S3DataDistributionType": "ShardedByS3Key",
                    }
                },
            }
        ],
        "OutputDataConfig": output,
        "ResourceConfig": machines,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": _max_runtime_s(record, int(parameters["epochs"]))
        },
    }


def _volume_gib(record: RunRecord, input_mode: str) -> int:
    """Return the size of an instance's volume: only `File` copies the data there."""
    copied = record.train_bytes if input_mode == "File" else 0
    return _LEAST_VOLUME_GIB + math.ceil(1.25 * copied / _GIB)


def _max_runtime_s(record: RunRecord, epochs: int) -> int:
    reading_s = record.rows_usable * epochs // _RECORDS_A_SECOND
    return min(_LEAST_RUNTIME_S + reading_s, _MOST_RUNTIME_S)
