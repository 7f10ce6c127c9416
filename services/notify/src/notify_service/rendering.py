"""``notify-service notices render FOLDER``: every notice as a file to look at, with made-up people in it."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from notify_service import made_up
from notify_service.domain import Kind
from notify_service.notices import Notices
from notify_service.segments import size
from shared.languages import NAMES
from shared.service import Command
from shared.web.pages import HTML_TAGS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from notify_service.settings import Settings
    from shared.events import Language

TO_STAFF = frozenset({Kind.DIGEST, Kind.REMINDER, Kind.ESCALATION})
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Notices</title></head>
<body><h1>Notices</h1>
{lists}
</body></html>
"""


def notices_command() -> Command[Settings]:
    """The command ``notices``."""
    return Command("notices", "render all notices to files to look at", _configure, _run)


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    rendering = actions.add_parser("render", help="write each notice as HTML, plain text and SMS, and an index.html")
    rendering.add_argument("folder", type=Path, metavar="FOLDER", help="where to; it is made where it is not there")
    rendering.add_argument(
        "--language", action="append", choices=list(NAMES), help="only this one; may be given several times"
    )


async def _run(settings: Settings, arguments: Namespace) -> int:
    count = render(Notices(settings.public_url, settings.review_url), arguments.folder, arguments.language or [*NAMES])
    print(f"{count} files and index.html in {arguments.folder}")  # noqa: T201 - a command line speaks to its user
    return 0


def render(notices: Notices, folder: Path, languages: Sequence[Language]) -> int:
    """Write every notice in these languages, and a page that leads to each; how many files that are."""
    count = 0
    lists = []
    for language in languages:
        files = dict(forms(notices, language))
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        count += len(files)
        lists.append(_list(language, files))
    (folder / "index.html").write_text(PAGE.format(lists="\n".join(lists)), encoding="utf-8")
    return count


def forms(notices: Notices, language: Language) -> Iterator[tuple[str, str]]:
    """Each notice in each form: its file's name, and the text."""
    values = made_up.make_values_for(language)
    for kind in Kind:
        to = made_up.STAFF_EMAIL if kind in TO_STAFF else made_up.EMAIL
        letter = notices.mail(kind, to, language, **values)
        yield f"{language}/{kind}.html", letter.html
        yield f"{language}/{kind}.txt", f"{letter.subject}\n\n{letter.text}"
    yield f"{language}/{Kind.CODE}.sms.txt", code_sms(notices, language)


def code_sms(notices: Notices, language: Language) -> str:
    """The only notice that goes by SMS, with the made-up code."""
    return notices.code_sms(made_up.MOBILE, language, made_up.CODE, made_up.EXPIRES_AT).text


def _list(language: Language, files: dict[str, str]) -> str:
    items = [f'<li><a href="{name}">{html.escape(name)}</a>{_cost(name, text)}</li>' for name, text in files.items()]
    heading = f'<h2 lang="{HTML_TAGS[language]}">{html.escape(NAMES[language])}</h2>'
    return "\n".join([heading, "<ul>", *items, "</ul>"])


def _cost(name: str, text: str) -> str:
    """What an SMS takes."""
    if not name.endswith(".sms.txt"):
        return ""
    its = size(text)
    return f": {its.units} of {its.room} {its.encoding} units, {its.segments} segment{'s' if its.segments > 1 else ''}"
