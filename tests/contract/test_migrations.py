"""What is applied before new processes start breaks no process of the version before, and nothing overtakes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from shared.migrations import CONCURRENTLY, is_post, migrations, statements
from support import released

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = ("otp", "binding", "review", "notify")
#: The last number of each owner from before this rule; nothing of that time runs any more.
BEFORE_THE_RULE = {
    "shared": 4,
    "otp_service": 1,
    "binding_service": 11,
    "review_service": 10,
    "notify_service": 2,
}
#: A line that a reason stands behind: what it does to processes of the version before, and why that is well.
ALLOWED = re.compile(r"^.*-- beside the version before: \S.*$", re.MULTILINE)
COMMENT = re.compile(r"--.*$", re.MULTILINE)
#: What would break a process of the version before, or refuse what it writes.
REFUSED = {
    r"\bDROP\b(?! NOT NULL)": "takes something away",
    r"\bRENAME\b": "takes a name away",
    r"\bSET NOT NULL\b": "refuses rows of the version before",
    r"\bALTER (COLUMN )?(?!COLUMN\b)\w+ (SET DATA )?TYPE\b": "rewrites a table and changes what is read",
    r"\b(TRUNCATE|REVOKE)\b": "takes something away",
}
ON_OLD_TABLES = {
    r"^(?!.*\bDEFAULT\b).*\bADD .*\bNOT NULL\b": "refuses rows of the version before: there is no default",
    r"\bADD (CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b": "refuses rows of the version before",
    r"\bADD .*\b(UNIQUE|REFERENCES|CHECK)\b": "refuses rows of the version before",
    r"\bCREATE UNIQUE INDEX\b": "refuses rows of the version before",
    r"\bCREATE INDEX\b(?! CONCURRENTLY)": "whoever writes waits until it is built: name it .concurrently.sql",
}
#: Of a ``.concurrently.sql``: what blocks no writer, and may be done again after it broke off.
BESIDE_WRITERS = re.compile(r"CREATE INDEX CONCURRENTLY IF NOT EXISTS .*|ALTER TABLE \w+ VALIDATE CONSTRAINT \w+")
#: The parts of an ALTER TABLE.
CLAUSES = re.compile(r",(?= *(?:ADD|ALTER|DROP)\b)", re.IGNORECASE)

EVERY = {name: sql for service in SERVICES for name, sql in migrations(f"{service}_service")}


def number(name: str) -> int:
    return int(name.partition("/")[2].partition("_")[0])


def owner(name: str) -> str:
    return name.partition("/")[0]


def faults(sql: str) -> Iterator[str]:
    """What in a migration does not bear processes of the version before."""
    text = " ".join(COMMENT.sub("", ALLOWED.sub("", sql)).split())
    made = set(re.findall(r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)", text))
    for statement in text.split(";"):
        yield from (f"{statement.strip()}: {why}" for what, why in REFUSED.items() if _has(statement, what))
        altered = re.search(r"\b(?:ALTER TABLE (?:IF EXISTS )?(?:ONLY )?|INDEX [^(]*\bON (?:ONLY )?)(\w+)", statement)
        if altered and altered[1] not in made:
            for clause in CLAUSES.split(statement):
                yield from (f"{clause.strip()}: {why}" for what, why in ON_OLD_TABLES.items() if _has(clause, what))


def _has(statement: str, what: str) -> bool:
    return re.search(what, statement, re.IGNORECASE) is not None


@pytest.mark.parametrize("name", EVERY)
def test_what_comes_first_breaks_no_process_of_the_version_before(name: str):
    if is_post(name) or number(name) <= BEFORE_THE_RULE[owner(name)]:
        return
    assert list(faults(EVERY[name])) == [], "name it .post.sql, or say why behind the line (see ALLOWED)"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE outbox DROP COLUMN tries",
        "DROP TABLE outbox",
        "ALTER TABLE outbox RENAME COLUMN tries TO attempts",
        "ALTER TABLE outbox ALTER COLUMN last_error SET NOT NULL",
        "ALTER TABLE outbox ALTER tries TYPE bigint",
        "ALTER TABLE outbox ALTER COLUMN tries SET DATA TYPE bigint",
        "ALTER TABLE outbox ADD COLUMN topic text NOT NULL",
        "ALTER TABLE outbox ADD topic text NOT NULL, ADD COLUMN other text DEFAULT ''",
        "ALTER TABLE outbox ADD COLUMN topic text DEFAULT '', ADD COLUMN other text NOT NULL",
        "ALTER TABLE outbox ADD CONSTRAINT outbox_tries CHECK (tries < 5)",
        "ALTER TABLE outbox ADD COLUMN topic text REFERENCES topics",
        "CREATE UNIQUE INDEX outbox_once ON outbox (type)",
        "CREATE UNIQUE INDEX CONCURRENTLY outbox_once ON outbox (type)",
        "CREATE INDEX outbox_type ON outbox (type)",
        "-- nothing to see\ndrop index outbox_due",
    ],
)
def test_what_would_break_one_is_refused(sql: str):
    assert list(faults(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "-- DROP TABLE is only spoken of\nCREATE TABLE topics (id uuid PRIMARY KEY, name text NOT NULL)",
        "CREATE TABLE topics (id uuid); CREATE UNIQUE INDEX topics_id ON topics (id)",
        "CREATE TABLE topics (id uuid); CREATE INDEX topics_name ON topics (id)",
        "CREATE TABLE topics (id uuid); ALTER TABLE topics ADD CONSTRAINT topics_pkey PRIMARY KEY (id)",
        "ALTER TABLE outbox ADD COLUMN topic text NOT NULL DEFAULT ''",
        "ALTER TABLE outbox ADD COLUMN topic text DEFAULT '' NOT NULL, ADD COLUMN other text",
        "ALTER TABLE outbox ALTER COLUMN type DROP NOT NULL",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_type ON outbox (type)",
        "ALTER TABLE outbox DROP CONSTRAINT outbox_tries, -- beside the version before: the next line widens it",
    ],
)
def test_what_only_adds_is_not(sql: str):
    assert list(faults(sql)) == []


def test_what_is_done_by_statements_holds_up_no_writer_and_can_be_done_again():
    of_statements = {name: sql for name, sql in EVERY.items() if name.endswith(CONCURRENTLY)}
    assert of_statements
    for name, sql in of_statements.items():
        assert not any(";" in comment for comment in COMMENT.findall(sql)), name
        for statement in statements(COMMENT.sub("", sql)):
            assert BESIDE_WRITERS.fullmatch(" ".join(statement.split())), (name, statement)


def test_every_name_says_its_place_and_no_number_is_taken_twice():
    assert all(re.fullmatch(r"\w+/\d{4}_\w+(\.post|\.concurrently)?\.sql", name) for name in EVERY)
    places = [(owner(name), number(name)) for name in EVERY]
    assert len(places) == len(set(places))


def test_what_ends_a_release_has_its_highest_numbers_and_what_is_released_stays_as_it_is():
    """Else the next ``migrate`` would have to overtake it, and refuses."""
    texts = released.files(".sql", "shared", "services")
    known = {f"{path.split('/')[-3]}/{path.split('/')[-1]}": text for path, text in texts.items()}
    assert {name: EVERY.get(name) for name in known} == known
    new = [name for name in EVERY if name not in known]
    overtaken = {
        (name, post)
        for name in new
        for post in new
        if is_post(post) and not is_post(name) and owner(post) == owner(name) and number(post) < number(name)
    }
    assert not overtaken, "give the post migration, which is not released yet, the highest number"
