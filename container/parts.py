"""A run's places, as often as they are asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from geoclusters import layout, places
from geoclusters.ahead import read_ahead
from geoclusters.places import Places

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Places that are kept in memory, so that the next pass needn't fetch them again: some
#: eleven million without ids.
MOST_KEPT_BYTES: Final = 256 * 1024 * 1024
#: Parts that are fetched while an earlier one is worked on.
_PARTS_AHEAD: Final = 2


class Parts:
    """The parts of `runs/<run-id>/places/`, in the file's order.

    Each iteration is a pass over all places of the run. The first parts are kept from
    pass to pass, the others are fetched anew, ahead of their use.

    Parameters
    ----------
    s3 : S3Client
    bucket : str
        The data bucket.
    run_id : str
    count : int
        Number of parts.
    most_kept_bytes : int
        Bound of what is kept in memory.
    """

    def __init__(
        self,
        s3: "S3Client",
        *,
        bucket: str,
        run_id: str,
        count: int,
        most_kept_bytes: int = MOST_KEPT_BYTES,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._run_id = run_id
        self._count = count
        self._room = most_kept_bytes
        self._kept: list[Places] = []

    def __iter__(self) -> Iterator[Places]:
        with read_ahead(self._parts(), _PARTS_AHEAD) as parts:
            yield from parts

    def _parts(self) -> Iterator[Places]:
        for part in range(self._count):
            yield self._kept[part] if part < len(self._kept) else self._fetch(part)

    def _fetch(self, part: int) -> Places:
        key = layout.places_key(self._run_id, part)
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        fetched = places.decode(body.read())
        if part == len(self._kept) and fetched.nbytes <= self._room:
            self._kept.append(fetched)
            self._room -= fetched.nbytes
        return fetched
