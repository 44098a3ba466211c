"""What the deployed roles are allowed, taken apart and for a while taken away."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

_PREFIX = "s3:prefix"


class Grant(NamedTuple):
    """One action on one resource.

    The resource is what follows the account in its ARN, its deployed name being that of
    the template without the hash: `DataBucket/input/*`, `IngestUploadsQueue`.
    """

    action: str
    resource: str
    #: Of `s3:ListBucket`: one of the prefixes that may be listed.
    prefix: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


def names(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """Return what the template calls each resource of a stack, by its deployed name."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(
        StackName=stack_name
    )
    return {
        _deployed(resource["PhysicalResourceId"]): re.sub(
            "[0-9A-F]{8}$", "", resource["LogicalResourceId"]
        )
        for page in pages
        for resource in page["StackResourceSummaries"]
    }


def _deployed(physical_id: str) -> str:
    """Return the name in an id that is an ARN or, as a queue's, an address."""
    if physical_id.startswith(("arn:", "https:")):
        return re.split("[/:]", physical_id)[-1]
    return physical_id


def grants(document: Any, names: Mapping[str, str]) -> Iterator[tuple[Grant, Any]]:
    """Yield a policy's grants, each with the statement that allows it alone."""
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                alone = {**statement, "Action": action, "Resource": resource}
                for prefix, narrowed in _by_prefix(alone):
                    yield Grant(action, _named(resource, names), prefix), narrowed


def _by_prefix(statement: Any) -> Iterator[tuple[str, Any]]:
    condition = statement.get("Condition", {})
    prefixes = condition.get("StringLike", {}).get(_PREFIX)
    if prefixes is None:
        yield "", statement
        return
    assert condition == {"StringLike": {_PREFIX: prefixes}}
    for prefix in _listed(prefixes):
        yield prefix, {**statement, "Condition": {"StringLike": {_PREFIX: prefix}}}


def _named(resource: str, names: Mapping[str, str]) -> str:
    own = resource.split(":", 5)[-1]
    for name in filter(own.__contains__, names):
        return own.replace(name, names[name])
    return own


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


class Role:
    """A deployed role, whose one policy may be narrowed for a while."""

    def __init__(self, iam: Any, arn: str, names: Mapping[str, str]) -> None:
        self.arn = arn
        self._iam = iam
        self._name = arn.rpartition("/")[2]
        attached = iam.list_attached_role_policies(RoleName=self._name)
        assert attached["AttachedPolicies"] == []
        (self._policy,) = iam.list_role_policies(RoleName=self._name)["PolicyNames"]
        self._document = self._current()
        self.grants = dict(grants(self._document, names))

    def _current(self) -> Any:
        answer = self._iam.get_role_policy(RoleName=self._name, PolicyName=self._policy)
        return answer["PolicyDocument"]

    @property
    def is_as_deployed(self) -> bool:
        """Whether the policy is the template's."""
        return bool(self._current() == self._document)

    @contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """Allow all but one thing."""
        assert grant in self.grants
        rest = [alone for other, alone in self.grants.items() if other != grant]
        self._put({**self._document, "Statement": rest})
        try:
            yield
        finally:
            self._put(self._document)

    def _put(self, document: Any) -> None:
        self._iam.put_role_policy(
            RoleName=self._name,
            PolicyName=self._policy,
            PolicyDocument=json.dumps(document),
        )
