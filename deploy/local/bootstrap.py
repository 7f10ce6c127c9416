"""Makes the virtual environment on a machine that has Python 3.11 and perhaps nothing else.

Standard library only: it runs before anything is installed. uv comes from PyPI into .tools, by venv and pip where they
are here, by pip alone otherwise; else a uv on the PATH; else Debian's python3-venv is installed where that is allowed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

UV = "0.13.9"
TOOLS = Path(".tools")
NO_UV = (
    "uv could not be installed: neither venv nor pip of this Python works, and uv is not on the PATH."
    " Install one of them, for example: apt-get install python3-venv"
)


def main() -> int:
    """Get uv, then let it make the environment that uv.lock describes; the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this may have any version
        return _fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    uv = _known_uv() or _uv_by_venv() or _uv_by_pip() or shutil.which("uv") or _uv_by_package()
    if uv is None:
        return _fail(NO_UV)
    if not Path(".venv").exists():
        _say("Making .venv …")
    done = _run(uv, "sync", "--frozen", "--quiet")
    if done.returncode:
        return _fail(f"The environment could not be made. uv says:\n{done.stderr.strip()}")
    return 0


def _known_uv() -> str | None:
    """The uv of an earlier run, where it is the one that we want."""
    for uv in (TOOLS / "bin" / "uv", TOOLS / "pip" / "bin" / "uv"):
        if uv.exists() and _run(str(uv), "--version").stdout.split()[1:2] == [UV]:
            return str(uv)
    return None


def _uv_by_venv() -> str | None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return None
    _say(f"Getting uv {UV} from PyPI …")
    if _run(sys.executable, "-m", "venv", "--clear", str(TOOLS)).returncode:
        return None
    pip = (str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return _explained(_run(*pip, f"uv=={UV}"), TOOLS / "bin" / "uv")


def _uv_by_pip() -> str | None:
    """Debian's pip installs beside the system's packages where it is given a folder of its own."""
    if importlib.util.find_spec("pip") is None:
        return None
    target = TOOLS / "pip"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return _explained(_run(*pip, "--upgrade", "--target", str(target), f"uv=={UV}"), target / "bin" / "uv")


def _uv_by_package() -> str | None:
    """With Debian's python3-venv, where we are root or become it without a password."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or _run(*root, "true").returncode:
        return None
    _say("Installing python3-venv with apt-get.")
    _run(*root, "apt-get", "update", "-qq")
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends")
    if _run(*root, *apt, "python3-venv", "ca-certificates").returncode:
        return None
    # This process has looked for its modules already, and did not find these.
    importlib.invalidate_caches()
    return _uv_by_venv()


def _explained(done: subprocess.CompletedProcess[str], uv: Path) -> str | None:
    if done.returncode == 0:
        return str(uv)
    reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
    _say(f"pip could not install uv: {reason}")
    return None


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - our own command lines
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError as fault:
        return subprocess.CompletedProcess(command, 1, "", str(fault))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command line speaks to its user


def _fail(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - a command line speaks to its user
    return 1


if __name__ == "__main__":
    sys.exit(main())
