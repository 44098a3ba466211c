"""The training container's inside: SageMaker's built-in KMeans, as documented.

Runs in the environment that has mxnet, as `python -m local.sagemaker.trainer train`.
"""
