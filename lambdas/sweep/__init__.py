"""Settles what nobody heard of: dead letters, lost events, jobs that just ended."""
