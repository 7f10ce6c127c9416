"""aiosmtpd as mail servers that are out of order in every way, and well."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session

USER, PASSWORD = "kinbind", "mail-password"


@dataclass
class Mails:
    """A handler that takes what comes, but for what it is told.

    ``answers`` are given, each once, instead of taking what comes next: by the command (``MAIL``, ``RCPT``, ``DATA``).
    ``hangs_at`` and ``drops_at`` are a command at which it falls silent, or closes the connection, each time; with
    ``after_taking`` the contents are taken first.
    """

    port: int = 0
    answers: dict[str, list[str]] = field(default_factory=dict)
    hangs_at: str = ""
    drops_at: str = ""
    after_taking: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    #: One for each connection that was made.
    sessions: list[SMTP] = field(default_factory=list)
    _go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer MAIL FROM."""
        if (answer := await self._trouble("MAIL", server)) is None:
            envelope.mail_from = address
        return answer or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        if (answer := await self._trouble("RCPT", server)) is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer the end of the contents."""
        if self.after_taking:
            self._take(envelope)
        if (answer := await self._trouble("DATA", server)) is None:
            self._take(envelope)
        return answer or "250 2.0.0 Ok: queued as 4XyZ2k"

    async def handle_RSET(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer RSET."""
        return await self._trouble("RSET", server) or "250 OK"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        """One user, with one password."""
        is_right = data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    def release(self) -> None:
        """Let those that hang go on."""
        self._go_on.set()

    def _take(self, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))

    async def _trouble(self, command: str, server: SMTP) -> str | None:
        if self.hangs_at == command:
            await self._go_on.wait()
        if self.drops_at == command:
            server.transport.abort()
            await asyncio.sleep(0)
            return "421 gone"
        waiting = self.answers.get(command)
        return waiting.pop(0) if waiting else None


@asynccontextmanager
async def mail_server(
    mails: Mails,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
    **options: Any,  # noqa: ANN401 - aiosmtpd's
) -> AsyncIterator[Mails]:
    """A server on a free port, or on that one, with STARTTLS, TLS, or neither; ``options`` are aiosmtpd's."""

    def connection() -> SMTP:
        server = SMTP(mails, hostname="mail.example", tls_context=starttls, **options)
        mails.sessions.append(server)
        return server

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", port, ssl=tls)
    mails.port = server.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        mails.release()
        server.close()
        for session in mails.sessions:
            if session.transport is not None:
                session.transport.abort()
        await server.wait_closed()
