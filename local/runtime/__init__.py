"""Lambda's runtime for image functions: the Runtime API, and workers behind it."""
