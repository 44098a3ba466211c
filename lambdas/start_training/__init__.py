"""Starts a run's training job, and waits out quotas."""
