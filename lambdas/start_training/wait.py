"""How long a run waits for SageMaker, and how often its message failed.

The queue counts a message's receives, and can't tell those that ended in waiting, who
may be many, from those that failed. The run's status says which of them was the last to
wait.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from geoclusters.aws.events import Message
from geoclusters.status import State

#: States of runs whose message isn't done: failed are those that were put aside.
_MAY_FAIL: Final = (State.QUEUED, State.FAILED)


class Wait(NamedTuple):
    """How long a run waits already."""

    #: This one included.
    tries: int
    #: Seconds since the epoch.
    since: float
    now: float

    @classmethod
    def of(cls, message: Message, now: float) -> "Wait":
        """Return how long a message is in the queue."""
        return cls(message.receive_count, message.sent_at, now)

    @property
    def seconds(self) -> float:
        """How long the run waits."""
        return self.now - self.since

    @property
    def figures(self) -> dict[str, Any]:
        """What the run's status says of its waiting."""
        since = datetime.fromtimestamp(self.since, UTC)
        return {"since": since.isoformat(timespec="seconds"), "tries": self.tries}

    def failures(self, status: Mapping[str, Any] | None) -> int:
        """Return how often in a row the message failed before, by its run's status.

        None are counted where that isn't known: two messages of one run may wait at the
        same time, as events come more than once, and its status tells of one of them.
        """
        before = self.tries - 1
        if status is None:
            return before
        if State(status["state"]) not in _MAY_FAIL:
            return 0  # its job was created, but the message not taken for done
        waiting = status.get("waiting")
        if waiting is None:
            return before
        if waiting["since"] == self.figures["since"]:
            return before - int(waiting["tries"])
        said_at = datetime.fromisoformat(status["updated_at"]).timestamp()
        # What was said before this one was sent is of one that is gone: this one was
        # sent back from the dead letters, and is counted anew.
        return 0 if said_at > self.since else before
