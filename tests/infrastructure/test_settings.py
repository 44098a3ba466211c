import dataclasses
import re
from typing import Any

import aws_cdk as cdk
import pytest

from infra import checks
from infra.settings import Settings, SettingsError


def test_nothing_needs_to_be_set() -> None:
    assert Settings.from_context(checks.context()) == Settings()


def test_numbers_from_the_command_line_are_read() -> None:
    settings = Settings.from_context({"default_k": "20", "max_wait_hours": 3})

    assert (settings.default_k, settings.max_wait_hours) == (20, 3)


def test_settings_can_not_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().default_k = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("default_k", "1", "default_k=1: expected a whole number from 2 to 10000"),
        ("default_k", "15.5", "default_k='15.5': expected a whole number"),
        ("default_k", "many", "default_k='many': expected a whole number"),
        ("default_k", True, "default_k=True: expected a whole number"),
        ("retention_days", "14", "retention_days=14: expected a whole number from 15"),
        ("max_wait_hours", "73", "max_wait_hours=73: expected a whole number from 1"),
        ("max_upload_bytes", "0", "max_upload_bytes=0: expected a whole number from 1"),
        ("gzip_above_rows", "-1", "gzip_above_rows=-1: expected a whole number from 0"),
        ("gzip_above_rows", "1e6", "gzip_above_rows='1e6': expected a whole number"),
        (
            "gzip_above_rows",
            10**12 + 1,
            "gzip_above_rows=1000000000001: expected a whole number from 0 to 1000",
        ),
        ("instance_count", "0", "instance_count=0: expected a whole number from 1"),
        ("report_memory_mb", "64", "report_memory_mb=64: expected a whole number from"),
        ("instance_type", "m5.large", "instance_type='m5.large': expected a SageMaker"),
        (
            "input_mode",
            "pipe",
            "input_mode='pipe': expected one of File, FastFile, Pipe",
        ),
        ("removal", "keep", "removal='keep': expected one of retain, destroy"),
        ("stack_name", "1st", "stack_name='1st': expected a letter, then"),
        (
            "kms_key_arn",
            "arn:aws:kms:eu-west-1:111122223333:alias/mine",
            "expected the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID, no",
        ),
        ("base_image", "", "base_image='': expected the name of a container image"),
        ("pip_config_file", "/none", "pip_config_file='/none': expected the path of a"),
        ("prices_file", "/none", "prices_file='/none': expected the path of a file"),
        ("prices_file", __file__, f"prices_file='{__file__}': it is no JSON in UTF-8"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_value_and_bounds(
    key: str, value: Any, expected: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(expected)):
        Settings.from_context({key: value})


def test_a_misspelt_setting_is_refused_with_what_was_probably_meant() -> None:
    with pytest.raises(
        SettingsError, match=r"defualt-k='3': there is no such setting; .* default_k"
    ):
        Settings.from_context({"defualt-k": "3"})


def test_an_unknown_setting_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r"colour='red': .* there are stack_name, "):
        Settings.from_context({"colour": "red"})


def test_the_context_keys_of_the_cdk_itself_pass() -> None:
    Settings.from_context(
        {
            "@aws-cdk/core:stackRelativeExports": True,
            "aws:cdk:enable-path-metadata": True,
            "availability-zones:account=1:region=eu-west-1": [],
            "cli-telemetry": False,
        }
    )


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "arn:aws:kms:eu-west-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef",
        "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-0123456789abcdef",
    ],
)
def test_a_key_is_named_by_its_arn_or_there_is_none(arn: str) -> None:
    assert Settings.from_context({"kms_key_arn": arn}).kms_key_arn == arn


def test_data_are_retained_unless_said_otherwise() -> None:
    assert Settings().removal_policy is cdk.RemovalPolicy.RETAIN
    assert Settings(removal="destroy").removal_policy is cdk.RemovalPolicy.DESTROY


def test_the_default_memory_is_what_new_accounts_may_use() -> None:
    settings = dataclasses.asdict(Settings())
    memory = [value for key, value in settings.items() if key.endswith("_memory_mb")]

    assert len(memory) == 6
    assert max(memory) <= 3008


def test_only_files_that_are_given_become_build_secrets(tmp_path: Any) -> None:
    pip_conf = tmp_path / "pip.conf"
    pip_conf.touch()

    assert Settings().build_secrets == {}
    assert Settings(pip_config_file=str(pip_conf)).build_secrets == {
        "pip": str(pip_conf)
    }
