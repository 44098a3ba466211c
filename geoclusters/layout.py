"""Where things lie in the data bucket, and what runs and training jobs are called.

The one place that knows prefixes, suffixes and name patterns: the functions build and
parse keys with it, the infrastructure builds event patterns and policies from it.

    input/<path>.csv                              an upload
    input/<path>.json                             parameters of uploads beside it
    boundaries/<name>                             borders of the user's own
    runs/<run-id>/run.json                        the run record
    runs/<run-id>/status.json                     the run's own last status
    runs/<run-id>/rejected.csv                    rows that were left out, if any
    runs/<run-id>/places/part-00000.npy           usable rows, in the file's order
    runs/<run-id>/train/part-00000.pbr            training records
    runs/<run-id>/model/<job>/output/model.tar.gz written by SageMaker
    runs/<run-id>/announced-again                 its model's arrival was told twice
    runs/<run-id>/told-<END>                      its end was told, or is being told
    output/<path>/                                results, and status.json; see
                                                  `output_prefix`
    output/_rejected/<digest>/status.json         where a path is too long for that
"""

import hashlib
import posixpath
import re
from typing import NamedTuple

INPUT_PREFIX = "input/"
BOUNDARIES_PREFIX = "boundaries/"
RUNS_PREFIX = "runs/"
OUTPUT_PREFIX = "output/"

UPLOAD_SUFFIX = ".csv"
PARAMETERS_SUFFIX = ".json"
#: Keeps the answers to `hk` and to `hk.csv` apart; see `output_prefix`.
NO_SUFFIX = ".file"
STATUS_NAME = "status.json"
RUN_RECORD_NAME = "run.json"
REJECTED_NAME = "rejected.csv"
MODEL_NAME = "model.tar.gz"
ANNOUNCED_AGAIN_NAME = "announced-again"
TOLD_NAME = "told-"

#: S3's bound of a key, in UTF-8.
MOST_KEY_BYTES = 1024
#: What a result's name may take of it.
_RESULT_NAME_BYTES = 64
#: Where uploads are answered whose own place would be too long.
_REJECTED_FOLDER = "_rejected/"
#: What a file may be packed in; see `tables.packing`.
_PACKED = (".gz", ".zip")

#: EventBridge wildcard patterns of the keys that SageMaker writes.
MODEL_KEY_PATTERN = f"{RUNS_PREFIX}*/model/*/output/{MODEL_NAME}"

#: A run's id.
RUN_ID = re.compile(r"[0-9a-f]{20}")
_MODEL_KEY = re.compile(
    rf"{RUNS_PREFIX}(?P<run_id>[0-9a-f]{{20}})/model/(?P<job_name>[^/]+)/output/"
    + re.escape(MODEL_NAME)
)
_RUN_STATUS_KEY = re.compile(
    rf"{RUNS_PREFIX}(?P<run_id>[0-9a-f]{{20}})/" + re.escape(STATUS_NAME)
)
_JOB_NAME = re.compile(
    r"(?P<prefix>[a-z0-9][a-z0-9-]*)-(?P<run_id>[0-9a-f]{20})-(?P<attempt>[1-9][0-9]*)"
)


class ModelKey(NamedTuple):
    """What the key of a model artefact says."""

    run_id: str
    job_name: str


def run_id(*, bucket: str, key: str, etag: str, sequencer: str) -> str:
    """Return the id of the one run that an upload starts: 20 hexadecimal digits.

    The same event, delivered twice, gives the same id; the same bytes, uploaded again,
    give another (the sequencer differs).
    """
    identity = "\0".join((bucket, key, etag, sequencer))
    return hashlib.sha256(identity.encode()).hexdigest()[:20]


def output_prefix(upload_key: str) -> str:
    """Return the prefix under which an upload's results lie.

    `input/depots/hk.csv` answers at `output/depots/hk/`. Any other name with a dot
    stays, such as `hk.CSV`, `hk.v2.csv` and `.csv`; one without a dot gets an ending:
    `input/hk` answers at `output/hk.file/`. So that no two uploads answer at one place,
    a name that has this ending gets it once more: `input/hk.file` answers at
    `output/hk.file.file/`. A key that ends in a slash has an empty name: `input/hk/`
    answers at `output/hk/.file/`.

    What has no such place (`surplus_bytes`, `is_reserved`, `leads_elsewhere`) answers
    at `output/_rejected/<first 20 hexadecimal digits of the key's SHA-256>/`.
    """
    if (
        surplus_bytes(upload_key)
        or is_reserved(upload_key)
        or leads_elsewhere(upload_key)
    ):
        digest = hashlib.sha256(upload_key.encode()).hexdigest()[:20]
        return f"{OUTPUT_PREFIX}{_REJECTED_FOLDER}{digest}/"
    return _own_output_prefix(upload_key)


def surplus_bytes(upload_key: str) -> int:
    """Return by how many bytes of UTF-8 a key is too long for its results' keys."""
    longest = len(_own_output_prefix(upload_key).encode()) + _RESULT_NAME_BYTES
    return max(longest - MOST_KEY_BYTES, 0)


def is_reserved(upload_key: str) -> bool:
    """Return whether an upload lies where it would answer among the rejected ones."""
    return upload_key.startswith(INPUT_PREFIX + _REJECTED_FOLDER)


def leads_elsewhere(upload_key: str) -> bool:
    """Return whether a part of a key's path is `.` or `..`.

    To S3 these are names like others. But programs that copy the results to a disk, and
    some that ask S3 for them, would end in another folder.
    """
    return any(part in (".", "..") for part in re.split(r"[/\\]", upload_key))


def _own_output_prefix(upload_key: str) -> str:
    if not upload_key.startswith(INPUT_PREFIX):
        msg = f"{upload_key!r} is not a key under {INPUT_PREFIX!r}"
        raise ValueError(msg)
    folder, slash, name = upload_key.removeprefix(INPUT_PREFIX).rpartition("/")
    return f"{OUTPUT_PREFIX}{folder}{slash}{_answer_name(name)}/"


def _answer_name(name: str) -> str:
    """Return what the folder of an upload's results is called: no two names' is one.

    Only the first kind has no dot, only the last two end in `NO_SUFFIX`, and of these
    only the last has another dot.
    """
    stem = name.removesuffix(UPLOAD_SUFFIX)
    if stem and stem != name and "." not in stem:
        return stem
    if "." in name and not name.endswith(NO_SUFFIX):
        return name
    return name + NO_SUFFIX


def parameters_key(upload_key: str) -> str:
    """Return the key of the file of parameters beside an upload.

    `input/depots/hk.json` is that of `hk.csv`, `hk.tsv`, `hk.zip` and `hk.csv.gz` in
    the same folder: one ending, and before it what the file is packed in, don't matter.
    """
    path, ending = posixpath.splitext(upload_key)
    if ending.lower() in _PACKED:
        path, _ = posixpath.splitext(path)
    return path + PARAMETERS_SUFFIX


def run_prefix(run_id: str) -> str:
    """Return the prefix of everything that a run keeps for itself."""
    if not RUN_ID.fullmatch(run_id):
        msg = f"{run_id!r} is not a run id (20 hexadecimal digits)"
        raise ValueError(msg)
    return f"{RUNS_PREFIX}{run_id}/"


def run_record_key(run_id: str) -> str:
    """Return the key of a run's record."""
    return f"{run_prefix(run_id)}{RUN_RECORD_NAME}"


def run_status_key(run_id: str) -> str:
    """Return the key of a run's own last status."""
    return f"{run_prefix(run_id)}{STATUS_NAME}"


def announced_again_key(run_id: str) -> str:
    """Return the key that says that the sweep announced a run's model once more."""
    return f"{run_prefix(run_id)}{ANNOUNCED_AGAIN_NAME}"


def told_key(run_id: str, end: str) -> str:
    """Return the key that says that a run's end was told to who wants to know."""
    return f"{run_prefix(run_id)}{TOLD_NAME}{end}"


def parse_run_status_key(key: str) -> str:
    """Return the run whose own status a key is of."""
    match = _RUN_STATUS_KEY.fullmatch(key)
    if match is None:
        msg = f"{key!r} is not the key of a run's own status"
        raise ValueError(msg)
    return match["run_id"]


def rejected_key(run_id: str) -> str:
    """Return the key of the list of rows that a run left out."""
    return f"{run_prefix(run_id)}{REJECTED_NAME}"


def places_key(run_id: str, part: int) -> str:
    """Return the key of one part of a run's places, counted from 0."""
    return f"{run_prefix(run_id)}places/part-{part:05d}.npy"


def train_prefix(run_id: str) -> str:
    """Return the prefix of a run's training records: SageMaker's `train` channel."""
    return f"{run_prefix(run_id)}train/"


def train_key(run_id: str, part: int) -> str:
    """Return the key of one shard of training records, counted from 0."""
    return f"{train_prefix(run_id)}part-{part:05d}.pbr"


def model_prefix(run_id: str) -> str:
    """Return the prefix under which SageMaker writes a run's models, without slash."""
    return f"{run_prefix(run_id)}model"


def model_key(run_id: str, job_name: str) -> str:
    """Return the key that SageMaker writes for a job with `model_prefix` as output."""
    return f"{model_prefix(run_id)}/{job_name}/output/{MODEL_NAME}"


def parse_model_key(key: str) -> ModelKey:
    """Return the run and the training job that a model artefact belongs to.

    Raises
    ------
    ValueError
        If it is no such key, or its job is not one of its run.
    """
    match = _MODEL_KEY.fullmatch(key)
    job = _JOB_NAME.fullmatch(match["job_name"]) if match else None
    if match is None or job is None or job["run_id"] != match["run_id"]:
        msg = f"{key!r} is not the key of a model artefact ({MODEL_KEY_PATTERN})"
        raise ValueError(msg)
    return ModelKey(match["run_id"], match["job_name"])


def job_name_prefix(stack_name: str) -> str:
    """Return the start of the names of all training jobs of one stack.

    It ends in a hash of the stack's name, so that no stack takes another's jobs for its
    own, and leaves room for a run id and an attempt in SageMaker's 63 characters.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", stack_name.lower()).strip("-")[:20].rstrip("-")
    digest = hashlib.sha256(stack_name.encode()).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else f"stack-{digest}"


def job_name(prefix: str, run_id: str, attempt: int) -> str:
    """Return the name of a run's training job; `attempt` counts from 1.

    SageMaker never forgets a job, so a name is spent once used.
    """
    name = f"{prefix}-{run_id}-{attempt}"
    if not _JOB_NAME.fullmatch(name) or len(name) > 63:
        msg = f"{name!r} is no name for a training job"
        raise ValueError(msg)
    return name


def parse_job_name(name: str, prefix: str) -> str:
    """Return the run id in a training job's name.

    Raises
    ------
    ValueError
        If the job is not of the stack whose jobs start with `prefix`.
    """
    match = _JOB_NAME.fullmatch(name)
    if match is None or match["prefix"] != prefix:
        msg = f"{name!r} is not a training job of this stack ({prefix}-…)"
        raise ValueError(msg)
    return match["run_id"]
