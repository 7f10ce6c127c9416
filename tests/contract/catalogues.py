"""The catalogues that translate the sources' zh-TW words, kept in step with them.

``make catalogues`` extracts the words of each package, brings each ``messages.po`` up to date and compiles it; the
tests beside this hold that this was done and that nothing is left untranslated. Nothing here guesses: a sentence that
changed has lost its translation, because a guess that nobody looked at would be read by a parent.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from shared.languages import NAMES, SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel.messages import Message

    from shared.events import Language

#: Whose words are translated, and into what. A package's or a language's own line is all that it needs here.
TRANSLATED: tuple[Language, ...] = tuple(language for language in NAMES if language != SOURCE)
LANGUAGES: dict[str, tuple[Language, ...]] = {
    "shared.web": TRANSLATED,
    "notify_service": TRANSLATED,
    "notify_service.operators": ("en",),
    "binding_service": TRANSLATED,
    "review_service": ("en",),
}
#: Folders of templates that no reader of another language gets to see.
FOR_DEVELOPERS = ("templates/mailbox/",)
#: Parts of a package that have catalogues of their own.
APART = ("operators/",)

KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
#: As the environments of shared.web.pages are set up; a template that can't be read is an error, not an empty one.
JINJA = {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
METHODS: dict[str, tuple[Any, dict[str, str]]] = {
    ".py": ("python", {}),
    ".html": (babel_extract, JINJA),
    ".j2": (babel_extract, JINJA),
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Where the words of a package in one language are kept."""

    package: str
    language: Language

    @property
    def po(self) -> Path:
        """What translators write."""
        return folder(self.package) / "locale" / self.language / "LC_MESSAGES" / "messages.po"

    @property
    def mo(self) -> Path:
        """What a service reads."""
        return self.po.with_suffix(".mo")

    def __str__(self) -> str:
        """How a test or a translator calls it."""
        return f"{self.package}-{self.language}"


class _Words(Catalog):
    """A catalogue whose header has no dates, names or versions: it changes when the words do."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """What gettext needs to know."""
        return [
            ("Language", str(self.locale)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def catalogues() -> list[Catalogue]:
    """Every catalogue that is kept."""
    return [Catalogue(package, language) for package, languages in LANGUAGES.items() for language in languages]


def folder(package: str) -> Path:
    """Where a package's sources are."""
    return Path(str(files(package)))


def extracted(package: str) -> Catalog:
    """The words of a package, in the order of its files and of the lines in them."""
    found = Catalog()
    for path in _sources(package):
        method, options = METHODS[path.suffix]
        place = path.relative_to(folder(package)).as_posix()
        with path.open("rb") as source:
            for _, message, _, context in extract(method, source, KEYWORDS, options=options):
                found.add(message, locations=[(place, 0)], context=context)
    return found


def _sources(package: str) -> Iterator[Path]:
    root = folder(package)
    for path in sorted(root.rglob("*"), key=lambda path: path.relative_to(root).as_posix()):
        if path.suffix in METHODS and not path.relative_to(root).as_posix().startswith(FOR_DEVELOPERS + APART):
            yield path


def read(text: bytes, language: Language) -> Catalog:
    """A catalogue as it is written down; a file that is no catalogue is an error."""
    return read_po(BytesIO(text), locale=language, abort_invalid=True)


def updated(words: Catalog, before: Catalog, language: Language) -> Catalog:
    """``words`` with the translations that were there before; new ones empty, obsolete ones gone."""
    header = f"# {NAMES[language]}: made by make catalogues; write translations here, and make it again."
    after = _Words(locale=language, header_comment=header, fuzzy=False)
    for message in messages(words):
        untranslated = ("",) * after.num_plurals if message.pluralizable else ""
        copy = after.add(message.id, untranslated, message.locations, context=message.context)
        known = before.get(message.id, message.context)
        if known is not None and known.pluralizable == message.pluralizable:
            copy.string, copy.user_comments = known.string, known.user_comments
            # What somebody marked as a guess stays one, until they take the mark away.
            copy.flags |= known.flags & {"fuzzy"}
        # Patterns of dates have percent signs too.
        if "%(" not in str(message.id):
            copy.flags.discard("python-format")
    return after


def messages(words: Catalog) -> list[Message]:
    """The messages of a catalogue, without its header."""
    return [message for message in words if message.id]


def translations(message: Message) -> list[str]:
    """The translation of a message, or that of each of its plural forms; empty where there is none yet."""
    return [message.string] if isinstance(message.string, str) else list(message.string)


def as_po(words: Catalog) -> bytes:
    """As a translator reads it. Files without line numbers: a line added above is no change of words."""
    text = BytesIO()
    write_po(text, words, width=0, include_lineno=False, ignore_obsolete=True)
    return text.getvalue()


def as_mo(words: Catalog) -> bytes:
    """As gettext reads it."""
    compiled = BytesIO()
    write_mo(compiled, words)
    return compiled.getvalue()


def refreshed(catalogue: Catalogue) -> Catalog:
    """The catalogue as it should be now."""
    text = catalogue.po.read_bytes() if catalogue.po.exists() else b""
    return updated(extracted(catalogue.package), read(text, catalogue.language), catalogue.language)


def main() -> int:
    """Bring every catalogue up to date, and say what is still to be translated."""
    for catalogue in catalogues():
        words = refreshed(catalogue)
        catalogue.po.parent.mkdir(parents=True, exist_ok=True)
        catalogue.po.write_bytes(as_po(words))
        catalogue.mo.write_bytes(as_mo(words))
        missing = sum(1 for message in messages(words) if not all(translations(message)))
        if missing:
            print(f"{catalogue.po}: {missing} to be translated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
