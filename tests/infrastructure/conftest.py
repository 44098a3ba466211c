import pytest

from infra.settings import Settings
from tests.infrastructure.synthesis import Template, synthesise


@pytest.fixture(scope="session")
def template() -> Template:
    return synthesise(Settings())
