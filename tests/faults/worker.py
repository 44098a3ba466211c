"""A process that runs one function.

It is called by ``python -m tests.faults.worker MODULE [AHEAD LEFT]``. Each line of
standard input is an event, each line that it writes how that ended. The clock may be
put forward by some seconds, so that what happened just now was long ago; and it may be
said how many the function has left.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import IO, Any

Handler = Callable[[Any], Any]


class Context:
    """What Lambda hands to a handler."""

    def __init__(self, left_s: float) -> None:
        self._left_s = left_s

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left, at any time."""
        return int(self._left_s * 1000)


def prepared() -> tuple[Handler, IO[str]]:
    """Return the handler that the command line names, and where answers are written."""
    module, ahead, left = [*sys.argv[1:], "0", "900"][:3]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # logs go elsewhere
    if seconds := float(ahead):
        real = time.time
        time.time = lambda: real() + seconds
    handler = importlib.import_module(module).handler
    return partial(handler, context=Context(float(left))), answers


def work(handler: Handler, answers: IO[str]) -> None:
    """Handle events until standard input ends."""
    for line in sys.stdin:
        try:
            answer = {"result": handler(json.loads(line))}
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
