"""What ends a command. The message is a sentence for whoever is awake."""

from __future__ import annotations


class RefusedError(Exception):
    """What was asked cannot be done, or was not done: exit code 1."""


class UnreachableError(Exception):
    """A server that is needed cannot be reached: exit code 3."""
