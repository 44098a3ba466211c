import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from geoclusters.geodesy import GEOMETRIES
from geoclusters.parameters import LEAST_K, MOST_K, REFINEMENTS, Parameters
from geoclusters.run import RunRecord
from geoclusters.status import SCHEMA_VERSION, State, Status, run_figures
from geoclusters.tables.dialect import DELIMITERS
from geoclusters.tables.left_out import Reason
from tests.statuses import problem, schema

MakeRecord = Callable[..., RunRecord]
PAGE = Path(__file__).parents[2] / "docs/status.md"


def example() -> Any:
    """Return the status that docs/status.md shows."""
    (text,) = re.findall(r"```json\n(.+?)```", PAGE.read_text(), re.DOTALL)
    return json.loads(text)


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Yield each part of the schema that describes an object's members."""
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield part
        for value in part.values():
            yield from objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from objects(value)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_schema_says_of_each_member_what_it_is_and_knows_no_others() -> None:
    found = list(objects(schema()))
    assert len(found) > 10
    for part in found:
        assert part["additionalProperties"] is False
        for name, member in part["properties"].items():
            assert "$ref" in member or len(member["description"]) > 5, name


def test_the_schema_has_what_the_code_has() -> None:
    members = schema()["properties"]
    assert members["schema_version"]["const"] == SCHEMA_VERSION
    assert members["state"]["enum"] == list(State)
    assert members["k"] == {**members["k"], "minimum": LEAST_K, "maximum": MOST_K}
    assert members["geometry"]["enum"] == list(GEOMETRIES)
    assert members["refine"]["enum"] == list(REFINEMENTS)
    assert members["refinement"]["properties"]["wanted"]["enum"] == list(REFINEMENTS)
    left_out = members["rows"]["properties"]["left_out"]
    assert list(left_out["properties"]) == list(Reason)
    assert members["table"]["properties"]["delimiter"]["enum"] == list(DELIMITERS)
    parameters = [f.name for f in fields(Parameters) if "domain" in f.metadata]
    assert list(members["parameters"]["properties"]) == parameters


def test_the_page_shows_a_status_with_all_that_one_can_have() -> None:
    assert problem(example()) is None
    shown, known = example(), schema()["properties"]
    assert shown.keys() == known.keys() - {"waiting", "put_aside"}  # by then
    assert shown["refinement"].keys() == known["refinement"]["properties"].keys()


def test_the_page_explains_all_members() -> None:
    words = set(re.findall(r"`([a-z_]+)`", PAGE.read_text()))
    assert schema()["properties"].keys() - words == set()


@pytest.mark.parametrize("state", State)
def test_a_run_whose_table_was_not_read_yet_has_no_figures(
    make_record: MakeRecord, state: State
) -> None:
    status = Status(upload=make_record().upload, state=state, message="")
    needs_figures = (State.TRAINING, State.REPORTING, State.SUCCEEDED)
    if state in needs_figures:
        with pytest.raises(AssertionError, match=r"in status\.json"):
            status.to_json()
    else:
        status.to_json()


@pytest.mark.parametrize("state", [s for s in State if s is not State.SUCCEEDED])
def test_a_run_whose_table_was_read_says_so_in_each_state(
    make_record: MakeRecord, state: State
) -> None:
    record = make_record()
    figures = {**run_figures(record), "training_job": "job-1"}
    Status(upload=record.upload, state=state, message="", figures=figures).to_json()


def without(name: str) -> Any:
    return {key: value for key, value in example().items() if key != name}


@pytest.mark.parametrize(
    "document",
    [
        without("davies_bouldin"),
        without("training"),
        without("versions"),
        without("rows"),
        without("updated_at"),
        {**example(), "median_distance_m": 3.0},
        {**example(), "state": "DONE"},
        {**example(), "state": "FAILED"},
        {**example(), "files": []},
        {**example(), "files": ["notes.txt"]},
        {**example(), "mean_distance_m": None},
        {**example(), "refinement": {"wanted": "auto", "done": True}},
        {**example(), "refinement": {"wanted": "auto", "done": False, "passes": 1}},
    ],
)
def test_a_status_that_is_not_as_documented_is_told_from_one_that_is(
    document: Any,
) -> None:
    assert problem(document) is not None


def test_parameters_that_were_uploaded_succeed_without_a_run(
    make_record: MakeRecord,
) -> None:
    Status(
        upload=make_record().upload,
        state=State.SUCCEEDED,
        message="",
        figures={"parameters": {"k": 3}},
    ).to_json()
