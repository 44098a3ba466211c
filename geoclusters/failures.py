"""Why a training job ended without a model, in plain words."""

_HINTS = {
    "CapacityError": (
        "AWS has no machine of this type free at the moment. Upload the file again "
        "later, or deploy with another `instance_type`."
    ),
    "InternalServerError": (
        "Something failed inside SageMaker. Upload the file again; if it fails again, "
        "ask AWS Support and give them the name of the training job."
    ),
    "ClientError": (
        "SageMaker refused the training data or the job's parameters. If the file is "
        "an ordinary table of places, please report this with the job's name."
    ),
    "AlgorithmError": (
        "SageMaker's k-means stopped with an error. Upload the file again; if it fails "
        "again, try a smaller k."
    ),
}
_STOPPED = (
    "Somebody stopped it, or it ran longer than it may. Upload the file again to start "
    "a new run."
)
_UNKNOWN = (
    "Upload the file again; if it fails again, look the training job up in the "
    "SageMaker console."
)


def explain_job_end(job_name: str, status: str, reason: str) -> str:
    """Return what to tell the owner of an upload whose job gave no result.

    Parameters
    ----------
    job_name : str
        The training job.
    status : str
        `Failed` or `Stopped`.
    reason : str
        SageMaker's FailureReason; empty where there is none.
    """
    if status == "Stopped":
        return f"The training job {job_name} was stopped. {_STOPPED}"
    hint = next((hint for name, hint in _HINTS.items() if name in reason), _UNKNOWN)
    said = f" SageMaker says: {reason}" if reason else ""
    return f"The training job {job_name} failed. {hint}{said}"


def explain_overdue_job(job_name: str, most_s: int) -> str:
    """Return what to tell the owner of an upload whose job SageMaker didn't end.

    Parameters
    ----------
    job_name : str
        The training job.
    most_s : int
        So many seconds it was allowed to train.
    """
    return (
        f"The training job {job_name} should have ended by itself after "
        f"{most_s / 3600:g} hours, and did not: it was stopped. Upload the file again "
        "to start a new run."
    )
