"""How long a refused sign-in takes, by what stands behind the login; asked in turn, in one run.

    python tests/bench/sign_in.py

A stranger must not see from it which accounts there are: the medians lie as close together as those of one kind that is
measured twice.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.passwords import Passwords
from support.databases import fresh_databases, template_database
from support.servers import test_servers
from support.town import Town, national_id, town

if TYPE_CHECKING:
    from support.databases import Databases

ROUNDS = 200
MANY = 1_000_000
NO_LIMITS = {
    "sign_in_per_browser_hour": MANY,
    "sign_in_per_login_hour": MANY,
    "sign_in_per_address_hour": MANY,
    "first_password_tries": MANY,
}
#: (password set, tries used, whether the first password's days have passed) by login; None: there is no account.
KINDS: dict[str, tuple[bool, int, bool] | None] = {
    "unknown": None,
    "unknown too": None,
    "password": (True, 0, True),
    "first password": (False, 0, False),
    "first password locked": (False, MANY, False),
    "first password expired": (False, 0, True),
}


def main() -> None:
    """Measure and print a table."""
    with (
        test_servers() as servers,
        template_database(servers.postgres) as template,
        fresh_databases(servers.postgres, template) as databases,
    ):
        vhost = f"bench-{uuid4().hex[:8]}"
        servers.rabbitmq.make_vhost(vhost)
        try:
            asyncio.run(measure(databases, servers.rabbitmq.of_vhost(vhost)))
        finally:
            servers.rabbitmq.drop_vhost(vhost)


async def measure(databases: Databases, broker_url: str) -> None:
    """A refused sign-in to each kind of login, in turn."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    async with town(databases, broker_url, binding=NO_LIMITS, with_otp=False) as it:
        await open_accounts(it)
        for _ in range(ROUNDS):
            # In another order each time: what one leaves behind is not always the same one's.
            for kind in random.sample(list(KINDS), len(KINDS)):
                begun = time.perf_counter()
                answer = await it.call("POST", "/account/sessions", login=login_of(kind), password="000000")
                times[kind].append(time.perf_counter() - begun)
                assert answer.status_code == 401, answer.text
    for kind, seconds in times.items():
        first, median, third = (1000 * part for part in statistics.quantiles(seconds, n=4))
        print(f"{kind:24} {median:6.2f} ms  ({first:.2f} to {third:.2f})")


async def open_accounts(it: Town) -> None:
    """One of each kind that there is."""
    encoded = await Passwords().hash("a long walk to school")
    for number, (kind, state) in enumerate(KINDS.items(), start=700):
        if state is None:
            continue
        has_password, tries, expired = state
        account_id, owner = uuid4(), national_id(number)
        await it.db.execute(
            """
            INSERT INTO binding.accounts (id, person_hash, national_id_sealed, login, name, phone, language,
                                          password_hash, first_password_until, first_password_tries, opened_at,
                                          opened_by)
            VALUES ($1, $2, $3, $4, '', '', 'zh-TW', $5, now() + $6 * interval '1 day', $7, now(), $1)
            """,
            account_id,
            it.keys.hashes.digest("national-id", owner),
            it.keys.store.seal(owner, f"accounts:{account_id}:national_id"),
            login_of(kind),
            encoded if has_password else None,
            -1 if expired else 14,
            tries,
        )


def login_of(kind: str) -> str:
    """The e-mail of that kind."""
    return f"{kind.replace(' ', '-')}@example.org"


if __name__ == "__main__":
    main()
