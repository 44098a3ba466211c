"""Run the SageMaker stand-in until SIGTERM or SIGINT."""

import argparse
import logging
import signal
import threading
from pathlib import Path

from local.sagemaker.api import Options, SageMaker
from local.sagemaker.settings import Settings


def _options(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local.sagemaker")
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0: any")
    parser.add_argument("--aws-endpoint", required=True, help="the emulator's URL")
    parser.add_argument("--state", type=Path, required=True, help="folder for jobs")
    parser.add_argument("--trainer-python", type=Path, required=True)
    parser.add_argument("--region", help="default: AWS_DEFAULT_REGION or us-east-1")
    parser.add_argument("--events-url", help="default: the emulator's own door")
    parser.add_argument(
        "--uploading-seconds",
        type=float,
        default=0.0,
        help="stay Uploading that long once the model is in S3",
    )
    parser.add_argument(
        "--stop-grace-seconds", type=float, default=120.0, help="SIGTERM to SIGKILL"
    )
    parser.add_argument(
        "--quota", type=int, help="instances of one type at a time; default: no limit"
    )
    parser.add_argument(
        "--enforce",
        action="store_true",
        help="have the emulator's IAM say who may what",
    )
    given = parser.parse_args(arguments)
    if not given.trainer_python.exists():
        parser.error(f"--trainer-python: {given.trainer_python} is missing")
    extra = {"region": given.region} if given.region else {}
    return Options(
        aws_endpoint=given.aws_endpoint.rstrip("/"),
        state=given.state.resolve(),
        # Not resolved: a virtual environment's interpreter is a symbolic link.
        trainer_python=given.trainer_python.absolute(),
        port=given.port,
        events_url=given.events_url,
        enforce=given.enforce,
        settings=Settings(
            uploading_seconds=given.uploading_seconds,
            quota=given.quota,
            stop_grace_seconds=given.stop_grace_seconds,
        ),
        **extra,
    )


def main() -> None:
    """Serve, say where, and end all trainers on the way out."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with SageMaker(_options()) as sagemaker:
        logging.getLogger("local.sagemaker").info(
            "listening on %s", sagemaker.endpoint_url
        )
        ending.wait()


if __name__ == "__main__":
    main()
