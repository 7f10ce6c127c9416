"""``review-service account``: local accounts from the command line. A password is never an argument."""

from __future__ import annotations

import asyncio
import csv
import sys
from typing import TYPE_CHECKING

from review_service.accounts import staff
from review_service.accounts.domain import LONGEST_PASSWORD, SHORTEST_PASSWORD
from review_service.accounts.staff import NewAccount
from review_service.context import OPERATOR
from review_service.errors import (
    AccountClosedError,
    AccountExistsError,
    BadUsernameError,
    NotFoundError,
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
    AccountClosedError: "this teacher's account is closed",
    AccountExistsError: "this teacher has an account already",
    BadUsernameError: "a user name has 2 to 64 of the characters a-z 0-9 . _ @ -",
    NotFoundError: "the roster has no such teacher, or the teacher no account",
    UsernameTakenError: "this user name belongs to another teacher",
    WeakPasswordError: (
        f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters,"
        " is not a common one and does not hold the user name"
    ),
}


def account_command(make_review: Callable[[Settings], Review]) -> Command[Settings]:
    """The command ``account``; ``make_review`` makes what it works with."""

    async def run(settings: Settings, arguments: Namespace) -> int:
        return await _run(make_review(settings), arguments)

    return Command("account", "open, reset and close local accounts of teachers", _configure, run)


def _configure(parser: ArgumentParser) -> None:
    """The arguments of ``account``."""
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("open", help="open one account; the password is read from standard input")
    one.add_argument("--teacher", required=True, help="the teacher's id in the roster")
    one.add_argument("--username", required=True)
    many = actions.add_parser(
        "open-many",
        help="open those that are not there yet of the CSV lines teacher,username,password on standard input",
    )
    for opening in (one, many):
        opening.add_argument(
            "--keep-password", action="store_true", help="do not ask for another password at the first sign-in"
        )
    for name, what in (
        ("reset", "print a start password that replaces the teacher's; unlocks the account"),
        ("close", "let the teacher in no more, by single sign-on neither, and end the sessions"),
        ("reopen", "let the teacher in again"),
    ):
        actions.add_parser(name, help=what).add_argument(
            "--teacher", required=True, help="the teacher's id in the roster"
        )


async def _run(review: Review, arguments: Namespace) -> int:
    """Do what was asked; the exit code."""
    try:
        accounts = await asyncio.to_thread(_read, arguments)
    except ValueError as error:
        return _fail(str(error))
    await review.database.open()
    try:
        said = await _act(review, arguments, accounts)
    except ReviewError as error:
        return _fail(EXPLANATIONS[type(error)])
    except DATABASE_FAULTS:
        return _fail("the database is not reachable")
    finally:
        await review.database.close()
    print(said)  # noqa: T201 - a command line speaks to its user
    return 0


async def _act(review: Review, arguments: Namespace, accounts: list[NewAccount]) -> str:
    """Do it; what to say. Raises ReviewError."""
    if arguments.action == "open":
        await staff.open_account(review, OPERATOR, accounts[0])
        return "opened 1 of 1 accounts"
    if arguments.action == "open-many":
        return f"opened {await staff.open_accounts(review, OPERATOR, accounts)} of {len(accounts)} accounts"
    if arguments.action == "reset":
        start = await staff.reset(review, OPERATOR, arguments.teacher)
        return f"{start.username} signs in with {start.password} until {start.ends:%Y-%m-%d %H:%M} UTC"
    if arguments.action == "close":
        await staff.close(review, OPERATOR, arguments.teacher)
        return "closed"
    await staff.reopen(review, OPERATOR, arguments.teacher)
    return "open again"


def _read(arguments: Namespace) -> list[NewAccount]:
    """The accounts on standard input. Raises ValueError that names the line, not what stands in it."""
    if arguments.action == "open":
        rows = [[arguments.teacher, arguments.username, sys.stdin.readline().rstrip("\r\n")]]
    elif arguments.action == "open-many":
        rows = list(csv.reader(sys.stdin))
    else:
        rows = []
    for number, row in enumerate(rows, start=1):
        if len(row) != COLUMNS:
            msg = f"line {number}: expected teacher,username,password"
            raise ValueError(msg)
    return [
        NewAccount(teacher, username, password, must_change=not arguments.keep_password)
        for teacher, username, password in rows
    ]


def _fail(text: str) -> int:
    print(f"stopped: {text}", file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1
