"""Processes of one function, one after the other, that share what they import.

``python -m tests.faults.forks MODULE [AHEAD LEFT]`` imports the function once and forks
a worker (see `tests.faults.worker`), which first says ``ready`` and its process id.
When it is killed, the next one is forked: in milliseconds, where importing takes
seconds.
"""

import os
from typing import Any, Final

import boto3

from tests.faults import worker

#: What functions have clients of: botocore reads a service's description once.
_SERVICES: Final = ("s3", "sagemaker", "sns", "sqs")


def main() -> None:
    """Have workers work until standard input ends."""
    handler, answers = worker.prepared()
    client: Any = boto3.client
    for service in _SERVICES:
        client(service)  # which connects to nothing
    while True:
        pid = os.fork()
        if not pid:
            print("ready", os.getpid(), file=answers, flush=True)
            worker.work(handler, answers)
            return
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            return


if __name__ == "__main__":
    main()
