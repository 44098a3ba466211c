"""What the sweep did for one run, for the log."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """One run, or one message without one, and what came of it."""

    run_id: str | None
    message: str
