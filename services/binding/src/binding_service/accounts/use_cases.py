"""What a parent does with an account: sign in, change the password, see the children."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog

from binding_service.accounts import domain, notices, storage
from binding_service.accounts.common_passwords import common_passwords
from binding_service.accounts.notices import Told
from binding_service.accounts.tries import SignInTries, count_current_password, refuse_address, refuse_to_wait
from binding_service.errors import (
    InvalidFieldsError,
    NotSignedInError,
    PasswordChangeDueError,
    ServiceAwayError,
    WrongCredentialsError,
)
from binding_service.logins import storage as login_storage
from binding_service.logins import use_cases as logins
from binding_service.logins.domain import new_token, token_hash
from shared import outbox
from shared.contacts import ContactError, parse_email
from shared.events import AccountOpened, AccountToAnnounce
from shared.observing import use_case
from shared.passwords import normal_form

if TYPE_CHECKING:
    import asyncpg

    from binding_service.context import Binding
    from binding_service.logins.domain import Browser, Session
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


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a browser keeps after a sign-in: the session's token, and what shows that the account was opened in it."""

    token: str
    device: str
    session: Session


@use_case
async def sign_in(binding: Binding, login: str, password: str, browser: Browser) -> SignedIn:
    """Sign in with a password; the session that the browser had ends.

    Raises WrongCredentialsError, by words and time alike for an unknown account, a wrong password, and a first password
    that is over; LimitedError; and ServiceAwayError, where so many sign in that nothing was counted yet.
    """
    if binding.passwords.is_line_full:
        raise ServiceAwayError(retry_after=logins.RETRY_AFTER_SECONDS)
    await refuse_address(binding, browser)
    try:
        email = parse_email(login)
    except ContactError:
        email = ""
    async with binding.database.transaction() as connection:
        account = await storage.by_login(connection, email)
        account_id = account["id"] if account else uuid4()
        device = await _known_device(binding, connection, account_id, browser)
        tries = SignInTries(binding, email, browser.address, device)
        wait = await tries.count(connection)
        # Counted before it is compared, and looked for even where there is none: neither takes longer than the other.
        most = binding.settings.first_password_tries if wait is None else 0
        first_tries = await storage.count_first_password_try(connection, account_id, most)
    refuse_to_wait(wait)
    right = await binding.passwords.verify(account["password_hash"] if account else None, password)
    if account is not None and first_tries is not None:
        right = domain.is_first_password(password, _national_id(binding, account))
    if account is None or not right:
        await _tell_of_last_try(binding, account, first_tries)
        raise WrongCredentialsError
    return await _enter(binding, account, password, browser, tries, known=device is not None)


async def _known_device(binding: Binding, connection: Connection, account_id: UUID, browser: Browser) -> str | None:
    """The hash of the browser's token, where the account was signed in to in it before."""
    device, life = token_hash(browser.device), timedelta(days=binding.settings.device_days)
    return device if await storage.knows_device(connection, account_id, device, life) else None


async def _tell_of_last_try(binding: Binding, account: asyncpg.Record | None, first_tries: int | None) -> None:
    """The owner learns that the first password works no longer, and who tried learns nothing."""
    if account is not None and first_tries == binding.settings.first_password_tries:
        async with binding.database.transaction() as connection:
            await notices.inform(binding, connection, account, "first_password_stopped")


async def _enter(
    binding: Binding, account: asyncpg.Record, password: str, browser: Browser, tries: SignInTries, *, known: bool
) -> SignedIn:
    """Open the session. Raises WrongCredentialsError where the password was changed while it was compared."""
    stored = account["password_hash"]
    anew = await binding.passwords.hash(password) if stored and binding.passwords.is_outdated(stored) else None
    async with binding.database.transaction() as connection:
        if not await storage.hold_account(connection, account["id"], stored):
            raise WrongCredentialsError
        if anew is not None:
            await storage.set_password(connection, account["id"], anew)
        await storage.forgive_first_password_tries(connection, account["id"])
        await tries.forget(connection)
        device = browser.device if known else await _get_to_know(binding, connection, account, browser)
        await storage.note_device(connection, account["id"], token_hash(device))
        token = await logins.open_session(
            binding, connection, "email", account["login"], browser, account_id=account["id"]
        )
    log.info("signed in by password", account=str(account["id"]), known_device=known)
    return SignedIn(token, device, await logins.session_of(binding, token))


async def _get_to_know(binding: Binding, connection: Connection, account: asyncpg.Record, browser: Browser) -> str:
    """Another token for the browser, whatever it brought, so that nobody else knows it; the account's owner is told."""
    device = new_token()
    if browser.device:
        await storage.rename_device(connection, token_hash(browser.device), token_hash(device))
    await notices.tell(binding, connection, account, "new_device", Told(agent=browser.agent))
    return device


@use_case
async def change_password(
    binding: Binding, session: Session, current: str, password: str, repeated: str, agent: str = ""
) -> None:
    """Replace the password; every other session of the account ends, and who logged in by a code is signed in to it.

    Whoever signed in with the first password has just proven it, and whoever logged in by a code to the account's
    e-mail has proven that: neither is asked for the current one. Raises InvalidFieldsError, LimitedError,
    NotSignedInError.
    """
    account = await account_of(binding, session)
    if needs_password(session):
        await check_current_password(binding, account, current)
    password, repeated = normal_form(password), normal_form(repeated)
    national_id = _national_id(binding, account)
    problem = domain.password_problem(password, repeated, national_id, account["login"], common_passwords())
    if problem:
        raise InvalidFieldsError(problem)
    encoded = await binding.passwords.hash(password)
    async with binding.database.transaction() as connection:
        await hold(connection, account["id"], session)
        await storage.set_password(connection, account["id"], encoded)
        await login_storage.enter_account(connection, session.id, account["id"])
        await login_storage.end_sessions(connection, account["id"], login_hashes(binding, account), but=session.id)
        if not session.password_change_due:
            # Of the first password's change the sign-in has just told.
            await notices.tell(binding, connection, account, "password_changed", Told(agent=agent))
    log.info("password changed", account=str(account["id"]))


async def hold(connection: Connection, account_id: UUID, session: Session) -> asyncpg.Record:
    """The account, held until the transaction ends. Raises NotSignedInError where the session was ended meanwhile.

    Who said "this was not me" a moment ago must not be outrun by what was under way.
    """
    account = await storage.hold_by_id(connection, account_id)
    if not await login_storage.hold_session(connection, session.id):
        raise NotSignedInError
    return account


async def check_current_password(
    binding: Binding, account: asyncpg.Record, current: str, *, field: str = "current"
) -> None:
    """Ask who is signed in for the password again. Raises InvalidFieldsError and LimitedError at ``field``."""
    if not current:
        raise InvalidFieldsError({field: "required"})
    await count_current_password(binding, account["id"], field)
    if not await binding.passwords.verify(account["password_hash"], current):
        raise InvalidFieldsError({field: "wrong_password"})


def login_hashes(binding: Binding, account: asyncpg.Record) -> list[str]:
    """The keyed hashes of the account's e-mail as a contact: who has proven it may set the password."""
    return binding.keys.hashes.digests("contact", account["login"])


def person_hashes(binding: Binding, account: asyncpg.Record) -> list[str]:
    """The keyed hashes under which the account's owner is found."""
    return binding.keys.hashes.digests("national-id", _national_id(binding, account))


def _national_id(binding: Binding, account: asyncpg.Record) -> str:
    return binding.keys.store.unseal(account["national_id_sealed"], f"accounts:{account['id']}:national_id")


def require_account(session: Session) -> UUID:
    """The account that the session is signed in to. Raises NotSignedInError, PasswordChangeDueError."""
    if session.account_id is None:
        raise NotSignedInError
    if session.password_change_due:
        raise PasswordChangeDueError
    return session.account_id


def needs_password(session: Session) -> bool:
    """Whether the current password is asked again: where the session itself does not prove as much."""
    return session.account_id is not None and not session.password_change_due


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
