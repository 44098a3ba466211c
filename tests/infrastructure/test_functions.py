import re

import pytest

from geoclusters import layout
from geoclusters.environment import (
    FunctionSettings,
    IngestSettings,
    NotifySettings,
    RecordFailureSettings,
    ReportSettings,
    StartTrainingSettings,
    SweepSettings,
)
from infra.checks import SOME_KEY
from infra.settings import Settings
from tests.infrastructure.synthesis import Template, render, synthesise

SETTINGS: dict[str, type[FunctionSettings]] = {
    "ingest": IngestSettings,
    "start_training": StartTrainingSettings,
    "record_failure": RecordFailureSettings,
    "report": ReportSettings,
    "notify": NotifySettings,
    "sweep": SweepSettings,
}
ZIPPED = ["ingest", "start_training", "record_failure", "notify", "sweep"]
#: What a function's libraries read, and not the function itself.
FOR_LIBRARIES = {
    "ingest": {"OPENBLAS_NUM_THREADS": "1"},
    "report": {"OPENBLAS_NUM_THREADS": "1"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_functions_environment_is_what_it_reads(
    template: Template, name: str
) -> None:
    environment = template.environment(template.function(name))

    settings = SETTINGS[name].from_env(environment)
    assert settings.to_env().items() <= environment.items()
    assert settings.data_bucket == "<DataBucket>"
    others = environment.keys() - settings.to_env().keys()
    assert {other: environment[other] for other in others} == {
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **FOR_LIBRARIES.get(name, {}),
    }


def test_settings_reach_the_functions() -> None:
    template = synthesise(
        Settings(
            default_k=20,
            max_upload_bytes=1_000_000,
            most_left_out_percent=10,
            gzip_above_rows=10**12,
            instance_type="ml.c5.xlarge",
            instance_count=3,
            input_mode="Pipe",
            max_wait_hours=2,
            kms_key_arn=SOME_KEY,
            ingest_memory_mb=3008,
            retention_days=60,
        )
    )
    ingest = IngestSettings.from_env(template.environment(template.function("ingest")))
    start = StartTrainingSettings.from_env(
        template.environment(template.function("start_training"))
    )
    report = ReportSettings.from_env(template.environment(template.function("report")))

    assert (ingest.default_k, ingest.max_upload_bytes) == (20, 1_000_000)
    assert (ingest.most_left_out_percent, ingest.instance_count) == (10, 3)
    assert (start.instance_type, start.instance_count) == ("ml.c5.xlarge", 3)
    assert (start.input_mode, start.max_wait_s) == ("Pipe", 7200)
    assert start.kms_key_arn == SOME_KEY
    assert report.gzip_above_rows == 10**12
    assert template.function("ingest").properties["MemorySize"] == 3008


def test_queue_addresses_go_to_the_functions_that_use_them(template: Template) -> None:
    jobs = template.environment(template.function("ingest"))["JOBS_QUEUE_URL"]
    models = template.environment(template.function("report"))["MODELS_QUEUE_URL"]
    start = template.environment(template.function("start_training"))

    assert "JobsQueue" in jobs
    assert "ModelsQueue" in models
    assert start["JOBS_QUEUE_URL"] == jobs


@pytest.mark.parametrize("name", ZIPPED)
def test_zip_functions_run_on_python_3_11_for_x86_64(
    template: Template, name: str
) -> None:
    properties = template.function(name).properties

    assert properties["Runtime"] == "python3.11"
    assert properties["Architectures"] == ["x86_64"]
    assert properties["Handler"] == f"lambdas.{name}.handler.handler"


def test_report_is_an_image_for_x86_64(template: Template) -> None:
    properties = template.function("report").properties

    assert properties["PackageType"] == "Image"
    assert properties["Architectures"] == ["x86_64"]


@pytest.mark.parametrize(
    ("name", "timeout_s", "memory_mb"),
    [
        ("ingest", 900, 2048),
        ("start_training", 60, 256),
        ("record_failure", 60, 256),
        ("report", 900, 2048),
    ],
)
def test_functions_have_their_timeouts_and_memory(
    template: Template, name: str, timeout_s: int, memory_mb: int
) -> None:
    properties = template.function(name).properties

    assert (properties["Timeout"], properties["MemorySize"]) == (timeout_s, memory_mb)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_function_logs_json_into_a_group_of_its_own_that_forgets(
    template: Template, name: str
) -> None:
    logging = template.function(name).properties["LoggingConfig"]
    groups = {f"<{g.logical_id}>": g for g in template.all("AWS::Logs::LogGroup")}
    group = groups[render(logging["LogGroup"])]

    assert logging["LogFormat"] == "JSON"
    assert len(groups) == len(SETTINGS)
    assert group.properties["RetentionInDays"] == 90
    assert group.body["DeletionPolicy"] == "Retain"


def test_log_groups_go_with_the_stack_if_data_do() -> None:
    groups = synthesise(Settings(removal="destroy")).all("AWS::Logs::LogGroup")

    assert {group.body["DeletionPolicy"] for group in groups} == {"Delete"}


def test_names_of_training_jobs_are_valid_for_any_stack_and_differ_between_stacks() -> (
    None
):
    names = {
        stack: layout.job_name(layout.job_name_prefix(stack), "0" * 20, 999)
        for stack in ("geoclusters", "Geoclusters", "g", "a" * 128, "a" * 127 + "b")
    }

    assert len(set(names.values())) == len(names)
    for name in names.values():
        # CreateTrainingJob's own pattern.
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)


def test_two_stacks_do_not_take_each_others_training_jobs() -> None:
    first, second = (
        synthesise(Settings(stack_name=name)) for name in ("one", "one-more")
    )
    prefixes = {
        template.environment(template.function("record_failure"))["JOB_NAME_PREFIX"]
        for template in (first, second)
    }

    assert len(prefixes) == 2
    one, other = (f"{prefix}-" for prefix in prefixes)
    assert not one.startswith(other)
    assert not other.startswith(one)
