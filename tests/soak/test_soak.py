"""Many uploads at once: within a quota, and while AWS fails now and then."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
import pytest

from geoclusters import layout
from geoclusters.status import State
from local import deployment
from local.cloud import Cloud
from operations.redrive import redrive
from tests.faults import calls
from tests.faults.proxy import Fault, FaultProxy, Request
from tests.integration.conftest import Pipeline
from tests.statuses import problem

_TIMEOUT_S: Final = 900
_STACK: Final = "geoclusters"
#: How often it is looked for messages that were put aside.
_LOOKS_S: Final = 30
#: Waiting is as good in a tenth of its time, where training takes seconds.
_HURRY: Final = 10
#: The share of calls that fail: of each run's, about one in three runs has one.
_SHARE_OF_FAULTS: Final = 0.01


class Hurry(FaultProxy):
    """Lets messages that wait come back sooner: a minute there is six seconds here."""

    def adapt(self, request: Request) -> Request:
        if request.name != "ChangeMessageVisibility":
            return request
        asked = json.loads(request.body)
        asked["VisibilityTimeout"] = round(asked["VisibilityTimeout"] / _HURRY)
        return replace(request, body=json.dumps(asked).encode())


class Chance(Hurry):
    """Lets calls fail at random."""

    random = random.Random(6)

    def decide(self, call: str, nth: int) -> Fault | None:
        # Without this one a message comes back after 90 minutes, not after 30 seconds.
        if call == "ChangeMessageVisibility":
            return None
        if self.random.random() > _SHARE_OF_FAULTS:
            return None
        kind = self.random.choice(["error", "throttle", "drop"])
        return Fault(call, nth, self.random.random() < 0.5, kind)


class Sent(NamedTuple):
    """One upload; no other has its ETag."""

    key: str
    etag: str
    is_good: bool


@contextmanager
def deployed(assembly: Path, proxy: type[FaultProxy], quota: int) -> Iterator[Any]:
    """Yield a pipeline whose functions' calls go through a proxy, and the proxy."""
    ports: dict[str, int] = {}
    with ExitStack() as stack:
        between = stack.enter_context(
            proxy(lambda service: ports.get(service, ports[""]))
        )
        cloud = Cloud(secure=False, quota=quota, functions_endpoint=between.url)
        for service, url in (
            ("sagemaker", cloud.sagemaker_url),
            ("", cloud.endpoint_url),
        ):
            ports[service] = int(url.rpartition(":")[2])
        stack.enter_context(cloud)
        deployment.bootstrap(cloud)
        yield Pipeline(cloud, deployment.deploy(cloud, app=assembly)), between


def table(number: int) -> bytes:
    rows = (f"{number},{i % 50 + number / 1000},{i}" for i in range(60))
    return "\n".join(["id,lat,lon", *rows]).encode()


def bad_table(number: int) -> bytes:
    return [
        b"<html><body>%d</body></html>" % number,
        b"PK\x03\x04 %d is no workbook" % number,
        b"lat,lon\n%d,200\n" % number,
        b"name\n%d\n" % number,
        b"\x00\x01\x02%d" % number,
    ][number % 5]


def send(pipeline: Pipeline, key: str, body: bytes, *, is_good: bool) -> Sent:
    answer = pipeline.s3.put_object(
        Bucket=pipeline.bucket, Key=f"input/{key}", Body=body, Metadata={"k": "3"}
    )
    return Sent(key, answer["ETag"].strip('"'), is_good)


#: Documents, by their objects' keys and ETags.
Read = dict[tuple[str, str], Any]


def own_statuses(pipeline: Pipeline, read: Read) -> dict[str, Any]:
    """Return each run's own status, by the ETag of its upload.

    Those that were `read` aren't read again: hundreds a second would take a processor.
    """
    found = {}
    pages = pipeline.s3.get_paginator("list_objects_v2").paginate(
        Bucket=pipeline.bucket, Prefix=layout.RUNS_PREFIX
    )
    for page in pages:
        for item in page.get("Contents", []):
            if not item["Key"].endswith("/" + layout.STATUS_NAME):
                continue
            version = item["Key"], item["ETag"]
            if version not in read:
                read[version] = json.loads(pipeline.read(item["Key"]))
                assert problem(read[version]) is None
            status = read[version]
            found[status["upload"]["etag"]] = status
    return found


def put_aside(pipeline: Pipeline) -> dict[str, int]:
    """Return how many messages each queue has that nobody works on."""
    counts = {
        url: pipeline.messages(url)
        for url in pipeline.sqs.list_queues()["QueueUrls"]
        if "DeadLetters" in url or "Undelivered" in url
    }
    assert len(counts) > 5
    return {url: count for url, count in counts.items() if count}


#: What is done every second while runs are waited for, given their statuses.
Meanwhile = Callable[[dict[str, Any]], object]


class Operator:
    """Sends back, every now and then, what was put aside.

    With calls that fail at random, some message of hundreds fails five times in a row.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._looked_at = time.monotonic()

    def look(self, statuses: dict[str, Any]) -> None:
        del statuses
        if time.monotonic() < self._looked_at + _LOOKS_S:
            return
        self._looked_at = time.monotonic()
        if put_aside(self._pipeline):
            with pytest.MonkeyPatch.context() as shell:
                for name, value in self._pipeline.cloud.environment().items():
                    shell.setenv(name, value)
                redrive(_STACK, boto3.Session())


def wait_for_all(
    pipeline: Pipeline, sent: list[Sent], meanwhile: Meanwhile
) -> dict[str, Any]:
    """Wait until each upload's run has ended; return their own statuses."""
    deadline = time.monotonic() + _TIMEOUT_S
    read: Read = {}
    while True:
        pipeline.cloud.check()
        statuses = own_statuses(pipeline, read)
        meanwhile(statuses)
        ended = {
            etag
            for etag, status in statuses.items()
            if State(status["state"]).is_final and "put_aside" not in status
        }
        missing = [upload for upload in sent if upload.etag not in ended]
        if not missing:
            return statuses
        if time.monotonic() > deadline:
            states = {one.key: statuses.get(one.etag) for one in missing}
            pytest.fail(f"{len(missing)} runs haven't ended: {states}")
        time.sleep(1)


def memory_kb(pipeline: Pipeline) -> dict[str, int]:
    """Return what each process group of the cloud holds in memory."""
    groups = {pid: name for name, pid in pipeline.cloud.processes.items()}
    held = Counter({name: 0 for name in groups.values()})
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            group = int(stat.read_text().rpartition(")")[2].split()[2])
            pages = int((stat.parent / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if group in groups:
            held[groups[group]] += pages * 4
    return dict(held)


def temporary_files(pipeline: Pipeline) -> set[str]:
    """Return the files that lie in the cloud's temporary folder, and open uploads.

    The emulator unpacks a function's code for each of its workers; that isn't ours.
    """
    folder = pipeline.cloud.state / "tmp"
    files = {
        str(path.relative_to(folder))
        for top in folder.iterdir()
        if not top.name.startswith("ministack-lambda-")
        for path in (top, *top.rglob("*"))
    }
    uploads = pipeline.s3.list_multipart_uploads(Bucket=pipeline.bucket)
    return files | {upload["Key"] for upload in uploads.get("Uploads", [])}


def check_named_files(pipeline: Pipeline, sent: list[Sent]) -> None:
    """Hold that what the statuses name is there, and the rest of an earlier upload."""
    for key in {upload.key for upload in sent}:
        status = pipeline.status(key)
        prefix = layout.output_prefix(f"input/{key}")
        listing = pipeline.s3.list_objects_v2(Bucket=pipeline.bucket, Prefix=prefix)
        ours = {
            item["Key"].removeprefix(prefix)
            for item in listing["Contents"]
            if sequencer(pipeline, item["Key"]) == status["upload"]["sequencer"]
        }
        assert ours == {*status["files"], layout.STATUS_NAME}


def sequencer(pipeline: Pipeline, key: str) -> str:
    answer = pipeline.s3.head_object(Bucket=pipeline.bucket, Key=key)
    found: str = answer["Metadata"]["sequencer"]
    return found


def check_calls(proxy: FaultProxy) -> None:
    """Hold that the functions made no call but those that fail one by one elsewhere."""
    met = set(proxy.calls)
    assert "CreateTrainingJob" in met
    assert met <= calls.ALL, met - calls.ALL


def come_again(pipeline: Pipeline, run_id: str) -> None:
    """Let the event of a run's upload come a second time."""
    upload = pipeline.upload_of(run_id)
    key = upload.key.removeprefix(layout.INPUT_PREFIX)
    event = pipeline.upload_event(key, asdict(upload))
    pipeline.sqs.send_message(
        QueueUrl=pipeline.queue_url("Ingest"), MessageBody=json.dumps(event)
    )


def test_fifty_uploads_at_once_succeed_with_two_jobs_allowed(assembly: Path) -> None:
    with deployed(assembly, Hurry, quota=2) as (pipeline, proxy):
        started = time.monotonic()
        sent = [send(pipeline, f"{i}.csv", table(i), is_good=True) for i in range(50)]
        waiting: set[str] = set()

        def look(statuses: dict[str, Any]) -> None:
            """Only look, but let the event of the first run that waits come again."""
            waits = [one for one in statuses.values() if "waiting" in one]
            if waits and not waiting:
                come_again(pipeline, waits[0]["run_id"])
            waiting.update(one["upload"]["etag"] for one in waits)

        statuses = wait_for_all(pipeline, sent, look)
        assert put_aside(pipeline) == {}
        assert {one["state"] for one in statuses.values()} == {"SUCCEEDED"}
        tries = proxy.calls.count("CreateTrainingJob")
        print(
            f"\n50 uploads, 2 jobs at a time: {time.monotonic() - started:.0f} s, "
            f"{len(waiting)} waited, {tries} tries to create a job"
        )
        assert len(waiting) > 10
        check_calls(proxy)
        assert tries < 50 * 8


def test_two_hundred_uploads_with_faults_are_all_accounted_for(
    assembly: Path,
) -> None:
    with deployed(assembly, Chance, quota=8) as (pipeline, proxy):
        started = time.monotonic()
        operator = Operator(pipeline)
        sent: list[Sent] = []
        statuses: dict[str, Any] = {}
        held, files = {}, set[str]()
        for half in (range(100), range(100, 200)):
            held, files = memory_kb(pipeline), temporary_files(pipeline)
            for number in half:
                # the last ones overwrite the first, bad ones good ones and the reverse
                first = number % 100 < 75
                key = f"{number if first else number - 75}.csv"
                is_good = number % 2 == 0
                body = table(number) if is_good else bad_table(number)
                sent.append(send(pipeline, key, body, is_good=is_good))
            statuses = wait_for_all(pipeline, sent, operator.look)
        ledger = Counter(statuses[upload.etag]["state"] for upload in sent)
        faults = sum(fault is not None for fault in proxy._faults.values())
        # of the second half: until then all parts had run, as many at a time
        growth = {
            name: round(after / held[name], 2)
            for name, after in memory_kb(pipeline).items()
        }
        print(
            f"\n200 uploads: {dict(ledger)} in {time.monotonic() - started:.0f} s, "
            f"{faults} of {len(proxy.calls)} calls failed; memory grew by {growth}"
        )
        assert len(sent) == ledger.total() == len(statuses) == 200
        assert ledger.keys() == {"SUCCEEDED", "FAILED", "SUPERSEDED"}
        assert faults > 20
        for upload in sent:
            status = statuses[upload.etag]
            wanted = "SUCCEEDED" if upload.is_good else "FAILED"
            assert status["state"] in (wanted, "SUPERSEDED")
            assert status["message"]
        newest = {upload.key: upload for upload in sent}
        for key, upload in newest.items():
            assert pipeline.status(key)["upload"]["etag"] == upload.etag
            assert statuses[upload.etag]["state"] != "SUPERSEDED"
        check_named_files(pipeline, sent)
        assert temporary_files(pipeline) <= files
        check_calls(proxy)
        assert all(ratio < 1.3 for ratio in growth.values()), growth
