"""What can go wrong with a roster as a whole. A single bad line is no error: it is reported."""

from __future__ import annotations


class UnreadableRosterError(Exception):
    """The roster cannot be imported at all; nothing was changed. The message is one sentence for the operator."""


class ImportUnderWayError(Exception):
    """Another import is being loaded; nothing was changed."""
