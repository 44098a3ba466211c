"""Who may ask what of the stand-in, and as whom a job acts: the emulator's IAM says."""

import base64
import json
import urllib.error
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from local.sagemaker.door import opener
from local.sagemaker.errors import RefusedError

ACCOUNT = "000000000000"
"""The emulator's account, which is the stand-in's too."""
JUDGE_PATH = "/_geoclusters/judge"
ROLE_PATH = "/_geoclusters/role"

_SERVICE = "sagemaker.amazonaws.com"
_TIMEOUT_S = 30


class Keys(NamedTuple):
    """The credentials of a role's session."""

    access_key_id: str
    secret_access_key: str
    session_token: str


class Access:
    """The emulator's doors for who may do what.

    Parameters
    ----------
    endpoint_url : str
        The emulator.
    region : str
    """

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._url = endpoint_url
        self._region = region
        self._opener = opener()

    def check(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Refuse a request whose signature is wrong or whose caller may not ask it.

        Raises
        ------
        RefusedError
        """
        checks = [
            {"action": action, "resource": resource, "context": context}
            for action, resource, context in _needed(operation, request, self._region)
        ]
        encoded = base64.b64encode(body).decode()
        question = {"headers": dict(headers), "body": encoded, "checks": checks}
        self._ask(JUDGE_PATH, question)

    def keys(self, role_arn: str) -> Keys:
        """Return the keys with which SageMaker acts under a role.

        Raises
        ------
        RefusedError
            Where there is no such role, or it doesn't trust SageMaker.
        """
        answer = self._ask(ROLE_PATH, {"role_arn": role_arn})
        return Keys(
            answer["AWS_ACCESS_KEY_ID"],
            answer["AWS_SECRET_ACCESS_KEY"],
            answer["AWS_SESSION_TOKEN"],
        )

    def _ask(self, path: str, question: dict[str, Any]) -> Any:
        data = json.dumps(question).encode()
        try:
            with self._opener.open(self._url + path, data, _TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 403:
                    raise
                refusal = json.load(error)
            raise RefusedError(refusal["code"], refusal["message"]) from None


def _needed(
    operation: str, request: Mapping[str, Any], region: str
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the actions that a request needs, on what, in which context.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    """
    action = f"sagemaker:{operation}"
    if "TrainingJobName" in request:
        name = request["TrainingJobName"]
        resource = f"arn:aws:sagemaker:{region}:{ACCOUNT}:training-job/{name}"
    else:
        resource = str(request.get("ResourceArn", "*"))
    yield action, resource, {}
    if operation == "CreateTrainingJob":
        role = str(request.get("RoleArn", "*"))
        yield "iam:PassRole", role, {"iam:PassedToService": _SERVICE}
        if request.get("Tags"):
            yield "sagemaker:AddTags", resource, {}
