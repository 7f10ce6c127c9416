"""How often a password was tried, and where: limits by which no stranger can lock a parent out.

What a browser tries in which the account was signed in to before counts for that browser alone (OWASP's device cookies,
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies). Everything else counts for the
account at that client address, for the address, and for the account from wherever; a parent whose account was tried too
often from elsewhere still comes in by a code to the e-mail. An account that is not there counts alike.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from binding_service.errors import LimitedError
from shared import rate_limits
from shared.rate_limits import Limit, client_subject

if TYPE_CHECKING:
    from uuid import UUID

    from binding_service.context import Binding
    from binding_service.logins.domain import Browser
    from shared.database import Connection

    Counted = list[tuple[Limit, str]]

HOUR = timedelta(hours=1)


class SignInTries:
    """The tries of one login at one client address; ``device_hash`` is that of a browser known to the account."""

    def __init__(self, binding: Binding, login: str, client_address: str, device_hash: str | None) -> None:
        settings, hashes = binding.settings, binding.keys.hashes
        if device_hash is not None:
            limit = Limit("sign-in-browser", settings.sign_in_per_browser_hour, HOUR)
            self._first: Counted = [(limit, hashes.digest("sign-in-browser", login, device_hash))]
            self._then: Counted = []
            self._of_login = self._first
            return
        address = client_subject(client_address)
        here = (
            Limit("sign-in-here", settings.sign_in_per_browser_hour, HOUR),
            hashes.digest("sign-in-here", login, address),
        )
        self._first = [here, _from_address(binding, client_address)]
        self._then = [
            (Limit("sign-in-login", settings.sign_in_per_login_hour, HOUR), hashes.digest("sign-in-login", login))
        ]
        self._of_login = [here, *self._then]

    async def count(self, connection: Connection) -> timedelta | None:
        """Count one before anything is compared; how long to wait where it is one too many.

        What one address may no longer try does not count for everybody.
        """
        wait = await rate_limits.hit(connection, self._first)
        return await rate_limits.hit(connection, self._then) if wait is None else wait

    async def forget(self, connection: Connection) -> None:
        """The right password came: earlier slips count no more, but for the address."""
        for limit, subject in self._of_login:
            await rate_limits.forget(connection, limit.rule, subject)


async def refuse_address(binding: Binding, browser: Browser) -> None:
    """Before anything else is asked for a browser that no account can know. Raises LimitedError."""
    if not browser.device:
        async with binding.database.connection() as connection:
            refuse_to_wait(await rate_limits.wait_for(connection, [_from_address(binding, browser.address)]))


def _from_address(binding: Binding, client_address: str) -> tuple[Limit, str]:
    limit = Limit("sign-in-address", binding.settings.sign_in_per_address_hour, HOUR)
    return limit, binding.keys.hashes.digest("address", client_subject(client_address))


async def count_current_password(binding: Binding, account_id: UUID, field: str) -> None:
    """Count that the password is asked again of who is signed in. Raises LimitedError at ``field``."""
    limit = Limit("current-password", binding.settings.sign_in_per_browser_hour, HOUR)
    async with binding.database.transaction() as connection:
        wait = await rate_limits.hit(connection, [(limit, binding.keys.hashes.digest("account", str(account_id)))])
    refuse_to_wait(wait, field)


def refuse_to_wait(wait: timedelta | None, field: str | None = None) -> None:
    """Raises LimitedError where there is something to wait for."""
    if wait is not None:
        raise LimitedError(field=field, retry_after=int(wait.total_seconds()) + 1)
