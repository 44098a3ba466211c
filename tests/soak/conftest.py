"""The synthesised app, as the integration tests use it."""

from tests.integration.conftest import assembly as assembly
