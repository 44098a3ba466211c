import fnmatch
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoclusters import layout

RUN = "00112233445566778899"


def test_results_answer_at_a_place_known_before_the_upload() -> None:
    assert layout.output_prefix("input/depots/hk.csv") == "output/depots/hk/"
    assert layout.output_prefix("input/HK.CSV") == "output/HK.CSV/"
    assert layout.output_prefix("input/a.b.csv") == "output/a.b.csv/"
    assert layout.output_prefix("input/a.csv.gz") == "output/a.csv.gz/"
    assert layout.output_prefix("input/d.e/hk") == "output/d.e/hk.file/"
    assert layout.output_prefix("input/hk.file") == "output/hk.file.file/"
    assert layout.output_prefix("input/d/.csv") == "output/d/.csv/"
    assert layout.output_prefix("input/hk/") == "output/hk/.file/"


NAMES = (
    *("", "q", "q.csv", "q.file", "q.file.csv", "q.file.file", "q.csv.file"),
    *("q.csv.csv", "q.CSV", "q.xlsx", "q.xlsx.csv", "q.csv.gz", "q.csv.gz.csv"),
    *(
        ".",
        "..",
        ".csv",
        ".file",
        ".csv.csv",
        ".file.csv",
        ".file.file",
        "q.",
        "q..csv",
    ),
    *(" ", " .csv", "q .csv", "ü.csv", "u\u0308.csv", "🏭", "_rejected.csv"),
)


def test_no_two_of_the_names_that_are_alike_answer_at_one_place() -> None:
    keys = [f"input/{folder}{name}" for folder in ("", "/", "q/") for name in NAMES]
    assert len(set(map(layout.output_prefix, keys))) == len(keys)


#: Made of the parts that the rule looks at, and of any other letters.
PARTS = st.sampled_from(
    ["", "/", "/../", ".", ".csv", ".file", ".gz", "q", " ", "_rejected/"]
)
PATHS = st.lists(PARTS | st.text(st.characters(exclude_categories=["Cs"])), max_size=6)


@settings(max_examples=500)
@given(PATHS, PATHS)
def test_no_two_uploads_answer_at_one_place(one: list[str], other: list[str]) -> None:
    keys = {f"input/{''.join(path)}" for path in (one, other)}
    assert len(set(map(layout.output_prefix, keys))) == len(keys)


@given(PATHS, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_names_in_one_folder_answer_apart(
    folder: list[str], one: str, other: str
) -> None:
    keys = {f"input/{''.join(folder)}/{name}" for name in (one, other)}
    assert len(set(map(layout.output_prefix, keys))) == len(keys)


def test_parameters_lie_beside_the_upload_under_its_name() -> None:
    for name in ("hk.csv", "hk.csv.gz", "hk.zip", "hk.csv.zip", "hk.tsv", "hk.CSV.GZ"):
        assert layout.parameters_key(f"input/d.e/{name}") == "input/d.e/hk.json"
    assert layout.parameters_key("input/d.e/hk") == "input/d.e/hk.json"
    assert layout.parameters_key("input/hk.v2.csv") == "input/hk.v2.json"


def key_of(size: int) -> str:
    """Return the key of an upload, of so many bytes of UTF-8, four to an emoji."""
    emoji = "🏭" * ((size - 10) // 4)
    return f"input/{emoji}{'x' * ((size - 10) % 4)}.csv"


def test_a_key_leaves_room_for_the_names_of_results() -> None:
    for size in (961, 962):
        key = key_of(size)
        assert len(key.encode()) == size
        assert layout.output_prefix(key) == f"output/{key[6:-4]}/"
        assert len(layout.output_prefix(key).encode()) + 64 <= 1024
        assert layout.surplus_bytes(key) == 0


@pytest.mark.parametrize("size", [963, 1000, 1024])
def test_a_key_that_is_too_long_answers_elsewhere(size: int) -> None:
    key = key_of(size)
    assert len(key.encode()) == size
    assert layout.surplus_bytes(key) == size - 962
    assert re.fullmatch("output/_rejected/[0-9a-f]{20}/", layout.output_prefix(key))
    others = {layout.output_prefix(key_of(size)) for size in range(963, 1025)}
    assert len(others) == 62


def test_no_upload_answers_among_the_rejected_ones_but_those() -> None:
    rejected = layout.output_prefix(key_of(1024))
    key = f"input/{rejected.removeprefix('output/').rstrip('/')}.csv"
    assert layout.is_reserved(key)
    assert layout.output_prefix(key) != rejected
    assert layout.output_prefix(key).startswith("output/_rejected/")
    assert not layout.is_reserved("input/_rejected.csv")


@pytest.mark.parametrize(
    "path", ["../a.csv", "a/../../b.csv", "..", "a/..", "./a.csv", "a/.", "b\\..\\c"]
)
def test_a_key_that_leads_elsewhere_on_a_disk_answers_among_the_rejected_ones(
    path: str,
) -> None:
    assert layout.leads_elsewhere(f"input/{path}")
    prefix = layout.output_prefix(f"input/{path}")
    assert re.fullmatch("output/_rejected/[0-9a-f]{20}/", prefix)


@pytest.mark.parametrize(
    "path", ["..a.csv", "a../b.csv", "...", "a..b", ".a/.csv", "/"]
)
def test_dots_in_names_lead_nowhere(path: str) -> None:
    assert not layout.leads_elsewhere(f"input/{path}")


@given(PATHS)
def test_no_results_lie_where_a_disk_has_another_folder(path: list[str]) -> None:
    assert not layout.leads_elsewhere(layout.output_prefix(f"input/{''.join(path)}"))


def test_a_key_outside_input_has_no_results() -> None:
    with pytest.raises(ValueError, match="not a key under"):
        layout.output_prefix("runs/x.csv")


def test_the_prefixes_are_disjoint() -> None:
    prefixes = [
        layout.INPUT_PREFIX,
        layout.BOUNDARIES_PREFIX,
        layout.RUNS_PREFIX,
        layout.OUTPUT_PREFIX,
    ]
    for one in prefixes:
        assert not any(p.startswith(one) for p in prefixes if p != one)


def test_the_same_event_gives_the_same_run_and_another_upload_another() -> None:
    upload = {"bucket": "b", "key": "input/a.csv", "etag": "e", "sequencer": "01"}
    assert layout.run_id(**upload) == layout.run_id(**upload)
    for field in upload:
        assert layout.run_id(**{**upload, field: "x"}) != layout.run_id(**upload)


def test_the_key_of_a_model_is_matched_by_the_rule_and_read_by_the_parser() -> None:
    job = layout.job_name("geoclusters-0123abcd", RUN, 1)
    key = layout.model_key(RUN, job)
    assert fnmatch.fnmatchcase(key, layout.MODEL_KEY_PATTERN)
    assert layout.parse_model_key(key) == (RUN, job)


@pytest.mark.parametrize(
    "key",
    [
        "runs/00112233445566778899/model/job/output/other.tar.gz",
        "runs/xyz/model/job/output/model.tar.gz",
        f"runs/{RUN}/model/places/output/model.tar.gz",
        f"runs/{RUN}/model/geoclusters-0123abcd-{'f' * 20}-1/output/model.tar.gz",
        "runs/00112233445566778899/model/a/b/output/model.tar.gz",
        "output/runs/00112233445566778899/model/job/output/model.tar.gz",
    ],
)
def test_other_keys_are_no_models(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a model"):
        layout.parse_model_key(key)


@given(st.text(min_size=1, max_size=128))
def test_every_stack_name_gives_job_names_that_sagemaker_takes(name: str) -> None:
    prefix = layout.job_name_prefix(name)
    job = layout.job_name(prefix, RUN, 12)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", job)
    assert layout.parse_job_name(job, prefix) == RUN


def test_stacks_do_not_see_each_others_jobs() -> None:
    ours, theirs = (layout.job_name_prefix(name) for name in ("clusters", "clusters-2"))
    with pytest.raises(ValueError, match="not a training job of this stack"):
        layout.parse_job_name(layout.job_name(theirs, RUN, 1), ours)
