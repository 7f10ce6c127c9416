"""Server-rendered pages: one template environment for each service and language, over the templates that all share."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from shared.languages import NAMES, SOURCE, Words, catalogue, current_language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.types import Scope

    from shared.events import Language

TAIPEI = ZoneInfo("Asia/Taipei")
_ = Words("shared.web").gettext
#: What HTML calls them: zh-TW alone does not say that the characters are the traditional ones.
HTML_TAGS: dict[Language, str] = {"zh-TW": "zh-Hant-TW", "en": "en", "vi": "vi", "id": "id"}


class Pages:
    """Renders the templates of ``package`` (its ``templates`` folder, then the shared ones) in ``languages``."""

    def __init__(self, package: str, languages: Sequence[Language] = (SOURCE,), **everywhere: object) -> None:
        offered = {language: NAMES[language] for language in languages}
        self._environments = {
            language: _environment(package, language, languages=offered, **everywhere) for language in languages
        }

    def render(
        self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """The page, in the reader's language. A missing value is an error, never a blank."""
        environment = self._environments.get(current_language()) or self._environments[SOURCE]
        return HTMLResponse(environment.get_template(template).render(values), status, headers)


def _environment(package: str, language: Language, **everywhere: object) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("shared.web")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue(package, language), newstyle=True)  # type: ignore[attr-defined]
    environment.filters["local_time"] = local_time
    environment.globals.update(static=static_url, language=language, html_tags=HTML_TAGS, **everywhere)
    return environment


def static_mounts(package: str) -> list[Mount]:
    """``/static/shared`` and ``/static/own``: the shared look and the service's own files."""
    return [
        Mount("/static/shared", _Versioned("shared.web")),
        Mount("/static/own", _Versioned(package)),
    ]


class _Versioned(StaticFiles):
    """Static files of a package; one that is asked for as :func:`static_url` has it is not asked for again.

    While versions run beside each other a page of one may find the files of another: those are kept by nobody.
    """

    def __init__(self, package: str) -> None:
        super().__init__(packages=[(package, "static")])
        self._package = package

    async def get_response(self, path: str, scope: Scope) -> Response:
        """ASGI's answer. Raises HTTPException for what there is none of."""
        response = await super().get_response(path, scope)
        if version := scope["query_string"].decode("latin-1"):
            is_it = static_url(self._package, path).endswith(f"?{version}")
            response.headers["cache-control"] = "public, max-age=31536000, immutable" if is_it else "no-cache"
        return response


@cache
def static_url(package: str, name: str) -> str:
    """The address of a static file, changed whenever its content is: a browser may keep it for good."""
    digest = hashlib.sha256((files(package) / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{'shared' if package == 'shared.web' else 'own'}/{name}?v={digest}"


def local_time(moment: datetime) -> str:
    """``11/24 09:05`` this year, ``2025/11/24 09:05`` in others, Taipei time; the order is the reader's language's."""
    local = moment.astimezone(TAIPEI)
    this_year = local.year == datetime.now(TAIPEI).year
    return local.strftime(_("%m/%d %H:%M") if this_year else _("%Y/%m/%d %H:%M"))


def waiting(span: timedelta) -> str:
    """How long somebody has waited, in the largest unit that fits: ``3 天``, ``5 小時``, ``12 分鐘``.

    Other languages use signs of units, which are the same for one and for many.
    """
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 60:  # noqa: PLR2004 - minutes an hour
        return _("{minutes} 分鐘").format(minutes=minutes)
    if minutes < 24 * 60:
        return _("{hours} 小時").format(hours=minutes // 60)
    return _("{days} 天").format(days=minutes // (24 * 60))
