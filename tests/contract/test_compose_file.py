"""The compose file keeps what it promises, whoever adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text("utf-8"))[
    "services"
]
OURS = [name for name, service in SERVICES.items() if "build" in service]
#: What runs for good.
LASTING = ("postgres", "rabbitmq", "otp", "binding", "review", "notify", "proxy")


def test_only_the_proxy_publishes_ports():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


@pytest.mark.parametrize("name", OURS)
def test_what_we_build_cannot_write_to_its_image(name: str):
    assert SERVICES[name]["read_only"] is True


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_has_its_limits(name: str):
    assert {"mem_limit", "cpus"} <= SERVICES[name].keys()


def test_the_proxy_reaches_neither_the_database_nor_the_broker():
    assert set(SERVICES["proxy"]["networks"]) == {"front"}
    assert {name for name, service in SERVICES.items() if "front" in service.get("networks", ())} == {
        *("binding", "review", "notify", "proxy")
    }


@pytest.mark.parametrize("name", ["binding", "review", "notify"])
def test_forwarding_headers_are_believed_from_the_proxy_alone(name: str):
    address = SERVICES["proxy"]["networks"]["front"]["ipv4_address"]
    assert SERVICES[name]["environment"][f"{name}_TRUSTED_PROXIES".upper()] == address
