"""Answers runs whose training job failed or was stopped."""
