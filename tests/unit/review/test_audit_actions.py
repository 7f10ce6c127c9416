"""Every act that is noted has words for the administrator."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import review_service
from review_service.audit.actions import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator


def noted_in(source: str) -> Iterator[str]:
    """The acts that a module notes, and those that it has another one note."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            values = [word.value for word in node.keywords if word.arg == "action" and name == "look_at_class"]
            if name == "note":
                values.append(node.args[3])
            yield from (value.value for value in values if isinstance(value, ast.Constant))


def test_every_act_that_the_service_notes_has_words():
    sources = [path.read_text(encoding="utf-8") for path in Path(review_service.__file__).parent.rglob("*.py")]
    noted = {action for source in sources for action in noted_in(source)}
    # By a default, and by the outcome of a decision.
    noted |= {"students.looked-at", "application.approve", "application.refuse"}
    assert noted == set(ACTIONS)
