"""What the tests of the report share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.statuses import statuses_are_as_documented  # noqa: F401

# How long an example takes is the machine's affair. Examples are the same each time, so
# that a failure comes of a change; `--hypothesis-profile explore` tries others, and
# `--hypothesis-profile fuzz` very many of them.
settings.register_profile(
    "any-machine", deadline=None, derandomize=True, max_examples=50
)
settings.register_profile("explore", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("any-machine")

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what can't be changed here; everything else is an error."""
    for warning in (
        # mxnet 1.9.1, the last of its kind, uses what numpy has since renamed.
        "ignore::DeprecationWarning:mxnet",
        # geopandas 1.0 asks shapely 2.1 for GEOS's version by an old name.
        "ignore:The 'shapely.geos' module is deprecated:DeprecationWarning",
    ):
        config.addinivalue_line("filterwarnings", warning)


@pytest.fixture
def data() -> Callable[[str], Path]:
    """Return the path of a test file that isn't part of the project, or skip."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"{path} is missing")
        return path

    return find
