"""A function that is deployed as a container image: `container/Dockerfile`."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.bundler import PROJECT_ROOT
from infra.function import Function


class ImageFunction(Function):
    """The function in `container/`.

    The whole project is the build's context, but for what `.dockerignore` leaves out.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        timeout: cdk.Duration,
        memory_mb: int,
        removal_policy: cdk.RemovalPolicy,
        base_image: str,
        build_secrets: Mapping[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name=name,
            timeout=timeout,
            memory_mb=memory_mb,
            removal_policy=removal_policy,
        )
        self.function = lambda_.DockerImageFunction(
            self,
            "Function",
            code=lambda_.DockerImageCode.from_image_asset(
                str(PROJECT_ROOT),
                file="container/Dockerfile",
                platform=ecr_assets.Platform.LINUX_AMD64,
                build_args={"BASE_IMAGE": base_image},
                build_secrets={
                    secret: cdk.DockerBuildSecret.from_src(path)
                    for secret, path in build_secrets.items()
                },
                # Where a secret lies doesn't make another image.
                invalidation=ecr_assets.DockerImageAssetInvalidationOptions(
                    build_secrets=False
                ),
            ),
            **self.options,
        )
