"""How often a child or a parent may be looked up, or a form be printed.

The pages must not tell strangers where a child goes to school, and one must not make everybody wait.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from binding_service.errors import LimitedError
from shared import rate_limits
from shared.rate_limits import Limit

if TYPE_CHECKING:
    from binding_service.context import Binding
    from binding_service.logins.domain import Session

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def count_match(binding: Binding, session: Session, national_id: str, client_address: str) -> None:
    """Count a look-up of a child before it is made. Raises LimitedError."""
    student = (
        Limit("match-student", binding.settings.match_per_student_day, DAY),
        binding.keys.hashes.digest("national-id", national_id),
    )
    await _count(binding, [*_of_asker(binding, session, client_address), student])


async def count_look(binding: Binding, session: Session, client_address: str) -> None:
    """Count a look at a child that this contact has named before. Raises LimitedError."""
    await _count(binding, _of_asker(binding, session, client_address))


async def count_paper_form(binding: Binding, session: Session) -> None:
    """Count a paper form, which takes its time to be made. Raises LimitedError."""
    limit = Limit("paper-contact", binding.settings.paper_forms_per_contact_hour, HOUR)
    await _count(binding, [(limit, session.contact_hash)])


async def matches_left(binding: Binding, session: Session, client_address: str) -> int:
    """How many look-ups of a child this login has left, as far as it may know: what others tried is not told."""
    async with binding.database.connection() as connection:
        return await rate_limits.left(connection, _of_asker(binding, session, client_address))


async def count_parent(binding: Binding, session: Session, client_address: str) -> None:
    """Count a parent's ID number that is verified. Raises LimitedError."""
    settings, digest = binding.settings, binding.keys.hashes.digest
    await _count(
        binding,
        [
            (Limit("parent-login", settings.parent_per_login_hour, HOUR), digest("session", str(session.id))),
            (Limit("parent-contact", settings.parent_per_contact_day, DAY), session.contact_hash),
            (Limit("parent-address", settings.parent_per_address_hour, HOUR), _address(binding, client_address)),
        ],
    )


def _of_asker(binding: Binding, session: Session, client_address: str) -> list[tuple[Limit, str]]:
    settings, digest = binding.settings, binding.keys.hashes.digest
    return [
        (Limit("match-login", settings.match_per_login_hour, HOUR), digest("session", str(session.id))),
        (Limit("match-contact", settings.match_per_contact_day, DAY), session.contact_hash),
        (Limit("match-address", settings.match_per_address_hour, HOUR), _address(binding, client_address)),
    ]


def _address(binding: Binding, client_address: str) -> str:
    return binding.keys.hashes.digest("address", rate_limits.client_subject(client_address))


async def _count(binding: Binding, limits: list[tuple[Limit, str]]) -> None:
    """Count in a transaction of its own, so that a later refusal does not take it back. Raises LimitedError."""
    async with binding.database.transaction() as connection:
        wait = await rate_limits.hit(connection, limits)
    if wait is not None:
        raise LimitedError(retry_after=int(wait.total_seconds()) + 1)
