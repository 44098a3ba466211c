import pytest

from geoclusters.failures import explain_job_end


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("Stopped", "", "was stopped. Somebody stopped it"),
        ("Failed", "CapacityError: Unable to provision", "no machine of this type"),
        ("Failed", "AlgorithmError: exit code: 1", "try a smaller k"),
        ("Failed", "ClientError: k > n", "refused the training data"),
        ("Failed", "InternalServerError: We encountered", "inside SageMaker"),
        ("Failed", "", "look the training job up"),
    ],
)
def test_a_jobs_end_is_told_in_plain_words(
    status: str, reason: str, expected: str
) -> None:
    message = explain_job_end("job-1", status, reason)
    assert message.startswith("The training job job-1 ")
    assert expected in message
    assert reason in message
