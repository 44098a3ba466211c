"""A worker that speaks the Lambda Runtime API with the standard library alone.

What it does with an event, the event says: {"do": "echo" | "raise" | "exit" | "sleep"}.
Run as a script; FAKE_INIT=error or FAKE_INIT=exit makes its start fail.
"""

import json
import os
import sys
import time
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def post(path: str, document: object) -> None:
    body = json.dumps(document).encode()
    urllib.request.urlopen(f"{API}/{path}", body).read()


def main() -> None:
    print("cold start")
    if os.environ.get("FAKE_INIT") == "error":
        error = {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"}
        post("init/error", error)
        sys.exit(1)
    if os.environ.get("FAKE_INIT") == "exit":
        sys.exit(7)
    while True:
        with urllib.request.urlopen(f"{API}/invocation/next") as answer:
            request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            headers = dict(answer.headers)
            event = json.load(answer)
        print(f"handling {request_id}", flush=True)
        handle(event, request_id, headers)


def handle(event: dict[str, str], request_id: str, headers: dict[str, str]) -> None:
    if event["do"] == "exit":
        os._exit(9)
    if event["do"] == "sleep":
        time.sleep(60)
    if event["do"] == "raise":
        error = {"errorType": "ValueError", "errorMessage": "bad value"}
        post(f"invocation/{request_id}/error", error)
        return
    answer = {"pid": os.getpid(), "event": event, "headers": headers}
    post(f"invocation/{request_id}/response", answer)
    if event["do"] == "answer-and-exit":
        os._exit(0)


if __name__ == "__main__":
    main()
