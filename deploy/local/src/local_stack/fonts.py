"""The fonts of the paper form: from Debian's packages, installed where that is allowed, else unpacked into a folder."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from local_stack import packages
from local_stack.servers import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

SYSTEM = Path("/usr/share/fonts")
#: Each package, and the file of it that is used.
FILES = {
    "fonts-noto-cjk": PurePath("opentype/noto/NotoSansCJK-Regular.ttc"),
    "fonts-dejavu-core": PurePath("truetype/dejavu/DejaVuSans.ttf"),
    "fonts-hanazono": PurePath("truetype/hanazono/HanaMinB.ttf"),
    "fonts-cns11643-sung": PurePath("truetype/cns11643/TW-Sung-Plus-98_1.ttf"),
    "fonts-babelstone-han": PurePath("truetype/babelstone/BabelStoneHan.ttf"),
}


def font_folders(run: Path) -> list[Path]:
    """The folders with the fonts; what this machine lacks is installed, or unpacked under ``run``.

    Raises StackError, in one sentence, when there is no way to get them all.
    """
    unpacked = run / "fonts"
    places = (SYSTEM, unpacked / SYSTEM.relative_to("/"))
    missing = [package for package, file in FILES.items() if not any((place / file).exists() for place in places)]
    if missing:
        _get(missing, unpacked)
    return sorted({(place / file).parent for place in places for file in FILES.values() if (place / file).exists()})


def _get(missing: Sequence[str], unpacked: Path) -> None:
    if packages.may_install():
        packages.install(*missing)
    elif shutil.which("apt-get") and shutil.which("dpkg-deb"):
        packages.unpack(unpacked, *missing)
    else:
        msg = f"there is no apt-get to get {' and '.join(missing)} with"
        raise StackError(msg)
