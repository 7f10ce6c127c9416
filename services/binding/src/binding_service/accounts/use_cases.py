"""What a parent does with an account: sign in, change the password, see the children."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog

from binding_service.accounts import domain, storage
from binding_service.errors import (
    InvalidFieldsError,
    LimitedError,
    NotSignedInError,
    PasswordChangeDueError,
    WrongCredentialsError,
)
from binding_service.logins import storage as login_storage
from binding_service.logins import use_cases as logins
from shared import outbox, rate_limits
from shared.contacts import ContactError, parse_email
from shared.events import AccountOpened, AccountToAnnounce
from shared.rate_limits import Limit

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Session
    from shared.database import Connection

log = structlog.get_logger(__name__)


async def open_for(
    binding: Binding, connection: Connection, applicant: asyncpg.Record, approved: UUID, student_name: str
) -> None:
    """Open the applicant's account, unless there is one, because the binding ``approved`` was; and tell it.

    Part of the transaction that approves. No password is stored: the first one is compared with the sealed ID.
    """
    account_id = uuid4()
    store = binding.keys.store
    national_id = store.unseal(applicant["national_id_sealed"], f"applications:{applicant['id']}:national_id")
    until = await storage.open_account(
        connection,
        account_id,
        applicant["person_hash"],
        store.seal(national_id, f"accounts:{account_id}:national_id"),
        applicant["email"],
        applicant["name"],
        applicant["phone"],
        applicant["language"],
        timedelta(days=binding.settings.first_password_days),
        approved,
    )
    if until is None:
        return
    who = AccountToAnnounce(email=applicant["email"], parent_name=applicant["name"], student_name=student_name)
    event = AccountOpened.of("binding", account_id, language=applicant["language"], first_password_until=until).sealed(
        binding.keys.to_notify, for_notify=who
    )
    await outbox.record(connection, event)
    log.info("account opened", account=str(account_id))


async def sign_in(binding: Binding, login: str, password: str, client_address: str) -> tuple[str, Session]:
    """A new session's token, and the session.

    Raises WrongCredentialsError, by words and time alike for an unknown account and a wrong password, and LimitedError.
    """
    try:
        email = parse_email(login)
    except ContactError:
        email = ""
    await _count_sign_in(binding, email, client_address)
    async with binding.database.connection() as connection:
        account = await storage.by_login(connection, email)
    stored = account["password_hash"] if account else None
    right = await binding.passwords.verify(stored, password)
    first = await _first_password_is_right(binding, account, password)
    if account is None or not (right or first):
        raise WrongCredentialsError
    async with binding.database.transaction() as connection:
        token = await logins.open_session(binding, connection, "email", account["login"], account_id=account["id"])
    log.info("signed in by password", account=str(account["id"]))
    return token, await logins.session_of(binding, token)


async def change_password(binding: Binding, session: Session, current: str, password: str, repeated: str) -> None:
    """Replace the password; every other session of the account ends.

    Whoever signed in with the first password has just proven it, and whoever logged in by a code to the account's
    e-mail has proven that: neither is asked for the current one. Raises InvalidFieldsError, NotSignedInError.
    """
    account = await account_of(binding, session)
    if not needs_no_password(session) and not await binding.passwords.verify(account["password_hash"], current):
        raise InvalidFieldsError({"current": "wrong_credentials"})
    national_id = binding.keys.store.unseal(account["national_id_sealed"], f"accounts:{account['id']}:national_id")
    problem = domain.password_problem(password, repeated, national_id, account["login"])
    if problem:
        raise InvalidFieldsError(problem)
    encoded = await binding.passwords.hash(password)
    async with binding.database.transaction() as connection:
        await storage.set_password(connection, account["id"], encoded)
        await login_storage.end_other_sessions(connection, account["id"], session.id)
    log.info("password changed", account=str(account["id"]))


async def children(binding: Binding, session: Session) -> list[asyncpg.Record]:
    """The account's children. Raises NotSignedInError, PasswordChangeDueError."""
    account_id = require_account(session)
    async with binding.database.connection() as connection:
        return await storage.children(connection, account_id)


def require_account(session: Session) -> UUID:
    """The account that the session is signed in to. Raises NotSignedInError, PasswordChangeDueError."""
    if session.account_id is None:
        raise NotSignedInError
    if session.password_change_due:
        raise PasswordChangeDueError
    return session.account_id


def needs_no_password(session: Session) -> bool:
    """Whether the session itself proves as much as the current password would."""
    return session.account_id is None or session.password_change_due


async def account_of(binding: Binding, session: Session) -> asyncpg.Record:
    """The account of a session: the one it is signed in to, or whose login it has proven by code.

    Raises NotSignedInError.
    """
    async with binding.database.connection() as connection:
        if session.account_id is not None:
            account = await storage.by_id(connection, session.account_id)
        elif session.channel == "email":
            account = await storage.by_login(connection, session.contact)
        else:
            account = None
    if account is None:
        raise NotSignedInError
    return account


async def has_account(binding: Binding, session: Session) -> bool:
    """Whether the session may set an account's password."""
    try:
        await account_of(binding, session)
    except NotSignedInError:
        return False
    return True


async def _count_sign_in(binding: Binding, login: str, client_address: str) -> None:
    settings, hashes = binding.settings, binding.keys.hashes
    hour = timedelta(hours=1)
    async with binding.database.transaction() as connection:
        wait = await rate_limits.hit(
            connection,
            [
                (Limit("sign-in-login", settings.sign_in_per_login_hour, hour), hashes.digest("login", login)),
                (
                    Limit("sign-in-address", settings.sign_in_per_address_hour, hour),
                    hashes.digest("address", rate_limits.client_subject(client_address)),
                ),
            ],
        )
    if wait is not None:
        raise LimitedError(retry_after=int(wait.total_seconds()) + 1)


async def _first_password_is_right(binding: Binding, account: asyncpg.Record | None, typed: str) -> bool:
    """Count the try first, then compare; a password that is over is as wrong as any other.

    Every sign-in comes through here, so that one to an account that is not there takes no less time.
    """
    account_id = account["id"] if account else uuid4()
    async with binding.database.transaction() as connection:
        counts = await storage.count_first_password_try(connection, account_id, binding.settings.first_password_tries)
        if account is None or not counts:
            return False
        national_id = binding.keys.store.unseal(account["national_id_sealed"], f"accounts:{account_id}:national_id")
        right = domain.is_first_password(typed, national_id)
        if right:
            await storage.forgive_first_password_tries(connection, account_id)
        return right
