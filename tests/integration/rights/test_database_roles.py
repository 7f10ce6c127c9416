"""Each role at PostgreSQL reaches its own schema and nothing else, as deploy/compose/roles.sh makes it.

Roles belong to a whole server and roles.sh gives them the names of a deployment, so it runs on a server of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from local_stack import packages
from local_stack.databases import migrate_services
from support.databases import SERVICES, wait_for
from support.servers import postgres_alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_stack.servers import Postgres

COMPOSE = Path(__file__).resolve().parents[3] / "deploy" / "compose"
DATABASE = "kinbind"
ROLES = (*SERVICES, "operator")
#: What stands in operator.sql, by relation; the same in every service's schema.
OPERATORS = {
    "migrations": {"SELECT"},
    "outbox": {f"SELECT({name})" for name in ("id", "type", "correlation_id", "recorded_at", "tries", "last_error")}
    | {"SELECT(due_at)", "UPDATE(due_at)"},
    "outbox_sent": {f"SELECT({name})" for name in ("id", "type", "correlation_id", "sent_at")},
    "operator_tasks": {"SELECT"} | {f"INSERT({name})" for name in ("id", "kind", "arguments")},
    "resealings": {"SELECT"},
}

by_role = pytest.mark.parametrize("role", ROLES)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A database as a deployment has it."""

    postgres: Postgres
    passwords: dict[str, str] = field(repr=False)

    def dsn(self, role: str) -> str:
        """The address for a role."""
        return self.postgres.dsn(role, self.passwords[role], DATABASE)

    def ask(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows, as the superuser sees them."""
        return [dict(row) for row in wait_for(_fetch(self.postgres.of_database(DATABASE), query, *arguments))]

    def refused(self, role: str, *statements: str) -> list[str]:
        """Which of the statements the role is refused, for want of a right; each is taken back."""
        return wait_for(_refused(self.dsn(role), statements))


def roles(postgres: Postgres, passwords: dict[str, str], **changes: str) -> subprocess.CompletedProcess[str]:
    """Run roles.sh as Compose does."""
    address = re.match(r"postgresql://([^:]+):([^@]+)@([^:]+):(\d+)/", postgres.url)
    assert address is not None
    user, password, host, port = address.groups()
    login = {"PGHOST": host, "PGPORT": port, "PGUSER": user, "PGPASSWORD": password, "PGDATABASE": DATABASE}
    variables = {f"{role}_PASSWORD".upper(): password for role, password in passwords.items()}
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/sh", str(COMPOSE / "roles.sh")],
        check=False,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")}
        | login
        | variables
        | changes,
    )


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    """Roles, migrations, and the roles once more for the operator's grants: the order of docker-compose.yml."""
    if shutil.which("psql") is None:
        packages.install("postgresql-client")
    passwords = {role: f"the password of '{role}' \\" for role in ROLES}
    with postgres_alone() as postgres:
        wait_for(_execute(postgres.url, f"CREATE DATABASE {DATABASE}"))
        done = roles(postgres, passwords)
        assert done.returncode == 0, done.stderr
        deployed = Deployed(postgres, passwords)
        wait_for(migrate_services({service: deployed.dsn(service) for service in SERVICES}))
        done = roles(postgres, passwords)
        assert done.returncode == 0, done.stderr
        yield deployed


@by_role
def test_a_role_reaches_no_table_of_another_schema(deployed: Deployed, role: str) -> None:
    tables = deployed.ask(
        "SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname = ANY($1)",
        [*SERVICES, "operations", "public"],
    )
    foreign = [table for table in tables if table["schema"] != role]
    assert {table["schema"] for table in foreign} >= set(SERVICES) - {role}
    tried = [
        f"{act} {table['schema']}.{table['name']}"
        for table in foreign
        for act in ("TABLE", "DELETE FROM", "DROP TABLE", "TRUNCATE")
        if not (role == "operator" and act == "TABLE" and _may_be_read(table))
    ]
    assert len(tried) > 100
    assert set(tried) - set(deployed.refused(role, *tried)) == set()


def _may_be_read(table: dict[str, str]) -> bool:
    """Whether operator.sql lets all of it be read."""
    return (table["schema"], table["name"]) == ("operations", "acts") or "SELECT" in OPERATORS.get(table["name"], set())


@by_role
def test_a_role_makes_nothing_outside_its_schema(deployed: Deployed, role: str) -> None:
    schemas = [schema for schema in (*SERVICES, "operations", "public") if schema != role]
    tried = [
        *(f"CREATE TABLE {schema}.x (y int)" for schema in schemas),
        *(f"CREATE FUNCTION {schema}.x() RETURNS int LANGUAGE sql AS 'SELECT 1'" for schema in schemas),
        *(f"ALTER SCHEMA {schema} RENAME TO x" for schema in schemas),
        *(f"SELECT {schema}.present()" for schema in schemas if schema in SERVICES and role != "operator"),
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "ALTER ROLE postgres PASSWORD 'x'",
        *(f"SET ROLE {other}" for other in (*ROLES, "postgres") if other != role),
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
        "TABLE pg_authid",
        f"ALTER DATABASE {DATABASE} SET work_mem = '1MB'",
    ]
    assert set(tried) - set(deployed.refused(role, *tried)) == set()


@by_role
def test_a_role_is_nothing_but_somebody_who_may_sign_in(deployed: Deployed, role: str) -> None:
    [row] = deployed.ask(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS more, rolcanlogin,"
        " (SELECT count(*) FROM pg_auth_members WHERE member = r.oid OR roleid = r.oid) AS memberships"
        " FROM pg_roles r WHERE rolname = $1",
        role,
    )
    assert row == {"more": False, "rolcanlogin": True, "memberships": 0}


@pytest.mark.parametrize("role", SERVICES)
def test_a_service_has_no_grant_outside_its_schema(deployed: Deployed, role: str) -> None:
    assert {key: rights for key, rights in _grants(deployed, role).items() if key[0] != role} == {}


def test_the_operator_has_what_operator_sql_says_and_nothing_else(deployed: Deployed) -> None:
    expected = {(service, name): rights for service in SERVICES for name, rights in OPERATORS.items()}
    expected[("operations", "acts")] = {"SELECT", "INSERT"}
    assert _grants(deployed, "operator") == expected
    schemas = deployed.ask(
        "SELECT nspname, has_schema_privilege('operator', oid, 'CREATE') AS makes FROM pg_namespace"
        " WHERE has_schema_privilege('operator', oid, 'USAGE') AND nspname !~ '^(pg_|information_schema)'"
    )
    assert {row["nspname"]: row["makes"] for row in schemas} == dict.fromkeys((*SERVICES, "operations"), False)


def test_nobody_else_connects(deployed: Deployed) -> None:
    wait_for(_execute(deployed.postgres.of_database(DATABASE), "CREATE ROLE stranger LOGIN PASSWORD 'stranger'"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        wait_for(_execute(deployed.postgres.dsn("stranger", "stranger", DATABASE), "SELECT 1"))


def test_a_third_time_it_sets_the_passwords_anew_and_changes_nothing_else(deployed: Deployed) -> None:
    def state() -> list[dict[str, Any]]:
        return deployed.ask(
            "SELECT n.nspname, c.relname, c.relacl::text, n.nspacl::text, c.relowner FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' ORDER BY 1, 2"
        )

    before = state()
    changed = {role: f"new {role}" for role in ROLES}
    assert roles(deployed.postgres, changed).returncode == 0
    assert state() == before
    with pytest.raises(asyncpg.InvalidPasswordError):
        deployed.refused("otp", "SELECT 1")
    assert Deployed(deployed.postgres, changed).refused("otp", "SELECT 1") == []
    assert roles(deployed.postgres, deployed.passwords).returncode == 0


def test_a_password_from_a_file(deployed: Deployed, tmp_path: Path) -> None:
    secret = tmp_path / "otp"
    secret.write_text("from a file\n", encoding="utf-8")
    done = roles(deployed.postgres, deployed.passwords, OTP_PASSWORD="", OTP_PASSWORD_FILE=str(secret))
    assert done.returncode == 0, done.stderr
    assert Deployed(deployed.postgres, {"otp": "from a file"}).refused("otp", "SELECT 1") == []
    assert roles(deployed.postgres, deployed.passwords).returncode == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"OTP_PASSWORD": ""}, "OTP_PASSWORD must be set (or …_FILE)"),
        ({"OTP_PASSWORD_FILE": "/dev/null"}, "OTP_PASSWORD and OTP_PASSWORD_FILE are both set: one of them must go"),
        ({"OTP_PASSWORD": "", "OTP_PASSWORD_FILE": "/nowhere"}, "OTP_PASSWORD_FILE names a file that cannot be read"),
        ({"OTP_PASSWORD": "", "OTP_PASSWORD_FILE": "/dev/null"}, "OTP_PASSWORD_FILE names a file that is empty"),
    ],
)
def test_a_password_that_is_missing_is_said_in_one_sentence(
    deployed: Deployed, changes: dict[str, str], words: str
) -> None:
    done = roles(deployed.postgres, deployed.passwords, **changes)
    assert (done.returncode, done.stderr.strip()) == (2, words)


def _grants(deployed: Deployed, role: str) -> dict[tuple[str, str], set[str]]:
    """What a role may do with relations that it does not own, of itself or by PUBLIC, by schema and name."""
    rows = deployed.ask(
        """
        SELECT n.nspname AS schema, c.relname AS name, a.privilege_type AS right
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
        WHERE a.grantee IN (0, $1::regrole) AND c.relowner <> $1::regrole
          AND n.nspname !~ '^(pg_|information_schema)'
        UNION
        SELECT n.nspname, c.relname, a.privilege_type || '(' || t.attname || ')'
        FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
             aclexplode(t.attacl) a
        WHERE a.grantee IN (0, $1::regrole) AND c.relowner <> $1::regrole
          AND n.nspname !~ '^(pg_|information_schema)'
        """,
        role,
    )
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        found.setdefault((row["schema"], row["name"]), set()).add(row["right"])
    return found


async def _fetch(dsn: str, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _refused(dsn: str, statements: tuple[str, ...]) -> list[str]:
    connection = await asyncpg.connect(dsn)
    found = []
    try:
        for statement in statements:
            # Some do not run inside a transaction; of those that do, nothing stays.
            taken_back = not statement.startswith("CREATE DATABASE")
            if taken_back:
                await connection.execute("BEGIN")
            try:
                await connection.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                found.append(statement)
            except asyncpg.PostgresError:
                # It failed for another reason, so it was not refused.
                pass
            if taken_back:
                await connection.execute("ROLLBACK")
    finally:
        await connection.close()
    return found
