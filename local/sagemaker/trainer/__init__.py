"""The training container's inside: SageMaker's built-in KMeans, as documented.

Runs in an environment with numpy, as `python -m local.sagemaker.trainer train`.
"""
