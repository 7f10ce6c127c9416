"""A change of keys: what is sealed at rest is sealed anew under the key that comes first, and hashed anew.

A key is changed in steps: the new one is put first in the setting and every process of the service is started again
(old keys still open); then this goes through the tables; then the old key may leave the setting. It goes by batches, in
the order of the rows' keys, and writes a value only where it is still the one that was read, so it may run beside the
service, be stopped at any moment, and be run again: it goes on behind the last batch.

A hash is made anew where its plain value can be unsealed. Hashes of what nobody keeps (of a session, a device) expire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import asyncpg
import structlog

from shared.operations import TaskError
from shared.sealing import UnsealError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from shared.database import Connection, Database
    from shared.sealing import HashKeys, SealingKeys

#: Rows of one transaction: each batch of a table without an index reads all of it, and each holds its rows meanwhile.
BATCH = 2000
STATEMENT_SECONDS = 600
#: Any number: with the schema's, the advisory lock that lets one process reseal.
LOCK = 5_402_781
FIRST = {"uuid": "00000000-0000-0000-0000-000000000000", "text": ""}

log = structlog.get_logger(__name__)

Tell: TypeAlias = "Callable[[str], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Hashed:
    """A keyed hash of what a column seals.

    ``column`` is in the same row. ``same`` are columns of any table, as (table, column), that hold the same hash and
    change with it, in the same transaction; ``beside`` are tables whose row of the same id has a hash of it, as (table,
    column). ``parts`` makes of the plain text what is hashed; none of what has no hash.
    """

    setting: str
    keys: HashKeys
    column: str
    parts: Callable[[str], tuple[str, ...] | None]
    same: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values: under which setting's keys, for which place by the row's key."""

    setting: str
    keys: SealingKeys
    table: str
    column: str
    place: Callable[[str], str]
    key: str = "id"
    key_type: str = "uuid"
    hashed: Hashed | None = None

    @property
    def name(self) -> str:
        """table.column."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Clear:
    """A column in the clear, of which keyed hashes stand elsewhere: in ``same``, as (table, column)."""

    setting: str
    keys: HashKeys
    table: str
    column: str
    parts: Callable[[str], tuple[str, ...]]
    same: tuple[tuple[str, str], ...]
    key: str = "id"
    key_type: str = "uuid"

    @property
    def name(self) -> str:
        """table.column."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Counted:
    """A column that is only counted: what was hashed is kept nowhere, or made anew elsewhere, or soon gone."""

    setting: str
    keys: SealingKeys | HashKeys
    table: str
    column: str


class _Change(NamedTuple):
    """A row's key, what it held and is to hold, and its hash before and after; both hashes None where it stays."""

    key: str
    old: str
    new: str
    old_hash: str | None
    new_hash: str | None


#: What a service says of its tables.
Column: TypeAlias = Sealed | Clear | Counted


def current_key(keys: SealingKeys | HashKeys) -> str:
    """The id of the key that seals, or hashes, now."""
    made = keys.digest("") if hasattr(keys, "digest") else keys.seal("", "")
    return made.partition(".")[0]


async def key_counts(database: Database, columns: Sequence[Column]) -> dict[str, dict[str, Any]]:
    """How many values are under which key: ``{setting: {"current": key id, "columns": {name: {key id: count}}}}``.

    ``passing`` beside them names the columns that nothing here makes anew.
    """
    told: dict[str, dict[str, Any]] = {}
    passing = {(column.table, column.column) for column in columns if isinstance(column, Counted)}
    async with database.connection() as connection:
        for column in _all(columns):
            of_setting = told.setdefault(
                column.setting, {"current": current_key(column.keys), "columns": {}, "passing": []}
            )
            name = f"{column.table}.{column.column}"
            of_setting["columns"][name] = await _count(connection, column.table, column.column)
            if (column.table, column.column) in passing:
                of_setting["passing"].append(name)
    return told


def _all(columns: Sequence[Column]) -> list[Sealed | Counted]:
    """The columns that hold sealed values or hashes, each once."""
    found: dict[tuple[str, str], Sealed | Counted] = {}
    for column in columns:
        if isinstance(column, Sealed | Counted):
            found[column.table, column.column] = column
        hashed = column.hashed if isinstance(column, Sealed) else column if isinstance(column, Clear) else None
        if hashed is None:
            continue
        places = [*hashed.same]
        if isinstance(hashed, Hashed):
            places += [(column.table, hashed.column), *hashed.beside]
        for place in places:
            found[place] = Counted(hashed.setting, hashed.keys, *place)
    return [found[place] for place in sorted(found)]


async def _count(connection: Connection, table: str, column: str) -> dict[str, int]:
    # What was erased holds no key: it is empty, or says so.
    rows = await connection.fetch(
        f"SELECT split_part({column}, '.', 1) AS key_id, count(*) FROM {table}"  # noqa: S608 - constants of ours
        f" WHERE {column} LIKE '%.%' GROUP BY 1 ORDER BY 1",
        timeout=STATEMENT_SECONDS,
    )
    return {row["key_id"]: row["count"] for row in rows}


async def reseal(database: Database, columns: Sequence[Column], tell: Tell) -> dict[str, dict[str, int]]:
    """Bring every sealed column under the present keys; what was done, by column: ``resealed`` and ``left_over``.

    Raises TaskError where another process is at it.
    """
    holder = await asyncpg.connect(database.dsn)
    try:
        if not await holder.fetchval("SELECT pg_try_advisory_lock(hashtext(current_schema()), $1)", LOCK):
            msg = "another process is resealing; see how far it is with: kinbind keys status"
            raise TaskError(msg)
        return {
            column.name: await _go_through(database, column, tell)
            for column in columns
            if not isinstance(column, Counted)
        }
    finally:
        holder.terminate()


async def _go_through(database: Database, column: Sealed | Clear, tell: Tell) -> dict[str, int]:
    """One column, from where it was left off to its end."""
    async with database.transaction() as connection:
        last, resealed, left_over = await _begin(connection, column)
    while True:
        async with database.transaction() as connection:
            found = await _next(connection, column, last)
            last = found[-1][0] if found else last
            written, unread = await _renew(connection, column, found)
            resealed, left_over = resealed + written, left_over + unread
            await connection.execute(
                "UPDATE resealings SET last = $2, resealed = $3, left_over = $4, updated_at = present(),"
                " ended_at = CASE WHEN $5 THEN present() END WHERE place = $1",
                *(column.name, last, resealed, left_over, not found),
            )
        if not found:
            break
        await tell(f"{column.name}: {resealed} renewed")
    log.info("column resealed", column=column.name, resealed=resealed, left_over=left_over)
    return {"resealed": resealed, "left_over": left_over}


async def _begin(connection: Connection, column: Sealed | Clear) -> tuple[str, int, int]:
    """The last row's key and the counts of a run that was stopped, to go on from there; else the beginning."""
    row = await connection.fetchrow(
        """
        INSERT INTO resealings (place, key_id, last) VALUES ($1, $2, $3)
        ON CONFLICT (place) DO UPDATE SET key_id = excluded.key_id, updated_at = present(), ended_at = NULL,
            last = CASE WHEN stands THEN resealings.last ELSE excluded.last END,
            resealed = CASE WHEN stands THEN resealings.resealed ELSE 0 END,
            left_over = CASE WHEN stands THEN resealings.left_over ELSE 0 END
        RETURNING last, resealed, left_over
        """.replace("stands", "resealings.key_id = excluded.key_id AND resealings.ended_at IS NULL"),
        column.name,
        _marks(column),
        FIRST[column.key_type],
    )
    assert row is not None  # noqa: S101 - it returns what it wrote
    return row["last"], row["resealed"], row["left_over"]


def _marks(column: Sealed | Clear) -> str:
    """Which keys a run works towards: with others it begins anew."""
    hashed = column.hashed if isinstance(column, Sealed) else None
    return "+".join(current_key(each.keys) for each in (column, hashed) if each is not None)


async def _next(connection: Connection, column: Sealed | Clear, last: str) -> list[tuple[str, str, str | None]]:
    """Key, value and hash of the next rows behind ``last``: of a sealed column those that are under another key."""
    hashed = column.hashed if isinstance(column, Sealed) else None
    stale, prefixes = [], []
    if isinstance(column, Sealed):
        stale.append(f"NOT starts_with({column.column}, $3)")
        prefixes.append(f"{current_key(column.keys)}.")
    if hashed:
        stale.append(f"NOT starts_with({hashed.column}, $4)")
        prefixes.append(f"{current_key(hashed.keys)}.")
    rows = await connection.fetch(
        f"SELECT {column.key}::text, {column.column}, {hashed.column if hashed else 'NULL::text'}"  # noqa: S608 - constants of ours
        f" FROM {column.table} WHERE {column.key} > $1::text::{column.key_type} AND {column.column} <> ''"
        f" AND ({' OR '.join(stale) or 'true'}) ORDER BY {column.key} LIMIT $2",
        *(last, BATCH, *prefixes),
        timeout=STATEMENT_SECONDS,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def _renew(
    connection: Connection, column: Sealed | Clear, found: Sequence[tuple[str, str, str | None]]
) -> tuple[int, int]:
    """Seal and hash these rows anew; how many were, and how many no key opens."""
    if isinstance(column, Clear):
        pairs = [pair for _, plain, _ in found for pair in _new_hashes(column.keys, column.parts(plain))]
        return await _replace(connection, column.same, pairs), 0
    changes = [change for each in found if (change := _change(column, *each)) is not None]
    # A row that changed meanwhile was sealed by a process that has the new key, or the next run finds it.
    status: str = await connection.execute(
        f"UPDATE {column.table} SET {column.column} = change.new"  # noqa: S608 - constants of ours
        f" FROM unnest($1::{column.key_type}[], $2::text[], $3::text[]) AS change (key, old, new)"
        f" WHERE {column.table}.{column.key} = change.key AND {column.table}.{column.column} = change.old",
        *([change.key for change in changes], [change.old for change in changes], [change.new for change in changes]),
        timeout=STATEMENT_SECONDS,
    )
    if column.hashed:
        await _rehash(connection, column, column.hashed, changes)
    return int(status.rpartition(" ")[2]), len(found) - len(changes)


def _change(column: Sealed, key: str, sealed: str, old_hash: str | None) -> _Change | None:
    """What becomes of a row; None where no key opens it."""
    try:
        plain = column.keys.unseal(sealed, column.place(key))
    except UnsealError:
        return None
    parts = column.hashed.parts(plain) if column.hashed else None
    pairs = dict(_new_hashes(column.hashed.keys, parts)) if column.hashed and parts else {}
    # A hash that none of the keys makes of the plain text is not of it: it stays.
    return _Change(key, sealed, column.keys.seal(plain, column.place(key)), old_hash, pairs.get(old_hash or ""))


def _new_hashes(keys: HashKeys, parts: tuple[str, ...]) -> list[tuple[str, str]]:
    """The hash under each former key, and the one under the present key that takes its place."""
    new, *former = keys.digests(*parts)
    return [(old, new) for old in former]


async def _rehash(connection: Connection, column: Sealed, hashed: Hashed, changes: Sequence[_Change]) -> None:
    """Write the new hashes of rows, wherever the old ones stand."""
    rows = [(change.old_hash, change.new_hash, change.key) for change in changes if change.old_hash and change.new_hash]
    await _replace(connection, hashed.same, [(old, new) for old, new, _ in rows])
    for table, name, key in ((column.table, hashed.column, column.key), *((*place, "id") for place in hashed.beside)):
        await _one_by_one_if_need_be(
            connection,
            f"UPDATE {table} SET {name} = change.new"  # noqa: S608 - constants of ours
            f" FROM unnest($1::text[], $2::text[], $3::{column.key_type}[]) AS change (old, new, key)"
            f" WHERE {table}.{name} = change.old AND {table}.{key} = change.key",
            rows,
        )


async def _replace(connection: Connection, places: Sequence[tuple[str, str]], pairs: Sequence[tuple[str, str]]) -> int:
    """Put the second hash of each pair where the first one stands, in each column; how many values were changed.

    All columns in one transaction: a row of one is looked up by what another holds.
    """
    count = 0
    for table, column in places:
        count += await _one_by_one_if_need_be(
            connection,
            f"UPDATE {table} SET {column} = pair.new FROM unnest($1::text[], $2::text[]) AS pair (old, new)"  # noqa: S608 - constants of ours
            f" WHERE {table}.{column} = pair.old",
            pairs,
        )
    return count


async def _one_by_one_if_need_be(connection: Connection, statement: str, rows: Sequence[tuple[str, ...]]) -> int:
    """Run a statement that takes a list for each part of the rows; how many values it changed.

    Where one of them is refused, because another row has its new hash already, the others are changed all the same.
    """
    if not rows:
        return 0
    done = await _try(connection, statement, rows)
    if done is not None:
        return done
    return sum([await _try(connection, statement, [row]) or 0 for row in rows])


async def _try(connection: Connection, statement: str, rows: Sequence[tuple[str, ...]]) -> int | None:
    try:
        async with connection.transaction():
            status: str = await connection.execute(
                statement, *map(list, zip(*rows, strict=True)), timeout=STATEMENT_SECONDS
            )
    except asyncpg.UniqueViolationError:
        return None
    return int(status.rpartition(" ")[2])


def count_stale(counts: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Of what :func:`key_counts` told: how many values of each column are not under the present key."""
    stale: dict[str, int] = {}
    for of_setting in counts.values():
        for name, by_key in of_setting["columns"].items():
            stale[name] = sum(count for key_id, count in by_key.items() if key_id != of_setting["current"])
    return {name: count for name, count in stale.items() if count}
