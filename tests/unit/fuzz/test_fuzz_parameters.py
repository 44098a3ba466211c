"""Whatever is said of an upload: it is understood, or its owner is told what isn't."""

import json
from contextlib import suppress
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from geoclusters.errors import ParameterError, RunRecordError
from geoclusters.parameters import Document, Parameters
from geoclusters.run import RunRecord, Upload
from tests.mutations import documents, mutated, replaced

KEY: Final = "input/hk.json"
SAID: Final[dict[str, Any]] = {
    **{"k": 15, "latitude": "north", "longitude": "east", "id": "station"},
    **{"crs": "EPSG:2326", "geometry": "planar", "refine": "never"},
    "boundary": "hk.zip",
}
CORPUS: Final = (
    json.dumps(SAID).encode(),
    b'\xef\xbb\xbf{"k": "15", "coordinates": "the_geom"}',
    b'{"type": "FeatureCollection", "features": []}',
    '{"id": "Straße", "boundary": "\\ud83d\\ude00.json"}'.encode(),
)
#: As S3 hands out texts that aren't ASCII: RFC 2047.
_ENCODED: Final = st.builds(
    "=?{}?{}?{}?=".format,
    st.sampled_from(
        ["utf-8", "UTF-7", "rot13", "hex", "idna", "undefined", "\0", "", "é"]
    )
    | st.text(max_size=6),
    st.sampled_from("qQbBx"),
    st.text(max_size=12)
    | st.sampled_from(["=00", "=0A=0D", "w4RuZ2U=", "=ff", "+2D8-"]),
)
VALUES: Final = (
    st.text()
    | st.lists(_ENCODED | st.text(max_size=3), max_size=4).map("".join)
    | st.sampled_from(["=cmd", "\0", "15\n", "９", "²", "9" * 5000, "../x.zip", "1e3"])
)


def read_or_be_told(metadata: dict[str, str], document: bytes | None) -> None:
    beside = None if document is None else Document(KEY, document)
    try:
        parameters = Parameters.read(metadata, beside, default_k=15)
    except ParameterError as error:
        assert len(str(error)) < 1_000
        assert str(error).isprintable()
    else:
        assert 2 <= parameters.k <= 10_000
        json.dumps(dict(parameters.given), ensure_ascii=False).encode()


@given(mutated(CORPUS))
def test_a_changed_file_is_read_or_refused(data: bytes) -> None:
    read_or_be_told({}, data)


@given(replaced(SAID) | documents)
def test_a_file_with_any_value_is_read_or_refused(document: Any) -> None:
    read_or_be_told({}, json.dumps(document).encode())


@given(st.dictionaries(st.sampled_from([*SAID, "coordinates"]), VALUES, max_size=3))
def test_any_metadata_is_read_or_refused(metadata: dict[str, str]) -> None:
    read_or_be_told(metadata, None)


RECORD: Final = RunRecord(
    upload=Upload(bucket="b", key="input/a.csv", etag="0", sequencer="1", size=1),
    k=15,
    geometry="spherical",
    refine="auto",
    boundary=None,
    parameters={},
    parameters_file=None,
    columns={},
    table={},
    rows_read=2,
    rows_usable=2,
    distinct_places=2,
    distinct_places_exact=True,
    left_out={},
    centre=(0.0, 1.0),
    places_parts=1,
    train_parts=1,
    train_bytes=10,
    created_at="2026-01-01T00:00:00+00:00",
)


@given(
    mutated([RECORD.to_json().encode()])
    | replaced(json.loads(RECORD.to_json())).map(lambda it: json.dumps(it).encode())
)
def test_a_changed_run_record_is_read_or_refused(data: bytes) -> None:
    with suppress(RunRecordError):
        RunRecord.from_json(data)
