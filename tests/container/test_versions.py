import json
import platform
import tomllib

import mxnet
import numpy
import pyogrio

import geoclusters
from container.versions import NATURAL_EARTH, versions
from tests.container.conftest import ROOT


def test_versions_are_those_of_what_is_imported() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["mxnet"] == mxnet.__version__
    assert found["numpy"] == numpy.__version__
    assert found["gdal"] == ".".join(map(str, pyogrio.__gdal_version__))
    assert json.loads(json.dumps(found)) == found


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert versions()["geoclusters"] == geoclusters.__version__ == project["version"]


def test_the_basemap_is_the_one_that_its_readme_tells_of() -> None:
    text = (ROOT / "container/basemap/README.md").read_text()
    assert f"(https://www.naturalearthdata.com/) {NATURAL_EARTH}," in text
