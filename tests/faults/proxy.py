"""A proxy between a function and its cloud that records calls, and lets one fail.

A call is what the SDK calls so: all the requests with one `amz-sdk-invocation-id`, that
is the first and its retries. So a call that fails, fails at each try.
"""

import http.client
import re
import select
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_HOP_BY_HOP: Final = {"connection", "transfer-encoding", "keep-alive"}
_SERVICE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(\w+)/")


class Fault(NamedTuple):
    """What goes wrong with one call."""

    #: Its name, …
    call: str
    #: … and which of this name, counted from 1. (Calls from several threads come in
    #: any order; those of one name don't differ.)
    nth: int
    #: Whether the call has taken effect by then.
    after: bool
    #: `error` (the service's), `throttle`, `drop` (the connection), or `kill` (the
    #: process that calls).
    kind: str


class Meanwhile(NamedTuple):
    """What happens right before a call is passed on."""

    #: Its name, and which of this name; see `Fault`.
    call: str
    nth: int
    act: Callable[[], object]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def service(self) -> str:
        found = _SERVICE.search(self.headers.get("authorization", ""))
        assert found, f"{self.method} {self.path} is not signed"
        return found[1]

    @property
    def name(self) -> str:
        """The operation, and on what; ids are left out, so that runs are alike."""
        if self.service == "s3":
            return self._s3_name()
        if "x-amz-target" in self.headers:
            return self.headers["x-amz-target"].rpartition(".")[2]
        return parse_qs(self.body.decode())["Action"][0]

    def _s3_name(self) -> str:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        if "uploadId" in query:
            operation = {
                "PUT": "UploadPart",
                "POST": "CompleteMultipartUpload",
                "DELETE": "AbortMultipartUpload",
            }[self.method]
        elif "uploads" in query:
            operation = "CreateMultipartUpload"
        else:
            operation = f"{self.method.capitalize()}Object"
        key = re.sub(r"[0-9a-f]{20}", "*", key)
        key = re.sub(r"/model/[^/]+/", "/model/*/", key)
        key = re.sub(r"(part-)\d{5}", r"\1*", key)
        key = re.sub(r"^input/[^/.]+", "input/*", key)
        key = re.sub(r"^output/[^/]+", "output/*", key)
        return f"{operation} {key}"


@dataclass
class FaultProxy:
    """Stands on a port of its own before an emulator, or two.

    Parameters
    ----------
    upstream : callable
        Returns the port on loopback of a service.
    """

    upstream: Callable[[str], int]
    #: The calls since `begin`, in their order, by name.
    calls: list[str] = field(default_factory=list)
    _faults: dict[str, Fault | None] = field(default_factory=dict)
    _wanted: tuple[Fault, ...] = ()
    _meanwhile: Meanwhile | None = None
    _due: dict[str, Meanwhile] = field(default_factory=dict)
    _kill: Callable[[], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "FaultProxy":
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where a function finds its cloud."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def begin(
        self,
        *faults: Fault,
        meanwhile: Meanwhile | None = None,
        kill: Callable[[], None] | None = None,
    ) -> None:
        """Forget the calls so far; let some of those that come fail."""
        with self._lock:
            self.calls, self._faults = [], {}
            self._wanted, self._kill = faults, kill
            self._meanwhile = meanwhile

    def come_to(self, request: Request) -> Fault | None:
        """Record a request, let happen what is due; return what goes wrong with it."""
        fault = self.fault_of(request)
        identity = request.headers["amz-sdk-invocation-id"]
        with self._lock:
            due = self._due.pop(identity, None)
        if due is not None:
            due.act()
        return fault

    def fault_of(self, request: Request) -> Fault | None:
        """Record a request; return what is to go wrong with it."""
        with self._lock:
            identity = request.headers["amz-sdk-invocation-id"]
            if identity not in self._faults:
                name = request.name
                self.calls.append(name)
                nth = self.calls.count(name)
                self._faults[identity] = self.decide(name, nth)
                if self._meanwhile is not None and self._meanwhile[:2] == (name, nth):
                    self._due[identity] = self._meanwhile
            return self._faults[identity]

    def decide(self, call: str, nth: int) -> Fault | None:
        """Return what is to go wrong with a call, if anything."""
        wanted = (fault for fault in self._wanted if fault[:2] == (call, nth))
        return next(wanted, None)

    def adapt(self, request: Request) -> Request:
        """Return what is passed on of a request."""
        return request

    def kill(self) -> None:
        """End the process that calls."""
        assert self._kill is not None
        self._kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Pass over connections that a killed process left behind."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self._upstream = _Upstream()

        def finish(self) -> None:
            self._upstream.close()
            super().finish()

        def _serve(self) -> None:
            request = Request(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self._body(),
            )
            fault = proxy.come_to(request)
            answer = None
            if fault is None or fault.after:
                port = proxy.upstream(request.service)
                answer = self._upstream.forward(port, proxy.adapt(request))
            if fault is None:
                assert answer is not None
                self._reply(request, *answer)
            elif fault.kind in ("drop", "kill"):
                if fault.kind == "kill":
                    proxy.kill()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._reply(request, *_error(request, fault.kind))

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self._read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline() or self._read(1), 16):
                body += self._read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _read(self, size: int) -> bytes:
            """Read all of it: a process that is killed may have sent less."""
            body = self.rfile.read(size)
            if len(body) < size:
                msg = "the request is cut off"
                raise ConnectionResetError(msg)
            return body

        def _reply(
            self, request: Request, status: int, headers: dict[str, str], body: bytes
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if request.method != "HEAD" or "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if request.method != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._serve)
    return Handler


class _Upstream:
    """Connections of one thread to the emulators, by port."""

    def __init__(self) -> None:
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def forward(self, port: int, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Pass a request on; return the answer."""
        connection = self._connection(port)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in _HOP_BY_HOP | {"expect", "content-length"}
        }
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in _HOP_BY_HOP
            and (request.method == "HEAD" or name.lower() != "content-length")
        }
        return answer.status, kept, body

    def _connection(self, port: int) -> http.client.HTTPConnection:
        """Return one that is open still, or will be opened."""
        connection = self._connections.setdefault(
            port, http.client.HTTPConnection("127.0.0.1", port)
        )
        # What can be read before anything is asked is its end.
        if connection.sock and select.select([connection.sock], [], [], 0)[0]:
            connection.close()
        return connection


def _error(request: Request, kind: str) -> tuple[int, dict[str, str], bytes]:
    """Return what the service answers when it fails, or has too much to do."""
    throttled = kind == "throttle"
    if request.service == "s3":
        code = "SlowDown" if throttled else "InternalError"
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
        return (503 if throttled else 500), {"Content-Type": "text/xml"}, body.encode()
    if "x-amz-target" in request.headers:
        code = "ThrottlingException" if throttled else "InternalFailure"
        body = f'{{"__type": "{code}", "message": "{code}"}}'
        return (
            400 if throttled else 500,
            {"Content-Type": "application/x-amz-json-1.0"},
            body.encode(),
        )
    code = "Throttling" if throttled else "InternalError"
    body = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
    return (400 if throttled else 500), {"Content-Type": "text/xml"}, body.encode()
