"""Borders of one's own: a shapefile, GeoJSON or GeoPackage that somebody uploaded.

`read` is all that the report needs. The file is read in a process of its own
(`reader`), and GDAL never sees it in the report's.
"""

import json

import shapely

from container.boundaries import child
from container.boundaries.borders import Boundaries, Outline
from container.boundaries.limits import MOST_BYTES, MOST_SECONDS
from geoclusters import layout
from geoclusters.errors import BoundariesError

__all__ = ["MOST_BYTES", "Boundaries", "Outline", "read"]


def read(data: bytes, name: str, *, most_seconds: float = MOST_SECONDS) -> Boundaries:
    """Return the borders in a file.

    Parameters
    ----------
    data : bytes
        The file, or just more of it than `MOST_BYTES`.
    name : str
        What it is called under `boundaries/`, for messages. What kind of file it is,
        its bytes tell.
    most_seconds : float
        For reading it.

    Raises
    ------
    BoundariesError
        If it can't be used, whatever the reason.
    """
    try:
        return _read(data, most_seconds)
    except BoundariesError as error:
        shown = repr(f"{layout.BOUNDARIES_PREFIX}{name}")[1:-1]
        msg = f"{shown} can't be used as borders: {error}"
        raise BoundariesError(msg) from error


def _read(data: bytes, most_seconds: float) -> Boundaries:
    if len(data) > MOST_BYTES:
        msg = (
            f"it is larger than {MOST_BYTES / 1e6:.0f} MB, which is the most that is "
            "accepted. Simplify its borders in a GIS program such as QGIS, leave out "
            "columns that are not needed, and upload that."
        )
        raise BoundariesError(msg)
    try:
        answer = child.run(data, most_seconds=most_seconds)
        if answer.startswith(b'{"refused"'):
            raise BoundariesError(json.loads(answer)["refused"])
        return Boundaries.from_bytes(answer)
    except child.TooLongError as error:
        msg = (
            f"it takes too long to read ({error}). Simplify its borders in a GIS "
            "program such as QGIS, and upload that."
        )
        raise BoundariesError(msg) from error
    except (
        *(child.ChildError, ValueError, KeyError, TypeError),
        shapely.errors.GEOSException,
    ) as error:
        msg = (
            "it is damaged, or takes more memory to read than there is: reading it "
            "broke down. Open it in a GIS program such as QGIS, export it as "
            "GeoPackage, simplified if it is large, and upload that."
        )
        raise BoundariesError(msg) from error
