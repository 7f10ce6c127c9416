"""The records of the files, kept from one import to the next: what a delta file does not name stays as it was.

An import completes what it has staged by what is kept, so that all that follows is the same for every kind of file;
then it keeps the whole. Statements over whole tables, as in storage.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING

from binding_service.roster.reading import COLUMNS
from binding_service.roster.storage import STATEMENT_SECONDS, Check, execute, reject

if TYPE_CHECKING:
    from binding_service.roster.oneroster import File, Mode
    from shared.database import Connection

#: Differ at each reading without meaning anything.
SEALED = ("id_sealed", "shown_sealed", "person_sealed")


async def has_any(connection: Connection, file: File) -> bool:
    """Whether a whole file of this name has ever been imported."""
    return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM roster_{file.table})"))  # noqa: S608 - a constant


async def fingerprints(connection: Connection, file: File) -> bytes:
    """Those of the kept records, 8 bytes each, in order, in this machine's order of bytes."""
    packed: bytes | None = await connection.fetchval(
        f"SELECT string_agg(int8send(fingerprint), '' ORDER BY fingerprint) FROM roster_{file.table}",  # noqa: S608 - a constant
        timeout=STATEMENT_SECONDS,
    )
    numbers = array("q", packed or b"")
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


async def recall(connection: Connection, file: File) -> None:
    """Stage what is kept of the lines that are known."""
    names = ", ".join(("id", "modified", "gone", "fingerprint", *COLUMNS[file.table]))
    await execute(
        connection,
        f"""
        INSERT INTO staged_{file.table} (line, known, {names})
        SELECT known.line, true, {", ".join(f"kept.{name}" for name in names.split(", "))}
        FROM staged_known AS known JOIN roster_{file.table} AS kept ON kept.fingerprint = known.fingerprint;
        TRUNCATE staged_known
        """,  # noqa: S608 - put together from constants
    )


async def complete(connection: Connection, file: File, mode: Mode) -> int:
    """Make the staged table the whole of a file; how many lines were passed over as older than what is known."""
    if mode == "bulk":
        await reject(connection, _repeated(file))
        return 0
    passed = await _drop_old(connection, file) if mode == "delta" else 0
    names = ", ".join(("id", "modified", "gone", "fingerprint", *COLUMNS[file.table]))
    # Lines of an earlier file have no number here; a negative one tells them apart.
    await execute(
        connection,
        f"""
        INSERT INTO staged_{file.table} (line, known, {names})
        SELECT -row_number() OVER (), true, {names} FROM roster_{file.table} AS kept
        WHERE NOT gone AND NOT EXISTS (SELECT FROM staged_{file.table} AS here WHERE here.id = kept.id)
        """,  # noqa: S608 - put together from constants
    )
    return passed


def _repeated(file: File) -> Check:
    subject = "id" if file.subject == "sourcedId" else "user_id"
    return Check(
        file.name,
        file.kind,
        f"""
        DELETE FROM staged_{file.table} AS here
        USING (SELECT id, min(line) AS line FROM staged_{file.table} GROUP BY id HAVING count(*) > 1) AS first
        WHERE here.id = first.id AND here.line <> first.line
        RETURNING here.line, 'sourcedId', here.{subject}, 'is the same as in line ' || first.line
        """,  # noqa: S608 - put together from constants
    )


async def _drop_old(connection: Connection, file: File) -> int:
    """Of two lines for one record the later change counts, and none that is older than what is known."""
    await execute(
        connection,
        f"""
        DELETE FROM staged_{file.table} WHERE ctid NOT IN (
            SELECT DISTINCT ON (id) ctid FROM staged_{file.table} ORDER BY id, modified DESC, line DESC)
        """,  # noqa: S608 - put together from constants
    )
    return await execute(
        connection,
        f"""
        DELETE FROM staged_{file.table} AS here USING roster_{file.table} AS kept
        WHERE kept.id = here.id AND kept.modified > here.modified
        """,  # noqa: S608 - put together from constants
    )


async def keep(connection: Connection, file: File, mode: Mode) -> None:
    """Keep the records that are new or changed; those that a whole file no longer has are gone."""
    if mode == "absent":
        return
    facts = COLUMNS[file.table]
    compared = ("gone", *(name for name in facts if name not in SEALED))
    here, kept = (", ".join(f"{row}.{name}" for name in compared) for row in ("here", "kept"))
    await execute(
        connection,
        f"""
        CREATE TEMPORARY TABLE kept_{file.table} ON COMMIT DROP AS
            SELECT here.line, here.id, greatest(here.modified, kept.modified) AS modified
            FROM staged_{file.table} AS here LEFT JOIN roster_{file.table} AS kept ON kept.id = here.id
            WHERE NOT here.known AND (kept.id IS NULL OR here.modified > coalesce(kept.modified, '-infinity')
                OR here.fingerprint IS DISTINCT FROM kept.fingerprint OR ({here}) IS DISTINCT FROM ({kept}));
        ANALYZE kept_{file.table}
        """,  # noqa: S608 - put together from constants
    )
    if mode == "bulk":
        await _let_go(connection, file)
    await execute(
        connection,
        f"DELETE FROM roster_{file.table} AS kept USING kept_{file.table} AS change WHERE change.id = kept.id",  # noqa: S608 - the same
    )
    await execute(
        connection,
        f"""
        INSERT INTO roster_{file.table} (id, modified, gone, fingerprint, {", ".join(facts)})
        SELECT here.id, change.modified, here.gone, here.fingerprint, {", ".join(f"here.{name}" for name in facts)}
        FROM staged_{file.table} AS here JOIN kept_{file.table} AS change ON change.line = here.line
        """,  # noqa: S608 - the same
    )


async def _let_go(connection: Connection, file: File) -> None:
    """Forget what a whole file does not name, but for a record whose line could not be read."""
    missing = f"""
        NOT gone AND NOT EXISTS (SELECT FROM staged_{file.table} AS here WHERE here.id = kept.id)
        AND NOT EXISTS (SELECT FROM staged_problems AS bad
            WHERE bad.file = $1 AND bad.is_unread AND (bad.record = kept.id OR bad.record IS NULL))
    """  # noqa: S608 - put together from constants
    empty = ", ".join(f"{name} = NULL" for name in ("fingerprint", *COLUMNS[file.table]))
    for change in (
        f"UPDATE roster_{file.table} AS kept SET gone = true, {empty} WHERE modified IS NOT NULL AND {missing}",  # noqa: S608 - the same
        f"DELETE FROM roster_{file.table} AS kept WHERE modified IS NULL AND {missing}",  # noqa: S608 - the same
    ):
        await execute(connection, change, file.name)
