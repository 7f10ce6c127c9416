"""The words of every notice. One template says it once; it is rendered as plain text and as HTML.

A template in ``templates/notices`` speaks in parts (a paragraph, a link, steps); ``text/`` and ``html/`` say what a
part looks like in each form, so the two never tell different things. The words are written in zh-TW; catalogues of
other languages translate from it, as they do for pages. An event says in which language its reader is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from notify_service.plain_text import tidy
from notify_service.providers import Letter
from shared.languages import Words, speaking
from shared.web.pages import HTML_TAGS, TAIPEI, local_time

if TYPE_CHECKING:
    from datetime import datetime

    from notify_service.domain import Kind
    from shared.events import Language

WORDS = Words("notify_service")


class Notices:
    """Renders letters; ``public_url`` is where the parents' pages are, ``review_url`` where the teachers' are."""

    def __init__(self, public_url: str, review_url: str) -> None:
        pages = public_url.rstrip("/")
        addresses = {
            "home_url": f"{pages}/",
            "sign_in_url": f"{pages}/account/sign-in",
            "forgot_url": f"{pages}/account/forgot",
            "child_url": f"{pages}/account/children/",
            "not_me_url": f"{pages}/account/not-me?token=",
            "not_mine_url": f"{pages}/not-mine?token=",
            "review_url": f"{review_url.rstrip('/')}/",
            "review_not_mine_url": f"{review_url.rstrip('/')}/not-mine?token=",
        }
        self._host = urlsplit(public_url).hostname or ""
        self._text = _environment("text", **addresses)
        self._html = _environment("html", **addresses)

    def mail(self, kind: Kind, to: str, language: Language, **values: object) -> Letter:
        """The notice as an e-mail. A missing value is an error, never a blank.

        ``not_mine_token`` is that of the link at its foot (shared.not_mine); a notice with "this was not me" has none.
        """
        name = f"notices/{kind}.j2"
        with speaking(language):
            return Letter(
                to=to,
                subject=self._subject(name, values),
                text=tidy(self._text.get_template(name).render(values)),
                html=self._html.get_template(name).render(values, html_tag=HTML_TAGS[language]),
                language=language,
            )

    def code_sms(self, to: str, language: Language, code: str, expires_at: datetime) -> Letter:
        """The code as an SMS of one segment, the code first.

        The last line lets the phone fill the code in, on our pages only (https://wicg.github.io/sms-one-time-codes/):
        nothing comes behind it, not even the end of the line.
        """
        template = self._text.get_template("notices/code.sms.j2")
        with speaking(language):
            words = one_line(template.render(code=code, expires_at=expires_at))
        return Letter(to=to, text=f"{words}\n@{self._host} #{code}", language=language)

    def _subject(self, name: str, values: dict[str, object]) -> str:
        template = self._text.get_template(name)
        return one_line("".join(template.blocks["subject"](template.new_context(values))))


def one_line(text: str) -> str:
    """Visible characters on one line: no line break of a name becomes a header, no mark turns the text around."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def clock_time(moment: datetime) -> str:
    """``09:05``, Taipei time: enough to say when something ends that lives for hours."""
    return moment.astimezone(TAIPEI).strftime("%H:%M")


def _environment(form: str, **everywhere: object) -> Environment:
    environment = Environment(
        loader=PackageLoader("notify_service"),
        autoescape=form == "html",  # noqa: S701 - in plain text an entity would be read as it stands
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(WORDS.gettext, WORDS.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(local_time=local_time, clock_time=clock_time, one_line=one_line)
    environment.globals.update(form=form, **everywhere)
    return environment
