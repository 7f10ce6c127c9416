"""Use cases as operations see them: how many, how long, how they end, and where in a trace."""

from __future__ import annotations

import time
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from shared import metrics, tracing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

P = ParamSpec("P")
R = TypeVar("R")


def use_case(action: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Decorator: count and time each call, and give it a span, under the name of its room and its own."""
    name = name_of(action)

    @wraps(action)
    async def observed(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.perf_counter()
        outcome = "ok"
        try:
            with tracing.span(name):
                return await action(*args, **kwargs)
        except BaseException as fault:
            outcome = outcome_of(fault)
            raise
        finally:
            metrics.USE_CASES.labels(name, outcome).inc()
            metrics.USE_CASE_SECONDS.labels(name).observe(time.perf_counter() - began)

    return observed


def name_of(action: Callable[..., object]) -> str:
    """``logins.redeem`` for ``redeem`` in ``binding_service.logins.use_cases``."""
    rooms = action.__module__.split(".")[1:]
    return ".".join([*(room for room in rooms if room != "use_cases"), action.__name__.strip("_")])


def outcome_of(fault: BaseException) -> str:
    """What a fault counts as: its class's ``code``, else its class's name. Never anything of this one fault."""
    code = getattr(type(fault), "code", None)
    return code if isinstance(code, str) else type(fault).__name__
