"""JSON logs with one correlation id from the first request to the last mail.

A log line carries ids, states and counts. Names, contacts, ID numbers, codes and signatures never stand in one; the
libraries' own loggers are kept to warnings because their lines are not ours to vouch for.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars, merge_contextvars

if TYPE_CHECKING:
    from collections.abc import MutableMapping

CORRELATION = "correlation_id"


def configure_logs(service: str, level: str) -> None:
    """Every log line of this process, the libraries' too, becomes one JSON object on standard output."""

    def name_service(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401 - structlog's signature
        line["service"] = service
        return line

    steps: list[structlog.types.Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
        # Locals are left out of tracebacks: they hold what a log must not.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        ),
        drop_exception_text,
    ]
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *steps],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it repeats what the bus reports
    for noisy in ("aio_pika", "asyncio", "faststream", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def drop_exception_text(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401 - structlog's signature
    """Keep an exception's type and frames, drop its text: a database's error quotes the row that it refused."""
    _drop_texts(line.get("exception"))
    return line


def _drop_texts(exceptions: object) -> None:
    """Walk structlog's list of exceptions, and the lists of the groups in it."""
    for item in exceptions if isinstance(exceptions, list) else ():
        if isinstance(item, dict):
            item.pop("exc_value", None)
            item.pop("exc_notes", None)
            _drop_texts(item.get("exceptions"))
        else:
            _drop_texts(item)


def correlation_id() -> str:
    """The id of the chain of causes that this task works on; a new one where there is none yet."""
    known = get_contextvars().get(CORRELATION)
    if known is None:
        known = str(uuid4())
        bind_contextvars(**{CORRELATION: known})
    return str(known)


def start_correlation(value: str | None = None, **more: str) -> str:
    """Begin a new chain of causes in this task, or go on with ``value``; ``more`` stands on each line of it."""
    clear_contextvars()
    bind_contextvars(**{CORRELATION: value or str(uuid4()), **more})
    return correlation_id()
