"""How map.html carries its data: arrays in base64, all of it in one JSON text."""

import base64
import json
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Degrees travel as whole numbers of 10⁻⁷°, about a centimetre, and fit 32 bits.
_UNITS_PER_DEGREE: Final = 10**7
#: A coordinate that isn't known; the page knows it by this number.
_NO_DEGREES: Final = -(2**31)
#: Texts are shortened to one of these lengths, the first that fits.
_LENGTHS: Final = (120, 80, 60, 48, 40, 32, 24, 20, 16, 12, 10, 8)

#: What could end a script element, begin a comment, or be no UTF-8 or no text.
_TO_ESCAPE: Final = re.compile(
    "[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def to_json(value: Any) -> bytes:
    """Return JSON in UTF-8 that can stand in an HTML script element.

    Whatever a text holds, the bytes have no `<`, `>`, `&` and no control character: the
    HTML parser finds nothing in it to act on.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def array(values: NDArray[Any], dtype: str) -> dict[str, str]:
    """Return an array, shape (n,), as little-endian bytes in base64.

    Parameters
    ----------
    values : array, shape (n,)
        Numbers that the type can hold.
    dtype : str
        `u1`, `u2`, `u4`, `i4`, `f4` or `f8`, as NumPy calls them.
    """
    data = np.ascontiguousarray(values, f"<{dtype}").tobytes()
    return {"type": dtype, "data": base64.b64encode(data).decode()}


def degrees(values: Floats) -> dict[str, str]:
    """Return latitudes or longitudes in degrees, NaN where there is none."""
    units = np.rint(values * _UNITS_PER_DEGREE)
    return array(np.where(np.isnan(units), _NO_DEGREES, units), "i4")


def counts(values: NDArray[Any]) -> dict[str, str]:
    """Return whole numbers from 0 in the least type that holds them exactly."""
    most = int(values.max()) if len(values) else 0
    for dtype in ("u1", "u2", "u4"):
        if most <= np.iinfo(dtype).max:
            return array(values, dtype)
    return array(values, "f8")


def varints(values: NDArray[np.int64]) -> bytes:
    """Return whole numbers as protocol buffers' sint64: small ones take one byte.

    Zigzag LEB128: even numbers mean 0, 1, 2, …, odd ones -1, -2, …; seven bits a byte,
    the lowest first. Source: https://protobuf.dev/programming-guides/encoding/

    Parameters
    ----------
    values : array of int64, shape (n,)
    """
    unsigned = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    length = np.ones(len(unsigned), np.int64)
    for bits in range(7, 63, 7):
        length += unsigned >> np.uint64(bits) > 0
    start = np.cumsum(length) - length
    out = np.empty(int(length.sum()), np.uint8)
    for i in range(int(length.max(initial=0))):
        has_byte = length > i
        byte = (unsigned[has_byte] >> np.uint64(7 * i)) & np.uint64(0x7F)
        more = np.where(length[has_byte] > i + 1, 0x80, 0)
        out[start[has_byte] + i] = byte.astype(np.int64) | more
    return out.tobytes()


def fitting(
    texts: Sequence[str | None], budget_bytes: int
) -> tuple[list[str | None] | None, int | None]:
    """Return texts that take no more than so many bytes of JSON.

    Long ones are shortened, and end in "…".

    Returns
    -------
    texts : list of str, or None
        None if they don't fit however short.
    longest : int or None
        The most characters that a text has now; None if all are whole.
    """
    whole = list(texts)
    if len(to_json(whole)) <= budget_bytes:
        return whole, None
    for length in _LENGTHS:
        short = [
            text if text is None or len(text) <= length else text[: length - 1] + "…"
            for text in whole
        ]
        if len(to_json(short)) <= budget_bytes:
            return short, length
    return None, None
