"""SageMaker's HTTP API: JSON 1.1 as boto3 speaks it, on loopback.

Beside the API there is one door of our own, for tests and the launcher:
`GET /_geoclusters/settings` answers the settings, `POST` changes those it names.
"""

import json
import logging
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from local.sagemaker.access import Access
from local.sagemaker.aws import Aws
from local.sagemaker.errors import (
    ApiError,
    SerializationError,
    ThrottlingError,
    UnknownOperationError,
)
from local.sagemaker.events import EVENTS_PATH, Publisher
from local.sagemaker.jobs import Jobs
from local.sagemaker.settings import Settings
from local.sagemaker.validation import validate

SETTINGS_PATH = "/_geoclusters/settings"
_TARGET_PREFIX = "SageMaker."
_CONTENT_TYPE = "application/x-amz-json-1.1"
_LOG = logging.getLogger(__name__)


def _default_region() -> str:
    return os.environ.get("AWS_DEFAULT_REGION", "us-east-1")


@dataclass(frozen=True)
class Options:
    """How a server is set up.

    Attributes
    ----------
    aws_endpoint : str
        The emulator.
    state : Path
        Where the jobs' records, logs and folders are kept.
    trainer_python : Path
        The interpreter that runs `local.sagemaker.trainer`.
    port : int
        On loopback; 0 takes a free one.
    region : str
    events_url : str or None
        Where events go; the emulator's own door by default.
    enforce : bool
        Whether the emulator's IAM says who may ask what, and jobs act under their
        roles; else all is allowed, and done as root.
    settings : Settings
    """

    aws_endpoint: str
    state: Path
    trainer_python: Path
    port: int = 0
    region: str = field(default_factory=_default_region)
    events_url: str | None = None
    enforce: bool = False
    settings: Settings = field(default_factory=Settings)


class SageMaker:
    """The server: `with SageMaker(options) as sagemaker: …`, or start and close."""

    def __init__(self, options: Options) -> None:
        events_url = options.events_url or options.aws_endpoint + EVENTS_PATH
        self.settings = options.settings
        self._access: Access | None = None
        if options.enforce:
            self._access = Access(options.aws_endpoint, options.region)
        self._aws = Aws(options.aws_endpoint, options.region, access=self._access)
        self._publisher = Publisher(events_url)
        self._jobs = Jobs(
            options.state,
            aws=self._aws,
            trainer_python=options.trainer_python,
            region=options.region,
            settings=options.settings,
            publish=self._publisher.publish,
        )
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateTrainingJob": self._jobs.create,
            "DescribeTrainingJob": self._jobs.describe,
            "StopTrainingJob": self._jobs.stop,
            "ListTrainingJobs": self._jobs.list,
            "AddTags": self._jobs.add_tags,
            "ListTags": self._jobs.list_tags,
            "DeleteTags": self._jobs.delete_tags,
        }
        handler = type("Handler", (_Handler,), {"sagemaker": self})
        self._server = _Server(("127.0.0.1", options.port), handler)
        self._settings_lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="api", daemon=True
        )

    def __enter__(self) -> "SageMaker":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def endpoint_url(self) -> str:
        """The address for boto3."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Answer requests, from another thread, and go on with jobs left running."""
        self._jobs.resume()
        self._thread.start()

    def close(self) -> None:
        """Answer no more, end all trainers and send the last events."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._jobs.close()
        self._publisher.close()
        self._aws.close()

    def call(
        self, operation: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Authorise, validate and execute one operation of the API."""
        execute = self._operations.get(operation)
        if execute is None:
            raise UnknownOperationError(
                f"This SageMaker stand-in knows {', '.join(self._operations)}, "
                f"not {operation!r}."
            )
        self._throttle()
        request = _json_object(body)
        if self._access is not None:
            self._access.check(operation, request, headers=headers, body=body)
        return execute(validate(operation, request))

    def _throttle(self) -> None:
        with self._settings_lock:
            if self.settings.throttle > 0:
                self.settings.throttle -= 1
                raise ThrottlingError("Rate exceeded")

    def change_settings(self, body: bytes) -> dict[str, Any]:
        """Set those settings that a JSON object names; answer all."""
        with self._settings_lock:
            self.settings.change(_json_object(body or b"{}"))
        return asdict(self.settings)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise SerializationError(f"The request is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SerializationError("The request is not a JSON object.")
    return value


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A job a run and a waiter each: more than the default 5 may connect at once.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    sagemaker: ClassVar[SageMaker]

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer the settings; any other path is unknown."""
        if self.path == SETTINGS_PATH:
            self._answer(lambda: self.sagemaker.change_settings(b""))
        else:
            self._send(404, {"message": "not found"})

    def do_POST(self) -> None:
        """Execute an operation, or change settings."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == SETTINGS_PATH:
            self._answer(lambda: self.sagemaker.change_settings(body))
            return
        target = self.headers.get("X-Amz-Target", "")
        operation = target.removeprefix(_TARGET_PREFIX)
        headers = dict(self.headers)
        self._answer(lambda: self.sagemaker.call(operation, body, headers))

    def _answer(self, execute: Callable[[], dict[str, Any]]) -> None:
        try:
            status, answer = 200, execute()
        except ApiError as error:
            status = error.status
            answer = {"__type": error.code, "message": str(error)}
        except Exception:
            _LOG.exception("the stand-in failed")
            status = 500
            answer = {
                "__type": "InternalFailure",
                "message": "The SageMaker stand-in failed; see its log.",
            }
        self._send(status, answer)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests out of the log; state changes are in it."""
