"""The words of every notice. One template says it once; it is rendered as plain text and as HTML.

A template in ``templates/notices`` speaks in parts (a paragraph, a link, steps); ``text/`` and ``html/`` say what a
part looks like in each form, so the two never tell different things. The words are written in zh-TW; catalogues of
other languages translate from it, as they do for pages. An event says in which language its reader is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from notify_service.providers import Letter
from shared.languages import Words, speaking
from shared.web.pages import HTML_TAGS, local_time

if TYPE_CHECKING:
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
            "review_url": f"{review_url.rstrip('/')}/",
        }
        self._text = _environment("text", **addresses)
        self._html = _environment("html", **addresses)

    def mail(self, kind: Kind, to: str, language: Language, **values: object) -> Letter:
        """The notice as an e-mail. A missing value is an error, never a blank."""
        name = f"notices/{kind}.j2"
        with speaking(language):
            return Letter(
                to=to,
                subject=self._subject(name, values),
                text=_tidy(self._text.get_template(name).render(values)),
                html=self._html.get_template(name).render(values, html_tag=HTML_TAGS[language]),
            )

    def sms(self, kind: Kind, to: str, language: Language, **values: object) -> Letter:
        """The notice as an SMS."""
        with speaking(language):
            return Letter(to=to, text=one_line(self._text.get_template(f"notices/{kind}.sms.j2").render(values)))

    def _subject(self, name: str, values: dict[str, object]) -> str:
        template = self._text.get_template(name)
        return one_line("".join(template.blocks["subject"](template.new_context(values))))


def one_line(text: str) -> str:
    """Visible characters on one line: no line break of a name becomes a header, no mark turns the text around."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


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
    environment.filters.update(local_time=local_time, one_line=one_line)
    environment.globals.update(form=form, **everywhere)
    return environment


def _tidy(text: str) -> str:
    """Parts leave blank lines between them; two in a row say nothing more than one."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept) + "\n"
