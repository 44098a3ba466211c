"""What can be wrong with a user's input.

An `InputError` is an answer, not an accident: its message reaches `status.json`, so it
names the object, what was expected, what was found and what to do. Everything else
propagates, is retried and ends in a dead-letter queue.
"""

from typing import Final

#: So many characters of a text stand in a message.
_MOST_SHOWN: Final = 40


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


class BoundariesError(InputError):
    """A file of borders that can't be drawn; the run goes on without it."""


class EventError(GeoclustersError):
    """A message, or an event, that is not of the form which its sender declares."""


class RunRecordError(GeoclustersError):
    """A run record of another schema version, or none at all."""


def quoted(text: str) -> str:
    """Return a text for a message: quoted, not too long, control characters escaped."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")


def shown(text: str) -> str:
    """Return a text for a message as `quoted` does, without quotation marks."""
    return quoted(text)[1:-1]


def printable(text: str) -> str:
    """Return a text for a message: whole, but control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
