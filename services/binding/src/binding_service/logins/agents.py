"""What a browser is called, made of its user agent. Standard library only, no I/O.

A few names that people know instead of a library of regular expressions: it is a word to recognise one's own phone by,
and nothing is decided by it. What is not known is said to be so.
"""

from __future__ import annotations

#: The first that is found counts: Edge, Opera and the others say that they are Chrome, and Chrome that it is Safari.
BROWSERS = (
    ("Line/", "LINE"),
    ("FBAN/", "Facebook"),
    ("FBAV/", "Facebook"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def browser_of(user_agent: str) -> str:
    """``Chrome``; empty for one that is not known."""
    return _first(BROWSERS, user_agent)


def system_of(user_agent: str) -> str:
    """``Android``; empty for one that is not known."""
    return _first(SYSTEMS, user_agent)


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")
