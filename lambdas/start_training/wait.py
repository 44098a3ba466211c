"""How long a run waits for SageMaker, and how often its message failed.

The queue counts a message's receives, and can't tell those that ended in waiting, who
may be many, from those that failed. The run's status says which of them was the last to
wait.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from geoclusters.aws.events import Message

#: As often in a row a message may fail, as the queues of the other functions allow.
MOST_FAILURES: Final = 5


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
        """Return how often in a row the message failed before, by its run's status."""
        said = (status or {}).get("waiting", {})
        # Sent back from the dead letters, a message is counted from 1 again.
        is_said_of_this = said.get("since") == self.figures["since"]
        waited = said["tries"] if is_said_of_this else 0
        return self.tries - 1 - waited
