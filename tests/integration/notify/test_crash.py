"""A process is killed between "taken by the mail server" and "written down": the one case of a second copy."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from integration.notify.world import World, make_approval
from local_stack.processes import Child, free_port
from notify_service import sending
from support.mail_servers import Mails, mail_server
from support.serving import eventually

if TYPE_CHECKING:
    from notify_service.settings import Settings
    from support.databases import Clock

PROGRAM = Path(sys.executable).parent / "notify-service"


def start(settings: Settings, mails: Mails, log: Path) -> Child:
    """The service itself, as a process of its own, with this mail server."""
    environment = os.environ | {
        "NOTIFY_DATABASE_URL": settings.database_url.get_secret_value(),
        "NOTIFY_RABBITMQ_URL": settings.rabbitmq_url.get_secret_value(),
        "NOTIFY_PORT": str(free_port()),
        "NOTIFY_SMTP_HOST": "127.0.0.1",
        "NOTIFY_SMTP_PORT": str(mails.port),
        "NOTIFY_SMTP_TLS": "none",
        "NOTIFY_SMTP_FROM": "no-reply@bind.example",
    }
    return Child("notify", [str(PROGRAM), "serve"], log, environment=environment)


async def test_a_second_copy_goes_out_with_the_same_id_and_is_counted(
    world: World, settings: Settings, clock: Clock, tmp_path: Path
):
    async with mail_server(Mails(hangs_at="DATA", after_taking=True)) as mails:
        await world.hear(make_approval())
        killed = start(settings, mails, tmp_path / "killed.log")

        async def taken() -> bool:
            return len(mails.mails) == 1

        await eventually(taken, within=60)
        os.kill(killed.pid, signal.SIGKILL)
        killed.stop(10)
        (lost,) = await world.tries()
        assert (lost["provider"], lost["ended_at"]) == ("smtp", None)

        await clock.shift(sending.LEASE)
        mails.hangs_at, mails.after_taking = "", False
        second = start(settings, mails, tmp_path / "second.log")

        async def settled() -> bool:
            return (await world.message())["state"] == "sent"

        try:
            await eventually(settled, within=60)
        finally:
            second.stop(60)

        sent = await world.message()
        assert (sent["unsure"], sent["tries"]) == (1, 2)
        assert [row["outcome"] for row in await world.tries()] == ["unknown", "accepted"]
        assert [mail["Message-ID"] for mail in mails.mails] == [f"<{sent['id']}@bind.example>"] * 2
