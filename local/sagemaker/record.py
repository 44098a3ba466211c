"""A training job's record: what DescribeTrainingJob answers, kept in a file."""

import copy
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sagemaker.defaults import completed

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})

# Members that aren't part of the answer: tags have an operation of their own.
_NOT_DESCRIBED = frozenset({"Tags", "SessionChainingConfig"})
_ALWAYS_THERE = frozenset(
    {
        *("TrainingJobName", "TrainingJobArn", "RoleArn", "AlgorithmSpecification"),
        *("InputDataConfig", "OutputDataConfig", "ResourceConfig", "StoppingCondition"),
        *("TrainingJobStatus", "SecondaryStatus", "SecondaryStatusTransitions"),
        *("CreationTime", "LastModifiedTime"),
    }
)


class JobRecord:
    """One job's description and its file; not thread-safe by itself.

    Parameters
    ----------
    folder : Path
        The job's own.
    description : dict
        DescribeTrainingJob's answer, times in seconds.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        self.folder = folder
        self._description = description

    @classmethod
    def create(cls, folder: Path, request: dict[str, Any], arn: str) -> "JobRecord":
        """Begin a job's record, Starting."""
        now = time.time()
        record = cls(
            folder,
            {
                **completed(request),
                "TrainingJobArn": arn,
                "TrainingJobStatus": "InProgress",
                "CreationTime": now,
                "LastModifiedTime": now,
                "SecondaryStatusTransitions": [],
            },
        )
        # A server that was killed may have left it without a record.
        folder.mkdir(parents=True, exist_ok=True)
        record.enter("Starting", "Starting the training job")
        return record

    @classmethod
    def load(cls, folder: Path) -> "JobRecord":
        """Read a record back.

        Raises
        ------
        ValueError
            If the file isn't a record, or not whole.
        """
        description = json.loads((folder / "job.json").read_text())
        if not isinstance(description, dict) or not description.keys() >= _ALWAYS_THERE:
            raise ValueError("members of a training job are missing")
        return cls(folder, description)

    def __getitem__(self, member: str) -> Any:
        return self._description[member]

    def get(self, member: str, default: Any = None) -> Any:
        """Return a member of the description, or the default."""
        return self._description.get(member, default)

    @property
    def status(self) -> str:
        """TrainingJobStatus."""
        status: str = self._description["TrainingJobStatus"]
        return status

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL

    def describe(self) -> dict[str, Any]:
        """Return a copy of the description."""
        return {
            name: copy.deepcopy(value)
            for name, value in self._description.items()
            if name not in _NOT_DESCRIBED
        }

    @property
    def tags(self) -> dict[str, str]:
        """The job's tags, by key."""
        return {tag["Key"]: tag["Value"] for tag in self.get("Tags", ())}

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Replace all tags."""
        self.set(
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        self._save()

    def set(self, **members: Any) -> None:
        """Set members that aren't a change of state; the next `enter` saves them."""
        self._description.update(members)

    def enter(
        self, secondary_status: str, message: str, *, status: str | None = None
    ) -> None:
        """Go on to the next secondary status and, if given, the next status.

        A terminal status also closes the job's account: times and billed seconds.
        """
        now = time.time()
        description = self._description
        transitions = description["SecondaryStatusTransitions"]
        if transitions:
            transitions[-1]["EndTime"] = now
        transitions.append(
            {"Status": secondary_status, "StartTime": now, "StatusMessage": message}
        )
        description.update(SecondaryStatus=secondary_status, LastModifiedTime=now)
        if status is not None:
            description["TrainingJobStatus"] = status
        if self.ended:
            transitions[-1]["EndTime"] = now
            description["TrainingEndTime"] = now
            if "TrainingStartTime" in description:
                seconds = max(1, math.ceil(now - description["TrainingStartTime"]))
                description["TrainingTimeInSeconds"] = seconds
                description["BillableTimeInSeconds"] = seconds
        self._save()

    def _save(self) -> None:
        path = self.folder / "job.json"
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(self._description, indent=1))
        os.replace(draft, path)  # noqa: PTH105 - atomic, and known for it
