"""A stand-in for Amazon SageMaker's training jobs, beside the emulator.

It speaks the API as boto3 does (`api`, `validation`), keeps each job's state (`jobs`,
`record`) and runs it for real (`run`): data out of S3 into `/opt/ml` (`channels`,
`instance`), the trainer as a process of its own (`trainer`), the model back into S3,
the log into CloudWatch Logs (`aws`), each change of state to EventBridge (`events`).

It means to be faithful, not better. What it can't do it refuses, saying so.
"""
