"""What the metrics say out of the notify service's tables."""

from __future__ import annotations

from shared.exposition import Figure

FIGURES = (
    Figure(
        "kinbind_messages_waiting",
        "E-mails and SMS that wait to be sent.",
        "SELECT count(*) FROM messages WHERE state = 'waiting'",
    ),
    Figure(
        "kinbind_messages_oldest_waiting_seconds",
        "How long the oldest of them has waited.",
        "SELECT extract(epoch FROM present() - min(created_at)) FROM messages WHERE state = 'waiting'",
    ),
    Figure(
        "kinbind_codes_oldest_waiting_seconds",
        "How long the oldest code has waited to be sent; somebody sits and waits for it.",
        "SELECT extract(epoch FROM present() - min(created_at)) FROM messages"
        " WHERE state = 'waiting' AND kind = 'code'",
    ),
    Figure("kinbind_channels_paused", "Channels that an operator has paused.", "SELECT count(*) FROM paused_channels"),
)
