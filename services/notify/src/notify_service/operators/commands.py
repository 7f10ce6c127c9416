"""``notify-service operator token NAME``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from notify_service.operators.tokens import new_token
from shared.named_tokens import NAME, hash_of
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from notify_service.settings import Settings


def operator_command() -> Command[Settings]:
    """The command ``operator``, for the service's command line."""

    async def run(_: Settings, arguments: Namespace) -> int:
        return _make_token(arguments.name)

    return Command("operator", "let somebody in to the operators' page", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    token = actions.add_parser("token", help="make a token to sign in with")
    token.add_argument("name", help="who it is for; noted with all that is done with it")


def _make_token(name: str) -> int:
    """Print a new token, which nobody can look up again, and what the setting needs to know of it."""
    if not NAME.fullmatch(name):
        print("a name has letters, digits, dots, dashes and underscores, 60 at most", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
        return 1
    token = new_token()
    print(f"token, shown this once: {token}")  # noqa: T201 - the same
    print(f"add to NOTIFY_OPERATOR_TOKENS, after a comma: {name}:{hash_of(token)}")  # noqa: T201 - the same
    return 0
