"""A function that is deployed as a zip: its own folder, `geoclusters`, its packages."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.bundler import PROJECT_ROOT, ZipBundler
from infra.function import Function


class ZipFunction(Function):
    """The function in `lambdas/<name>/`, on Lambda's own Python."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        timeout: cdk.Duration,
        memory_mb: int,
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name=name,
            timeout=timeout,
            memory_mb=memory_mb,
            removal_policy=removal_policy,
        )
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_11,
            handler=f"lambdas.{name}.handler.handler",
            code=_code(name),
            **self.options,
        )
        cdk.Validations.of(self.function).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-L1",
                reason="Python 3.11 is what the container has too (mxnet runs on "
                "nothing newer): one version for all functions and tests.",
            )
        )


def _code(name: str) -> lambda_.Code:
    # The hash is of the sources, the lock file and the bundler among them: so the
    # assembly is the same in every clone, and with bundling on or off. What counts is
    # an allow-list; by git's rules, nothing below an excluded folder can come back.
    return lambda_.Code.from_asset(
        str(PROJECT_ROOT),
        asset_hash_type=cdk.AssetHashType.SOURCE,
        ignore_mode=cdk.IgnoreMode.GIT,
        exclude=[
            "/*",
            "!/geoclusters/",
            "!/lambdas/",
            "/lambdas/*",
            "!/lambdas/__init__.py",
            f"!/lambdas/{name}/",
            "!/infra/",
            "/infra/*",
            "!/infra/bundler.py",
            "!/infra/elf.py",
            "__pycache__/",
            "*.in",
            "*.md",
        ],
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("bundled-without-docker"),
            local=ZipBundler(name),
        ),
    )
