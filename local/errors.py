"""The one error of this package that a user is meant to read."""


class LocalError(Exception):
    """The local cloud can't go on; the message says why and what to do."""
