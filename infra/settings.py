"""What may be chosen about a deployment: the CDK context keys and their bounds.

A setting is a top-level context key, given on the command line (`cdk deploy -c
default_k=20`) or under "context" in cdk.json. Its name and its default are those of the
field in `Settings`. A key that is neither a setting nor one of the CDK's own (those
contain a colon or a slash, but for a few) is refused, so that a misspelt setting isn't
passed over in silence.
"""

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import aws_cdk as cdk

from infra.prices import PriceTable, PriceTableError

#: Context keys of the CDK's own without colon or slash.
_CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry"})


class SettingsError(ValueError):
    """A setting has a value that it can't have, or there is no such setting."""


class _Domain(ABC):
    """The values that a setting may have."""

    def __init__(self, expected: str) -> None:
        self.expected = expected

    def parse(self, value: object) -> object:
        """Return what a context value stands for: `-c` gives strings only."""
        return value

    @abstractmethod
    def __contains__(self, value: object) -> bool:
        """Return whether the setting may have this value."""


class _WholeNumber(_Domain):
    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"a whole number from {low} to {high}")
        self._low, self._high = low, high

    def parse(self, value: object) -> object:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
            return int(value)
        return value

    def __contains__(self, value: object) -> bool:
        return type(value) is int and self._low <= value <= self._high


class _Text(_Domain):
    def __init__(self, pattern: str, expected: str) -> None:
        super().__init__(expected)
        self._pattern = pattern

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and bool(re.fullmatch(self._pattern, value))


class _File(_Domain):
    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and (value == "" or Path(value).is_file())


def _whole_number(default: int, *, low: int, high: int) -> Any:
    return field(default=default, metadata={"domain": _WholeNumber(low, high)})


def _text(default: str, *, pattern: str, expected: str) -> Any:
    return field(default=default, metadata={"domain": _Text(pattern, expected)})


def _one_of(default: str, *others: str) -> Any:
    choices = (default, *others)
    return _text(
        default,
        pattern="|".join(map(re.escape, choices)),
        expected=f"one of {', '.join(choices)}",
    )


def _email() -> Any:
    return _text(
        "",
        pattern=r"([^@\s]+@[^@\s]+)?",
        expected="an e-mail address, or nothing",
    )


def _file(default: str = "") -> Any:
    return field(
        default=default, metadata={"domain": _File("the path of a file that is there")}
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one deployment.

    Raises
    ------
    SettingsError
        If a value is out of its bounds.
    """

    #: Name of the stack: two of them can live in one account and region.
    stack_name: str = _text(
        "geoclusters",
        pattern=r"[A-Za-z][A-Za-z0-9-]{0,127}",
        expected="a letter, then up to 127 letters, digits and hyphens",
    )
    #: What becomes of data and logs when the stack is deleted. (A bucket that isn't
    #: empty stays in any case.)
    removal: str = _one_of("retain", "destroy")
    #: How long runs (their data and models) are kept: longer than the 14 days of the
    #: dead-letter queues, whose messages point to them.
    retention_days: int = _whole_number(30, low=15, high=3650)

    #: A key of one's own in KMS, which encrypts all data instead of S3's own keys.
    kms_key_arn: str = _text(
        "",
        pattern=r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?",
        expected="the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID, no alias), "
        "or nothing",
    )

    #: Number of clusters of an upload that doesn't name one.
    default_k: int = _whole_number(15, low=2, high=10_000)
    #: The largest upload that is accepted, in bytes.
    #: (docs/scale.md says what the default follows from.)
    max_upload_bytes: int = _whole_number(8_000_000_000, low=1, high=50_000_000_000)

    #: The share of a table's rows that may be left out, in percent.
    most_left_out_percent: int = _whole_number(50, low=0, high=100)

    #: Above so many rows the list of assignments is packed. (A spreadsheet holds
    #: 1,048,576 rows.)
    gzip_above_rows: int = _whole_number(1_000_000, low=0, high=1_000_000_000_000)

    #: Who gets an e-mail of each run that ended, and of each alarm, beside those who
    #: subscribe to the topics themselves.
    runs_email: str = _email()
    alarms_email: str = _email()

    #: SageMaker's name of the machine that trains.
    instance_type: str = _text(
        "ml.m5.large",
        pattern=r"ml\.[a-z0-9-]+\.[a-z0-9-]+",
        expected="a SageMaker instance type such as ml.m5.large",
    )
    #: The largest number of instances a training job may use.
    instance_count: int = _whole_number(1, low=1, high=100)
    #: How SageMaker hands the training data to the algorithm.
    input_mode: str = _one_of("File", "FastFile", "Pipe")
    #: How long a run may wait for SageMaker's quotas.
    max_wait_hours: int = _whole_number(12, low=1, high=72)

    #: Memory of the functions. New accounts may use 3,008 MB at most. A hostile table
    #: takes 1,100 MB of ingest, a file of borders 1,200 MB of the report.
    ingest_memory_mb: int = _whole_number(2048, low=1_536, high=10_240)
    start_training_memory_mb: int = _whole_number(256, low=128, high=10_240)
    record_failure_memory_mb: int = _whole_number(256, low=128, high=10_240)
    notify_memory_mb: int = _whole_number(256, low=128, high=10_240)
    sweep_memory_mb: int = _whole_number(256, low=128, high=10_240)
    report_memory_mb: int = _whole_number(2048, low=2_048, high=10_240)

    #: What AWS takes for an hour of training and a second of a function: the costs of
    #: runs are estimated from it.
    prices_file: str = _file(str(Path(__file__).with_name("prices.json")))

    #: The image that the report function's image is built on.
    base_image: str = _text(
        "python:3.11-slim-bookworm",
        pattern=r"\S+",
        expected="the name of a container image",
    )
    #: Files that the image's build needs behind a proxy or a mirror, as build secrets:
    #: they leave no trace in the image. None by default.
    pip_config_file: str = _file()
    ca_certificates_file: str = _file()

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            domain: _Domain = setting.metadata["domain"]
            if value not in domain:
                msg = f"{setting.name}={value!r}: expected {domain.expected}"
                raise SettingsError(msg)
        try:
            _ = self.price_table
        except PriceTableError as error:
            msg = f"prices_file={self.prices_file!r}: {error}"
            raise SettingsError(msg) from error

    @property
    def price_table(self) -> PriceTable:
        """The prices that the costs of runs are estimated from."""
        return PriceTable.read(self.prices_file)

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        """What becomes of data and logs when the stack is deleted."""
        return cdk.RemovalPolicy[self.removal.upper()]

    @property
    def build_secrets(self) -> dict[str, str]:
        """Files that are given to the build of the image, by the names it knows."""
        secrets = {"pip": self.pip_config_file, "ca": self.ca_certificates_file}
        return {name: path for name, path in secrets.items() if path}

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Self:
        """Read the settings from the whole context of a CDK app.

        Raises
        ------
        SettingsError
            If a value is out of its bounds, or a key is no setting.
        """
        domains = {setting.name: setting.metadata["domain"] for setting in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in context.items():
            if key in domains:
                values[key] = domains[key].parse(value)
            elif not (key in _CDK_KEYS or ":" in key or "/" in key):
                raise SettingsError(_unknown(key, value, domains))
        return cls(**values)


def _unknown(key: str, value: object, settings: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(key.replace("-", "_"), settings, n=1)
    guess = f"did you mean {close[0]}?" if close else f"there are {', '.join(settings)}"
    return f"{key}={value!r}: there is no such setting; {guess}"
