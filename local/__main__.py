"""A cloud on this machine: ``python -m local up`` and ``python -m local demo``."""

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from local import demo
from local.cloud import ACCOUNT, PROJECT, REGION, Cloud, aws_settings
from operations.errors import OperationError

SAMPLE = PROJECT / "samples/cities.csv"
SAMPLE_K = 12
RESULTS = PROJECT / "results"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with Cloud(
            options.state,
            port=options.port,
            uploading_s=options.uploading_seconds,
            docker=options.docker,
            build_options=shlex.split(options.build_options),
        ) as cloud:
            options.command(cloud, options)
    except OperationError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _up(cloud: Cloud, _: argparse.Namespace) -> None:
    print(instructions(cloud), flush=True)
    try:
        while True:
            cloud.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("\n# Stopped.")


def _demo(cloud: Cloud, options: argparse.Namespace) -> None:
    of_the_sample = SAMPLE_K if options.csv == SAMPLE else None
    demo.run(
        cloud,
        table=options.csv,
        k=options.k or of_the_sample,
        results=options.results,
        timeout_s=options.timeout,
    )


def instructions(cloud: Cloud) -> str:
    """Return what to type in another terminal; every line is valid shell."""
    unset = sorted(aws_settings() - cloud.environment().keys())
    return "\n".join(
        [
            "# The cloud is running. Ctrl-C stops it, and what is in it is gone then.",
            "# In another terminal:",
            *([f"unset {' '.join(unset)}"] if unset else []),
            *(
                f"export {name}={shlex.quote(value)}"
                for name, value in cloud.environment().items()
            ),
            "# Now aws, cdk and boto3 talk to this cloud. For example:",
            f"# npx cdk bootstrap aws://{ACCOUNT}/{REGION}",
            "# npx cdk deploy --require-approval never",
            f"# Logs: {cloud.logs}",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--docker",
        action="store_true",
        help="build the container image and run the report function in it",
    )
    shared.add_argument(
        "--build-options",
        default="",
        metavar="OPTIONS",
        help="more options for `docker build`, such as '--build-arg BASE_IMAGE=mine'",
    )
    shared.add_argument(
        "--uploading-seconds",
        type=float,
        default=0,
        metavar="S",
        help="how long a training job goes on after its model is there (default: 0)",
    )
    shared.add_argument(
        "--port", type=int, help="of the AWS endpoint (default: a free one)"
    )
    shared.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="a new folder for objects and logs, kept (default: a temporary one)",
    )

    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", parents=[shared], help="keep a cloud running")
    up.set_defaults(command=_up)
    show = commands.add_parser(
        "demo", parents=[shared], help="deploy, upload a table, fetch the results"
    )
    show.add_argument("--csv", type=Path, default=SAMPLE, help="the table of places")
    show.add_argument("--k", type=int, help="number of clusters")
    show.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    show.add_argument(
        "--timeout",
        type=float,
        default=120,
        metavar="S",
        help="how long to wait for the answer to the upload (default: 120)",
    )
    show.set_defaults(command=_demo)
    return parser


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
