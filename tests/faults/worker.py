"""A process that runs one function: ``python -m tests.faults.worker MODULE [SECONDS]``.

Each line of standard input is an event, each line that it writes how that ended. The
clock may be put forward, so that what happened just now was long ago.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any

Handler = Callable[[Any, object], Any]


class Context:
    """What Lambda hands to a handler."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Return that there is enough."""
        return 900_000


def prepared() -> tuple[Handler, IO[str]]:
    """Return the handler that the command line names, and where answers are written."""
    module, *ahead = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # logs go elsewhere
    if ahead:
        real, seconds = time.time, float(ahead[0])
        time.time = lambda: real() + seconds
    handler: Handler = importlib.import_module(module).handler
    return handler, answers


def work(handler: Handler, answers: IO[str]) -> None:
    """Handle events until standard input ends."""
    for line in sys.stdin:
        try:
            answer = {"result": handler(json.loads(line), Context())}
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Import the handler, say so and work."""
    handler, answers = prepared()
    print("ready", file=answers, flush=True)
    work(handler, answers)


if __name__ == "__main__":
    main()
