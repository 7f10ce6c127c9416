"""The roster's SQL. An import stages the files in temporary tables, checks them against each other, then merges.

Everything is a statement over whole tables; nothing here runs once a row. Temporary tables end with the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from binding_service.roster.domain import BAD_LINES_LISTED, BadLine, Counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date
    from uuid import UUID

    from shared.database import Connection

#: Any number: the advisory lock that one import at a time holds.
LOCK = 7_402_513
#: A statement over a city's roster takes longer than a request may.
STATEMENT_SECONDS = 600
#: Few enough that the events made of them do not hold up a page.
ROWS_AT_ONCE = 100

#: A record's line, id, time and facts; ``gone`` says that a delta file takes it away, ``known`` that this is kept.
STAGING = """
    CREATE TEMPORARY TABLE staged_orgs (
        line integer, id text, modified timestamptz, gone boolean, fingerprint bigint,
        known boolean NOT NULL DEFAULT false,
        code text, name text, level text, is_school boolean) ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_classes (
        line integer, id text, modified timestamptz, gone boolean, fingerprint bigint,
        known boolean NOT NULL DEFAULT false,
        school_id text, name text, levels text, homeroom boolean) ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_users (
        line integer, id text, modified timestamptz, gone boolean, fingerprint bigint,
        known boolean NOT NULL DEFAULT false,
        name text, email text, email_problem text, id_hash text, id_sealed text, id_column text, id_problem text,
        agents text, name_hash text, email_hash text, phone_hashes text, shown_sealed text, person_sealed text)
        ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_roles (
        line integer, id text, modified timestamptz, gone boolean, fingerprint bigint,
        known boolean NOT NULL DEFAULT false,
        user_id text, org_id text, kind text, main boolean, ends date) ON COMMIT DROP;
    CREATE TEMPORARY TABLE staged_enrollments (
        line integer, id text, modified timestamptz, gone boolean, fingerprint bigint,
        known boolean NOT NULL DEFAULT false,
        class_id text, user_id text, role text, ends date, ended boolean NOT NULL DEFAULT false) ON COMMIT DROP;
    -- Lines that say what is kept of them: that is taken instead.
    CREATE TEMPORARY TABLE staged_known (line integer, fingerprint bigint) ON COMMIT DROP;
    -- Bad lines. A row that subject names stays as it was; where it is null, no row of that kind is removed. record is
    -- the id of a line that was not even read.
    CREATE TEMPORARY TABLE staged_problems (
        file text, line integer, "column" text, reason text, kind text, subject text, record text,
        is_unread boolean NOT NULL DEFAULT true) ON COMMIT DROP;
"""

PROBLEM_COLUMNS = ("file", "line", "column", "reason", "kind", "subject", "record")

#: What the files say of today: records that are gone, and roles and assignments that are over, no longer count.
OF_TODAY = """
    DELETE FROM staged_orgs WHERE gone;
    DELETE FROM staged_classes WHERE gone;
    DELETE FROM staged_users WHERE gone;
    DELETE FROM staged_roles WHERE gone OR ends <= {today};
    DELETE FROM staged_enrollments WHERE gone OR (role = 'teacher' AND ends <= {today});
    UPDATE staged_enrollments SET ended = true WHERE ends <= {today};
"""

#: A guardian's role is apart from the others: what is wrong with it keeps no student and no teacher out.
GUARDIANS_APART = """
    CREATE TEMPORARY TABLE staged_guardians ON COMMIT DROP AS
        SELECT DISTINCT ON (user_id) line, user_id, kind AS role FROM staged_roles
        WHERE kind IN ('parent', 'guardian', 'relative') ORDER BY user_id, main DESC, kind;
    DELETE FROM staged_roles WHERE kind IN ('parent', 'guardian', 'relative');
"""

#: Every check joins whole tables; what has to be known of them is their size.
ANALYZE_STAGED = """
    ANALYZE staged_orgs; ANALYZE staged_classes; ANALYZE staged_users; ANALYZE staged_roles; ANALYZE staged_enrollments;
"""
ANALYZE_PROBLEMS = """
    CREATE INDEX ON staged_problems (kind, subject);
    ANALYZE staged_problems; ANALYZE staged_guardians;
"""

DERIVE_LEVELS = """
    UPDATE staged_orgs SET level = told.level
    FROM (SELECT school_id, min(level) AS level FROM staged_classes, unnest(string_to_array(levels, E'\x1e')) AS level
          WHERE homeroom GROUP BY school_id HAVING count(DISTINCT level) = 1) AS told
    WHERE staged_orgs.id = told.school_id AND staged_orgs.level = ''
"""


class Check(NamedTuple):
    """What staged lines must keep. ``delete`` takes the bad ones out and returns line, column, subject and reason.

    A reason that is null drops a line without a word: it concerns nobody here, or was reported already.
    """

    file: str
    kind: str
    delete: str


CHECKS = (
    Check(
        "orgs.csv",
        "schools",
        """
        DELETE FROM staged_orgs WHERE is_school AND level = ''
        RETURNING line, 'metadata.tw.level', id, 'is empty, and the grades of its classes tell no single level'
        """,
    ),
    Check(
        "classes.csv",
        "classes",
        """
        DELETE FROM staged_classes AS class WHERE homeroom
            AND NOT EXISTS (SELECT FROM staged_orgs WHERE id = class.school_id AND is_school)
        RETURNING line, 'schoolSourcedId', id,
            CASE WHEN EXISTS (SELECT FROM staged_problems WHERE kind = 'schools' AND subject = class.school_id)
                THEN 'refers to a school that was not taken' ELSE 'is not a school in orgs.csv' END
        """,
    ),
    Check(
        "roles.csv",
        "users",
        """
        DELETE FROM staged_roles AS role WHERE NOT EXISTS (SELECT FROM staged_users WHERE id = role.user_id)
        RETURNING line, 'userSourcedId', user_id,
            CASE WHEN NOT EXISTS (SELECT FROM staged_problems WHERE kind = 'users' AND subject = role.user_id)
                THEN 'is not in users.csv' END
        """,
    ),
    Check(
        "roles.csv",
        "users",
        """
        DELETE FROM staged_roles AS role WHERE kind <> 'student'
            AND NOT EXISTS (SELECT FROM staged_orgs WHERE id = role.org_id AND is_school)
        RETURNING line, 'orgSourcedId', user_id,
            CASE WHEN EXISTS (SELECT FROM staged_orgs WHERE id = role.org_id) THEN NULL
                WHEN EXISTS (SELECT FROM staged_problems WHERE kind = 'schools' AND subject = role.org_id)
                THEN 'refers to a school that was not taken' ELSE 'is not in orgs.csv' END
        """,
    ),
    Check(
        "users.csv",
        "users",
        """
        DELETE FROM staged_users AS person WHERE id_hash IS NULL
            AND EXISTS (SELECT FROM staged_roles WHERE user_id = person.id
                AND (kind = 'student' OR person.id_problem NOT LIKE 'is empty%'))
        RETURNING line, id_column, id, id_problem
        """,
    ),
    Check(
        "users.csv",
        "users",
        """
        DELETE FROM staged_users AS person WHERE email_problem <> ''
            AND EXISTS (SELECT FROM staged_roles WHERE user_id = person.id AND kind <> 'student')
        RETURNING line, 'email', id, email_problem
        """,
    ),
    Check(
        "enrollments.csv",
        "users",
        """
        DELETE FROM staged_enrollments AS place USING staged_classes AS class
        WHERE class.id = place.class_id AND NOT class.homeroom
        RETURNING place.line, '', place.user_id, NULL
        """,
    ),
    Check(
        "enrollments.csv",
        "users",
        """
        DELETE FROM staged_enrollments AS place
        WHERE NOT ended AND NOT EXISTS (SELECT FROM staged_classes WHERE id = place.class_id)
        RETURNING line, 'classSourcedId', user_id,
            CASE WHEN EXISTS (SELECT FROM staged_problems WHERE kind = 'classes' AND subject = place.class_id)
                THEN 'refers to a class that was not taken' ELSE 'is not in classes.csv' END
        """,
    ),
    Check(
        "enrollments.csv",
        "users",
        """
        DELETE FROM staged_enrollments AS place
        WHERE NOT ended
            AND NOT EXISTS (SELECT FROM staged_users AS person JOIN staged_roles ON staged_roles.user_id = person.id
                WHERE person.id = place.user_id AND (kind = 'student') = (place.role = 'student'))
            -- A homeroom teacher whose own line is bad stays as he was, and stays with the class.
            AND NOT (role = 'teacher' AND EXISTS (SELECT FROM teachers WHERE id = place.user_id AND active)
                AND EXISTS (SELECT FROM staged_problems WHERE kind = 'users' AND subject = place.user_id))
        RETURNING line, 'userSourcedId', user_id,
            CASE WHEN EXISTS (SELECT FROM staged_problems WHERE kind = 'users' AND subject = place.user_id) THEN NULL
                WHEN NOT EXISTS (SELECT FROM staged_users WHERE id = place.user_id) THEN 'is not in users.csv'
                WHEN role = 'student' THEN 'is not a student in roles.csv'
                ELSE 'is not a teacher of a school in roles.csv' END
        """,
    ),
    Check(
        "enrollments.csv",
        "users",
        """
        DELETE FROM staged_enrollments AS place
        USING (SELECT user_id, min(line) AS line FROM staged_enrollments WHERE role = 'student' AND NOT ended
               GROUP BY user_id HAVING count(DISTINCT class_id) > 1) AS first
        WHERE place.user_id = first.user_id AND role = 'student' AND NOT ended AND place.line <> first.line
        RETURNING place.line, 'classSourcedId', place.user_id,
            'is a second homeroom class' || CASE WHEN first.line > 0 THEN ', after line ' || first.line ELSE '' END
        """,
    ),
    Check(
        "users.csv",
        "users",
        """
        DELETE FROM staged_users AS person
        WHERE EXISTS (SELECT FROM staged_roles WHERE user_id = person.id AND kind = 'student')
            AND NOT EXISTS (SELECT FROM staged_roles WHERE user_id = person.id AND kind <> 'student')
            AND NOT EXISTS (SELECT FROM staged_enrollments WHERE user_id = person.id AND role = 'student')
        RETURNING line, 'sourcedId', id,
            CASE WHEN NOT EXISTS (SELECT FROM staged_problems WHERE kind = 'users' AND subject = person.id)
                THEN 'is a student without a homeroom class in enrollments.csv' END
        """,
    ),
    Check(
        "roles.csv",
        "users",
        """
        DELETE FROM staged_guardians AS role WHERE NOT EXISTS (SELECT FROM staged_users WHERE id = role.user_id)
        RETURNING line, 'userSourcedId', user_id,
            CASE WHEN NOT EXISTS (SELECT FROM staged_problems WHERE kind = 'users' AND subject = role.user_id)
                THEN 'is not in users.csv' END
        """,
    ),
    Check(
        "users.csv",
        "users",
        """
        DELETE FROM staged_guardians AS role USING staged_users AS person
        WHERE person.id = role.user_id AND id_hash IS NULL AND id_problem NOT LIKE 'is empty%'
        RETURNING person.line, id_column, person.id, id_problem
        """,
    ),
    Check(
        "users.csv",
        "users",
        """
        DELETE FROM staged_guardians AS role USING staged_users AS person
        WHERE person.id = role.user_id AND email_problem <> ''
        RETURNING person.line, 'email', person.id, email_problem
        """,
    ),
)

#: The five tables as they are to be, out of what has passed the checks.
NEXT = """
    CREATE TEMPORARY TABLE next_schools ON COMMIT DROP AS
        SELECT id, code, name, level FROM staged_orgs WHERE is_school;
    CREATE TEMPORARY TABLE next_classes ON COMMIT DROP AS
        SELECT staged_classes.id, school_id, name, coalesce(teacher_ids, '{}') AS teacher_ids FROM staged_classes
        LEFT JOIN (SELECT class_id, array_agg(DISTINCT user_id ORDER BY user_id) AS teacher_ids
                   FROM staged_enrollments WHERE role = 'teacher' GROUP BY class_id) AS homeroom
            ON class_id = staged_classes.id
        WHERE homeroom;
    CREATE TEMPORARY TABLE next_teachers ON COMMIT DROP AS
        SELECT DISTINCT ON (person.id) person.id, org_id AS school_id,
            CASE WHEN bool_or(kind = 'administrator') OVER (PARTITION BY user_id, org_id)
                THEN 'administrator' ELSE 'teacher' END AS role,
            name, email, id_hash AS national_id_hash
        FROM staged_users AS person JOIN staged_roles ON user_id = person.id WHERE kind <> 'student'
        ORDER BY person.id, main DESC, kind, org_id;
    CREATE TEMPORARY TABLE next_students ON COMMIT DROP AS
        SELECT person.id, class.school_id, place.class_id, person.name,
            id_hash AS national_id_hash, id_sealed AS national_id_sealed,
            string_to_array(agents, E'\x1e') AS guardian_ids,
            person.line, id_column
        FROM staged_users AS person
        JOIN (SELECT user_id, min(class_id) AS class_id FROM staged_enrollments
              WHERE role = 'student' AND NOT ended GROUP BY user_id) AS place ON place.user_id = person.id
        JOIN staged_classes AS class ON class.id = place.class_id;
    CREATE TEMPORARY TABLE next_guardians ON COMMIT DROP AS
        SELECT user_id AS id, role, id_hash AS national_id_hash, name_hash, email_hash,
            string_to_array(phone_hashes, E'\x1e') AS phone_hashes, shown_sealed
        FROM staged_guardians JOIN staged_users ON staged_users.id = user_id;
    ANALYZE next_schools; ANALYZE next_classes; ANALYZE next_teachers; ANALYZE next_students;
    ANALYZE next_guardians;
"""

SAME_ID_NUMBER = Check(
    "users.csv",
    "users",
    """
    DELETE FROM next_students AS here
    USING (SELECT national_id_hash, min(line) AS line FROM next_students
           GROUP BY national_id_hash HAVING count(*) > 1) AS first
    WHERE here.national_id_hash = first.national_id_hash AND here.line <> first.line
    RETURNING here.line, here.id_column, here.id,
        'is the same ID number as in '
            || CASE WHEN first.line > 0 THEN 'line ' || first.line ELSE 'an earlier import' END
    """,
)

#: Whether a row of the table ``here`` stays as it was because of a bad line.
HELD = """EXISTS (SELECT FROM staged_problems WHERE kind = '{kind}' AND (subject = here.id OR subject IS NULL))"""

ID_NUMBER_OF_HELD = Check(
    "users.csv",
    "users",
    f"""
    DELETE FROM next_students AS next USING students AS here
    WHERE here.national_id_hash = next.national_id_hash AND here.active AND here.id <> next.id
        AND NOT EXISTS (SELECT FROM next_students AS other WHERE other.id = here.id) AND {HELD.format(kind="users")}
    RETURNING next.line, next.id_column, next.id, 'is the ID number of a student whose own line was not taken'
    """,  # noqa: S608 - put together from constants
)


class Table(NamedTuple):
    """A table that an import keeps: ``kind`` is that of the bad lines that hold its rows."""

    name: str
    kind: str
    columns: tuple[str, ...]
    #: Differs at each writing without meaning anything: written along, never compared.
    sealed: tuple[str, ...] = ()


#: In the order in which they refer to each other.
TABLES = (
    Table("schools", "schools", ("code", "name", "level")),
    Table("classes", "classes", ("school_id", "name", "teacher_ids")),
    Table("teachers", "users", ("school_id", "role", "name", "email", "national_id_hash")),
    Table(
        "students",
        "users",
        ("school_id", "class_id", "name", "national_id_hash", "guardian_ids"),
        ("national_id_sealed",),
    ),
    Table(
        "guardians",
        "users",
        ("role", "national_id_hash", "name_hash", "email_hash", "phone_hashes"),
        ("shown_sealed",),
    ),
)


async def lock_imports(connection: Connection) -> bool:
    """Keep other imports out until the transaction ends; False where one is under way."""
    free: bool = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK)
    return free


async def today(connection: Connection) -> date:
    """The day it is in Taiwan."""
    day: date = await connection.fetchval("SELECT (present() AT TIME ZONE 'Asia/Taipei')::date")
    return day


async def start_import(connection: Connection, pushed_by: str | None, push_id: UUID | None) -> int:
    """Open a new revision and its staging tables."""
    # PostgreSQL notices within a second that who asked was killed, and gives the lock back.
    await connection.execute("SET LOCAL client_connection_check_interval = '1s'")
    # The joins are over whole tables: with the usual 4 MB each would go to disk in dozens of parts.
    await connection.execute("SET LOCAL work_mem = '64MB'")
    # Compiling a statement that runs once costs more than it saves.
    await connection.execute("SET LOCAL jit = off")
    await connection.execute(STAGING)
    revision: int = await connection.fetchval(
        "INSERT INTO roster_imports (pushed_by, push_id) VALUES ($1, $2) RETURNING revision", pushed_by, push_id
    )
    return revision


async def stage(
    connection: Connection, table: str, columns: Sequence[str], rows: AsyncIterator[bytes], null: str
) -> None:
    """COPY rows, which come as text, as they are made."""
    await connection.copy_to_table(
        f"staged_{table}", source=rows, columns=columns, format="text", null=null, timeout=STATEMENT_SECONDS
    )


async def analyze(connection: Connection) -> None:
    """Tell PostgreSQL how much is staged."""
    await execute(connection, ANALYZE_STAGED)


async def guardians_to_make(connection: Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """Users of whom a role that was staged or kept says that they are guardians, and of whom that was not known."""
    sql = """
        SELECT id, name, email, person_sealed FROM staged_users AS person
        WHERE name_hash IS NULL AND NOT gone AND EXISTS (SELECT FROM staged_roles
            WHERE user_id = person.id AND NOT gone AND kind IN ('parent', 'guardian', 'relative'))
    """
    async for batch in _batches(connection, sql):
        yield batch


async def staff_to_name(connection: Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """Users whose name was sealed, as a guardian's is, and who are students or staff too."""
    sql = """
        SELECT id, person_sealed FROM staged_users AS person WHERE name = '' AND person_sealed IS NOT NULL
            AND EXISTS (SELECT FROM staged_roles WHERE user_id = person.id)
    """
    async for batch in _batches(connection, sql):
        yield batch


async def complete_users(connection: Connection, columns: Sequence[str], users: Sequence[Sequence[Any]]) -> None:
    """Fill these columns of staged users; the first of each row is the user's id."""
    given = ", ".join(f"${number}::text[]" for number in range(1, len(columns) + 2))
    await execute(
        connection,
        "UPDATE staged_users AS here"  # noqa: S608 - constants
        f" SET known = false, {', '.join(f'{name} = given.{name}' for name in columns)}"
        f" FROM unnest({given}) AS given (id, {', '.join(columns)}) WHERE given.id = here.id",
        *map(list, zip(*users, strict=True)),
    )


async def count_of_today(connection: Connection, today: date) -> None:
    """Take out what is gone or over, and set the guardians' roles apart."""
    await execute(connection, OF_TODAY.format(today=f"date '{today.isoformat()}'"))
    await execute(connection, GUARDIANS_APART)
    await execute(connection, ANALYZE_PROBLEMS)


async def check(connection: Connection) -> None:
    """Take out and report the staged lines that do not fit each other; make the tables as they are to be."""
    await execute(connection, DERIVE_LEVELS)
    for each in CHECKS:
        await reject(connection, each)
    await execute(connection, NEXT)
    await reject(connection, SAME_ID_NUMBER)
    while await reject(connection, ID_NUMBER_OF_HELD):
        pass  # Each student left out may hold the number of another one.


async def note_left_classes(connection: Connection) -> None:
    """Remember, before students are merged, the classes out of which one moves to another."""
    await execute(
        connection,
        """
        CREATE TEMPORARY TABLE left_classes ON COMMIT DROP AS
            SELECT DISTINCT here.class_id FROM students AS here JOIN next_students AS next ON next.id = here.id
            WHERE here.active AND here.class_id <> next.class_id
        """,
    )


async def merge(connection: Connection, table: Table, revision: int) -> Counts:
    """Bring one table to what the import says. Rows that stay the same are not touched."""
    await execute(connection, _diff(table))
    # First what goes away or gives up its ID number: two students may have exchanged theirs.
    await execute(
        connection,
        f"UPDATE {table.name} AS here SET active = false, revision = $1"  # noqa: S608 - a constant's name
        f" FROM changes_{table.name} AS change WHERE change.id = here.id AND change.kind <> 'new' AND here.active",
        revision,
    )
    columns = ("id", *table.columns, *table.sealed)
    await execute(
        connection,
        f"INSERT INTO {table.name} ({', '.join(columns)}, revision, active)"  # noqa: S608 - constants' names
        f" SELECT {', '.join(f'next.{column}' for column in columns)}, $1, true FROM next_{table.name} AS next"
        f" JOIN changes_{table.name} AS change ON change.id = next.id"
        f" ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, active = true,"
        f" {', '.join(f'{column} = excluded.{column}' for column in columns[1:])}",
        revision,
    )
    return await _counts(connection, table)


def _diff(table: Table) -> str:
    """SQL that finds what is new, changed and removed."""
    here = ", ".join(f"here.{column}" for column in table.columns)
    there = ", ".join(f"next.{column}" for column in table.columns)
    return f"""
        CREATE TEMPORARY TABLE changes_{table.name} ON COMMIT DROP AS
            SELECT next.id, CASE WHEN here.id IS NULL THEN 'new' ELSE 'changed' END AS kind
            FROM next_{table.name} AS next LEFT JOIN {table.name} AS here ON here.id = next.id
            WHERE here.id IS NULL OR NOT here.active OR ({here}) IS DISTINCT FROM ({there})
            UNION ALL
            SELECT here.id, 'removed' FROM {table.name} AS here
            WHERE here.active AND NOT EXISTS (SELECT FROM next_{table.name} AS next WHERE next.id = here.id)
                AND NOT {HELD.format(kind=table.kind)};
        ANALYZE changes_{table.name}
    """  # noqa: S608 - put together from constants


async def _counts(connection: Connection, table: Table) -> Counts:
    row = await connection.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE kind = 'new') AS new, count(*) FILTER (WHERE kind = 'changed') AS changed,
            count(*) FILTER (WHERE kind = 'removed') AS removed,
            (SELECT count(*) FROM next_{table.name}) AS present,
            (SELECT count(*) FROM {table.name} WHERE active) AS active
        FROM changes_{table.name}
        """,  # noqa: S608 - a constant's name
        timeout=STATEMENT_SECONDS,
    )
    assert row is not None  # noqa: S101 - an aggregate without GROUP BY always returns its row
    return Counts(
        new=row["new"],
        changed=row["changed"],
        removed=row["removed"],
        unchanged=row["present"] - row["new"] - row["changed"],
        held=row["active"] - row["present"],
    )


async def refuse_strays(connection: Connection, revision: int) -> None:
    """Raise IntegrityConstraintViolationError where a student that was written has no class or no school.

    Foreign keys would look up both for every row, which takes longer than all the rest of its writing.
    """
    strays = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM students AS here WHERE revision = $1 AND (
            NOT EXISTS (SELECT FROM classes WHERE id = here.class_id)
            OR NOT EXISTS (SELECT FROM schools WHERE id = here.school_id)))
        """,
        revision,
        timeout=STATEMENT_SECONDS,
    )
    if strays:
        msg = "students without a class or a school"
        raise asyncpg.IntegrityConstraintViolationError(msg)


async def bad_lines(connection: Connection) -> tuple[int, list[BadLine]]:
    """How many lines were not taken, and the first of them."""
    count = await connection.fetchval("SELECT count(*) FROM staged_problems")
    rows = await connection.fetch(
        'SELECT file, greatest(line, 0) AS line, "column", reason FROM staged_problems ORDER BY file, line LIMIT $1',
        BAD_LINES_LISTED,
    )
    return count, [BadLine(**row) for row in rows]


async def finish_import(connection: Connection, revision: int, report: dict[str, Any]) -> None:
    """Close the revision with its report."""
    await connection.execute(
        "UPDATE roster_imports SET finished_at = clock_timestamp(), report = $2 WHERE revision = $1", revision, report
    )


async def rows(connection: Connection, table: str, revision: int | None = None) -> AsyncIterator[list[asyncpg.Record]]:
    """Rows of a table, some hundreds at a time: all of them, or those that the import ``revision`` changed."""
    sql = f"SELECT * FROM {table} WHERE $1::bigint IS NULL OR revision = $1"  # noqa: S608 - a constant's name
    async for batch in _batches(connection, sql, revision):
        yield batch


#: The revision is that of the newest import, which has seen these students. One that is committed while this runs has
#: a higher one, and tells what it changed itself.
CLASS_ROSTERS = """
    SELECT class.id, class.school_id, greatest(class.revision, newest.revision) AS revision,
        coalesce(roster.ids, '{}') AS ids, coalesce(roster.names, '{}') AS names
    FROM classes AS class CROSS JOIN (SELECT max(revision) AS revision FROM roster_imports) AS newest
    CROSS JOIN LATERAL (
        SELECT array_agg(id ORDER BY id) AS ids, array_agg(name ORDER BY id) AS names
        FROM students WHERE class_id = class.id AND active AND class.active) AS roster
"""


async def class_rosters(connection: Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """Ids and names of the students of each active class, some hundreds of classes at a time."""
    async for batch in _batches(connection, f"{CLASS_ROSTERS} WHERE class.active"):
        yield batch


async def changed_class_rosters(connection: Connection, revision: int) -> AsyncIterator[list[asyncpg.Record]]:
    """The same for the classes that the import under way changed, or whose students it did; none of an inactive one."""
    changed = f"""{CLASS_ROSTERS}
        WHERE class.revision = $1
            OR class.id IN (SELECT class_id FROM left_classes UNION SELECT class_id FROM students WHERE revision = $1)
    """  # noqa: S608 - put together from constants
    async for batch in _batches(connection, changed, revision):
        yield batch


async def _batches(connection: Connection, sql: str, *arguments: object) -> AsyncIterator[list[asyncpg.Record]]:
    cursor = await connection.cursor(sql, *arguments, timeout=STATEMENT_SECONDS)
    while batch := await cursor.fetch(ROWS_AT_ONCE, timeout=STATEMENT_SECONDS):
        yield batch


async def reject(connection: Connection, each: Check) -> bool:
    """Run a check; whether it took anything out."""
    status = await connection.fetchval(
        f"""
        WITH gone (line, "column", subject, reason) AS ({each.delete}), told AS (
            INSERT INTO staged_problems (file, line, "column", reason, kind, subject, is_unread)
            SELECT $1, line, "column", reason, $2, subject, false FROM gone WHERE reason IS NOT NULL)
        SELECT EXISTS (SELECT FROM gone)
        """,  # noqa: S608 - put together from constants
        each.file,
        each.kind,
        timeout=STATEMENT_SECONDS,
    )
    return bool(status)


async def execute(connection: Connection, sql: str, *arguments: object) -> int:
    """Run a statement over whole tables; how many rows it concerned."""
    status: str = await connection.execute(sql, *arguments, timeout=STATEMENT_SECONDS)
    count = status.rpartition(" ")[2]
    return int(count) if count.isdecimal() else 0
