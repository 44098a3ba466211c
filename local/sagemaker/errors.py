"""The API's errors, with SageMaker's codes, and what makes a job fail."""


class ApiError(Exception):
    """An answer that is an error.

    Attributes
    ----------
    code : str
        SageMaker's error code, as boto3 shows it.
    status : int
        The HTTP status.
    """

    code = "InternalFailure"
    status = 500


class ValidationError(ApiError):
    """The request can't be right, or names what doesn't exist."""

    code, status = "ValidationException", 400


class SerializationError(ApiError):
    """The request isn't JSON of the operation's shape."""

    code, status = "SerializationException", 400


class UnknownOperationError(ApiError):
    """An operation that isn't there."""

    code, status = "UnknownOperationException", 400


class ResourceInUseError(ApiError):
    """A name that is taken."""

    code, status = "ResourceInUse", 400


class ResourceLimitExceededError(ApiError):
    """A quota that is used up."""

    code, status = "ResourceLimitExceeded", 400


class ThrottlingError(ApiError):
    """Too many calls in a short time."""

    code, status = "ThrottlingException", 400


class RefusedError(ApiError):
    """A caller that isn't known, or may not do this; the code is IAM's."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class JobFailure(Exception):  # noqa: N818 - an outcome, not a fault of this program
    """A job ends Failed; the message is its FailureReason."""
