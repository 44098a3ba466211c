"""All training jobs of one account and region, and the operations on them."""

import base64
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.utils import parse_timestamp

from local.sagemaker.access import ACCOUNT
from local.sagemaker.aws import Aws
from local.sagemaker.channels import Channel
from local.sagemaker.errors import ResourceInUseError, ValidationError
from local.sagemaker.quotas import refuse_above_quotas
from local.sagemaker.record import JobRecord
from local.sagemaker.rules import refuse_tags, refuse_unlawful
from local.sagemaker.run import Run
from local.sagemaker.settings import Settings

_DEFAULT_PAGE = 10
_MOST_TAGS = 50
_LOG = logging.getLogger(__name__)
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
)
#: Filters by what jobs here never have: warm pools and training plans.
_OF_NO_JOB = frozenset({"WarmPoolStatusEquals", "TrainingPlanArnEquals"})
_SORT_MEMBERS = {
    "Name": "TrainingJobName",
    "CreationTime": "CreationTime",
    "Status": "TrainingJobStatus",
}


class Jobs:
    """The training jobs, their records and their runs.

    Parameters
    ----------
    state : Path
        Records are kept in `state/jobs/<name>`, and read from there at the start.
    aws : Aws
    trainer_python : Path
    region : str
    settings : Settings
    publish : callable
        Takes a job's description after each change of state.
    """

    def __init__(
        self,
        state: Path,
        *,
        aws: Aws,
        trainer_python: Path,
        region: str,
        settings: Settings,
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self._folder = state / "jobs"
        self._aws = aws
        self._trainer_python = trainer_python
        self._region = region
        self._settings = settings
        self._publish = publish
        self._lock = threading.RLock()
        self._records: dict[str, JobRecord] = {}
        self._runs: dict[str, Run] = {}
        self._load()

    def _load(self) -> None:
        """Read the records of an earlier server."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*/job.json")):
            try:
                record = JobRecord.load(path.parent)
            except ValueError as error:
                path.rename(path.with_suffix(".damaged"))
                _LOG.error("%s is damaged, and put aside: %s", path, error)
            else:
                self._records[record["TrainingJobName"]] = record

    def resume(self) -> None:
        """Go on with the jobs that an earlier server left: train them anew."""
        with self._lock:
            for name, record in self._records.items():
                if record.status == "Stopping":
                    record.enter("Stopped", "Training job stopped", status="Stopped")
                    self._publish(record.describe())
                elif not record.ended:
                    record.enter("Restarting", "Restarting the training job")
                    self._runs[name] = run = self._run(record)
                    run.start()
                    _LOG.info("%s: restarted", name)

    def _run(self, record: JobRecord) -> Run:
        return Run(
            record,
            self._lock,
            aws=self._aws,
            trainer_python=self._trainer_python,
            region=self._region,
            settings=self._settings,
            publish=self._publish,
        )

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """CreateTrainingJob: check, record and start."""
        refuse_unlawful(request, self._region)
        name = request["TrainingJobName"]
        with self._lock:
            self._refuse_known_name(name)
            refuse_above_quotas(request, self._records.values(), self._settings)
        aws = self._aws.as_role(request["RoleArn"])
        mode = request["AlgorithmSpecification"]["TrainingInputMode"]
        for definition in request["InputDataConfig"]:
            Channel(definition, mode).items(aws)
        arn = f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:training-job/{name}"
        with self._lock:
            self._refuse_known_name(name)
            refuse_above_quotas(request, self._records.values(), self._settings)
            record = JobRecord.create(self._folder / name, request, arn)
            run = self._run(record)
            self._records[name], self._runs[name] = record, run
            run.start()
        _LOG.info("%s: InProgress", name)
        return {"TrainingJobArn": arn}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeTrainingJob."""
        with self._lock:
            return self._find(request).describe()

    def stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """StopTrainingJob: returns at once, the job is Stopping."""
        with self._lock:
            record = self._find(request)
            if record.ended:
                raise ValidationError(
                    "The request was rejected because the training job is in status "
                    f"{record.status}."
                )
            if record.status != "Stopping":
                self._runs[request["TrainingJobName"]].stop()
        return {}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTrainingJobs: filtered, sorted, one page."""
        by = request.get("SortBy", "CreationTime")
        order = request.get("SortOrder", "Ascending")
        descending = order == "Descending"
        with self._lock:
            found = [
                {name: record[name] for name in _SUMMARY if record.get(name)}
                for record in self._records.values()
                if _matches(record, request)
            ]

        def place(summary: dict[str, Any]) -> list[Any]:
            return [summary[_SORT_MEMBERS[by]], summary["TrainingJobName"]]

        found.sort(key=place, reverse=descending)
        if "NextToken" in request:
            last = _read_token(request["NextToken"], by, order)
            found = [
                item
                for item in found
                if (place(item) < last if descending else place(item) > last)
            ]
        most = request.get("MaxResults", _DEFAULT_PAGE)
        answer: dict[str, Any] = {"TrainingJobSummaries": found[:most]}
        if len(found) > most:
            answer["NextToken"] = _write_token([by, order, *place(found[most - 1])])
        return answer

    def add_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """AddTags: new ones are added, values of known keys replaced."""
        refuse_tags(request["Tags"])
        with self._lock:
            record = self._find_by_arn(request["ResourceArn"])
            added = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            tags = {**record.tags, **added}
            if len(tags) > _MOST_TAGS:
                raise ValidationError(
                    f"The resource has {len(record.tags)} tags and would have "
                    f"{len(tags)}; the maximum number of tags is {_MOST_TAGS}."
                )
            record.set_tags(tags)
        return self.list_tags(request)

    def list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTags: all of them, as a page holds as many as a job may have."""
        if "NextToken" in request:  # of which we make none
            raise _bad_token()
        with self._lock:
            tags = self._find_by_arn(request["ResourceArn"]).tags
        return {"Tags": [{"Key": key, "Value": tags[key]} for key in tags]}

    def delete_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteTags: keys that aren't there are no fault."""
        with self._lock:
            record = self._find_by_arn(request["ResourceArn"])
            record.set_tags(
                {
                    key: value
                    for key, value in record.tags.items()
                    if key not in request["TagKeys"]
                }
            )
        return {}

    def close(self, patience_s: float = 5) -> None:
        """End all trainers; records of running jobs are left as they are."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()
        for run in runs:
            run.join(patience_s)

    def _find(self, request: dict[str, Any]) -> JobRecord:
        record = self._records.get(request["TrainingJobName"])
        if record is None:
            raise ValidationError("Requested resource not found.")
        return record

    def _find_by_arn(self, arn: str) -> JobRecord:
        for record in self._records.values():
            if record["TrainingJobArn"] == arn:
                return record
        raise ValidationError("Requested resource not found.")

    def _refuse_known_name(self, name: str) -> None:
        if name in self._records:
            raise ResourceInUseError(
                "Training job names must be unique within an AWS account and region, "
                "and a training job with this name already exists "
                f"({self._records[name]['TrainingJobArn']})"
            )


def _matches(record: JobRecord, request: dict[str, Any]) -> bool:
    if _OF_NO_JOB & request.keys():
        return False
    for member in ("CreationTime", "LastModifiedTime"):
        after, before = request.get(f"{member}After"), request.get(f"{member}Before")
        if after is not None and record[member] <= _seconds(after):
            return False
        if before is not None and record[member] >= _seconds(before):
            return False
    wanted = request.get("StatusEquals")
    return request.get("NameContains", "").lower() in record[
        "TrainingJobName"
    ].lower() and wanted in (None, record.status)


def _seconds(timestamp: float | str) -> float:
    return parse_timestamp(str(timestamp)).timestamp()


def _write_token(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str, by: str, order: str) -> list[Any]:
    """Return the place in a list that is sorted as when the token was made."""
    try:
        *sorting, value, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError) as error:
        raise _bad_token() from error
    kind = float if by == "CreationTime" else str
    if sorting != [by, order] or (type(value), type(name)) != (kind, str):
        raise _bad_token()
    return [value, name]


def _bad_token() -> ValidationError:
    return ValidationError("Invalid pagination token.")
