"""The SDK's second version warns about itself at import; our warnings stay errors."""

import os
import warnings

from hypothesis import settings

os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sagemaker
    import sagemaker.amazon.common  # noqa: F401

# The same examples each time; no machine is too slow for them.
settings.register_profile(
    "any-machine", deadline=None, derandomize=True, max_examples=50
)
settings.register_profile("explore", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("any-machine")
