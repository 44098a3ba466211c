"""What the owner of an upload asks for, by the object's metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Final, Self

from geoclusters.errors import ParameterError

LEAST_K: Final = 2
MOST_K: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Parameters of a run."""

    #: Number of clusters.
    k: int
    #: Names of the coordinate columns where they are not the usual ones.
    latitude: str | None = None
    longitude: str | None = None
    #: A name in `geodesy.GEOMETRIES`.
    geometry: str = "spherical"

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], *, default_k: int) -> Self:
        """Read the parameters from an object's user metadata.

        Parameters
        ----------
        metadata : mapping
            As S3 hands it out: keys in lower case.
        default_k : int
            Number of clusters where none is asked for.

        Raises
        ------
        ParameterError
            If a value is out of its bounds.
        """
        return cls(
            k=_k(metadata["k"]) if "k" in metadata else default_k,
            latitude=_decoded(metadata.get("latitude")),
            longitude=_decoded(metadata.get("longitude")),
        )


def _decoded(value: str | None) -> str | None:
    """Return a value as its owner wrote it: S3 hands out non-ASCII text by RFC 2047."""
    if not value:
        return None
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):  # it only looks like that
        return value


def _k(text: str) -> int:
    digits = text.strip()
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 20
    k = int(digits) if is_number else -1
    if not LEAST_K <= k <= MOST_K:
        msg = (
            f"The upload's metadata says `k={text[:40]}`, but k, the number of "
            f"clusters, must be a whole number from {LEAST_K} to {MOST_K:,}. Upload "
            "again, for example with `--metadata k=15`."
        )
        raise ParameterError(msg)
    return k
