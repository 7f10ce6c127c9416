"""All four services in this process, over the sample roster or a town's, and an operator beside them."""

from __future__ import annotations

import base64
import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from binding_service.app import make_app as make_binding
from binding_service.settings import Settings as BindingSettings
from notify_service.app import make_app as make_notify
from notify_service.settings import Settings as NotifySettings
from otp_service.app import make_app as make_otp
from otp_service.settings import Settings as OtpSettings
from review_service.app import make_app as make_review
from review_service.settings import Settings as ReviewSettings
from support.serving import serving
from support.town import town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from review_service.context import Review
    from support.databases import Databases
    from support.operator import Operator
    from support.town import Town

#: How each service's keys are called, and the name of which their sample is made.
KEYS = {
    "otp": {"key_codes": "OTP_KEY_CODES"},
    "binding": {"key_binding_store": "KEY_BINDING_STORE", "key_binding_hash": "KEY_BINDING_HASH"},
    "review": {"key_review_store": "KEY_REVIEW_STORE", "key_sign_in": "REVIEW_KEY_SIGN_IN"},
    "notify": {"key_store": "NOTIFY_KEY_STORE"},
}
NEW = f"k2:{base64.b64encode(hashlib.sha256(b'a new key').digest()).decode()}"


@dataclass(frozen=True, slots=True)
class House:
    """The services, and the operator who knows where they are."""

    town: Town
    review: Review
    operator: Operator


def rotated(service: str, *, former: bool = True) -> dict[str, str]:
    """The settings of a service's keys at rest after a change: the new one first, and the sample behind it."""
    return {name: NEW + (f",sample:{_sample(sample)}" if former else "") for name, sample in KEYS[service].items()}


def _sample(name: str) -> str:
    return base64.b64encode(hashlib.sha256(f"kinbind sample key {name}".encode()).digest()).decode()


@asynccontextmanager
async def house(databases: Databases, broker_url: str, operator: Operator) -> AsyncIterator[House]:
    """Everything, with sample keys."""
    async with (
        town(databases, broker_url, with_otp=False) as here,
        others(databases, broker_url, operator) as (operator_, review),
    ):
        yield House(here, review, operator_.with_settings(binding_url=here.url))


@asynccontextmanager
async def others(
    databases: Databases, broker_url: str, operator: Operator, **keys: dict[str, str]
) -> AsyncIterator[tuple[Operator, Review]]:
    """Otp, review and notify; binding too where ``keys`` has it."""
    made: dict[str, tuple[Any, Any]] = {
        "otp": (OtpSettings, make_otp),
        "review": (ReviewSettings, make_review),
        "notify": (NotifySettings, make_notify),
    }
    if "binding" in keys:
        made["binding"] = (BindingSettings, make_binding)
    async with AsyncExitStack() as stack:
        addresses, apps = {}, {}
        for name, (settings, make_app) in made.items():
            more = {"undo_seconds": 0} if name == "review" else {}
            values = {"database_url": databases.dsn(name), "rabbitmq_url": broker_url, "shutdown_seconds": 5}
            apps[name] = make_app(settings(**values, **more, **keys.get(name, {})))
            addresses[f"{name}_url"] = await stack.enter_async_context(serving(apps[name]))
        yield operator.with_settings(**addresses), apps["review"].state.site.review
