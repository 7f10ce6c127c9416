"""Makes the paper form (下載留存紙本申請書): A4, tagged for screen readers (PDF/UA-1), its text real and searchable."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import structlog
from typst import Compiler, TypstError

from binding_service.errors import PaperUnavailableError
from binding_service.paper.content import content
from binding_service.paper.fonts import FAMILIES, TEXT_FAMILY, FormFonts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from binding_service.applications.signed import SignedDocument
    from shared.events import Language

log = structlog.get_logger(__name__)


class PaperForm:
    """Renders applications with the fonts in ``font_folders``, which are looked at when the first form is asked for."""

    def __init__(self, font_folders: Sequence[Path]) -> None:
        self._font_folders = font_folders
        # A compiler makes one form at a time; several threads would only each keep memory of their own.
        self._thread = ThreadPoolExecutor(1, "paper-form")

    async def render(
        self, document: SignedDocument, document_hash: str, verify_url: str, language: Language, *, masked: bool
    ) -> bytes:
        """The form as a PDF, its labels in zh-TW and, where that is another, in ``language`` beside.

        ``document_hash`` is the document's SHA-256 in hex, ``verify_url`` what the QR code says. ``masked`` is for a
        reader who has not proven a contact of the application. The same arguments give the same bytes, with the same
        release of typst and of the fonts. Raises PaperUnavailableError.
        """

        def make() -> bytes:
            if TEXT_FAMILY in self._missing:
                raise PaperUnavailableError
            values = content(document, document_hash, verify_url, language, masked=masked)
            return self._compile(json.dumps(self._printable(values)), document.signed_at)

        return await asyncio.get_running_loop().run_in_executor(self._thread, make)

    def _compile(self, values: str, signed_at: datetime) -> bytes:
        try:
            pdf = self._compiler.compile(
                format="pdf",
                pdf_standards=["a-2b", "ua-1"],
                sys_inputs={"families": json.dumps(FAMILIES), "form": values},
                timestamp=int(signed_at.timestamp()),
            )
        except TypstError:
            # Its text quotes what was to be printed.
            log.error("paper form could not be made")  # noqa: TRY400 - the same holds for the traceback
            raise PaperUnavailableError from None
        assert isinstance(pdf, bytes)  # noqa: S101 - with no output file
        return pdf

    def _printable(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The same values, each text with what the fonts can show."""
        if isinstance(value, str):
            return self._fonts.printable(value)
        if isinstance(value, dict):
            return {name: self._printable(each) for name, each in value.items()}
        return [self._printable(each) for each in value] if isinstance(value, list) else value

    @cached_property
    def _fonts(self) -> FormFonts:
        return FormFonts(self._font_folders)

    @cached_property
    def _missing(self) -> list[str]:
        missing = self._fonts.missing()
        if missing:
            log.warning("fonts of the paper form are missing", families=missing)
        return missing

    @cached_property
    def _compiler(self) -> Compiler:
        """Kept: the first form takes ten times as long as those after it."""
        template = files("binding_service") / "paper" / "form.typ"
        return Compiler(str(template), font_paths=self._fonts.typst)
