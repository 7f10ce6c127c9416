"""Sliding-window limits that hold for all replicas: the hits that still count are kept in PostgreSQL.

A subject (a contact, a client address, an ID number) is stored as a keyed hash only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``hits`` in any ``window`` for one subject; ``rule`` names it."""

    rule: str
    hits: int
    window: timedelta


def client_subject(address: str) -> str:
    """What a client address counts as: an IPv6 host has its whole /64 to itself (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address  # noqa: PLR2004


async def hit(connection: Connection, limits: list[tuple[Limit, str]]) -> timedelta | None:
    """Count one hit for every (limit, subject); None when all allow it, else how long to wait until they would.

    A refused hit is not counted against the limit that refused it. Rows are locked in one order, so callers never wait
    for each other in a circle.
    """
    # Who goes on asking beyond a limit writes nothing, and stands in no line for the row of a shared address.
    wait = await wait_for(connection, limits)
    if wait is not None:
        return wait
    waits = [
        await _hit_one(connection, limit, subject)
        for limit, subject in sorted(limits, key=lambda item: (item[0].rule, item[1]))
    ]
    return max((wait for wait in waits if wait is not None), default=None)


async def _hit_one(connection: Connection, limit: Limit, subject: str) -> timedelta | None:
    row = await connection.fetchrow(
        """
        INSERT INTO rate_limits AS known (rule, subject, hits, allowed) VALUES ($1, $2, ARRAY[present()], true)
        ON CONFLICT (rule, subject) DO UPDATE SET (hits, allowed) = (
            SELECT coalesce(array_agg(hit ORDER BY hit), '{}')
                     || CASE WHEN count(*) < $4 THEN ARRAY[present()] ELSE '{}' END,
                   count(*) < $4
            FROM unnest(known.hits) AS hit WHERE hit > present() - $3::interval
        )
        RETURNING allowed, hits[cardinality(hits) - $4 + 1] + $3::interval - present() AS wait
        """,
        limit.rule,
        subject,
        limit.window,
        limit.hits,
    )
    assert row is not None  # noqa: S101 - an upsert without WHERE always returns its row
    return None if row["allowed"] else row["wait"]


async def wait_for(connection: Connection, limits: list[tuple[Limit, str]]) -> timedelta | None:
    """How long to wait until all of the limits would allow a hit; None when they do now. Counts none."""
    # One more is allowed when the oldest of the newest ``most`` hits counts no longer.
    wait: timedelta | None = await connection.fetchval(
        """
        SELECT max(until - present())
        FROM unnest($1::text[], $2::text[], $3::int[], $4::interval[]) AS asked (rule, subject, most, span)
        JOIN rate_limits AS known USING (rule, subject),
             LATERAL (SELECT hit + span AS until FROM unnest(known.hits) AS hit WHERE hit > present() - span
                      ORDER BY hit DESC OFFSET most - 1 LIMIT 1) AS oldest
        """,
        *_columns(limits),
    )
    return wait


async def left(connection: Connection, limits: list[tuple[Limit, str]]) -> int:
    """How many more hits every one of the limits would allow now; counts none."""
    least: int = await connection.fetchval(
        """
        SELECT greatest(0, min(most - (SELECT count(*) FROM unnest(known.hits) AS hit WHERE hit > present() - span)))
        FROM unnest($1::text[], $2::text[], $3::int[], $4::interval[]) AS asked (rule, subject, most, span)
        LEFT JOIN rate_limits AS known USING (rule, subject)
        """,
        *_columns(limits),
    )
    return least


def _columns(limits: list[tuple[Limit, str]]) -> tuple[list[str], list[str], list[int], list[timedelta]]:
    """For unnest: rules, subjects, hits, windows."""
    return (
        [limit.rule for limit, _ in limits],
        [subject for _, subject in limits],
        [limit.hits for limit, _ in limits],
        [limit.window for limit, _ in limits],
    )


async def forget(connection: Connection, rule: str, subject: str) -> None:
    """Begin anew for one subject: what it was counted for has come to a good end."""
    await connection.execute("DELETE FROM rate_limits WHERE rule = $1 AND subject = $2", rule, subject)
