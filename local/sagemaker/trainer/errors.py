"""How a training ends that can't be finished."""


class TrainingError(Exception):
    """The trainer gives up; the message goes to `/opt/ml/output/failure`.

    Attributes
    ----------
    kind : str
        What FailureReason starts with: whose fault it is.
    exit_code : int
    """

    kind = "AlgorithmError"
    exit_code = 1


class ClientError(TrainingError):
    """The request or its data is to blame."""

    kind = "ClientError"
    exit_code = 2


class StoppedEarlyError(Exception):
    """Stopped before there was anything to write."""
