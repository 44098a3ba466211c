"""The process that reads a file of borders: its bytes come in, `Boundaries` go out.

    python -m container.boundaries.reader < file > answer

GDAL is a million lines of C++ that read what strangers wrote. So it does that in a
process of its own, which `container.boundaries.child` starts, and which can do little
else: it has no credentials and bounds of memory and time, and before GDAL sees the
first byte it has given up opening anything: no file, no socket.
"""

import json
import resource
import sys
from typing import Final

import shapely

from container.boundaries.borders import Boundaries
from container.boundaries.limits import (
    MOST_ANSWER_BYTES,
    MOST_CPU_SECONDS,
    MOST_MEMORY_BYTES,
    OUTLINE_VERTICES,
)
from geoclusters.errors import BoundariesError

#: What GDAL may take a file for.
DRIVERS: Final = frozenset({"ESRI Shapefile", "GeoJSON", "GPKG"})
#: pyogrio imports them if it can, and does without.
_UNUSED: Final = ("geopandas", "pandas", "pyarrow")

_BOUNDS: Final = (
    (resource.RLIMIT_AS, MOST_MEMORY_BYTES),
    (resource.RLIMIT_CPU, MOST_CPU_SECONDS),
    (resource.RLIMIT_FSIZE, MOST_ANSWER_BYTES),
    (resource.RLIMIT_CORE, 0),
)


def main() -> None:
    """Answer on standard output what is on standard input, or why it is no use."""
    for bound, most in _BOUNDS:
        _set_bound(bound, most)
    data = sys.stdin.buffer.read()
    try:
        answer = _read(data).to_bytes()
    except BoundariesError as error:
        answer = refusal(str(error))
    except MemoryError:
        answer = refusal(
            "it takes more memory to read than there is. Simplify its borders, leave "
            "out columns that aren't needed, and upload that."
        )
    except shapely.errors.GEOSException:  # where it has no memory left, too
        answer = refusal(
            "its shapes cross themselves too often to be mended. Repair them in a GIS "
            "program, such as QGIS with “Fix geometries”, and upload that."
        )
    sys.stdout.buffer.write(answer)


def _set_bound(bound: int, most: int) -> None:
    """Set a bound for good, no wider than it is already."""
    _, hard = resource.getrlimit(bound)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(bound, (most, most))


def refusal(reason: str) -> bytes:
    """Return the answer that a file is no use."""
    return json.dumps({"refused": reason}).encode() + b"\n"


def _read(data: bytes) -> Boundaries:
    sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type]
    # The environment locks GDAL down, and it looks there as it is loaded.
    import pyogrio

    from container.boundaries import layers, outlines, packing

    if (drivers := set(pyogrio.list_drivers())) != DRIVERS:
        msg = f"SKIPPED_DRIVERS leaves GDAL {sorted(drivers)}, not {sorted(DRIVERS)}"
        raise RuntimeError(msg)
    source = packing.unpack(data)
    # Both PROJs have their databases open by now.
    _set_bound(resource.RLIMIT_NOFILE, 0)
    layer = layers.read(source)
    simplified = outlines.simplified(layer.polygons, layer.lines, OUTLINE_VERTICES)
    return Boundaries(**layer._asdict(), simplified=tuple(simplified))


if __name__ == "__main__":
    main()
