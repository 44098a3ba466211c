"""Whether a message is of the form that its sender declares, field by field.

All functions raise `EventError` where it isn't. A `path` is that of a field, such as
`detail.object.key`.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from geoclusters.errors import EventError, quoted

#: What is passed on as a number in digits.
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
#: A larger number is not shown: writing it out may take long, or fail.
_MOST_SHOWN: Final = 10**18
#: Types of JSON, in words.
_TYPES: Final[Mapping[type, str]] = {dict: "an object", list: "a list", str: "a text"}


def parse(message: str) -> Mapping[str, Any]:
    """Return the object of JSON that a message is, if all programs read it alike."""
    try:
        body = json.loads(
            message, object_pairs_hook=_without_doubles, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:  # also numbers of very many digits
        msg = f"the message is no JSON that can be read ({error}): {quoted(message)}"
        raise EventError(msg) from error
    if not isinstance(body, dict):
        msg = f"the message is no object of JSON: {quoted(message)}"
        raise EventError(msg)
    return body


def has(document: Any, path: str) -> bool:
    """Return whether a field is there, and not null."""
    return _at(document, path) is not None


def found(document: Any, path: str, wanted: type) -> Any:
    """Return a field of one type."""
    value = _at(document, path)
    if not isinstance(value, wanted):
        raise other(document, path, _TYPES[wanted])
    return value


def text(document: Any, path: str, pattern: re.Pattern[str] | None = None) -> str:
    """Return a field that is a text, not empty, and as a pattern says."""
    value: str = found(document, path, str)
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON may hold half characters
        raise other(document, path, "a text in Unicode") from None
    if not value:
        raise other(document, path, "a text that isn't empty")
    if pattern is not None and not pattern.fullmatch(value):
        raise other(document, path, f"a text like {pattern.pattern}")
    return value


def whole_number(document: Any, path: str, *, low: int, high: int) -> int:
    """Return a field that is a whole number within bounds."""
    number = _at(document, path)
    is_one = isinstance(number, int) and not isinstance(number, bool)
    if not is_one or not low <= number <= high:
        raise other(document, path, f"a whole number from {low} to {high}")
    return int(number)


def digits(document: Any, path: str) -> int:
    """Return a field that is a whole number written as a text."""
    return int(text(document, path, _DIGITS))


def other(document: Any, path: str, expected: str) -> EventError:
    """Return the error that says what a field is instead."""
    return EventError(f"`{path}` must be {expected}, but is {_shown(document, path)}")


def _at(document: Any, path: str) -> Any:
    """Return what stands at a path; None where nothing does."""
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _shown(document: Any, path: str) -> str:
    value = _at(document, path)
    if value is None:
        return "missing"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float):
        return repr(value) if abs(value) <= _MOST_SHOWN else "a very large number"
    return _TYPES[type(value)]


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON in which no name stands twice."""
    document = dict(pairs)
    if len(document) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        msg = f"the message says {quoted(name)} twice"
        raise EventError(msg)
    return document


def _no_number(constant: str) -> NoReturn:
    msg = f"the message says {constant}, which is no number of JSON"
    raise EventError(msg)
