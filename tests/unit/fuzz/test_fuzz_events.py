"""Whatever stands in a message: it is read, or it is said not to be one."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from geoclusters.aws import form
from geoclusters.aws.events import (
    JobEnded,
    TrainingRequest,
    created_key,
    messages,
    object_created,
)
from geoclusters.errors import EventError
from geoclusters.run import Upload
from tests.mutations import documents, mutated, replaced
from tests.unit.conftest import EVENTS, sqs_event

CREATED: Final = json.loads((EVENTS / "object_created.json").read_text())
ENDED: Final = json.loads((EVENTS / "training_job_failed.json").read_text())
REQUEST: Final = json.loads(TrainingRequest(run_id="0" * 20).to_json())
READERS: Final[tuple[Callable[[Any], Any], ...]] = (
    object_created,
    created_key,
    JobEnded.from_event,
    TrainingRequest.from_body,
)


def read_all(body: Any) -> None:
    for read in READERS:
        with suppress(EventError):
            use(read(body))


def use(read: Any) -> None:
    """Do what is done with what was read: nothing of it must fail any more."""
    if isinstance(read, Upload):
        assert read.size >= 0
        assert len(read.run_id) == 20
        f"{read.etag}{read.sequencer}{read.version_id or ''}".encode("ascii")
        read.key.encode()
    elif isinstance(read, TrainingRequest):
        assert form.parse(read.to_json()) == {
            "run_id": read.run_id,
            "attempt": read.attempt,
        }
    elif isinstance(read, JobEnded):
        f"{read.job_name}{read.failure_reason}".encode()


@given(mutated([json.dumps(body).encode() for body in (CREATED, ENDED, REQUEST)]))
def test_a_changed_message_is_read_or_refused(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    with suppress(EventError):
        read_all(form.parse(text))


@given(replaced(CREATED) | replaced(ENDED) | replaced(REQUEST) | documents)
def test_a_message_with_any_field_else_is_read_or_refused(body: Any) -> None:
    read_all(body)
    with suppress(EventError):
        read_all(form.parse(json.dumps(body)))


@given(replaced(sqs_event({})["Records"][0]) | documents, st.booleans())
def test_an_event_of_a_queue_is_read_or_refused(record: Any, in_list: bool) -> None:
    with suppress(EventError):
        for message in messages({"Records": [record] if in_list else record}):
            read_all(message.body)
