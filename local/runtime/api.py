"""The Lambda Runtime API of one worker.

The API has no notion of a worker: who asks for ``/next`` gets the next event. So each
worker gets an API, and a port, of its own, and when the worker ends its API ends with
it: a request that a dead worker left behind can't swallow an event.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.child import LOOPBACK
from local.runtime.function import Result

_PREFIX = "/2018-06-01/runtime"
_OUTCOME = re.compile(
    rf"{_PREFIX}/invocation/(?P<request_id>[^/]+)/(?P<kind>response|error)"
)


class WorkerError(Exception):
    """The worker can't answer (any more)."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.result = Result.failure(error_type, message)


class NeverTakenError(WorkerError):
    """The worker ended before it took the event: another one may have it."""


@dataclass(frozen=True)
class Request:
    """One event on its way to a worker."""

    request_id: str
    event: Any
    arn: str
    timeout_s: float


class RuntimeApi:
    """Hands one event at a time to a worker and takes its answer."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = False  # the worker has come for its first event
        self._ended = ""  # why there will be no more answers
        self._init_error: Result | None = None
        self._waiting: Request | None = None  # not yet taken
        self._running: Request | None = None  # taken, not yet answered
        self._result: Result | None = None
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """``host:port``, the worker's ``AWS_LAMBDA_RUNTIME_API``."""
        return f"{LOOPBACK}:{self._server.server_port}"

    def end(self, why: str) -> None:
        """Give up on the worker: it has ended, or is about to be."""
        with self._changed:
            self._ended = self._ended or why
            self._changed.notify_all()

    def close(self) -> None:
        """Stop serving; requests that hang in ``/next`` are dropped."""
        self.end("the worker was stopped")
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the worker has initialised, that is: asks for an event.

        Raises
        ------
        WorkerError
            When it reports an error, ends or is too slow.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._asked or self._init_error or self._ended, timeout_s
            )
            if self._init_error:
                error = self._init_error.body
                raise WorkerError(error["errorType"], error["errorMessage"])
            if self._ended and not self._asked:
                raise WorkerError("Runtime.ExitError", self._ended)
            if not self._asked:
                raise WorkerError(
                    "Runtime.InitTimeout", f"not initialised within {timeout_s:g} s"
                )

    def run(self, request: Request) -> Result:
        """Have the worker handle an event.

        Raises
        ------
        NeverTakenError
            When the worker ended before it took the event.
        WorkerError
            When it ended without an answer, or ran out of the function's time.
        """
        with self._changed:
            self._waiting, self._result = request, None
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._result or self._ended, request.timeout_s
            )
            never_taken = self._waiting is not None
            self._waiting = self._running = None
            if self._result:
                return self._result
            if self._ended:
                kind = NeverTakenError if never_taken else WorkerError
                raise kind("Runtime.ExitError", self._ended)
            raise WorkerError(
                "Sandbox.Timedout",
                f"Task timed out after {request.timeout_s:.2f} seconds",
            )

    # What the worker's requests do.

    def next(self) -> Request | None:
        """Return the next event as soon as there is one; None at the worker's end."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._ended:
                return None
            self._running, self._waiting = self._waiting, None
            return self._running

    def give_back(self, request: Request) -> None:
        """Take an event back that could not be handed over."""
        with self._changed:
            if self._running is request:
                self._running, self._waiting = None, request
                self._changed.notify_all()

    def answer(self, request_id: str, result: Result) -> bool:
        """Accept the answer to the running event; False if it is no such answer."""
        with self._changed:
            if self._running is None or self._running.request_id != request_id:
                return False
            self._running, self._result = None, result
            self._changed.notify_all()
            return True

    def fail_init(self, result: Result) -> None:
        """Accept the worker's word that it can't start."""
        with self._changed:
            self._init_error = result
            self._changed.notify_all()


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path != f"{_PREFIX}/invocation/next":
                self._reply(404, b"{}")
                return
            request = api.next()
            if request is None:
                self.close_connection = True  # nobody is left to be answered
                return
            try:
                self._reply(200, json.dumps(request.event).encode(), _headers(request))
            except OSError:
                api.give_back(request)

        def do_POST(self) -> None:
            body = self._body()
            outcome = _OUTCOME.fullmatch(self.path)
            if outcome:
                error = outcome["kind"] == "error"
                result = Result(_decode(body), error=error)
                accepted = api.answer(outcome["request_id"], result)
                self._reply(202 if accepted else 400, b"{}")
            elif self.path == f"{_PREFIX}/init/error":
                api.fail_init(Result(_decode(body), error=True))
                self._reply(202, b"{}")
            else:
                self._reply(404, b"{}")

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(
            self, status: int, body: bytes, headers: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            # awslambdaric crashes where /next has no content type.
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the function's log is what matters."""

    return Handler


def _headers(request: Request) -> dict[str, str]:
    return {
        "Lambda-Runtime-Aws-Request-Id": request.request_id,
        "Lambda-Runtime-Deadline-Ms": str(
            int((time.time() + request.timeout_s) * 1000)
        ),
        "Lambda-Runtime-Invoked-Function-Arn": request.arn,
    }


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
