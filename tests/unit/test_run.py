import json
from collections.abc import Callable

import pytest

from geoclusters.errors import RunRecordError
from geoclusters.run import RunRecord, is_newer

MakeRecord = Callable[..., RunRecord]


def test_a_record_comes_back_from_its_json(make_record: MakeRecord) -> None:
    record = make_record()
    assert RunRecord.from_json(record.to_json()) == record
    assert record.feature_dim == 3


def test_a_record_of_another_version_is_refused(make_record: MakeRecord) -> None:
    document = json.loads(make_record().to_json())
    document["schema_version"] = 2
    with pytest.raises(RunRecordError, match="schema version 2, not 1"):
        RunRecord.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1}'])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RunRecordError):
        RunRecord.from_json(text)


def test_a_record_of_another_run_is_refused(make_record: MakeRecord) -> None:
    document = json.loads(make_record().to_json())
    document["run_id"] = "0" * 20
    with pytest.raises(RunRecordError, match="says run 0000"):
        RunRecord.from_json(json.dumps(document))


def test_how_long_a_table_took_is_known_of_new_records(make_record: MakeRecord) -> None:
    assert make_record().preparation_s is None
    record = make_record(prepared_at="2026-01-01T00:01:02.500+00:00")
    assert record.preparation_s == 62.5
    assert RunRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    ("sequencer", "other", "newer"),
    [
        ("0B", "0A", True),
        ("0A", "0B", False),
        ("0A", "0A", False),
        ("0a", "0A", False),
        ("0A01", "0A", True),
        ("0A00", "0A", False),
        ("0A", "", True),
    ],
)
def test_sequencers_are_compared_as_s3_says(
    sequencer: str, other: str, newer: bool
) -> None:
    assert is_newer(sequencer, other) is newer
