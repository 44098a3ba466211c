"""One training job's way from Starting to its end, in a thread of its own."""

import errno
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker import metrics
from local.sagemaker.aws import Aws, Line, S3Uri
from local.sagemaker.channels import Channel, Item, PipeFeeder, download
from local.sagemaker.errors import JobFailure, ValidationError
from local.sagemaker.instance import SHARED_VARIABLE, OptMl, Trainer
from local.sagemaker.record import JobRecord
from local.sagemaker.settings import Settings

INTERNAL_ERROR = (
    "InternalServerError: We encountered an internal error. Please try again."
)
_TRAINING = "Training image download completed. Training in progress."
_RUNTIME_EXCEEDED = "Training job runtime exceeded MaxRuntimeInSeconds provided"
_BYTES_A_GB = 2**30
_FAILURE_REASON_CHARS = 1024
_LOOK_S = 0.05
_LOG = logging.getLogger(__name__)


class _StoppedEarlyError(Exception):
    """The job was stopped before its trainer started."""


class _LateError(Exception):
    """The job's time ran out before its trainer started."""


class _AbandonedError(Exception):
    """The server ends; the job is left as it is."""


class Run:
    """Runs one job.

    Parameters
    ----------
    record : JobRecord
        Read and changed under `lock` only.
    lock : threading.RLock
        Shared with the API.
    aws : Aws
    trainer_python : Path
    region : str
    settings : Settings
    publish : callable
        Takes the job's description after each change of state.
    """

    def __init__(
        self,
        record: JobRecord,
        lock: threading.RLock,
        *,
        aws: Aws,
        trainer_python: Path,
        region: str,
        settings: Settings,
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self.record = record
        self._lock = lock
        self._aws = aws
        self._trainer_python = trainer_python
        self._region = region
        self._settings = settings
        self._publish = publish
        self._folder = record.folder / "ml"
        count = record["ResourceConfig"]["InstanceCount"]
        hosts = [f"algo-{number}" for number in range(1, count + 1)]
        self._machines = [OptMl(self._folder / host, host, hosts) for host in hosts]
        self._feeders: list[PipeFeeder] = []
        self._trainers: list[Trainer] = []
        self._wake = threading.Event()
        self._stop_requested = threading.Event()
        self._abandoned = threading.Event()
        self._due = math.inf
        name = record["TrainingJobName"]
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the job's thread."""
        self._remove_folder()  # an earlier server may have left it
        self._publish(self.record.describe())
        self._thread.start()

    def stop(self) -> None:
        """Let the job end as Stopped. To be called under the lock."""
        self._enter("Stopping", "Stopping the training job", status="Stopping")
        self._stop_requested.set()
        self._wake.set()

    def abandon(self) -> None:
        """Kill the trainer and leave the record as it is: the server ends."""
        self._abandoned.set()
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the job's thread."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            self._run()
        except JobFailure as failure:
            self._fail(str(failure))
        except _StoppedEarlyError:
            self._finish("Stopped")
        except _LateError:
            self._finish(self._say_why())
        except _AbandonedError:
            pass
        except Exception:
            _LOG.exception("%s failed inside the stand-in", self._thread.name)
            self._fail(INTERNAL_ERROR)
        finally:
            self._kill()
            self._close_feeders()
            self._remove_folder()

    def _run(self) -> None:
        self._prepare()
        self._proceed("Training", _TRAINING)
        began = int(time.time())
        for machine in self._machines:
            self._trainers.append(self._start_trainer(machine))
        why_ended, failed = self._watch()
        unfed = self._first_unfed()
        self._close_feeders()
        lines: list[Line] = []
        for machine, trainer in zip(self._machines, self._trainers, strict=True):
            stream = f"{self.record['TrainingJobName']}/{machine.host}-{began}"
            self._write_log(stream, trainer.lines)
            lines += trainer.lines
        self._tell_metrics(lines)
        if why_ended is None and unfed:
            raise unfed  # which the trainer, if at all, saw as records missing
        if why_ended is None and failed is not None:
            machine, trainer = self._machines[failed], self._trainers[failed]
            raise JobFailure(_failure_reason(machine.failure(), trainer.exit_code))
        self._upload(always=why_ended is None)
        self._finish(why_ended)

    def _prepare(self) -> None:
        """Bring the data: files downloaded, FIFOs fed."""
        most = self.record["StoppingCondition"]["MaxRuntimeInSeconds"]
        self._due = time.monotonic() + most  # which the download counts towards
        self._set(TrainingStartTime=time.time())
        self._proceed("Downloading", "Downloading input data")
        mode = self.record["AlgorithmSpecification"]["TrainingInputMode"]
        channels = [Channel(item, mode) for item in self.record["InputDataConfig"]]
        try:
            self._aws = self._aws.as_role(self.record["RoleArn"])
            items = [channel.items(self._aws) for channel in channels]
        except ValidationError as error:
            raise JobFailure(f"ClientError: {error}") from error
        count = len(self._machines)
        for number, machine in enumerate(self._machines):
            machine.lay_out(self.record.describe(), channels)
            room = self.record["ResourceConfig"]["VolumeSizeInGB"] * _BYTES_A_GB
            for channel, all_items in zip(channels, items, strict=True):
                share = channel.share(all_items, number, count)
                room -= self._bring(channel, share, machine.data(channel), room)

    def _bring(
        self, channel: Channel, items: list[Item], folder: Path, room: float
    ) -> int:
        """Bring a channel's objects to one machine; return the room that they take."""
        if channel.piped:
            feeder = PipeFeeder(
                self._aws,
                items,
                folder,
                gzipped=channel.gzipped,
                on_failure=self._wake.set,
            )
            self._feeders.append(feeder)
            return 0
        # FastFile takes no room: it reads from S3 what the trainer reads.
        limit = room if channel.mode == "File" else math.inf
        used = self._unless_ended(
            lambda: download(self._aws, items, folder, self._check, room=limit)
        )
        return used if channel.mode == "File" else 0

    def _unless_ended(self, bring: Callable[[], int]) -> int:
        """Bring data; should the job be to end, don't wait for S3 any longer."""
        brought: Future[int] = Future()

        def work() -> None:
            try:
                brought.set_result(bring())
            except Exception as error:
                brought.set_exception(error)

        name = f"{self._thread.name} download"
        threading.Thread(target=work, name=name, daemon=True).start()
        while not wait([brought], _LOOK_S).done:
            self._check()
        return brought.result()

    def _start_trainer(self, machine: OptMl) -> Trainer:
        log = "log.txt" if len(self._machines) == 1 else f"log-{machine.host}.txt"
        return Trainer(
            self._trainer_python,
            machine,
            self._environment(),
            self.record.folder / log,
            self._wake.set,
        )

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _close_feeders(self) -> None:
        while self._feeders:
            self._feeders.pop().close()

    def _environment(self) -> dict[str, str]:
        shared = self._folder / "shared"
        shared.mkdir(exist_ok=True)
        return {
            **self.record.get("Environment", {}),
            SHARED_VARIABLE: str(shared),
            "TRAINING_JOB_NAME": self.record["TrainingJobName"],
            "TRAINING_JOB_ARN": self.record["TrainingJobArn"],
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
        }

    def _watch(self) -> tuple[str | None, int | None]:
        """Wait for the trainers, ending them where that is due.

        If one fails, or a pipe, the others are killed: each waits for all.

        Returns
        -------
        why : str or None
            Why they were ended: "Stopped", "MaxRuntimeExceeded", or not at all.
        failed : int or None
            Which was the first to fail of itself.
        """
        due = self._due
        why: str | None = None
        failed: int | None = None
        while not all(trainer.ended for trainer in self._trainers):
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            if self._abandoned.is_set():
                self._kill()
                raise _AbandonedError
            failed = self._first_failed()
            unfed = why is None and self._first_unfed()
            if failed is not None or unfed:
                self._kill()
                break
            if all(trainer.ended for trainer in self._trainers):
                break
            late = time.monotonic() >= due
            if why is None and (late or self._stop_requested.is_set()):
                why = self._say_why()
                for trainer in self._trainers:
                    trainer.terminate()
                due = time.monotonic() + self._settings.stop_grace_seconds
            elif late:
                self._kill()
        why = why or ("Stopped" if self._stop_requested.is_set() else None)
        return why, self._first_failed() if failed is None else failed

    def _first_unfed(self) -> Exception | None:
        return next((each.failure for each in self._feeders if each.failure), None)

    def _first_failed(self) -> int | None:
        for number, trainer in enumerate(self._trainers):
            if trainer.ended and trainer.exit_code:
                return number
        return None

    def _say_why(self) -> str:
        with self._lock:
            if self._stop_requested.is_set():
                return "Stopped"
            self._enter("Stopping", _RUNTIME_EXCEEDED, status="Stopping")
            return "MaxRuntimeExceeded"

    def _kill(self) -> None:
        """Kill those trainers that still run, and wait for their end."""
        for trainer in self._trainers:
            if not trainer.ended:
                trainer.kill()
        for trainer in self._trainers:
            trainer.wait()

    def _write_log(self, stream: str, lines: list[Line]) -> None:
        try:
            self._aws.write_log(stream, lines)
        except (ClientError, BotoCoreError) as error:
            _LOG.warning("log stream %s not written: %s", stream, error)

    def _tell_metrics(self, lines: list[Line]) -> None:
        points = metrics.points(lines)
        if not points:
            return
        self._set(FinalMetricDataList=metrics.final(points))
        name = self.record["TrainingJobName"]
        try:
            self._aws.put_metrics(name, points)
        except (ClientError, BotoCoreError) as error:
            _LOG.warning("metrics of %s not put: %s", name, error)

    def _upload(self, *, always: bool) -> None:
        """Upload the model; of a stopped job, if it has one."""
        artefact = self.record.folder / "model.tar.gz"
        try:
            is_something = self._machines[0].pack(artefact)
        except OSError as error:
            artefact.unlink(missing_ok=True)
            if error.errno != errno.ENOSPC:
                raise
            reason = "ClientError: Artifact upload failed:Insufficient disk space"
            raise JobFailure(reason) from error
        if not is_something and not always:
            artefact.unlink()
            return
        self._enter("Uploading", "Uploading generated training model")
        base = self.record["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        uri = f"{base}/{self.record['TrainingJobName']}/output/model.tar.gz"
        try:
            self._aws.upload(artefact, S3Uri.parse(uri))
        except (ClientError, BotoCoreError, ValueError) as error:
            raise JobFailure(
                f"ClientError: Artifact upload failed: {uri}: {error}"
            ) from error
        finally:
            artefact.unlink()
        if self._abandoned.wait(self._settings.uploading_seconds):
            raise _AbandonedError
        self._set(ModelArtifacts={"S3ModelArtifacts": uri})

    def _set(self, **members: Any) -> None:
        with self._lock:
            self.record.set(**members)

    def _proceed(self, secondary_status: str, message: str) -> None:
        """Enter a status, unless the job is to end before its trainer starts."""
        with self._lock:
            self._check()
            self._enter(secondary_status, message)

    def _check(self) -> None:
        """Raise if the job is to end before its trainer starts."""
        if self._abandoned.is_set():
            raise _AbandonedError
        if self._stop_requested.is_set():
            raise _StoppedEarlyError
        if time.monotonic() >= self._due:
            raise _LateError

    def _finish(self, why: str | None) -> None:
        """End a job that nothing failed in."""
        with self._lock:
            if why == "MaxRuntimeExceeded":
                self._end("MaxRuntimeExceeded", _RUNTIME_EXCEEDED, status="Stopped")
            elif self._stop_requested.is_set():
                self._end("Stopped", "Training job stopped", status="Stopped")
            else:
                self._end("Completed", "Training job completed", status="Completed")

    def _fail(self, reason: str) -> None:
        with self._lock:
            if self._stop_requested.is_set():
                self._end("Stopped", "Training job stopped", status="Stopped")
                return
            self.record.set(FailureReason=reason[:_FAILURE_REASON_CHARS])
            self._end("Failed", "Training job failed", status="Failed")

    def _end(self, secondary_status: str, message: str, *, status: str) -> None:
        self._enter(secondary_status, message, status=status)
        _LOG.info("%s: %s", self._thread.name, status)

    def _enter(
        self, secondary_status: str, message: str, *, status: str | None = None
    ) -> None:
        with self._lock:
            self.record.enter(secondary_status, message, status=status)
            self._publish(self.record.describe())


def _failure_reason(failure: str, exit_code: int) -> str:
    """Make FailureReason of the failure file and the exit code.

    A container says whose fault it was: "ClientError: …". All else is an
    AlgorithmError.
    """
    end = f", exit code: {exit_code}"
    if not failure:
        return f"AlgorithmError: {end}"
    if not failure.startswith(("ClientError: ", "AlgorithmError: ")):
        failure = f"AlgorithmError: {failure}"
    return failure[: _FAILURE_REASON_CHARS - len(end)] + end
