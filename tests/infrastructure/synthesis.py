"""Templates to look at, synthesised without bundling, Docker or network."""

import json
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import aws_cdk as cdk

from infra import checks
from infra.settings import Settings
from infra.stack import GeoclustersStack


class Resource(NamedTuple):
    """One resource of a template."""

    logical_id: str
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        return self.body["Properties"]  # type: ignore[no-any-return]


class Statement(NamedTuple):
    """One action on one resource, as a policy allows it."""

    action: str
    resource: str
    condition: str = ""


class Template(NamedTuple):
    """A CloudFormation template."""

    body: dict[str, Any]

    def all(self, resource_type: str) -> list[Resource]:
        return [
            Resource(logical_id, body)
            for logical_id, body in self.body["Resources"].items()
            if body["Type"] == resource_type
        ]

    def one(self, resource_type: str, *, having: str = "") -> Resource:
        """Return the resource of a type whose logical id has `having` in it."""
        (found,) = (r for r in self.all(resource_type) if having in r.logical_id)
        return found

    def function(self, name: str) -> Resource:
        (found,) = (
            function
            for function in self.all("AWS::Lambda::Function")
            if self.environment(function)["POWERTOOLS_SERVICE_NAME"] == name
        )
        return found

    def environment(self, function: Resource) -> dict[str, str]:
        variables = function.properties["Environment"]["Variables"]
        return {name: render(value) for name, value in variables.items()}

    def role_of(self, name: str) -> str:
        role, _ = self.function(name).properties["Role"]["Fn::GetAtt"]
        return str(role)

    def training_role(self) -> str:
        (role,) = (
            role.logical_id
            for role in self.all("AWS::IAM::Role")
            if "sagemaker" in json.dumps(role.properties["AssumeRolePolicyDocument"])
        )
        return role

    def allowed(self, role: str) -> set[Statement]:
        """Return all that the inline policies of a role allow."""
        statements: set[Statement] = set()
        for policy in self.all("AWS::IAM::Policy"):
            if {"Ref": role} in policy.properties["Roles"]:
                statements.update(flatten(policy))
        assert "ManagedPolicyArns" not in self.body["Resources"][role]["Properties"]
        return statements


def flatten(policy: Resource) -> Iterator[Statement]:
    """Take a policy's statements apart."""
    for statement in policy.properties["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow"
        condition = statement.get("Condition")
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Statement(
                    action, render(resource), render(condition) if condition else ""
                )


def render(value: Any) -> str:
    """Write a template's value in one line, references in angle brackets."""
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(render, parts))
        case {"Fn::FindInMap": [mapping, *keys]}:
            return f"<{mapping}[{', '.join(map(render, keys))}]>"
        case str():
            return value
        case _:
            return json.dumps(value, sort_keys=True)


def synthesise(settings: Settings, *, region: str | None = None) -> Template:
    """Synthesise the stack and return its template."""
    with tempfile.TemporaryDirectory(prefix="geoclusters-") as outdir:
        app = cdk.App(context=checks.context(), outdir=outdir)
        GeoclustersStack(
            app,
            settings.stack_name,
            settings=settings,
            env=cdk.Environment(region=region) if region else None,
        )
        return Template(app.synth().get_stack_by_name(settings.stack_name).template)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
