"""The AWS calls and messages that more than one function has to do with.

Clients are passed in, so nothing here reads the environment.
"""
