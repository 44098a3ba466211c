import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import demo
from local.errors import LocalError
from operations import steps


def status(state: str, **more: Any) -> dict[str, Any]:
    document = {"state": state, "message": "", "files": [], "warnings": []}
    return {**document, "upload": {"version_id": "e1"}, **more}


class FakeS3:
    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def download_file(self, bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[key])


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def follow(statuses: Iterator[dict[str, Any] | None]) -> steps.Document:
    time = FakeTime()
    return steps.follow(
        lambda: next(statuses), timeout_s=1, clock=time.clock, sleep=time.sleep
    )


def test_each_change_of_state_is_printed_with_the_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = [None, "QUEUED", "QUEUED", "TRAINING", "SUCCEEDED"]

    last = follow(status(state) if state else None for state in states)

    assert last["state"] == "SUCCEEDED"
    assert capsys.readouterr().out.splitlines() == [
        "    0.2 s  QUEUED",
        "    0.6 s  TRAINING",
        "    0.8 s  SUCCEEDED",
    ]


def test_warnings_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    follow(iter([status("SUCCEEDED", warnings=["Far apart."])]))
    assert "Warning: Far apart." in capsys.readouterr().out


@pytest.mark.parametrize("state", ["FAILED", "SUPERSEDED"])
def test_following_ends_with_every_final_state(state: str) -> None:
    assert follow(iter([status(state)]))["state"] == state


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    with pytest.raises(TimeoutError, match="1 s after the upload nothing answered"):
        follow(iter([None] * 10))


def test_an_answer_that_stays_away_is_a_timeout_that_names_the_state() -> None:
    with pytest.raises(TimeoutError, match="still TRAINING"):
        follow(iter([status("TRAINING")] * 10))


def test_the_status_of_another_upload_is_no_answer() -> None:
    s3 = FakeS3({"output/hk/status.json": json.dumps(status("SUCCEEDED")).encode()})

    assert steps.read_status(s3, "data", "output/hk/", "e2") is None
    assert steps.read_status(s3, "data", "output/none/", "e1") is None
    mine = steps.read_status(s3, "data", "output/hk/", "e1")
    assert mine and mine["state"] == "SUCCEEDED"


def test_results_are_what_the_status_names_and_nothing_else(tmp_path: Path) -> None:
    names = ["map.png", "status.json", "stale.csv"]
    s3 = FakeS3({f"output/hk/{name}": name.encode() for name in names})
    results = tmp_path / "results"
    results.mkdir()
    (results / "yesterday.csv").touch()

    named = status("SUCCEEDED", files=["map.png"])
    steps.fetch(s3, "data", "output/hk/", named, results)

    assert {path.name: path.read_text() for path in results.iterdir()} == {
        "map.png": "map.png",
        "status.json": "status.json",
    }


def test_figures_are_rounded_and_aligned() -> None:
    table = (
        "cluster,latitude,size,max_distance_m,nearest_id,nearest_latitude\n"
        "0,22.3000049,7,12345.6,007,22.5\n"
        "1,-1,10,,Bé,\n"
    )

    assert steps.as_table(table).splitlines() == [
        "cluster  latitude  size  max_distance_m  nearest_id  nearest_latitude",
        "      0  22.30000     7          12,346         007          22.50000",
        "      1  -1.00000    10                          Bé                  ",
    ]


def test_a_missing_table_is_refused_before_anything_is_deployed(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no such file"):
        run(tmp_path / "none.csv", tmp_path / "results")


def test_a_folder_that_holds_something_else_is_not_overwritten(tmp_path: Path) -> None:
    table = tmp_path / "places.csv"
    table.touch()
    with pytest.raises(LocalError, match="holds no results"):
        run(table, tmp_path)
    assert table.exists()


def run(table: Path, results: Path) -> None:
    cloud: Any = None  # not reached
    demo.run(cloud, table=table, k=None, results=results, timeout_s=1)
