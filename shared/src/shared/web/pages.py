"""Server-rendered pages: one template environment for each service, over the templates that all share."""

from __future__ import annotations

import gettext
import hashlib
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

TAIPEI = ZoneInfo("Asia/Taipei")


class Pages:
    """Renders the templates of ``package`` (its ``templates`` folder, then the shared ones)."""

    def __init__(self, package: str, **everywhere: object) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader("shared.web")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        # The labels are written in zh-TW, the language of the guide; catalogues of other languages translate from it.
        self._environment.install_gettext_translations(gettext.NullTranslations(), newstyle=True)  # type: ignore[attr-defined]
        self._environment.filters["local_time"] = local_time
        self._environment.globals.update(static=static_url, **everywhere)

    def render(
        self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """The page. A missing value is an error, never a blank."""
        return HTMLResponse(self._environment.get_template(template).render(values), status, headers)


def static_mounts(package: str) -> list[Mount]:
    """``/static/shared`` and ``/static/own``: the shared look and the service's own files."""
    return [
        Mount("/static/shared", StaticFiles(packages=[("shared.web", "static")])),
        Mount("/static/own", StaticFiles(packages=[(package, "static")])),
    ]


@cache
def static_url(package: str, name: str) -> str:
    """The address of a static file, changed whenever its content is: a browser may keep it for good."""
    digest = hashlib.sha256((files(package) / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{'shared' if package == 'shared.web' else 'own'}/{name}?v={digest}"


def local_time(moment: datetime) -> str:
    """``11/24 09:05`` this year, ``2025/11/24 09:05`` in others, Taipei time."""
    local = moment.astimezone(TAIPEI)
    pattern = "%m/%d %H:%M" if local.year == datetime.now(TAIPEI).year else "%Y/%m/%d %H:%M"
    return local.strftime(pattern)


def waiting(span: timedelta) -> str:
    """How long somebody has waited, in the largest unit that fits: ``3 天``, ``5 小時``, ``12 分鐘``."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 60:  # noqa: PLR2004 - minutes an hour
        return f"{minutes} 分鐘"
    return f"{minutes // 60} 小時" if minutes < 24 * 60 else f"{minutes // (24 * 60)} 天"
