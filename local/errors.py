"""The one error of this package that a user is meant to read."""

from operations.errors import OperationError


class LocalError(OperationError):
    """The local cloud can't go on; the message says why and what to do."""
