"""CSV that a spreadsheet opens as it stands and never executes. Standard library only, no I/O.

A cell that begins like a formula is one, quoted or not (https://owasp.org/www-community/attacks/CSV_Injection), so it
gets an apostrophe before it, which makes it text. So does what follows a semicolon, a tab or a line break inside a
cell: where those separate cells, the quotes around the whole of it do not hold them together.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Excel takes UTF-8 for UTF-8 when it begins with this.
BOM = "\ufeff"
#: Full-width signs are turned into ASCII ones by some spreadsheets, as they are typed in Chinese.
#: Blanks, quotes and invisible characters before a sign do not make it safe: they are often trimmed.
FORMULA = re.compile(r"^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=[\s\"'\ufeff\u200b-\u200f\u2060]*[=+\-@＝＋－＠])")


def harmless(cell: str) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    return FORMULA.sub("'", cell)


def sheet(rows: Iterable[Sequence[str]]) -> str:
    """Rows of CSV (RFC 4180): everything quoted, CRLF at the end of each."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(
        [harmless(cell) for cell in row] for row in rows
    )
    return text.getvalue()
