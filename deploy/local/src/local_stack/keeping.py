"""What a stack keeps between two runs: made-up passwords and keys, in a file that only its owner can read."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY_BYTES = 32
PASSWORD_BYTES = 9


class Kept:
    """Named texts in a JSON file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.is_new = not file.exists()
        self._values: dict[str, str] = {} if self.is_new else json.loads(file.read_text(encoding="utf-8"))

    def password(self, name: str) -> str:
        """The password of that name, made up at its first use."""
        return self._get(f"password {name}", lambda: secrets.token_urlsafe(PASSWORD_BYTES))

    def key(self, name: str) -> str:
        """The key of that name, as the services' settings want it (``id:base64``), made up at its first use."""
        return self._get(f"key {name}", lambda: f"k1:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}")

    def note(self, name: str) -> str:
        """What was noted under that name; empty when nothing was."""
        return self._values.get(name, "")

    def put(self, name: str, value: str) -> None:
        """Note something."""
        self._values[name] = value
        # Written beside and moved, so that a full disk or a kill leaves the former file whole.
        beside = self._file.with_suffix(".new")
        beside.touch(0o600)
        beside.write_text(json.dumps(self._values, indent=1), encoding="utf-8")
        beside.replace(self._file)

    def _get(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._values:
            self.put(name, make())
        return self._values[name]
