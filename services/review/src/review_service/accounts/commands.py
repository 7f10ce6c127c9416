"""``review-service account``: open local accounts from the command line. Passwords come from standard input only."""

from __future__ import annotations

import asyncio
import csv
import sys
from typing import TYPE_CHECKING

from review_service.accounts import use_cases
from review_service.accounts.domain import LONGEST_PASSWORD, SHORTEST_PASSWORD
from review_service.accounts.use_cases import NewAccount
from review_service.context import OPERATOR
from review_service.errors import (
    AccountExistsError,
    BadUsernameError,
    ReviewError,
    UsernameTakenError,
    WeakPasswordError,
)
from shared.database import DATABASE_FAULTS
from shared.service import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from review_service.context import Review
    from review_service.settings import Settings

COLUMNS = 3
EXPLANATIONS: dict[type[ReviewError], str] = {
    AccountExistsError: "this teacher has an account already",
    BadUsernameError: "a user name has 2 to 64 of the characters a-z 0-9 . _ @ -",
    UsernameTakenError: "this user name belongs to another teacher",
    WeakPasswordError: f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters",
}


def account_command(make_review: Callable[[Settings], Review]) -> Command[Settings]:
    """The command ``account``; ``make_review`` makes what it works with."""

    async def run(settings: Settings, arguments: Namespace) -> int:
        return await _run(make_review(settings), arguments)

    return Command("account", "open local accounts of teachers", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    """The arguments of ``account``."""
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("open", help="open one account; the password is read from standard input")
    one.add_argument("--teacher", required=True, help="the teacher's id in the roster")
    one.add_argument("--username", required=True)
    actions.add_parser(
        "open-many",
        help="open those that are not there yet of the CSV lines teacher,username,password on standard input",
    )


async def _run(review: Review, arguments: Namespace) -> int:
    """Open accounts; the exit code."""
    try:
        accounts = await asyncio.to_thread(_read_many if arguments.action == "open-many" else _read_one, arguments)
    except ValueError as error:
        return _fail(str(error))
    await review.database.open()
    try:
        if arguments.action == "open":
            await use_cases.open_account(review, OPERATOR, accounts[0])
            opened = 1
        else:
            opened = await use_cases.open_accounts(review, OPERATOR, accounts)
    except ReviewError as error:
        return _fail(EXPLANATIONS[type(error)])
    except DATABASE_FAULTS:
        return _fail("the database is not reachable")
    finally:
        await review.database.close()
    print(f"opened {opened} of {len(accounts)} accounts")  # noqa: T201 - a command line speaks to its user
    return 0


def _read_one(arguments: Namespace) -> list[NewAccount]:
    return [NewAccount(arguments.teacher, arguments.username, sys.stdin.readline().rstrip("\r\n"))]


def _read_many(_: Namespace) -> list[NewAccount]:
    """Raises ValueError that names the line, not what stands in it."""
    accounts = []
    for number, row in enumerate(csv.reader(sys.stdin), start=1):
        if len(row) != COLUMNS:
            msg = f"line {number}: expected teacher,username,password"
            raise ValueError(msg)
        accounts.append(NewAccount(*row))
    return accounts


def _fail(text: str) -> int:
    print(f"stopped: {text}", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1
