"""Reads an upload once and prepares its run: places, training records, run record."""
