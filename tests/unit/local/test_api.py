import http.client
import json
import threading
from collections.abc import Iterator

import pytest

from local.runtime.api import Request, RuntimeApi
from local.runtime.function import Result

PREFIX = "/2018-06-01/runtime"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.close()


def call(
    api: RuntimeApi, method: str, path: str, body: bytes = b""
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(api.address, timeout=5)
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, answer


def run_in_background(
    api: RuntimeApi, request: Request
) -> tuple[threading.Thread, list[Result]]:
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(api.run(request)))
    thread.start()
    return thread, results


def request(request_id: str = "1", event: object = None) -> Request:
    return Request(request_id, event, "arn", 5)


def test_next_waits_for_an_event(api: RuntimeApi) -> None:
    answers: list[tuple[int, bytes]] = []
    asking = threading.Thread(
        target=lambda: answers.append(call(api, "GET", f"{PREFIX}/invocation/next"))
    )
    asking.start()
    api.wait_until_ready(5)
    assert not answers

    thread, results = run_in_background(api, request("1", {"a": 1}))
    asking.join()
    assert answers == [(200, b'{"a": 1}')]
    status, _ = call(api, "POST", f"{PREFIX}/invocation/1/response", b'{"b": 2}')
    thread.join()

    assert status == 202
    assert results == [Result({"b": 2})]


def test_an_answer_to_another_request_is_refused(api: RuntimeApi) -> None:
    thread, results = run_in_background(api, request("now"))
    call(api, "GET", f"{PREFIX}/invocation/next")

    late, _ = call(api, "POST", f"{PREFIX}/invocation/before/response", b"{}")
    call(api, "POST", f"{PREFIX}/invocation/now/response", b"1")
    twice, _ = call(api, "POST", f"{PREFIX}/invocation/now/response", b"2")
    thread.join()

    assert (late, twice) == (400, 400)
    assert results == [Result(1)]


def test_an_event_that_could_not_be_handed_over_is_handed_over_again(
    api: RuntimeApi,
) -> None:
    event = request("1", "again")
    thread, results = run_in_background(api, event)
    assert api.next() is event
    api.give_back(event)

    assert call(api, "GET", f"{PREFIX}/invocation/next") == (200, b'"again"')
    assert api.answer("1", Result("done"))
    thread.join()
    assert results == [Result("done")]


def test_a_large_answer_may_come_in_chunks(api: RuntimeApi) -> None:
    thread, results = run_in_background(api, request())
    call(api, "GET", f"{PREFIX}/invocation/next")
    connection = http.client.HTTPConnection(api.address, timeout=5)
    body = json.dumps("x" * 1000).encode()
    connection.request(
        "POST",
        f"{PREFIX}/invocation/1/response",
        iter([body[:300], body[300:]]),
        encode_chunked=True,
    )
    assert connection.getresponse().status == 202
    connection.close()
    thread.join()
    assert results == [Result("x" * 1000)]


def test_an_answer_that_is_no_json_is_taken_as_text(api: RuntimeApi) -> None:
    thread, results = run_in_background(api, request())
    call(api, "GET", f"{PREFIX}/invocation/next")
    call(api, "POST", f"{PREFIX}/invocation/1/response", b"plain")
    thread.join()
    assert results == [Result("plain")]


def test_unknown_paths_are_not_found(api: RuntimeApi) -> None:
    assert call(api, "GET", f"{PREFIX}/invocation/last")[0] == 404
    assert call(api, "POST", f"{PREFIX}/exit")[0] == 404


def test_who_hangs_in_next_at_the_end_is_let_go() -> None:
    api = RuntimeApi()
    errors = []

    def ask() -> None:
        try:
            call(api, "GET", f"{PREFIX}/invocation/next")
        except http.client.RemoteDisconnected as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    api.wait_until_ready(5)
    api.close()
    asking.join(5)
    assert len(errors) == 1
