"""Serve invocations of image functions: ``python -m local.runtime --port N …``.

``POST /invoke`` takes one invocation as `local.bends` sends it and answers how it
ended, once it has.
"""

import argparse
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.child import LOOPBACK
from local.errors import LocalError
from local.runtime.function import Function, Result
from local.runtime.launch import DockerLauncher, ProcessLauncher
from local.runtime.pool import Pool
from local.runtime.worker import Launcher, Worker


def make_server(port: int, pool: Pool) -> ThreadingHTTPServer:
    """Return the server of ``POST /invoke``; port 0 lets the system choose one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            result = _invoke(pool, json.loads(self.rfile.read(length)))
            body = json.dumps(result.to_json()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the functions' logs are what matters."""

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    server.daemon_threads = True
    return server


def _invoke(pool: Pool, invocation: dict[str, Any]) -> Result:
    function = Function.from_json(invocation["function"])
    result = pool.invoke(function, invocation["request_id"], invocation["event"])
    if result.error:
        print(f"{function.name}: {json.dumps(result.body)}\n{result.log}", flush=True)
    return result


def main() -> None:
    """Run the server until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=Path, required=True, help="the project")
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--docker", action="store_true")
    parser.add_argument("--build-option", action="append", default=[])
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    try:
        launcher: Launcher = (
            DockerLauncher(arguments.root, arguments.build_option)
            if arguments.docker
            else ProcessLauncher(arguments.root, arguments.python)
        )
    except LocalError as error:
        sys.exit(str(error))

    def start(function: Function, number: int) -> Worker:
        return Worker(
            launcher, function, arguments.logs / f"{function.name}-{number}.log"
        )

    pool = Pool(start)
    try:
        make_server(arguments.port, pool).serve_forever()
    finally:
        pool.close()


if __name__ == "__main__":
    main()
