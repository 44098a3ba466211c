"""What strangers may send: things that are right, and then changed here and there."""

import json
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

#: What parsers stumble over.
_TOKENS: Final = (
    *(b"\0", b"\n", b"\r\n", b'"', b"'", b",", b";", b"\t", b"\\", b"-", b"=", b"e"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\x80", b"\xed\xa0\x80", b"\xff" * 8, b"\0" * 8),
    *(b"NaN", b"Infinity", b"1e999", b"9" * 30, b"9" * 5000, b"null", b"true", b"{"),
    *(b"[" * 300, b"{}", b'{"a":', b"\\ud800", b"../", b"\xf0\x9f\x97\xba", b"(" * 300),
)
_FLIPS: Final = st.tuples(st.floats(0, 1), st.integers(1, 255))
_CUTS: Final = st.tuples(st.floats(0, 1), st.floats(0, 1))


def mutated(
    corpus: Sequence[bytes], tokens: Sequence[bytes] = _TOKENS
) -> st.SearchStrategy[bytes]:
    """Return a strategy of what stands in a corpus, changed in some places.

    Each change flips a byte, cuts a piece out, doubles one, puts a token in, cuts off
    the end, or continues with the end of another one.
    """
    one = st.sampled_from(corpus)
    change = st.one_of(
        st.tuples(st.just("flip"), _FLIPS),
        st.tuples(st.just("drop"), _CUTS),
        st.tuples(st.just("double"), _CUTS),
        st.tuples(
            st.just("insert"), st.tuples(st.floats(0, 1), st.sampled_from(tokens))
        ),
        st.tuples(st.just("truncate"), st.tuples(st.floats(0, 1))),
        st.tuples(st.just("splice"), st.tuples(st.floats(0, 1), one)),
    )
    return st.builds(_changed, one, st.lists(change, min_size=1, max_size=6))


def _changed(data: bytes, changes: list[tuple[str, Any]]) -> bytes:
    for how, (where, *more) in changes:
        at = int(where * len(data))
        if how == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ more[0]]) + data[at + 1 :]
        elif how == "drop":
            data = data[:at] + data[at + _length(more[0]) :]
        elif how == "double":
            data = data[:at] + data[at : at + _length(more[0])] + data[at:]
        elif how == "insert":
            data = data[:at] + more[0] + data[at:]
        elif how == "truncate":
            data = data[:at]
        elif how == "splice":
            data = data[:at] + more[0][int(where * len(more[0])) :]
    return data


def _length(share: float) -> int:
    """Return the length of a piece: mostly short, at times long."""
    return int(1 + 4 ** (share * 6))


#: Any document of JSON, with numbers and texts that are none elsewhere.
documents: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\0", "../", "9" * 5000, "15", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def replaced(document: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of a document in which one field is anything, or missing."""
    paths = list(_paths(document))

    def change(path: tuple[str, ...], value: Any, is_gone: bool) -> Any:
        copy = json.loads(json.dumps(document))
        place = copy
        for name in path[:-1]:
            place = place[name]
        if is_gone:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return copy

    return st.builds(change, st.sampled_from(paths), documents, st.booleans())


def _paths(document: Any, before: tuple[str, ...] = ()) -> Any:
    for name, value in document.items():
        yield (*before, name)
        if isinstance(value, dict):
            yield from _paths(value, (*before, name))
