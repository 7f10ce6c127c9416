"""What it costs to keep what the outbox has published instead of deleting it: ``python tests/bench/sent.py``.

The relay's batches through a real broker, both ways in turn, over the same events. Ratios say more than seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared import outbox
from shared.bus import Bus
from shared.database import Database
from shared.events import ClassUpdated
from shared.outbox import BATCH, Relay
from shared.wakes import Wakes
from support.databases import fresh_databases, template_database
from support.servers import test_servers

if TYPE_CHECKING:
    from local_stack.servers import Servers

BATCHES = 10
ROUNDS = 6
#: As large as an application with a signature.
SEALED = "k1." + "A" * 4000
#: Rows that are kept are gone before they are written.
FORGET = """
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER forget BEFORE INSERT ON outbox_sent FOR EACH ROW EXECUTE FUNCTION forget()
"""
REMEMBER = "DROP FUNCTION forget CASCADE"


def main() -> None:
    """Run it and print a table."""
    with (
        test_servers() as servers,
        template_database(servers.postgres) as template,
        fresh_databases(servers.postgres, template) as databases,
    ):
        asyncio.run(report(servers, databases.binding))


async def report(servers: Servers, dsn: str) -> None:
    """Events a second, with and without, round by round."""
    vhost = f"bench-{uuid4().hex[:8]}"
    servers.rabbitmq.make_vhost(vhost)
    bus, database = Bus(servers.rabbitmq.of_vhost(vhost), "binding"), Database(dsn)
    bus.publishes(ClassUpdated)
    await bus.start()
    await database.open()
    relay = Relay(database, Wakes(database), bus.publish_event)
    print(f"{'round':>5} {'deleted/s':>10} {'kept/s':>10}")
    for number in range(ROUNDS):
        async with database.connection() as connection:
            await connection.execute(FORGET)
        deleted = await rate(database, relay)
        async with database.connection() as connection:
            await connection.execute(REMEMBER)
        print(f"{number:>5} {deleted:>10.0f} {await rate(database, relay):>10.0f}")
    await bus.stop()
    await database.close()
    servers.rabbitmq.drop_vhost(vhost)


async def rate(database: Database, relay: Relay) -> float:
    """Events a second that the relay moves."""
    for _ in range(BATCHES):
        data = {"revision": 1, "school_id": "S", "name": SEALED, "teacher_ids": [], "active": True}
        async with database.transaction() as connection:
            await outbox.record(connection, *(ClassUpdated.of("binding", uuid4(), **data) for _ in range(BATCH)))
    began = time.perf_counter()
    while await relay.relay_batch():
        pass
    return BATCHES * BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
