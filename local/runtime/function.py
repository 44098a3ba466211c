"""What is known about a function and what an invocation of it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Function:
    """An image function as it is deployed; any difference needs new workers."""

    name: str
    arn: str
    version: str
    image_uri: str
    command: tuple[str, ...]
    timeout_s: float
    memory_mb: int
    environment: Mapping[str, str]
    credentials: Mapping[str, str]
    region: str

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `local.bends` sends."""
        return cls(**{**document, "command": tuple(document["command"])})

    def environment_variables(self, runtime_api: str) -> dict[str, str]:
        """Return what a worker's environment holds on AWS.

        Parameters
        ----------
        runtime_api
            ``host:port`` of the Runtime API that feeds this worker.
        """
        return {
            **self.environment,
            **self.credentials,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": self.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "TZ": ":UTC",
        }


@dataclass(frozen=True)
class Result:
    """How an invocation ended: the function's answer, or an error's description."""

    body: Any
    error: bool = False
    log: str = ""

    @classmethod
    def failure(cls, error_type: str, message: str) -> Self:
        """Return a failed result in the shape of Lambda's own errors."""
        return cls({"errorType": error_type, "errorMessage": message}, error=True)

    def to_json(self) -> dict[str, Any]:
        """Return what ministack's executors return."""
        return {"body": self.body, "error": self.error, "log": self.log}
