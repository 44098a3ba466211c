"""Everything that ministack must be bent for, each bend with its reason.

This is the only file that reaches into ministack. It was written against the version
pinned in ``local/requirements.in``; look here first when that version is lifted.
"""

import base64
import contextvars
import hashlib
import http.client
import json
import tempfile
import threading
import zipfile
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.lambda_runtime import execution_credentials
from ministack.core.responses import (
    get_account_id,
    get_region,
    set_request_account_id,
    set_request_region,
)
from ministack.core.router import extract_access_key_id
from ministack.services import eventbridge, iam, lambda_svc, s3

EVENTS_PATH = "/_geoclusters/events"
"""Where the SageMaker stand-in posts its events, one PutEvents entry a request."""
JUDGE_PATH = "/_geoclusters/judge"
"""Where it asks whether a request that it got is allowed."""
ROLE_PATH = "/_geoclusters/role"
"""Where it gets the keys of the role that a training job acts under."""

main = ministack.app.main
"""Runs ministack until it is stopped."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def apply(runtime_port: int) -> None:
    """Apply all bends; image functions go to the runtime on this loopback port."""
    _open_doors_for_the_sagemaker_stand_in()
    _run_image_functions_in_our_runtime(runtime_port)
    _listen_on_one_port()
    _know_which_repository_is_described()
    _know_which_namespace_metrics_go_to()
    _unpack_code_once()
    _tell_versions_of_new_objects()


def _open_doors_for_the_sagemaker_stand_in() -> None:
    """Add what SageMaker itself may do, and no caller of AWS's API.

    Events whose source is ``aws.sagemaker``: ministack refuses them in PutEvents, and
    rightly so, as on AWS only SageMaker can send them. What IAM says of a request to
    SageMaker, which ministack doesn't serve. And the keys of a role that trusts it.
    """
    ministack_app = ministack.app.app
    doors = {EVENTS_PATH: _put_event, JUDGE_PATH: _judge, ROLE_PATH: _assume_role}

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        door = doors.get(scope["path"]) if scope["type"] == "http" else None
        if door:
            await _answer(send, *door(await _body(receive)))
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


def _judge(body: bytes) -> tuple[int, bytes]:
    """Answer 200 if a signed request is allowed all that it needs, else 403 and why."""
    question = json.loads(body)
    set_request_account_id("")
    set_request_region(None)
    iam_evaluator.pin_request_origin("127.0.0.1", True)
    headers = {name.lower(): value for name, value in question["headers"].items()}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    iam_evaluator.pin_signed_request("POST", "/", {}, raw)
    iam_evaluator.pin_signed_body(base64.b64decode(question["body"]))
    key = extract_access_key_id(headers, {}) or ""
    for check in question["checks"]:
        action, resource = check["action"], check["resource"]
        denied = iam_evaluator.enforce(
            key, action, "sagemaker", get_region(), resource, check["context"]
        )
        if isinstance(denied, iam_evaluator.AuthError):
            # By the evaluator's name, which each of AWS's protocols calls otherwise.
            code, _, message = iam_actions._auth_failure(
                "sagemaker", denied.code, denied.message, headers
            )
            return _refused(code, message)
        if denied is not None:
            message = iam_actions.identity_denial_message(
                action, denied.principal_arn, resource, denied.decision == "Deny"
            )
            return _refused("AccessDeniedException", message)
    return 200, b"{}"


def _assume_role(body: bytes) -> tuple[int, bytes]:
    """Answer the keys of a role that trusts SageMaker for this account."""
    role_arn = json.loads(body)["role_arn"]
    set_request_account_id("")
    set_request_region(None)
    account = get_account_id()
    role = iam._roles.get(role_arn.rpartition("/")[2])
    if role is None or role["Arn"] != role_arn or not _trusts_sagemaker(role, account):
        return _refused("AccessDenied", f"SageMaker may not assume {role_arn}")
    # As for a function of that name: ministack makes no other service's sessions.
    arn = f"arn:aws:lambda:{get_region()}:{account}:function:SageMaker"
    session = {"Role": role_arn, "FunctionArn": arn, "FunctionName": "SageMaker"}
    return 200, json.dumps(execution_credentials(session)).encode()


def _trusts_sagemaker(role: dict[str, Any], account: str) -> bool:
    # ministack's own matcher takes any service for the account's root.
    service = "sagemaker.amazonaws.com"
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="AWSService",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role["Arn"],
        region=get_region(),
        service_context={"aws:sourceaccount": account},
    )
    document = role["AssumeRolePolicyDocument"]
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy["Statement"]
    concerning = [
        statement
        for statement in (statements if isinstance(statements, list) else [statements])
        if iam_evaluator._service_principal_matches(statement["Principal"], service)
    ]
    parsed = iam_evaluator.parse_policy_document({"Statement": concerning})
    decision: str = iam_evaluator.evaluate(context, [parsed]).decision
    return decision == "Allow"


def _refused(code: str, message: str) -> tuple[int, bytes]:
    return 403, json.dumps({"code": code, "message": message}).encode()


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


def _know_which_namespace_metrics_go_to() -> None:
    """Know ``cloudwatch:namespace``, the one condition that PutMetricData has.

    ministack doesn't, so that a role that is narrowed to SageMaker's namespaces, as
    AWS's own for training jobs are, couldn't put any metric.
    """
    context_of = iam_actions.request_tag_context

    def request_tag_context(
        service: str, iam_action: str, body: bytes, params: dict[str, Any]
    ) -> Any:
        context = context_of(service, iam_action, body, params)
        # As boto3 sends it. Whoever uses an older protocol is refused.
        if iam_action == "cloudwatch:PutMetricData" and body.startswith(b"{"):
            context["cloudwatch:namespace"] = json.loads(body).get("Namespace")
        return context

    iam_actions.request_tag_context = request_tag_context


def _unpack_code_once() -> None:
    """Let the workers of a function share its code.

    ministack unpacks a function's zip for each of its workers, and anew when one is
    replaced; that of `ingest` is 240 MB. (No function writes there: on AWS it can't.)
    """
    lambda_runtime.zipfile = SimpleNamespace(
        **vars(zipfile) | {"ZipFile": _SharedZipFile}
    )


def _tell_versions_of_new_objects() -> None:
    """Let S3's events say which version of an object is meant, as on AWS.

    ministack knows it, says it in S3's own notifications, and leaves it out of what it
    sends to EventBridge.
    """
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    version = contextvars.ContextVar[str | None]("version", default=None)

    def fire_with_version(*args: Any, **options: Any) -> None:
        token = version.set(options.get("version_id"))
        try:
            fire(*args, **options)
        finally:
            version.reset(token)

    def dispatch_with_version(event: dict[str, Any], *more: Any) -> Any:
        version_id = version.get()
        if version_id is not None and event["Source"] == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version_id
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *more)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


_UNPACKING = threading.Lock()


class _SharedZipFile(zipfile.ZipFile):
    """An archive that is unpacked once, whoever asks for it."""

    def extractall(
        self, path: Any = None, members: Any = None, pwd: Any = None
    ) -> None:
        assert self.filename is not None
        content = Path(self.filename).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        shared = Path(tempfile.gettempdir(), "code", digest)
        with _UNPACKING:
            if not shared.exists():
                unpacked = shared.with_suffix(".part")
                super().extractall(unpacked, members, pwd)
                unpacked.rename(shared)
        where = Path(path)
        where.rmdir()
        where.symlink_to(shared)
