import pytest

from infra import checks
from infra.settings import Settings
from tests.infrastructure.synthesis import Template, synthesise


@pytest.fixture(scope="session")
def template() -> Template:
    return synthesise(Settings())


@pytest.fixture(scope="session")
def under_a_key() -> Template:
    """The template of a deployment with a customer's own key."""
    return synthesise(Settings(kms_key_arn=checks.SOME_KEY))
