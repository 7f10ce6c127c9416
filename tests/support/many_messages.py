"""Any number of messages and tries, put there at once, to see what a page costs then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.database import Database

#: Over which they are spread evenly.
DAYS = 100


async def fill(database: Database, rows: int) -> None:
    """So many messages, each tried once: one in a hundred failed, one in ten an SMS, all by smtp or mitake."""
    async with database.connection() as connection:
        await connection.execute(
            f"""
            INSERT INTO messages (id, kind, cause, channel, state, letter, correlation_id, created_at, expires_at,
                settled_at, tries, provider, contact, fault, last_error)
            SELECT gen_random_uuid(),
                CASE n % 10 WHEN 0 THEN 'code' WHEN 1 THEN 'refused' WHEN 2 THEN 'withdrawn' ELSE 'approved' END,
                gen_random_uuid() || ':1', CASE n % 10 WHEN 0 THEN 'sms' ELSE 'email' END,
                CASE n % 100 WHEN 31 THEN 'failed' ELSE 'sent' END, CASE n % 100 WHEN 31 THEN 'sealed' END, '-',
                present() - n * interval '{DAYS} days' / {rows}, present(),
                present() - n * interval '{DAYS} days' / {rows}, 1,
                CASE n % 10 WHEN 0 THEN 'mitake' ELSE 'smtp' END, 'a***@example.org',
                CASE n % 100 WHEN 31 THEN 'permanent' END, CASE n % 100 WHEN 31 THEN 'SMTPRecipientRefused 550' END
            FROM generate_series(1, {rows}) AS n
            """,  # noqa: S608 - numbers of the tests'
            timeout=600,
        )
        await connection.execute(
            """
            INSERT INTO message_tries (id, message_id, provider, began_at, ended_at, outcome, reason)
            SELECT gen_random_uuid(), id, provider, created_at, created_at, coalesce(fault, 'accepted'), last_error
            FROM messages
            """,
            timeout=600,
        )
        await connection.execute("VACUUM ANALYZE messages", timeout=600)
        await connection.execute("VACUUM ANALYZE message_tries", timeout=600)
