"""The real CDK CLI against a local cloud: bootstrap, deploy, destroy."""

from collections.abc import Mapping
from pathlib import Path

from local.cloud import ACCOUNT, REGION, Cloud
from operations.cdk import Cdk


def cdk(cloud: Cloud, *, bundles: Path | None = None) -> Cdk:
    """Return the CLI, turned to a local cloud; see `operations.cdk.Cdk`."""
    return Cdk(cloud.process_environment(), bundles=bundles)


def bootstrap(cloud: Cloud) -> None:
    """Prepare the cloud's account for deployments by the CDK, once."""
    cdk(cloud).bootstrap(f"aws://{ACCOUNT}/{REGION}", cwd=cloud.state)


def deploy(
    cloud: Cloud, *, app: Path | None = None, context: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Deploy the stack and return its outputs; see `operations.cdk.Cdk.deploy`."""
    return cdk(cloud).deploy(app=app, context=context)


def destroy(
    cloud: Cloud, *, app: Path | None = None, context: Mapping[str, str] | None = None
) -> None:
    """Destroy the stack; what its removal policies retain stays."""
    cdk(cloud).destroy(app=app, context=context)


def synthesise(
    output: Path,
    *,
    context: Mapping[str, str] | None = None,
    bundles: Path | None = None,
) -> Path:
    """Synthesise the app into a folder, for several deployments, and return it."""
    return Cdk(bundles=bundles).synthesise(output, context=context)
