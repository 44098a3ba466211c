"""What can be wrong with a user's input.

An `InputError` is an answer, not an accident: its message reaches `status.json`, so it
names the object, what was expected, what was found and what to do. Everything else
propagates, is retried and ends in a dead-letter queue.
"""


class GeoclustersError(Exception):
    """Base of every error that geoclusters raises on purpose."""


class InputError(GeoclustersError):
    """An input that can't be used; the message tells its owner why and what to do."""


class TableError(InputError):
    """A table that can't be read, or that holds no usable places."""


class ParameterError(InputError):
    """A parameter of an upload that is out of its bounds."""


class RecordError(InputError):
    """Bytes that are not RecordIO-protobuf records of one width."""


class ModelError(InputError):
    """A model artefact that is not the k-means model which the run asked for."""


class RunRecordError(GeoclustersError):
    """A run record of another schema version, or none at all."""
