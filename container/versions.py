"""What a run's figures and maps were made with."""

import platform
from importlib.metadata import version
from typing import Final

import geoclusters

#: Of the bundled basemap; see `container/basemap/README.md`.
NATURAL_EARTH: Final = "4.1.0"
#: The packages that decode the model, measure, and write geodata.
_PACKAGES: Final = ("mxnet", "numpy", "pandas", "pyproj", "shapely")


def versions() -> dict[str, str]:
    """Return the versions as `versions` in `status.json`."""
    import pyogrio  # only now: GDAL takes its time to load

    return {
        "geoclusters": geoclusters.__version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "gdal": pyogrio.__gdal_version_string__,
        "natural_earth": NATURAL_EARTH,
    }
