"""The stand-in's trainer: what it reads, refuses, prints and writes, and how well.

Runs in the environment that has mxnet.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.cluster import KMeans

from geoclusters import geodesy, recordio
from geoclusters.hyperparameters import first_shard_rows, hyperparameters
from local.sagemaker.trainer.errors import ClientError
from local.sagemaker.trainer.hyperparameters import DEFAULTS, parse
from local.sagemaker.trainer.kmeans import (
    LocalLloyd,
    WebScaleKMeans,
    assign,
    choose_centers,
)
from local.sagemaker.trainer.records import Channel
from local.sagemaker.trainer.train import train

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data"
with warnings.catch_warnings():
    # mxnet 1.9.1 uses names that numpy 1.23 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import mxnet

RECORDIO = {"ContentType": "application/x-recordio-protobuf"}
ONE_MACHINE = '{"current_host": "algo-1", "hosts": ["algo-1"]}'
Float64 = npt.NDArray[np.float64]
OptMl = Callable[..., Path]


def points(n: int, d: int = 2, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1000, (n, d)).astype(np.float32)


def trained(opt_ml: Path, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the centroids of a training on one machine."""
    centroids = train(opt_ml, rng, lambda: False)
    assert centroids is not None
    return centroids


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    """Return what lays out an /opt/ml from files and hyperparameters."""

    def lay_out(
        files: dict[str, bytes], config: dict[str, str] = RECORDIO, **hyper: Any
    ) -> Path:
        for folder in ("input/config", "input/data/train", "model"):
            (tmp_path / folder).mkdir(parents=True)
        for name, body in files.items():
            path = tmp_path / "input/data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        written = tmp_path / "input/config"
        text = json.dumps({name: str(value) for name, value in hyper.items()})
        (written / "hyperparameters.json").write_text(text)
        channels = {name.split("/")[0] for name in files} | {"train"}
        text = json.dumps({name: config for name in channels})
        (written / "inputdataconfig.json").write_text(text)
        (written / "resourceconfig.json").write_text(ONE_MACHINE)
        return tmp_path

    return lay_out


def start(opt_ml: Path, seed: int | None = 1) -> "subprocess.Popen[str]":
    environment = {**os.environ, "GEOCLUSTERS_OPT_ML": str(opt_ml)}
    if seed is not None:
        environment["GEOCLUSTERS_TRAINER_SEED"] = str(seed)
    return subprocess.Popen(
        [sys.executable, "-m", "local.sagemaker.trainer", "train"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(opt_ml: Path) -> tuple[int, str]:
    with start(opt_ml) as process:
        output, _ = process.communicate(timeout=120)
        return process.returncode, output


def batches_of(folder: Path, size: int, config: dict[str, str], d: int = 2) -> Any:
    return list(Channel(folder, "train", config, d).batches(size, 0))


# --- hyperparameters ---------------------------------------------------------------


def test_defaults_are_those_of_the_documentation() -> None:
    chosen = parse({"k": "15", "feature_dim": "3"})
    assert (chosen.mini_batch_size, chosen.epochs) == (5000, 1)
    assert (chosen.init_method, chosen.local_lloyd_init_method) == (
        "random",
        "kmeans++",
    )
    assert (chosen.extra_center_factor, chosen.local_lloyd_num_trials) == (10, 10)
    assert (chosen.local_lloyd_max_iter, chosen.local_lloyd_tol) == (300, 0.0001)
    assert (chosen.half_life_time_size, chosen.eval_metrics) == (0, ("msd",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "0"),
        ("k", "1.5"),
        ("feature_dim", "-1"),
        ("mini_batch_size", "0"),
        ("epochs", "auto"),
        ("init_method", "kmeans||"),
        ("extra_center_factor", "0"),
        ("half_life_time_size", "-1"),
        ("local_lloyd_num_trials", "none"),
        ("local_lloyd_tol", "1.1"),
        ("local_lloyd_tol", "nan"),
        ("eval_metrics", '["rmse"]'),
        ("eval_metrics", "msd"),
        ("force_dense", "yes"),
        ("eval_metrics", '[["msd"]]'),
        ("eval_metrics", "[" * 2500),
        ("eval_metrics", "{}"),
        ("k", " 5 "),
        ("k", "5_0"),
        ("k", "٥"),
        ("k", "9" * 5000),
        ("local_lloyd_tol", " 0.1"),
        ("local_lloyd_tol", "0.0_1"),
        ("local_lloyd_tol", "inf"),
    ],
)
def test_a_value_out_of_its_range_is_a_client_error(name: str, value: str) -> None:
    with pytest.raises(ClientError, match=f"not valid for '{name}'"):
        parse({"k": "15", "feature_dim": "3", name: value})


def test_missing_and_unknown_hyperparameters_are_said_together() -> None:
    with pytest.raises(ClientError) as caught:
        parse({"k": "15", "clusters": "3"})
    assert "('clusters' was unexpected)" in str(caught.value)
    assert "'feature_dim' is a required hyperparameter" in str(caught.value)


def test_the_containers_own_hyperparameters_are_taken_without_effect() -> None:
    required = {"k": "15", "feature_dim": "3"}
    own = {name: "any" for name in DEFAULTS if name.startswith("_")}
    assert {"_kvstore", "_tuning_objective_metric", "_num_gpus"} <= set(own)
    assert parse({**required, **own}) == parse(required)


def test_numbers_may_have_a_sign() -> None:
    chosen = parse({"k": "+15", "feature_dim": "3", "local_lloyd_tol": "+1.e-3"})
    assert (chosen.k, chosen.local_lloyd_tol) == (15, 0.001)


@pytest.mark.parametrize(("n", "k"), [(2, 2), (210, 15), (1386, 15), (30_000, 100)])
def test_our_own_hyperparameters_are_within_the_ranges(n: int, k: int) -> None:
    chosen = parse(hyperparameters(n, k, 3))
    assert chosen.k * chosen.extra_center_factor <= min(n, chosen.mini_batch_size / 4)
    assert set(hyperparameters(n, k, 3)) <= {*DEFAULTS, "k", "feature_dim"}


# --- reading -----------------------------------------------------------------------


def test_records_are_read_in_the_order_of_files_and_never_shuffled(
    opt_ml: OptMl,
) -> None:
    data = points(100)
    names = ["train/a/2.pbr", "train/b.pbr", "train/part-00010.pbr"]
    pieces = np.split(data, [10, 40])
    files = [
        (name, recordio.encode(part)) for name, part in zip(names, pieces, strict=True)
    ]
    folder = opt_ml(dict(reversed(files))) / "input/data"
    batches = batches_of(folder, 15, RECORDIO)
    assert [len(batch) for batch in batches] == [15] * 6 + [10]
    np.testing.assert_array_equal(np.concatenate(batches), data)


def test_a_file_larger_than_a_read_is_decoded_piece_by_piece(
    opt_ml: OptMl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.sagemaker.trainer.records._READ_BYTES", 101)
    data = points(50)
    folder = opt_ml({"train/a": recordio.encode(data)}) / "input/data"
    np.testing.assert_array_equal(np.concatenate(batches_of(folder, 7, RECORDIO)), data)


def test_csv_without_labels_is_read_too(opt_ml: OptMl) -> None:
    config = {"ContentType": "text/csv;label_size=0"}
    folder = opt_ml({"train/a.csv": b"1,2\n3,4\n\n5,6"}, config) / "input/data"
    (batch,) = batches_of(folder, 10, config)
    np.testing.assert_array_equal(batch, [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("content_type", "labels"),
    [
        ("text/csv", 1),
        ("text/csv; label_size=1", 1),
        ("text/csv;label_size=2", 2),
    ],
)
def test_the_labels_of_csv_are_left_out(
    opt_ml: OptMl, content_type: str, labels: int
) -> None:
    config = {"ContentType": content_type}
    label = b"7," * labels
    body = label + b"1,2\n" + label + b"3,4\n"
    folder = opt_ml({"train/a.csv": body}, config) / "input/data"
    (batch,) = batches_of(folder, 10, config)
    np.testing.assert_array_equal(batch, [[1, 2], [3, 4]])


@pytest.mark.parametrize("content_type", [*RECORDIO.values(), "text/csv;label_size=0"])
def test_a_pipe_is_read_once_an_epoch(opt_ml: OptMl, content_type: str) -> None:
    config = {"ContentType": content_type, "TrainingInputMode": "Pipe"}
    rows = points(300)
    data = recordio.encode(rows)
    if content_type not in RECORDIO.values():
        data = bytearray("\n".join(f"{x},{y}" for x, y in rows), "ascii")
    root = opt_ml({}, config, k=3, feature_dim=2, epochs=2, mini_batch_size=100)
    fifos = [root / f"input/data/train_{epoch}" for epoch in (0, 1)]
    for fifo in fifos:
        os.mkfifo(fifo)
    with start(root) as process:
        for fifo in fifos:
            fifo.write_bytes(data)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert output.count("processed a total of 300 examples") == 2


@pytest.mark.parametrize(
    ("files", "config", "hyper", "said"),
    [
        ({}, RECORDIO, {}, "No data was found"),
        ({"train/a": b""}, RECORDIO, {}, "No data was found"),
        (
            {"train/a": b"1,2\n3,4\n"},
            RECORDIO,
            {},
            "Unable to read data channel 'train'",
        ),
        (
            {"train/a": recordio.encode(points(9))[:-4]},
            RECORDIO,
            {},
            "Unable to read data channel 'train'",
        ),
        (
            {"train/a": recordio.encode(points(9, 3))},
            RECORDIO,
            {},
            "has 3 features; the hyperparameter feature_dim is 2",
        ),
        (
            {"train/a": b"{}"},
            {"ContentType": "application/json"},
            {},
            "No iterator has been registered for ContentType ('application/json')",
        ),
        (
            {"train/a": b"1,2\n"},
            {"ContentType": "text/csv;label_size=none"},
            {},
            "No iterator has been registered for ContentType",
        ),
        (  # the first column is a label, unless it is said that there is none
            {"train/a": b"1,2\n"},
            {"ContentType": "text/csv"},
            {},
            "has 1 features; the hyperparameter feature_dim is 2",
        ),
        (
            {"train/a": recordio.encode(points(9)), "validation/a": b"-"},
            RECORDIO,
            {},
            "Failed to validate input data configuration. (caused by ValidationError)"
            "\n\nCaused by: Additional properties are not allowed ('validation' was "
            "unexpected)",
        ),
        (
            {"train/a": recordio.encode(points(2))},
            RECORDIO,
            {},
            "(2) is smaller than the number of clusters, k=3",
        ),
        (
            {"train/a": recordio.encode(points(29))},
            RECORDIO,
            {},
            "has 29 records, fewer than the 30 initial centers",
        ),
        ({}, RECORDIO, {"k": 0}, "not valid for 'k'"),
    ],
)
def test_what_cannot_be_trained_on_is_a_client_error(
    opt_ml: OptMl,
    files: dict[str, bytes],
    config: dict[str, str],
    hyper: dict[str, int],
    said: str,
) -> None:
    root = opt_ml(files, config, **{"k": 3, "feature_dim": 2, **hyper})
    with pytest.raises(ClientError) as caught:
        train(root, np.random.default_rng(0), lambda: False)
    assert said in str(caught.value)


# --- the algorithm -----------------------------------------------------------------


def test_initial_centres_are_records_of_the_first_mini_batch_alone() -> None:
    first = points(100)
    for method in ("random", "kmeans++"):
        model = WebScaleKMeans(
            first,
            count=20,
            init_method=method,
            half_life_time_size=0,
            rng=np.random.default_rng(0),
        )
        assert len(np.unique(model.centers, axis=0)) == 20
        known = {tuple(row) for row in first}
        assert all(tuple(center) in known for center in model.centers)


def test_centres_move_by_the_documented_rule() -> None:
    # 100 points given before and 25 new ones weigh 4 to 1.
    far = np.array([[1e6, 1e6]], np.float32)
    start = np.concatenate([np.zeros((1, 2), np.float32), far])
    model = WebScaleKMeans(
        start,
        count=2,
        init_method="random",
        half_life_time_size=0,
        rng=np.random.default_rng(0),
    )
    model.update(np.zeros((100, 2), np.float32))
    model.update(np.full((25, 2), 10, np.float32))
    near = int(np.argmin(np.abs(model.centers[:, 0])))
    np.testing.assert_allclose(model.centers[near], [2, 2])
    assert model.counts[near] == 125
    np.testing.assert_array_equal(model.centers[1 - near], far[0])


def test_a_half_life_forgets_old_points() -> None:
    model = WebScaleKMeans(
        np.zeros((1, 1), np.float32),
        count=1,
        init_method="random",
        half_life_time_size=50,
        rng=np.random.default_rng(0),
    )
    model.update(np.zeros((100, 1), np.float32))
    model.update(np.full((50, 1), 10, np.float32))
    assert model.counts[0] == 100  # 100 halved, and 50
    np.testing.assert_allclose(model.centers, [[5]])


def test_distances_are_as_inexact_as_float32_makes_them() -> None:
    # Two places 11 m apart at (22.3, 114.1) degrees: ‖x‖² − 2x·c + ‖c‖² can't tell.
    places = np.array([[22.3, 114.1], [22.3001, 114.1]], np.float32)
    _, nearest = assign(places[:1], places[1:])
    assert nearest.dtype == np.float32
    assert abs(float(nearest[0]) - 1e-8) > 1e-4


def test_weights_decide_where_a_centroid_lies() -> None:
    centers = np.array([[0.0], [4.0], [100.0]], np.float32)
    counts = np.array([3, 1, 5], np.float32)
    lloyd = LocalLloyd(init_method="kmeans++", max_iter=300, num_trials=5, tol=0.0001)
    centroids, msd = lloyd.shrink(centers, counts, 2, np.random.default_rng(0))
    np.testing.assert_allclose(np.sort(centroids[:, 0]), [1, 100])
    assert msd == pytest.approx((3 * 1 + 1 * 9) / 9)


def test_the_best_of_all_starts_is_taken() -> None:
    centers = points(60)
    told: list[float] = []
    lloyd = LocalLloyd(init_method="random", max_iter=300, num_trials=20, tol=0.0001)
    _, msd = lloyd.shrink(
        centers,
        np.ones(60, np.float32),
        7,
        np.random.default_rng(0),
        on_attempt=lambda attempt, value: told.append(value),
    )
    assert len(told) == 20
    assert msd == min(told) < max(told)


def test_fewer_distinct_points_than_clusters_still_give_k_centroids() -> None:
    same = np.ones((50, 2), np.float32)
    chosen = choose_centers(
        same, np.ones(50, np.float32), 5, "kmeans++", np.random.default_rng(0)
    )
    assert chosen.shape == (5, 2)
    lloyd = LocalLloyd(init_method="kmeans++", max_iter=300, num_trials=2, tol=0.0001)
    counts = np.zeros(50, np.float32)
    counts[0] = 50
    centroids, msd = lloyd.shrink(same, counts, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(centroids, np.ones((5, 2)))
    assert msd == 0


# --- the process -------------------------------------------------------------------


def test_the_model_is_byte_for_byte_an_artefact_of_sagemakers(opt_ml: OptMl) -> None:
    data = recordio.encode(points(500, 3))
    root = opt_ml({"train/a": data}, k=7, feature_dim=3)
    assert run(root)[0] == 0
    assert [path.name for path in (root / "model").iterdir()] == ["model_algo-1"]
    body = (root / "model/model_algo-1").read_bytes()
    assert len(body) == 72 + 4 * 7 * 3
    (array,) = mxnet.nd.load(str(root / "model/model_algo-1"))
    values = array.asnumpy()
    assert (values.shape, values.dtype) == ((7, 3), np.float32)
    assert body[64:-8] == values.tobytes()
    assert body[-8:] == bytes(8)  # no names
    mxnet.nd.save(str(root / "same"), [array])
    assert body == (root / "same").read_bytes()
    # The head of a real 7 × 8 artefact, with its 8 made a 3.
    head = (
        "1201000000000000 0000000000000000 0100000000000000 c9fa93f900000000"
        "02000000 0700000000000000 0300000000000000 01000000 00000000 00000000"
    )
    assert body[:64] == bytes.fromhex(head)


NUMBER = r"-?[\d.e-]+"
METRICS = r'#metrics \{"StartTime": [\d.]+, "EndTime": [\d.]+, "Dimensions": \{"Algo'
METRICS += r'rithm": "AWS/KMeansWebscale", "Host": "algo-1", "Operation": "training"'
READS = r'"Metrics": \{"Total Records Seen": \{"sum": %d\.0, "count": 1, .*\}\}\}'
STREAM = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[tensorio\] \[info\] epoch_stats="
STREAM += (
    r'\{"data_pipeline": "/opt/ml/input/data/train", "epoch": %d, "duration": \d+, '
)
STREAM += r'"num_examples": 1, "num_bytes": 6720\}'
START = [
    r"Docker entrypoint called with argument\(s\): train",
    r"Running default environment configuration script",
    r"Reading default configuration from /opt/amazon/lib/python3\.7/site-packages/"
    r"algorithm/resources/default-input\.json: \{'init_method': 'random', .*"
    r"'_num_slices': '1', '_tuning_objective_metric': ''\}",
    r"Merging with provided configuration from /opt/ml/input/config/"
    r"hyperparameters\.json: \{'k': '15', .*\}",
    r"Final configuration: \{'init_method': .*'_kvstore': 'auto', .*'k': '15', .*\}",
    r"WARNING Loggers have already been setup\.",
    r"Process \d+ is a worker\.",
    r"Using default worker\.",
    r"Loaded iterator creator application/x-recordio-protobuf for content type "
    r"\('application/x-recordio-protobuf', '1\.0'\)",
    r"Create Store: local",
    r"nvidia-smi identified 0 GPUs\.",
    r"Number of GPUs being used: 0",
    r"Checkpoint loading and saving are disabled\.",
    r"Setting up with params: \{'init_method': .*\}",
    r"'extra_center_factor' was set to 'auto', evaluated to 10\.",
    r"Number of GPUs being used: 0",
    r"number of center slices 1",
    r"WARNING Batch size 5000 is bigger than the first batch data\. Effective batch "
    r"size used to initialize is 210",
    rf'{METRICS}, "Meta": "init_train_data_iter"\}}, {READS % 210}',
    STREAM % 0,
]


def epoch_lines(number: int, of: int) -> list[str]:
    share = 100 * (number + 1) / of
    return [
        STREAM % (number + 1),
        r"processed a total of 210 examples",
        rf"#progress_metric: host=algo-1, completed {share} % of epochs",
        rf'{METRICS}, "epoch": {number}, "Meta": "training_data_iter"\}}, '
        rf"{READS % (210 * (number + 2))}",
        r"#throughput_metric: host=algo-1, train throughput=[\d.]+ records/second",
    ]


SHRINKING = [
    r"shrinking 150 centers into 15",
    *(
        rf"local kmeans attempt #{number}\. Current mean square distance \d+\.\d{{6}}"
        for number in range(10)
    ),
    r"finished shrinking process\. Mean Square Distance = 0",
    rf"#quality_metric: host=algo-1, train msd <loss>={NUMBER}",
]
END = [
    r"Number of GPUs being used: 0",
    rf'{METRICS}\}}, "Metrics": \{{"epochs": \{{"sum": .*"initialize\.time": .*'
    r'"update\.time": .*"model\.serialize\.time": \{.*\}\}',
    r"Test data is not provided\.",
    rf'{METRICS}\}}, "Metrics": \{{"setuptime": \{{.*\}}, "totaltime": \{{.*\}}\}}\}}',
]
UNSYNCED = (
    r"WARNING wait_for_all_workers will not sync workers since the kv store is not "
    r"running distributed"
)
STAMP = re.compile(
    r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d (INFO |(?=WARNING ))(WARNING )?\d+\] "
)


def assert_lines(output: str, patterns: list[str]) -> None:
    """Each line is of the kind that is due, and none is missing."""
    lines = [STAMP.sub(r"\2", line) for line in output.splitlines() if line]
    for line, pattern in zip(lines, patterns, strict=False):
        assert re.fullmatch(pattern, line), f"{line}\n{pattern}"
    assert len(lines) == len(patterns)


def test_the_log_has_the_lines_of_the_real_container_in_its_order(
    opt_ml: OptMl,
) -> None:
    data = recordio.encode(points(210))
    root = opt_ml({"train/a": data}, k=15, feature_dim=2, epochs=2)
    code, output = run(root)
    assert code == 0
    epochs = epoch_lines(0, 2) + epoch_lines(1, 2)
    assert_lines(output, [*START, *epochs, UNSYNCED, *SHRINKING, *END])
    # The container reports its best start, not the points' own distances.
    attempts = re.findall(r"attempt #\d+\. Current mean square distance (\S+)", output)
    (loss,) = re.findall(r"train msd <loss>=(\S+)", output)
    assert float(loss) == pytest.approx(min(map(float, attempts)), rel=1e-6)


def test_test_data_are_scored_in_the_log(opt_ml: OptMl) -> None:
    data = recordio.encode(points(210))
    root = opt_ml({"train/a": data, "test/a": data}, k=15, feature_dim=2)
    code, output = run(root)
    assert code == 0
    scores = [
        rf"#test_score \(algo-1\) : \('msd', {NUMBER}\)",
        rf"#quality_metric: host=algo-1, test msd <loss>={NUMBER}",
    ]
    end = [*END[:2], *scores, *END[3:]]
    assert_lines(output, [*START, *epoch_lines(0, 1), UNSYNCED, *SHRINKING, *end])


def test_with_no_extra_centres_nothing_is_shrunk_and_no_msd_is_told(
    opt_ml: OptMl,
) -> None:
    data = recordio.encode(points(210))
    root = opt_ml({"train/a": data}, k=15, feature_dim=2, extra_center_factor=1)
    code, output = run(root)
    assert code == 0
    start = [line for line in START if "'extra_center_factor' was set" not in line]
    unshrunk = r"No shrinking is required as extra_center_factor is 1\."
    assert_lines(output, [*start, *epoch_lines(0, 1), UNSYNCED, unshrunk, *END])
    assert (root / "model/model_algo-1").stat().st_size == 72 + 4 * 15 * 2


def test_a_failure_is_left_in_its_file_and_no_model(opt_ml: OptMl) -> None:
    root = opt_ml({"train/a": recordio.encode(points(9))}, k=10, feature_dim=2)
    code, output = run(root)
    assert code == 2
    failure = (root / "output/failure").read_text()
    assert failure == (
        "ClientError: The number of records in the first mini-batch (9) is smaller "
        "than the number of clusters, k=10."
    )
    assert failure in output
    assert not list((root / "model").iterdir())


def test_an_epoch_without_records_is_a_client_error(opt_ml: OptMl) -> None:
    config = {**RECORDIO, "TrainingInputMode": "Pipe"}
    root = opt_ml({}, config, k=3, feature_dim=2, epochs=1_000_000)
    fifos = [root / f"input/data/train_{epoch}" for epoch in (0, 1)]
    for fifo in fifos:
        os.mkfifo(fifo)
    with start(root) as process:
        fifos[0].write_bytes(recordio.encode(points(300)))
        fifos[1].write_bytes(b"")
        process.communicate(timeout=60)
    assert process.returncode == 2
    assert (root / "output/failure").read_text().startswith("ClientError: No data was")


def test_memory_does_not_grow_with_the_number_of_records(opt_ml: OptMl) -> None:
    hundred_thousand = recordio.encode(points(100_000, 16))
    root = opt_ml({}, RECORDIO, k=3, feature_dim=16)
    peaks = []
    for times in (3, 30):
        with (root / "input/data/train/a").open("wb") as file:
            for _ in range(times):
                file.write(hundred_thousand)
        peaks.append(peak_memory(root))
    assert peaks[1] < 1.1 * peaks[0]


def peak_memory(root: Path) -> int:
    """Train, and return the most memory that the trainer had, in kB."""
    process = start(root)
    assert process.stdout is not None
    with process.stdout as output:
        output.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


def test_sigterm_writes_what_there_is_and_ends_well(opt_ml: OptMl) -> None:
    data = recordio.encode(points(200))
    root = opt_ml({"train/a": data}, k=3, feature_dim=2, epochs=100_000_000)
    with start(root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "of epochs" in line:
                break
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 0
    assert time.monotonic() - started < 30
    assert "shrinking 30 centers into 3" in rest
    assert (root / "model/model_algo-1").stat().st_size == 72 + 4 * 3 * 2


def test_a_seed_repeats_a_run_and_no_seed_does_not(tmp_path: Path) -> None:
    assert draw(tmp_path, 1) == draw(tmp_path, 1) != draw(tmp_path, 2)


def draw(tmp_path: Path, seed: int) -> bytes:
    folder = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
    (folder / "input/config").mkdir(parents=True)
    (folder / "input/data/train").mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "input/data/train/a").write_bytes(recordio.encode(points(300)))
    (folder / "input/config/inputdataconfig.json").write_text('{"train": {}}')
    (folder / "input/config/hyperparameters.json").write_text(
        json.dumps({"k": "9", "feature_dim": "2"})
    )
    (folder / "input/config/resourceconfig.json").write_text(ONE_MACHINE)
    return trained(folder, np.random.default_rng(seed)).tobytes()


# --- quality -----------------------------------------------------------------------

_CAMERAS = "hong-kong/Traffic_Camera_Locations_En.csv"


def read(path: str, latitude: str, longitude: str) -> tuple[Float64, Float64]:
    """Read the usable places of a table in `../shared/data`."""
    table = DATA / path
    if not table.exists():
        pytest.skip(f"{path} is not there")
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [(row[latitude], row[longitude]) for row in csv.DictReader(file)]
    places = np.array([(float(a), float(b)) for a, b in rows if a and b])
    places = places[places.any(axis=1)]
    return places[:, 0], places[:, 1]


def true_msd(xyz: Float64, centroids: npt.NDArray[Any]) -> float:
    distances = ((xyz[:, None, :] - centroids[None].astype(float)) ** 2).sum(axis=2)
    return float(distances.min(axis=1).mean())


@pytest.mark.parametrize(
    ("path", "latitude", "longitude", "starts", "by_longitude"),
    [
        (_CAMERAS, "latitude", "longitude", 50, False),
        (_CAMERAS, "latitude", "longitude", 50, True),
        ("places/noaa-isd-stations.csv", "LAT", "LON", 10, True),
    ],
    ids=["hong-kong", "hong-kong-sorted", "stations-sorted"],
)
def test_with_our_hyperparameters_15_clusters_are_nearly_the_best(
    opt_ml: OptMl,
    path: str,
    latitude: str,
    longitude: str,
    starts: int,
    by_longitude: bool,
) -> None:
    lat, lon = read(path, latitude, longitude)
    if by_longitude:
        order = np.argsort(lon, kind="stable")
        lat, lon = lat[order], lon[order]
    xyz = geodesy.to_cartesian(lat, lon)
    xyz -= xyz.mean(axis=0)
    n, k = len(xyz), 15
    best = KMeans(k, n_init=starts, random_state=0).fit(xyz).inertia_ / n
    root = opt_ml({}, **hyperparameters(n, k, 3))
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        sample = rng.permutation(n)[: first_shard_rows(k)]
        rest = np.delete(np.arange(n), sample)
        for number, rows in enumerate((sample, rest)):
            shard = root / f"input/data/train/part-{number:05d}.pbr"
            shard.write_bytes(recordio.encode(xyz[rows].astype(np.float32)))
        found.append(true_msd(xyz, trained(root, rng)))
    assert np.median(found) <= 1.03 * best
    assert max(found) <= 1.05 * best


def test_on_raw_degrees_the_reported_msd_is_noise_as_in_the_published_run() -> None:
    """What SageMaker says of raw degrees lies below the best that exists.

    The published run of Hong Kong's cameras reported 0.000270; 0.000367 is the least
    that scikit-learn finds. Two things make it low. The reported figure is that of the
    weighted centres, not of the places: within a tenth of the truth on centred data,
    about a fifth below it on raw degrees, where rounding also scatters the places among
    the centres. And at (22.3, 114.1) float32's error is as large as the squares that
    are added up, which takes away as much again.
    """
    degrees = np.column_stack(
        read(
            _CAMERAS,
            *("latitude", "longitude"),
        )
    )
    best = KMeans(15, n_init=50, random_state=0).fit(degrees).inertia_ / len(degrees)
    raw, raw_true = reported_and_true(degrees)
    centred, centred_true = reported_and_true(degrees - degrees.mean(axis=0))
    assert np.median(raw) < 0.75 * best
    assert np.median(raw_true) > 1.15 * best
    assert np.median(centred_true) < 1.1 * best
    assert np.abs(centred / centred_true - 1).max() < 0.1


def reported_and_true(degrees: Float64, k: int = 15) -> tuple[Float64, Float64]:
    """Return the msd that SageMaker's defaults report, and the true one, by seed."""
    chosen = parse({"k": k, "feature_dim": 2})
    records = degrees.astype(np.float32)
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        model = WebScaleKMeans(
            records,
            count=k * chosen.extra_center_factor,
            init_method=chosen.init_method,
            half_life_time_size=chosen.half_life_time_size,
            rng=rng,
        )
        model.update(records)
        centroids, msd = LocalLloyd(
            init_method=chosen.local_lloyd_init_method,
            max_iter=chosen.local_lloyd_max_iter,
            num_trials=chosen.local_lloyd_num_trials,
            tol=chosen.local_lloyd_tol,
        ).shrink(model.centers, model.counts, k, rng)
        found.append((msd, true_msd(degrees, centroids)))
    reported, true = np.array(found).T
    return reported, true
