"""Holds statuses to their documented schema, wherever tests meet one."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from geoclusters.status import Status

SCHEMA = Path(__file__).parents[1] / "docs/status.schema.json"

_to_json = Status.to_json


class HandMade(Status):
    """A state that a test needs, without the figures that a run in it would have."""

    def to_json(self) -> str:
        """Return the text of `status.json`, whatever it is."""
        return _to_json(self)


def schema() -> Any:
    """Return the schema of status.json."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def problem(document: Any) -> str | None:
    """Return what is wrong with a status; None if it is as documented."""
    error = best_match(_validator().iter_errors(document))
    return error and f"{error.json_path} in status.json: {error.message}"


@pytest.fixture(autouse=True)
def statuses_are_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to write a status that the schema doesn't know."""

    def to_json(status: Status) -> str:
        text = _to_json(status)
        found = problem(json.loads(text))
        assert found is None, found
        return text

    monkeypatch.setattr(Status, "to_json", to_json)
