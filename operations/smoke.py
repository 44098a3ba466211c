"""Try the whole way in an account: ``python -m operations.smoke``.

With the caller's credentials and region: deploys a stack under a name of its own, has
one table clustered, checks what comes back, and removes everything again, also after a
failure or Ctrl-C; what stays all the same, `operations.removal.remove` says. The same
steps are tested on the embedded cloud.
"""

import argparse
import csv
import io
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from geoclusters import layout
from geoclusters.status import State
from operations import steps
from operations.cdk import PROJECT, Cdk
from operations.errors import OperationError
from operations.removal import Clients, remove

SAMPLE: Final = PROJECT / "samples/cities.csv"
SAMPLE_K: Final = 12
#: The CDK looks for this before it deploys; it is there once it was bootstrapped.
_BOOTSTRAPPED: Final = "/cdk-bootstrap/hnb659fds/version"
#: An image has to be built and pushed the first time.
_CDK_TIMEOUT_S: Final = 3600.0


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """One trial: what is deployed and clustered, and how patiently.

    Parameters
    ----------
    stack
        Name of the stack, which must be no other's.
    table, k
        What is clustered.
    settings
        Of the deployment, beside those that the trial needs.
    timeout_s, poll_s
        How long an answer may take, and how often one looks.
    keep
        Leave everything there at the end.
    """

    stack: str
    table: Path = SAMPLE
    k: int = SAMPLE_K
    settings: Mapping[str, str]
    timeout_s: float = 1800.0
    poll_s: float = 5.0
    keep: bool = False

    def run(self, clients: Clients, cdk: Cdk) -> steps.Document:
        """Go the whole way, remove everything, and return the last status.

        Raises
        ------
        OperationError
            If something isn't as it should be; the message says what.
        """
        check(clients, cdk)
        with tempfile.TemporaryDirectory(prefix="geoclusters-") as folder:
            context = {**self.settings, "stack_name": self.stack, "removal": "destroy"}
            with steps.timed("cdk synth"):
                app = cdk.synthesise(Path(folder) / "app", context=context)
            with self._removing(clients, cdk, app):
                with steps.timed("cdk deploy"):
                    bucket = cdk.deploy(app=app)["DataBucketName"]
                return self._cluster(clients.client("s3"), bucket)

    @contextmanager
    def _removing(self, clients: Clients, cdk: Cdk, app: Path) -> Iterator[None]:
        print(f"Stack: {self.stack}", flush=True)
        try:
            yield
        except BaseException as error:
            # Said at once: removing takes minutes, and may fail too.
            print(f"\n{error or type(error).__name__}", file=sys.stderr, flush=True)
            raise
        finally:
            if self.keep:
                print(f"The stack {self.stack} is left there, and costs what it costs.")
            else:
                with steps.timed("Removing everything"):
                    remove(
                        self.stack,
                        clients=clients,
                        cdk=cdk,
                        app=app,
                        poll_s=self.poll_s,
                    )

    def _cluster(self, s3: Any, bucket: str) -> steps.Document:
        prefix = layout.output_prefix(layout.INPUT_PREFIX + self.table.name)
        body = self.table.read_bytes()
        version_id = steps.upload(s3, bucket, self.table.name, body, k=str(self.k))
        try:
            status = steps.follow(
                lambda: steps.read_status(s3, bucket, prefix, version_id),
                timeout_s=self.timeout_s,
                poll_s=self.poll_s,
            )
        except TimeoutError as error:
            raise OperationError(str(error)) from None
        check_results(s3, bucket, prefix, status, k=self.k)
        print(summary(status))
        return status


def check(clients: Clients, cdk: Cdk) -> None:
    """Say where a deployment would go; raise OperationError if it's bound to fail."""
    try:
        caller = clients.client("sts").get_caller_identity()
        region = clients.client("cloudformation").meta.region_name
    except (BotoCoreError, ClientError) as error:
        raise OperationError(
            f"There are no credentials or no region that work: {error}\n"
            "Set AWS_PROFILE and AWS_REGION, or whatever you use."
        ) from error
    print(f"Account {caller['Account']}, region {region}, as {caller['Arn']}")
    try:
        clients.client("ssm").get_parameter(Name=_BOOTSTRAPPED)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            raise OperationError(
                "This account and region are not prepared for the CDK. Run "
                f"`npx cdk bootstrap aws://{caller['Account']}/{region}` once."
            ) from error
        raise
    cdk.check_docker()


def check_results(
    s3: Any, bucket: str, prefix: str, status: steps.Document, *, k: int
) -> None:
    """Raise an OperationError where what came back isn't what was asked for."""
    if status["state"] != State.SUCCEEDED:
        raise OperationError(f"The run ended {status['state']}: {status['message']}")
    for name in status["files"]:
        head = s3.head_object(Bucket=bucket, Key=prefix + name)
        if not head["ContentLength"]:
            raise OperationError(f"{prefix}{name} is empty.")
    answer = s3.get_object(Bucket=bucket, Key=f"{prefix}centroids.csv")
    text = answer["Body"].read().decode()
    sizes = [int(row["size"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
    usable = status["rows"]["usable"]
    if len(sizes) != k or sum(sizes) != usable:
        raise OperationError(
            f"centroids.csv has {len(sizes)} centroids of {sum(sizes)} places; "
            f"expected {k} of {usable}."
        )


def summary(status: steps.Document) -> str:
    """Return what came of a run, in a few lines."""
    cost = status["estimated_cost"]
    known = cost["usd"] is not None
    words = f"{cost['usd']:.6f} USD" if known else f"unknown. {cost['reason']}"
    return "\n".join(
        [
            f"{status['k']} clusters of {status['rows']['usable']:,} places",
            f"Mean distance: {status['mean_distance_m']:,.0f} m",
            f"Files: {', '.join(status['files'])}",
            f"Estimated cost of the run: {words}",
        ]
    )


def new_stack_name() -> str:
    """Return a name that no stack has."""
    return f"geoclusters-smoke-{secrets.token_hex(4)}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    smoke = Smoke(
        stack=new_stack_name(),
        settings=dict(options.context),
        timeout_s=options.timeout,
        keep=options.keep,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    session: Any = boto3.Session()
    try:
        smoke.run(session, Cdk(timeout_s=_CDK_TIMEOUT_S))
    except (OperationError, BotoCoreError, ClientError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("All as it should be.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operations.smoke")
    parser.add_argument(
        "-c",
        "--context",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a setting of the deployment, such as kms_key_arn=arn:…",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything there at the end"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=1800,
        metavar="S",
        help="how long to wait for the answer to the upload (default: 1800)",
    )
    return parser


def _setting(text: str) -> tuple[str, str]:
    """Return a setting's name and value."""
    name, is_one, value = text.partition("=")
    if not is_one:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name in ("stack_name", "removal"):
        raise argparse.ArgumentTypeError(f"{name} is the trial's own")
    return name, value


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
