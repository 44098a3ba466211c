"""Runs the process that reads a file of borders, `container.boundaries.reader`."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from container.boundaries.limits import MOST_ANSWER_BYTES, MOST_CPU_SECONDS

_ROOT: Final = Path(__file__).parents[2]
COMMAND: Final[tuple[str, ...]] = (sys.executable, "-m", "container.boundaries.reader")

#: GDAL's drivers but the three that `reader.DRIVERS` names; a test compares them with
#: the GDAL that is pinned, and the reader refuses to work with others.
SKIPPED_DRIVERS: Final = (
    *("ADBC", "AIVector", "AVCBin", "AVCE00", "AmigoCloud", "CSV", "CSW", "Carto"),
    *("DGN", "DXF", "EDIGEO", "EEDA", "ESRIJSON", "Elasticsearch", "FlatGeobuf"),
    *("GDALG", "GML", "GPSBabel", "GPX", "GTFS", "GeoJSONSeq", "GeoRSS", "HTTP"),
    *("Idrisi", "JML", "JSONFG", "KML", "LIBKML", "LVBAG", "MBTiles", "MEM", "MVT"),
    *("MapInfo File", "MapML", "MiraMonVector", "NGW", "OAPIF", "ODS", "OGCAPI"),
    *("OGR_GMT", "OGR_PDS", "OGR_VRT", "OSM", "OpenFileGDB", "PCIDSK", "PDF", "PDS4"),
    *("PGDUMP", "PLSCENES", "PMTiles", "S57", "SQLite", "SXF", "Selafin", "TopoJSON"),
    *("VDV", "VFK", "VICAR", "WAsP", "WFS", "XLSX"),
)
#: All that the process knows of its surroundings: no credentials, nobody's settings.
_ENVIRONMENT: Final = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(_ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",
    # Each thread would reserve memory, and there is nothing for several to do.
    "OPENBLAS_NUM_THREADS": "1",
    # https://gdal.org/en/stable/user/configoptions.html
    "OGR_SKIP": ",".join(SKIPPED_DRIVERS),
    "SHAPE_ENCODING": "",  # see `encodings`
    "GDAL_DRIVER_PATH": "disable",
    "GDAL_CACHEMAX": "16",
    "GDAL_NUM_THREADS": "1",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_HTTP_TIMEOUT": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "OGR_SQLITE_PRAGMA": "trusted_schema=OFF",
    "PROJ_NETWORK": "OFF",
}
#: What else it takes over, where it is set: how to find libraries, and to run numpy.
_KEPT: Final = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")


class ChildError(Exception):
    """The process ended without an answer."""


class TooLongError(ChildError):
    """The process was stopped as it took too long; the message says how long."""


def run(data: bytes, *, most_seconds: float) -> bytes:
    """Return what the process answers to a file's bytes.

    Raises
    ------
    TooLongError
        If it has not answered in time.
    ChildError
        If it broke down; the message ends in what it complained of.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    with (
        # Files, not pipes: the bound of their size is the kernel's, and nobody waits.
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as answered,
        tempfile.TemporaryFile() as complained,
    ):
        given.write(data)
        given.seek(0)
        try:
            status = subprocess.run(
                COMMAND,
                cwd=_ROOT,
                env={**_ENVIRONMENT, **kept},
                stdin=given,
                stdout=answered,
                stderr=complained,
                timeout=most_seconds,
            ).returncode
        except subprocess.TimeoutExpired as error:
            msg = f"more than {most_seconds:g} s"
            raise TooLongError(msg) from error
        if status == -signal.SIGXCPU:
            msg = f"more than {MOST_CPU_SECONDS} s of processor time"
            raise TooLongError(msg)
        if status != 0:
            complained.seek(max(complained.seek(0, os.SEEK_END) - 2000, 0))
            tail = complained.read().decode(errors="replace").strip()
            raise ChildError(f"it ended with status {status}: {tail}")
        answered.seek(0)
        return answered.read(MOST_ANSWER_BYTES)
