"""Tells who wants to know of each run that succeeded or failed."""
