"""What the images are made of: licences, software bills of materials, known vulnerabilities.

::

    python tests/contract/supply.py licences | sbom | audit

What a service installs is read from uv.lock as its Dockerfile does, for CPython on Linux; licences are what the
distributions say of themselves in the environment that uv.lock made. What Debian installed is read from built images.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.markers import Marker, default_environment

ROOT = Path(__file__).resolve().parents[2]
LICENCES = ROOT / "docs" / "licences.md"
SBOMS = ROOT / ".run" / "sbom"
#: The packages that images are made of; see :func:`image_name`.
IMAGES = ("otp-service", "binding-service", "review-service", "notify-service", "kinbind-operations")
#: Where Debian, and images made from it, keep the list of what is installed.
DPKG_STATUS = "/var/lib/dpkg/status"
#: What the images run (PYTHON_IMAGE), whatever runs this.
TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}
#: Classifiers that say less than a licence's name would.
CLASSIFIER = "License :: "
LONGEST_NAME = 60
#: uv's answers: nothing found, something found.
CLEAN, FOUND = 0, 1
HEAD = """# Licences

Every distribution of others that an image installs, with the licence that it states itself. Made by `make licences`.
The Python image and Debian's fonts (`DECISIONS.md`) come with licences of their own.
"""


def lock() -> dict[str, dict[str, Any]]:
    """The packages of uv.lock, by name."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return {package["name"]: package for package in packages}


def installed(image: str, packages: dict[str, dict[str, Any]]) -> set[str]:
    """The names of all packages in an image, our own among them."""
    found: set[str] = set()
    waiting = [(image, frozenset[str]())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        found.add(name)
        package = packages[name]
        needed = [*package.get("dependencies", [])]
        for extra in extras:
            needed += package.get("optional-dependencies", {}).get(extra, [])
        for each in needed:
            if _is_needed(each.get("marker", "")):
                next_ = each["name"], frozenset(each.get("extra", []))
                if next_ not in seen:
                    seen.add(next_)
                    waiting.append(next_)
    return found


def _is_needed(marker: str) -> bool:
    environment = {name: str(value) for name, value in default_environment().items()} | TARGET
    return not marker or Marker(marker).evaluate(environment)


def is_ours(package: dict[str, Any]) -> bool:
    """Whether it is a member of this workspace."""
    return bool({"editable", "virtual"} & set(package["source"]))


def licence(name: str) -> str:
    """What the distribution says of itself: an SPDX expression, a name, or classifiers; empty where it says nothing."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ""
    plain = (said.get("License-Expression") or said.get("License") or "").strip()
    if plain and "\n" not in plain and len(plain) <= LONGEST_NAME:
        return plain
    classifiers = [each for each in said.get_all("Classifier") or [] if each.startswith(CLASSIFIER)]
    return ", ".join(each.rpartition(" :: ")[2] for each in classifiers) or plain.partition("\n")[0].strip()


def licences() -> str:
    """The document."""
    packages = lock()
    images = {image: installed(image, packages) for image in IMAGES}
    names = sorted(name for name in set().union(*images.values()) if not is_ours(packages[name]))
    lines = [HEAD, "| distribution | version | licence | in |", "| --- | --- | --- | --- |"]
    for name in names:
        where = [image.removesuffix("-service") for image in IMAGES if name in images[image]]
        in_ = "all" if len(where) == len(IMAGES) else ", ".join(where)
        lines.append(f"| {name} | {packages[name]['version']} | {licence(name) or '**not stated**'} | {in_} |")
    return "\n".join(lines) + "\n"


def uv() -> str:
    """The uv that made the environment; see deploy/local/bootstrap.py."""
    known = [ROOT / ".tools" / "bin" / "uv", ROOT / ".tools" / "pip" / "bin" / "uv"]
    found = next((str(path) for path in known if path.exists()), None) or shutil.which("uv")
    if found is None:
        sys.exit("uv is not here: make .venv/synced fetches it")
    return found


def write_sboms() -> int:
    """A CycloneDX document for each image; the exit code."""
    SBOMS.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        document = sbom(image)
        status = dpkg_status(image)
        document["components"] += debian_components(status)
        path = SBOMS / f"{image}.cdx.json"
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT), "" if status else f"(Python only: no image {image_name(image)} is built here)")
    return 0


def image_name(package: str) -> str:
    """What docker-compose.yml calls the image of a package."""
    return f"kinbind-{package.removesuffix('-service').removeprefix('kinbind-')}"


def dpkg_status(package: str) -> str:
    """What Debian has installed in the built image, in dpkg's own form; empty where there is no engine or image."""
    docker = shutil.which("docker")
    if docker is None:
        return ""
    container = [docker, "run", "--rm", "--network", "none", "--pull", "never", "--entrypoint", "python3"]
    read = f"print(open({DPKG_STATUS!r}, encoding='utf-8').read())"
    asked = subprocess.run(  # noqa: S603 - our own command line
        [*container, image_name(package), "-c", read], check=False, capture_output=True, text=True
    )
    return asked.stdout if asked.returncode == 0 else ""


def debian_components(status: str) -> list[dict[str, Any]]:
    """The packages of dpkg's status file, as CycloneDX components with package URLs."""
    found = []
    for paragraph in status.strip().split("\n\n"):
        lines = [line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" ")]
        fields = {name: value for name, _, value in lines}
        if fields.get("Status") == "install ok installed":
            name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
            purl = f"pkg:deb/debian/{name}@{quote(version, safe='.~')}?arch={architecture}"
            found.append({"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl})
    return found


def sbom(image: str) -> dict[str, Any]:
    """What uv says of an image, with licences added."""
    said = subprocess.run(  # noqa: S603 - our own command line
        [
            *(uv(), "export", "--quiet", "--frozen", "--no-dev", "--no-header", "--package", image),
            *("--format", "cyclonedx1.5", "--preview-features", "sbom-export"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    document: dict[str, Any] = json.loads(said.stdout)
    for component in document["components"]:
        stated = licence(component["name"])
        if stated:
            component["licenses"] = [{"license": {"name": stated}}]
    return document


def audit(service: str = "") -> int:
    """Ask a vulnerability service that speaks OSV's language about all that uv.lock names, ours at development too.

    ``service`` is its address, else https://osv.dev. Returns 0 where it knows of nothing, 1 where it does, and 2 where
    it could not be asked.
    """
    command = [uv(), "audit", "--frozen", "--preview-features", "audit-command"]
    command += ["--service-url", service] if service else []
    asked = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if asked.returncode in {CLEAN, FOUND}:
        print(asked.stdout + asked.stderr, end="")
        return asked.returncode
    print(asked.stderr.strip(), file=sys.stderr)
    print("NOT AUDITED: the vulnerability service could not be asked. This says nothing good or bad.", file=sys.stderr)
    return 2


def main(wanted: str) -> int:
    """Do what the make target of that name says."""
    if wanted == "licences":
        LICENCES.write_text(licences(), encoding="utf-8")
        return 0
    return write_sboms() if wanted == "sbom" else audit(os.environ.get("AUDIT_URL", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
