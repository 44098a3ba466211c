"""What somebody who runs a deployment is meant to read."""


class OperationError(Exception):
    """It can't go on; the message says why and what to do."""
