"""Writes docs/configuration.md from the settings classes: ``make configuration``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import SecretStr

from binding_service.settings import Settings as Binding
from kinbind_operations.settings import Settings as Operations
from notify_service.settings import Settings as Notify
from otp_service.settings import Settings as Otp
from review_service.settings import Settings as Review
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
SERVICES: dict[str, type[ServiceSettings]] = {"otp": Otp, "binding": Binding, "review": Review, "notify": Notify}
#: The same for every service, but for its name.
COMMON = [name for name in ServiceSettings.model_fields if name not in {"database_url", "port"}]
HEAD = """# Configuration

Everything is an environment variable. Made from the settings classes by `make configuration`; a wrong value stops the
program with a sentence that names the variable and never its value. Lists are JSON. In production with Compose those
that are not in `deploy/production.env` stand in the file that it names as `SETTINGS`, such as `deploy/settings.env`.

**Secret** values are in no log. Each may stand in a file instead (a secret of Docker or Kubernetes), which the variable
with `_FILE` behind its name leads to, as in `OTP_KEY_CODES_FILE=/run/secrets/key_codes`; a line's end in it is dropped.
An address takes its password from `…_DATABASE_PASSWORD` or `…_RABBITMQ_PASSWORD` where it has none in it.
`sh deploy/compose/secrets.sh` makes files with random ones.

Keys are `id:base64` of 32 random bytes; of several, with commas between, the first seals or hashes and all open or
compare. An empty one is a published sample, which is refused in production and wherever a service listens for other
machines. Production also refuses the keys and passwords of `deploy/development.env`, `guest`, a password that is the
user's name, the ids `sample` and `development`, and addresses of pages that begin with `http://`.
"""


def document() -> str:
    """The whole of it."""
    parts = [HEAD, "## Every service\n\n`<SERVICE>` is `OTP`, `BINDING`, `REVIEW` or `NOTIFY`.\n"]
    parts.append(_table("<SERVICE>_", {name: ServiceSettings.model_fields[name] for name in COMMON}))
    for name, settings in SERVICES.items():
        own = {field: info for field, info in settings.model_fields.items() if field not in COMMON}
        parts += [f"## {name}\n", _table(_prefix(settings), own)]
    parts += ["## kinbind, the operator's command\n", _table(_prefix(Operations), dict(Operations.model_fields))]
    return "\n".join(parts)


def _prefix(settings: type[BaseSettings]) -> str:
    return str(settings.model_config["env_prefix"])


def _table(prefix: str, fields: dict[str, FieldInfo]) -> str:
    lines = ["| variable | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, info in fields.items():
        variable = f"{prefix}{name.upper()}"
        named = f"`{variable}`, `{variable}_FILE`" if info.annotation is SecretStr else f"`{variable}`"
        cells = [named, kind(info), default(info), meaning(info)]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def kind(info: FieldInfo) -> str:
    """Its type and bounds, as whoever sets it thinks of it."""
    return ", ".join([_type(info.annotation), *_bounds(info)])


def _type(annotation: Any) -> str:  # noqa: ANN401 - whatever an annotation is
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is list:
        return f"list of {_type(get_args(annotation)[0])}s"
    plain = [each for each in get_args(annotation) if each is not type(None)] or [annotation]
    names = {int: "whole number", float: "number", bool: "true or false", str: "text", SecretStr: "**secret** text"}
    return names.get(plain[0], str(getattr(plain[0], "__name__", plain[0])).lower())


def _bounds(info: FieldInfo) -> Iterator[str]:
    for limit in info.metadata:
        for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
            if getattr(limit, name, None) is not None:
                yield f"{words} {getattr(limit, name)}"
        if getattr(limit, "pattern", None):
            yield f"matches `{limit.pattern}`"


def default(info: FieldInfo) -> str:
    """What holds where nothing is set; of a secret too, since those are for development only."""
    if info.is_required():
        return "**must be set**"
    if info.default_factory is not None:
        return "see meaning"
    value = info.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, list):
        value = json.dumps([str(each) for each in value])
    if isinstance(value, bool):
        value = str(value).lower()
    return "none" if value in {"", None} else f"`{value}`"


def meaning(info: FieldInfo) -> str:
    """Its description, on one line."""
    return " ".join((info.description or "").split())


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
