import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container import labels

Floats = NDArray[np.float64]

FRAME = np.array([100.0, 50.0, 900.0, 650.0])
NOTHING = np.empty((0, 2))
SIZE = np.array([16.0, 12.0])


def overlaps(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Return which boxes of `a` overlap which of `b`, shape (len(a), len(b))."""
    low = np.maximum(a[:, np.newaxis, :2], b[np.newaxis, :, :2])
    high = np.minimum(a[:, np.newaxis, 2:], b[np.newaxis, :, 2:])
    return np.all(low < high, axis=2)  # type: ignore[no-any-return]


def place(anchors: Floats, avoid: Floats = NOTHING) -> Floats:
    sizes = np.tile(SIZE, (len(anchors), 1))
    return labels.place(anchors, sizes, 8.0, FRAME, avoid=avoid)


@settings(max_examples=50, deadline=None)
@given(k=st.integers(1, 300), seed=st.integers(0, 10**6), spread=st.floats(0.01, 1))
def test_no_box_touches_another_a_symbol_or_the_frame(
    k: int, seed: int, spread: float
) -> None:
    middle, half = (FRAME[:2] + FRAME[2:]) / 2, (FRAME[2:] - FRAME[:2]) / 2
    rng = np.random.default_rng(seed)
    anchors = middle + rng.uniform(-1, 1, (k, 2)) * half * spread
    boxes = place(anchors, avoid=anchors + 5)
    boxes = boxes[~np.isnan(boxes[:, 0])]
    assert len(boxes)
    np.testing.assert_allclose(
        boxes[:, 2:] - boxes[:, :2], np.tile(SIZE, (len(boxes), 1))
    )
    assert (boxes[:, :2] >= FRAME[:2]).all()
    assert (boxes[:, 2:] <= FRAME[2:]).all()
    assert not (overlaps(boxes, boxes) & ~np.eye(len(boxes), dtype=bool)).any()
    assert not overlaps(boxes, np.hstack((anchors - 8, anchors + 8))).any()


def test_a_label_with_room_stands_to_the_right() -> None:
    (box,) = place(np.array([[500.0, 300.0]]))
    np.testing.assert_allclose(box, [509, 294, 525, 306])


def test_a_label_gives_way_to_points() -> None:
    crowd = np.array([[515.0, 300.0], [516.0, 300.0], [517.0, 300.0]])
    (box,) = place(np.array([[500.0, 300.0]]), avoid=crowd)
    assert box[2] < 500  # to the left


def test_a_label_at_the_edge_stays_inside() -> None:
    boxes = place(np.array([[899.0, 300.0], [101.0, 51.0]]))
    assert (boxes[:, 2] <= 900).all()
    assert (boxes[:, :2] >= FRAME[:2]).all()


def test_the_first_labels_win_where_there_is_no_room_for_all() -> None:
    anchors = np.tile([[500.0, 300.0]], (100, 1))
    has_room = ~np.isnan(place(anchors)[:, 0])
    assert has_room[:8].all()
    assert not has_room.all()


@pytest.mark.parametrize("point", [(99.0, 49.0), (901.0, 651.0), (500.0, 300.0)])
def test_points_outside_the_frame_are_no_trouble(point: tuple[float, float]) -> None:
    assert not np.isnan(place(np.array([[200.0, 200.0]]), np.array([point]))).any()
