"""The settings of SageMaker's stand-in, which tests change for a while."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.cloud import Cloud
from local.sagemaker.api import SETTINGS_PATH


@contextmanager
def sagemaker_settings(cloud: Cloud, **changes: Any) -> Iterator[None]:
    """Change some of the stand-in's settings for a while."""
    before = _settings(cloud, {})
    _settings(cloud, changes)
    try:
        yield
    finally:
        _settings(cloud, {name: before[name] for name in changes})


def _settings(cloud: Cloud, changes: dict[str, Any]) -> Any:
    url = cloud.sagemaker_url + SETTINGS_PATH
    with urllib.request.urlopen(url, json.dumps(changes).encode()) as answer:
        return json.load(answer)
