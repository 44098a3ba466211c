"""The SDK's second version warns about itself at import; our warnings stay errors."""

import os
import warnings

os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sagemaker
    import sagemaker.amazon.common  # noqa: F401
