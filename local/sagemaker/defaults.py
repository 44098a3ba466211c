"""What a training job has where its request leaves it out."""

from typing import Any

from local.sagemaker.metrics import DEFINITIONS

MAX_RUNTIME_S = 86_400

_FLAGS = (
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)


def completed(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request with what DescribeTrainingJob adds to it.

    Clients rely on it: the SDK's `attach` reads the key of the output, its analytics
    the metrics of the algorithm.
    """
    return {
        **dict.fromkeys(_FLAGS, False),
        **request,
        "AlgorithmSpecification": {
            "EnableSageMakerMetricsTimeSeries": False,
            **request["AlgorithmSpecification"],
            "MetricDefinitions": DEFINITIONS,
        },
        "InputDataConfig": [_channel(each) for each in request["InputDataConfig"]],
        "OutputDataConfig": {"KmsKeyId": "", **request["OutputDataConfig"]},
        "StoppingCondition": {
            "MaxRuntimeInSeconds": MAX_RUNTIME_S,
            **request["StoppingCondition"],
        },
    }


def _channel(definition: dict[str, Any]) -> dict[str, Any]:
    source = definition["DataSource"]["S3DataSource"]
    return {
        "CompressionType": "None",
        "RecordWrapperType": "None",
        **definition,
        "DataSource": {
            "S3DataSource": {"S3DataDistributionType": "FullyReplicated", **source}
        },
    }
