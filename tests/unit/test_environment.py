import pytest

from geoclusters.environment import IngestSettings

SETTINGS = IngestSettings(
    data_bucket="b",
    uploads_queue_url="https://u",
    jobs_queue_url="https://q",
    default_k=15,
    max_upload_bytes=10,
    most_left_out_percent=50,
    instance_count=1,
)


def test_what_the_stack_writes_the_function_reads() -> None:
    environment = SETTINGS.to_env()
    assert environment["DEFAULT_K"] == "15"
    assert IngestSettings.from_env({**environment, "PATH": "/bin"}) == SETTINGS


def test_missing_variables_are_named() -> None:
    with pytest.raises(ValueError, match="DEFAULT_K, MAX_UPLOAD_BYTES, MOST_LEFT"):
        IngestSettings.from_env(
            {"DATA_BUCKET": "b", "UPLOADS_QUEUE_URL": "u", "JOBS_QUEUE_URL": "q"}
        )


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="DEFAULT_K='many'"):
        IngestSettings.from_env({**SETTINGS.to_env(), "DEFAULT_K": "many"})
