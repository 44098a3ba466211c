"""What is logged of a message that isn't done."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from aws_lambda_powertools import Logger

from geoclusters.aws.queue import LaterError, logged


@pytest.fixture
def output() -> Iterator[StringIO]:
    yield StringIO()


@pytest.fixture
def logger(output: StringIO) -> Logger:
    # Loggers of one name share where they write to.
    return Logger(service=f"test-{id(output)}", stream=output)


def lines(output: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_what_fails_is_logged_with_the_run_id_and_goes_on_failing(
    logger: Logger, output: StringIO
) -> None:
    with (
        pytest.raises(KeyError),
        logged(logger, run_id="f" * 20, receives=3),
    ):
        raise KeyError("etag")
    (line,) = lines(output)
    assert (line["level"], line["run_id"], line["receives"]) == ("ERROR", "f" * 20, 3)
    assert line["exception_name"] == "KeyError"
    assert "etag" in str(line["exception"])


def test_a_message_that_waits_is_no_error_in_the_log(
    logger: Logger, output: StringIO
) -> None:
    with pytest.raises(LaterError), logged(logger, run_id="f" * 20):
        raise LaterError("the quota is used up", delay_s=30)
    (line,) = lines(output)
    assert (line["level"], line["run_id"]) == ("INFO", "f" * 20)
    assert (line["reason"], line["delay_s"]) == ("the quota is used up", 30)
