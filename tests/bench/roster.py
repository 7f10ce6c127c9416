"""An import of a city's roster against a bare COPY of the same rows, in one run on this machine.

``python tests/bench/roster.py [--students 30000]``. Two yardsticks, by one connection, with the rows ready in files:
``files`` copies the five OneRoster files as they are, every column as text, into tables with their sourcedId as primary
key; ``rows`` copies all rows that the import has written (roster, kept records, events) into empty tables with the same
columns and indexes.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import asyncpg
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from local_stack.sample_city import City
from local_stack.sample_roster import write
from support.databases import fresh_databases, template_database
from support.servers import test_servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_stack.servers import Servers

FILES = ("orgs", "classes", "users", "roles", "enrollments")
PROGRAM = Path(sys.executable).with_name("binding-service")


class Run(NamedTuple):
    """What one import took: seconds, and the most memory that its processes held, in MB of PSS."""

    seconds: float
    peak: float


def main() -> None:
    """Measure with servers of its own."""
    with test_servers() as servers:
        report(servers, city_of(sys.argv[1:]))


def city_of(arguments: Sequence[str]) -> City:
    """The size of the city, by arguments; teachers, classes and schools follow from the students."""
    parser = argparse.ArgumentParser()
    for name in ("students", "classes", "teachers", "schools"):
        parser.add_argument(f"--{name}", type=int)
    given = parser.parse_args(arguments)
    students = given.students or 300_000
    return City(
        students, given.classes or students // 25, given.teachers or students // 15, given.schools or students // 750
    )


def report(servers: Servers, city: City) -> None:
    """Measure and print."""
    with (
        template_database(servers.postgres) as template,
        fresh_databases(servers.postgres, template) as databases,
        tempfile.TemporaryDirectory() as name,
    ):
        export = Path(name) / "export"
        write(city, export)
        first, second = (run_import(databases.binding, export) for _ in range(2))
        files, rows = asyncio.run(measure_copies(databases.binding, export))
    print(f"\nroster of {city.student_count:,} students, {city.class_count:,} classes, {city.teacher_count:,} teachers")
    print(f"{'bare COPY of the files / of the rows written':46} {files:>8.1f} s {rows:>8.1f} s")
    print(f"{'first import':46} {first.seconds:>8.1f} s {first.peak:>8.0f} MB at most")
    ratios = (first.seconds / files, first.seconds / rows)
    print(f"{'  ratio to the COPY of the files / of the rows':46} {ratios[0]:>8.1f}   {ratios[1]:>8.1f}")
    print(f"{'unchanged second import':46} {second.seconds:>8.1f} s {second.peak:>8.0f} MB at most")


def run_import(dsn: str, export: Path) -> Run:
    """Import by the command, as an operator does."""
    environment = {**os.environ, "BINDING_DATABASE_URL": dsn}
    began, peak = time.perf_counter(), 0.0
    command = [PROGRAM, "roster", "import", export]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own program
        while process.poll() is None:
            peak = max(peak, _megabytes(process.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        said = process.stdout.read().decode()
        assert process.returncode == 0, said
    if os.environ.get("BENCH_VERBOSE"):
        print(said)
    return Run(seconds, peak)


def _megabytes(pid: int) -> float:
    """Memory of a process and those that it started, pages that they share counted once."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total / 1e6


async def measure_copies(dsn: str, export: Path) -> tuple[float, float]:
    """Seconds of a COPY of the files, and of one of the rows that the import has written."""
    connection = await asyncpg.connect(dsn)
    try:
        files = 0.0
        for name in FILES:
            path = export / f"{name}.csv"
            with path.open(encoding="utf-8", newline="") as text:
                columns = next(csv.reader(text))
            listed = ", ".join(f'"{column}" text' for column in columns)
            await connection.execute(f'CREATE TABLE bare_{name} ({listed}, PRIMARY KEY ("sourcedId"))')
            files += await _copy(connection, f"bare_{name}", path, format="csv", header=True)
        tables = await connection.fetch(
            "SELECT tablename AS name FROM pg_tables"
            " WHERE schemaname = current_schema() AND tablename NOT LIKE 'bare_%'"
        )
        rows = 0.0
        for table in tables:
            rows += await _copy_again(connection, table["name"])
    finally:
        await connection.close()
    return files, rows


async def _copy_again(connection: asyncpg.Connection[asyncpg.Record], table: str) -> float:
    with tempfile.NamedTemporaryFile() as file:
        await connection.copy_from_table(table, output=file.name)
        await connection.execute(f"CREATE TABLE again_{table} (LIKE {table} INCLUDING ALL)")
        return await _copy(connection, f"again_{table}", Path(file.name))


async def _copy(connection: asyncpg.Connection[asyncpg.Record], table: str, path: Path, **options: object) -> float:
    began = time.perf_counter()
    await connection.copy_to_table(table, source=str(path), **options)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
