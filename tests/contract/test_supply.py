"""What the images are made of is written down, and true."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

import pytest

from contract import supply

if TYPE_CHECKING:
    from collections.abc import Iterator

by_image = pytest.mark.parametrize("image", supply.IMAGES)


def test_every_package_of_others_is_locked_with_a_hash():
    others = [package for package in supply.lock().values() if not supply.is_ours(package)]
    assert len(others) > 50
    for package in others:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]


def test_the_licence_list_is_what_is_installed():
    assert supply.LICENCES.read_text(encoding="utf-8") == supply.licences(), "run make licences"


def test_every_distribution_of_an_image_states_a_licence_and_none_asks_for_our_sources():
    text = supply.LICENCES.read_text(encoding="utf-8")
    assert "not stated" not in text
    assert "GPL" not in text


def test_a_dependency_of_one_service_is_in_that_image_alone():
    packages = supply.lock()
    assert "typst" in supply.installed("binding-service", packages)
    assert "typst" not in supply.installed("notify-service", packages)
    assert "pytest" not in set().union(*(supply.installed(image, packages) for image in supply.IMAGES))
    # By an extra of the shared library only.
    assert "argon2-cffi" in supply.installed("review-service", packages)
    assert "argon2-cffi" not in supply.installed("otp-service", packages)


@by_image
def test_an_image_s_bill_of_materials_names_what_is_in_it_with_hash_and_licence(image: str):
    document = supply.sbom(image)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    packages = supply.lock()
    others = {name for name in supply.installed(image, packages) if not supply.is_ours(packages[name])}
    components = {component["name"]: component for component in document["components"]}
    assert others <= set(components)
    for name in others:
        component = components[name]
        assert component["version"] == packages[name]["version"]
        assert component["purl"] == f"pkg:pypi/{name}@{component['version']}"
        assert component["licenses"], name
        assert any(reference.get("hashes") for reference in component["externalReferences"]), name


def test_what_debian_installed_is_named_and_what_it_removed_is_not():
    status = """Package: libssl3t64
Status: install ok installed
Architecture: amd64
Version: 3.5.1-1+deb13u1
Description: Secure Sockets Layer toolkit
 Version: 1 of the text

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: tzdata
Status: install ok installed
Architecture: all
Version: 1:2025b~4
"""
    assert [component["purl"] for component in supply.debian_components(status)] == [
        "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u1?arch=amd64",
        "pkg:deb/debian/tzdata@1%3A2025b~4?arch=all",
    ]
    assert supply.debian_components("") == []


class Osv(BaseHTTPRequestHandler):
    """A vulnerability service that knows of something wrong with one package, or of nothing."""

    bad: ClassVar[str] = ""
    asked: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        """All packages at once."""
        queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        names = [query["package"]["name"] for query in queries]
        self.asked.update(names)
        self._say({"results": [{"vulns": [{"id": "MADE-UP-1"}]} if name == self.bad else {} for name in names]})

    def do_GET(self) -> None:
        """One vulnerability."""
        affected = [{"package": {"ecosystem": "PyPI", "name": self.bad}}]
        moments = dict.fromkeys(("modified", "published"), "2026-11-01T00:00:00Z")
        self._say({"id": "MADE-UP-1", "summary": "made up", "affected": affected, **moments})

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def vulnerability_service(bad: str) -> Iterator[str]:
    Osv.bad, Osv.asked = bad, set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_audit_asks_about_everything_and_says_what_is_known(capsys: pytest.CaptureFixture[str]):
    with vulnerability_service("jinja2") as address:
        assert supply.audit(address) == 1
    said = capsys.readouterr().out
    assert "MADE-UP-1" in said
    assert "jinja2" in said
    assert {name for name, package in supply.lock().items() if not supply.is_ours(package)} <= Osv.asked
    with vulnerability_service("nothing") as address:
        assert supply.audit(address) == 0


def test_an_audit_that_could_not_ask_says_so_and_does_not_pass(capsys: pytest.CaptureFixture[str]):
    assert supply.audit("http://127.0.0.1:1/") == 2
    assert "NOT AUDITED" in capsys.readouterr().err
