"""Applications to print, and what can be read off a PDF."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pypdfium2
import zxingcpp
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, IndirectObject, StreamObject

from binding_service.applications.signed import SignedDocument, SignedStudent
from shared.events import Signature

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNED_AT = datetime(2026, 11, 24, 1, 5, 7, tzinfo=UTC)
STROKES = [[(60 + 9 * step, 40 + 3 * step) for step in range(12)], [(200, 150), (260, 40), (320, 150)], [(400, 90)]]
STATEMENT_HASH = "0123456789abcdef" * 4
VERIFY_URL = "https://binding.example.org/verify/20261124-7K3FQ9"


def make_signed_student(**overrides: Any) -> SignedStudent:  # noqa: ANN401 - any field
    """A child of an application."""
    child = {"name": "李小美", "school": "市立內湖國小", "class_name": "五年一班", "relation": "mother"}
    return SignedStudent(**(child | {"relation_text": ""} | overrides))


def make_signed_document(**overrides: Any) -> SignedDocument:  # noqa: ANN401 - any field
    """An application that was signed at 2026/11/24 09:05:07 in Taipei."""
    fields = {
        "number": "20261124-7K3FQ9",
        "students": [make_signed_student()],
        "parent_name": "林雅芬",
        "national_id": "F223456786",
        "email": "lin@example.org",
        "phone": "+886912345678",
        "proven_by": "email",
        "proven_contact": "fen@example.net",
        "proven_at": SIGNED_AT - timedelta(minutes=9),
        "statement_version": "2026-11",
        "statement_language": "vi",
        "statement_hash": STATEMENT_HASH,
        "consented_at": SIGNED_AT - timedelta(minutes=4),
        "consent_address": "192.0.2.7",
        "signature": Signature(strokes=STROKES),
        "signed_at": SIGNED_AT,
        "salt": "salt",
    }
    return SignedDocument(**(fields | overrides))


class Paper:
    """A PDF that is looked at."""

    def __init__(self, pdf: bytes) -> None:
        self._pdf = pdf
        self._reader = PdfReader(io.BytesIO(pdf))
        #: The document's catalogue.
        self.root: DictionaryObject = self._reader.root_object

    def made_at(self) -> datetime | None:
        """When the file says that it was made."""
        return self._reader.metadata.creation_date if self._reader.metadata else None

    def pages(self) -> list[str]:
        """The text of each page."""
        return [page.extract_text() for page in self._reader.pages]

    def text(self) -> str:
        """All of the text on one line, as a search sees it."""
        return " ".join("\n".join(self.pages()).split())

    def streams(self) -> list[StreamObject]:
        """Every stream of the file: contents, fonts, pictures."""
        numbers = (number for numbers in self._reader.xref.values() for number in numbers)
        objects = [self._reader.get_object(IndirectObject(number, 0, self._reader)) for number in numbers]
        return [each for each in objects if isinstance(each, StreamObject)]

    def fonts(self) -> list[DictionaryObject]:
        """The descendant fonts that the pages use."""
        return [
            font.get_object()["/DescendantFonts"][0].get_object()
            for page in self._reader.pages
            for font in page["/Resources"]["/Font"].values()
        ]

    def structure(self) -> Iterator[DictionaryObject]:
        """Every element of the structure tree, in reading order."""
        return _elements(self.root["/StructTreeRoot"]["/K"])

    def paths(self) -> int:
        """How many lines and shapes are drawn on the first page."""
        kind = pypdfium2.raw.FPDF_PAGEOBJ_PATH
        return len(list(pypdfium2.PdfDocument(self._pdf)[0].get_objects(filter=[kind], max_depth=9)))

    def qr_codes(self) -> list[str]:
        """What a scanner reads off the pages, printed at 200 dots an inch."""
        found = []
        for page in pypdfium2.PdfDocument(self._pdf):
            picture = page.render(scale=200 / 72, grayscale=True)
            pixels = memoryview(bytes(picture.buffer)).cast("B", shape=[picture.height, picture.stride])
            found += [code.text for code in zxingcpp.read_barcodes(pixels)]
        return found


def _elements(node: Any) -> Iterator[DictionaryObject]:  # noqa: ANN401 - an element, a list of them or a number
    node = node.get_object() if isinstance(node, IndirectObject) else node
    if isinstance(node, DictionaryObject):
        if "/S" in node:
            yield node
        yield from _elements(node.get("/K", []))
    elif isinstance(node, list):
        for each in node:
            yield from _elements(each)
