"""A message waits or ends; it never vanishes."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from geoclusters.aws.events import Message, messages
from geoclusters.errors import GeoclustersError

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_sqs import SQSClient

#: SQS's own bound of a visibility timeout.
MOST_DELAY_S = 12 * 60 * 60
#: When a message comes back that something unexpected happened to.
FIRST_RETRY_S, _LAST_RETRY_S = 30, 300


class LaterError(GeoclustersError):
    """A message that can't be worked on yet goes back into its queue for `delay_s`."""

    def __init__(self, reason: str, *, delay_s: int) -> None:
        super().__init__(reason)
        self.delay_s = min(delay_s, MOST_DELAY_S)


def work(
    event: Mapping[str, Any],
    process: Callable[[Message], None],
    *,
    sqs: "SQSClient",
    queue_url: str,
) -> dict[str, Any]:
    """Process the messages of an SQS event; hand back those that have to wait.

    The visibility of a message that waits is changed, and the message reported as a
    batch item failure. (Sending it again would be a new message, and Lambda cuts chains
    of those.) Any other exception than `LaterError` propagates: the message comes back
    soon, a few times, and ends in the dead-letter queue. So does one that can't even be
    read (`EventError`), as bodies are read by `process`. The queue's own visibility
    timeout, which is long, holds only where the function could not even say that.

    Returns
    -------
    dict
        What Lambda expects under ReportBatchItemFailures.
    """

    def hide(message: Message, delay_s: int) -> None:
        sqs.change_message_visibility(
            QueueUrl=queue_url,
            ReceiptHandle=message.receipt_handle,
            VisibilityTimeout=delay_s,
        )

    failures = []
    for message in messages(event):
        try:
            process(message)
        except LaterError as later:
            hide(message, later.delay_s)
            failures.append({"itemIdentifier": message.message_id})
        except Exception:
            delay_s = growing_delay_s(
                message.receive_count, first_s=FIRST_RETRY_S, most_s=_LAST_RETRY_S
            )
            hide(message, delay_s)
            raise
    return {"batchItemFailures": failures}


@contextmanager
def logged(logger: "Logger", **keys: Any) -> Iterator[None]:
    """Let all that is logged in the block carry some keys, such as the run's id.

    Of what goes wrong in it too, which so can be found by them. A message that only
    waits is no error.
    """
    with logger.append_context_keys(**keys):
        try:
            yield
        except LaterError as later:
            logger.info("the message waits", reason=str(later), delay_s=later.delay_s)
            raise
        except Exception:
            logger.exception("this failed unexpectedly; the message comes back")
            raise


def growing_delay_s(receive_count: int, *, first_s: int, most_s: int) -> int:
    """Return how long a message waits after its nth receive: twice as long each."""
    return int(min(first_s * 2 ** min(receive_count - 1, 20), most_s))


def spread(delay_s: int) -> int:
    """Return a delay near another one, at random: within a quarter of it.

    Messages that wait for the same thing would otherwise all come back at one moment,
    and most of them in vain.
    """
    return round(delay_s * random.uniform(0.75, 1.25))
