"""What the sweep did for one run, for the log."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Outcome(NamedTuple):
    """One run, or one message without one, and what came of it."""

    run_id: str | None
    message: str


def each(
    items: Iterable[T], settle: Callable[[T], Iterable[Outcome]]
) -> Iterator[Outcome]:
    """Settle one item after the other: one that can't be doesn't keep the others.

    Raises
    ------
    ExceptionGroup
        At the end, with what went wrong; a note says with which item.
    """
    errors: list[Exception] = []
    for item in items:
        try:
            yield from settle(item)
        except Exception as error:
            error.add_note(f"while settling {item}")
            errors.append(error)
    if errors:
        msg = f"{len(errors)} could not be settled"
        raise ExceptionGroup(msg, errors)
