"""How large the report's image is, and how soon its first result is there.

    make bench-image

Through the really built image, confined as the tests have it, on the embedded cloud:

- its size, as it lies there and packed as a registry has it, and what is large in it;
- a cold start: from `docker run` until the function asks for its first event;
- the sample, cold and warm: from the start of its container, and from the upload,
  until status.json says SUCCEEDED. In between the table is read and a model trained.

Prints the figures, and writes them to `benchmarks/results/image.json`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from geoclusters import layout
from local import deployment
from local.__main__ import SAMPLE, SAMPLE_K
from local.cloud import ACCOUNT, PROJECT, REGION, Cloud
from local.runtime.api import RuntimeApi
from local.runtime.function import Function
from local.runtime.launch import IMAGE_TAG, DockerLauncher
from operations import steps
from tests.image.prepared import Prepared

RESULTS: Final = PROJECT / "benchmarks/results"
_REPEATS: Final = 3
_POLL_S: Final = 0.02
_TIMEOUT_S: Final = 300.0
_LARGEST: Final = 8

Figures = dict[str, Any]


def main() -> None:
    """Measure, print and write the figures."""
    prepared = Prepared.from_environment()
    if prepared is None:
        sys.exit("there is no image yet: `make bench-image` builds it")
    figures: Figures = {"build_s": prepared.build_s, "repeats": _REPEATS}
    figures |= _sizes() | _starts(prepared) | _results(prepared)
    for name, value in figures.items():
        print(f"{name:24s} {value}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "image.json").write_text(json.dumps(figures, indent=1) + "\n")


def _docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def _sizes() -> Figures:
    packed = subprocess.run(
        f"docker save {IMAGE_TAG} | gzip -1 | wc -c",
        shell=True,
        check=True,
        stdout=subprocess.PIPE,
    )
    listing = _docker(
        *("run", "--rm", "--network", "none", "--entrypoint", "du", IMAGE_TAG),
        *("--bytes", "--max-depth=1", "/opt/venv/lib/python3.11/site-packages"),
    )
    folders = [line.split("\t") for line in listing.splitlines()[:-1]]
    largest = sorted(folders, key=lambda row: -int(row[0]))[:_LARGEST]
    return {
        "size_mb": int(_docker("image", "inspect", "-f", "{{.Size}}", IMAGE_TAG)) / 1e6,
        "packed_mb": int(packed.stdout) / 1e6,
        "largest_mb": {Path(path).name: int(size) / 1e6 for size, path in largest},
    }


def _starts(prepared: Prepared) -> Figures:
    launcher = DockerLauncher(PROJECT, prepared.build_options)
    function = Function(
        name="report",
        arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:report",
        version="$LATEST",
        image_uri=IMAGE_TAG,
        command=(),
        timeout_s=900,
        memory_mb=2048,
        environment={"OPENBLAS_NUM_THREADS": "1"},
        credentials={},
        region=REGION,
    )
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(_REPEATS):
            api = RuntimeApi()
            start = time.monotonic()
            container = launcher.start(function, api.address, Path(folder) / "log")
            api.wait_until_ready(_TIMEOUT_S)
            seconds.append(time.monotonic() - start)
            container.kill()
            container.wait()
            api.close()
    return {"ready_s": statistics.median(seconds), "ready_all_s": seconds}


def _results(prepared: Prepared) -> Figures:
    cold, uploads, warm = [], [], []
    with Cloud(docker=True, build_options=prepared.build_options) as cloud:
        deployment.bootstrap(cloud)
        bucket = deployment.deploy(cloud, app=prepared.assembly)["DataBucketName"]
        for i in range(_REPEATS):
            uploads.append(_until_answered(cloud, bucket, f"cold-{i}.csv"))
            cold.append(time.time() - _started())
            warm.append(_until_answered(cloud, bucket, f"warm-{i}.csv"))
            _docker("kill", _container())
    return {
        "first_result_s": statistics.median(cold),
        "first_result_all_s": cold,
        "upload_to_result_s": {
            "cold": statistics.median(uploads),
            "warm": statistics.median(warm),
        },
    }


def _until_answered(cloud: Cloud, bucket: str, name: str) -> float:
    s3 = cloud.client("s3")
    key = layout.INPUT_PREFIX + name
    with _clock() as seconds:
        answer = s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=SAMPLE.read_bytes(),
            Metadata={"k": str(SAMPLE_K)},
        )
        prefix, version = layout.output_prefix(key), answer["VersionId"]
        deadline = time.monotonic() + _TIMEOUT_S
        state = None
        while state not in ("SUCCEEDED", "FAILED"):
            if time.monotonic() > deadline:
                sys.exit(f"no answer to {name}\n{cloud.log_tails()}")
            time.sleep(_POLL_S)
            status = steps.read_status(s3, bucket, prefix, version)
            state = status["state"] if status else None
    if state == "FAILED":
        sys.exit(f"{name} ended {state}")
    return seconds[0]


@contextmanager
def _clock() -> Iterator[list[float]]:
    seconds: list[float] = []
    start = time.monotonic()
    yield seconds
    seconds.append(time.monotonic() - start)


def _container() -> str:
    return _docker("ps", "--quiet", "--filter", f"ancestor={IMAGE_TAG}").split()[0]


def _started() -> float:
    """Return when the container of the report was made, in seconds of the epoch."""
    text = _docker("inspect", "--format", "{{.Created}}", _container())
    # 2026-11-28T20:15:01.123456789Z
    second, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(second).replace(tzinfo=UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")


if __name__ == "__main__":
    main()
