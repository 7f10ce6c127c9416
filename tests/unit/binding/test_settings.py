from __future__ import annotations

import pytest

from binding_service.settings import Settings
from shared.settings import SettingsError, load
from support.production import SERVERS


def test_production_does_not_start_with_an_address_that_nobody_can_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINDING_ENVIRONMENT", "production")
    for name, value in SERVERS.items():
        monkeypatch.setenv(f"BINDING_{name}".upper(), value)
    with pytest.raises(SettingsError, match="BINDING_PUBLIC_URL"):
        load(Settings)
    monkeypatch.setenv("BINDING_PUBLIC_URL", "https://parents.example")
    assert load(Settings).public_url == "https://parents.example"
