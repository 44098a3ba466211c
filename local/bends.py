"""Everything that ministack must be bent for, each bend with its reason.

This is the only file that reaches into ministack. It was written against the version
pinned in ``local/requirements.in``; look here first when that version is lifted.
"""

import http.client
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import ministack.app
from ministack.core import iam_actions
from ministack.core.lambda_runtime import execution_credentials
from ministack.core.responses import (
    get_region,
    set_request_account_id,
    set_request_region,
)
from ministack.services import eventbridge, lambda_svc

EVENTS_PATH = "/_geoclusters/events"
"""Where the SageMaker stand-in posts its events, one PutEvents entry a request."""

main = ministack.app.main
"""Runs ministack until it is stopped."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def apply(runtime_port: int) -> None:
    """Apply all bends; image functions go to the runtime on this loopback port."""
    _take_in_events_of_the_sagemaker_stand_in()
    _run_image_functions_in_our_runtime(runtime_port)
    _listen_on_one_port()
    _know_which_repository_is_described()


def _take_in_events_of_the_sagemaker_stand_in() -> None:
    """Add a door for events whose source is ``aws.sagemaker``.

    ministack refuses them in PutEvents, and rightly so: on AWS only SageMaker itself
    can send them. Our stand-in is this cloud's SageMaker, so it gets a door of its own,
    and PutEvents stays as strict as it is.
    """
    ministack_app = ministack.app.app

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == EVENTS_PATH:
            await _answer(send, *_put_event(await _body(receive)))
        else:
            await ministack_app(scope, receive, send)

    ministack.app.app = app


def _put_event(body: bytes) -> tuple[int, bytes]:
    try:
        entry = json.loads(body)
        json.loads(entry["Detail"])
    except (ValueError, KeyError, TypeError) as error:
        return 400, f"not an EventBridge entry: {error!r}\n".encode()
    set_request_account_id("")  # no caller: this cloud's own account and region
    set_request_region(None)
    status, _, answer = eventbridge._put_events(
        {"Entries": [entry]}, allow_aws_source=True
    )
    return status, answer


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _run_image_functions_in_our_runtime(runtime_port: int) -> None:
    """Send the invocations of image functions to `local.runtime`.

    ministack runs them with a Docker client library and the image from the registry:
    we have no Docker by default and nothing was pushed. Its own way out, a proxy
    address per function, doesn't pass on the function's environment, credentials and
    logs, and would have to be set again after each deploy. What is replaced here is the
    one function that runs images, so whatever is deployed, at any time and by anyone,
    is served.
    """
    run_in_docker = lambda_svc._execute_function_docker

    def run(func: dict[str, Any], event: Any, request_id: str) -> Any:
        config = func.get("config") or func
        if config.get("PackageType") != "Image":
            return run_in_docker(func, event, request_id)
        return _invoke(runtime_port, _invocation(config, event, request_id))

    lambda_svc._execute_function_docker = run


def _invocation(config: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    image_config = (config.get("ImageConfigResponse") or {}).get("ImageConfig") or {}
    return {
        "request_id": request_id,
        "event": event,
        "function": {
            "name": config["FunctionName"],
            "arn": config["FunctionArn"],
            "version": config.get("Version", "$LATEST"),
            "image_uri": config["ImageUri"],
            "command": image_config.get("Command") or [],
            "timeout_s": config["Timeout"],
            "memory_mb": config["MemorySize"],
            "environment": (config.get("Environment") or {}).get("Variables") or {},
            "credentials": execution_credentials(config),
            "region": get_region(),
        },
    }


def _invoke(port: int, invocation: dict[str, Any]) -> Any:
    # No timeout here: the runtime enforces the function's own.
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", "/invoke", json.dumps(invocation))
        answer = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = f"the runtime behind image functions failed: {error!r}"
        body = {"errorType": "Runtime.Unknown", "errorMessage": message}
        answer = {"body": body, "error": True}
    finally:
        connection.close()
    return answer


def _listen_on_one_port() -> None:
    """Leave port 443 alone.

    With TLS ministack also takes that port where it can (as root), for the sake of
    Cognito's clients. We have none of them, and several clouds may run at once.
    """
    ministack.app._port_is_bindable = lambda host, port: False


def _know_which_repository_is_described() -> None:
    """Check ``ecr:DescribeRepositories`` on the repository that the request names.

    ministack checks it on ``*``, so that the CDK's role for images, which may describe
    its own repository alone as on AWS, is refused and no deploy succeeds.
    """
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        region: str,
        account_id: str,
    ) -> Any:
        if service == "ecr" and headers.get("x-amz-target", "").endswith(
            ".DescribeRepositories"
        ):
            names = json.loads(body or b"{}").get("repositoryNames") or []
            if len(names) == 1:
                return f"arn:aws:ecr:{region}:{account_id}:repository/{names[0]}"
        return extract(
            service, method, path, headers, body, query_params, region, account_id
        )

    iam_actions.extract_resource_arn = extract_resource_arn
