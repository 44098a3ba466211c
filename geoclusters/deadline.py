"""How long a function may still work: Lambda ends it without a word."""

from collections.abc import Callable
from typing import Any

#: Gives the seconds that are left to the function.
SecondsLeft = Callable[[], float]


def unbounded() -> float:
    """Return what stands for no end at all, as SecondsLeft."""
    return float("inf")


def of(context: object) -> SecondsLeft:
    """Return what tells the seconds that are left; without Lambda there is no end.

    Parameters
    ----------
    context : object
        What Lambda hands to a handler as its second argument.
    """
    milliseconds: Any = getattr(context, "get_remaining_time_in_millis", None)
    return unbounded if milliseconds is None else lambda: milliseconds() / 1000
