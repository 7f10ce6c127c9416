"""docs/configuration.md says what can be set, all of it, and is what the settings classes say."""

from __future__ import annotations

import pytest

from contract import configuration
from kinbind_operations.settings import Settings as Operations

CLASSES = [*configuration.SERVICES.values(), Operations]


def test_the_reference_is_what_the_code_says():
    assert configuration.DOCUMENT.read_text(encoding="utf-8") == configuration.document(), "run make configuration"


@pytest.mark.parametrize("settings", CLASSES, ids=lambda each: each.__module__)
def test_every_setting_says_what_it_means(settings: type):
    assert [name for name, info in settings.model_fields.items() if not configuration.meaning(info)] == []


@pytest.mark.parametrize("settings", CLASSES, ids=lambda each: each.__module__)
def test_what_is_called_a_key_password_or_token_is_secret(settings: type):
    words = ("key_", "password", "_token", "_secret", "database_url", "rabbitmq_url")
    named = {name for name in settings.model_fields if any(word in f"_{name}" for word in words)}
    # Counts and periods of passwords, and hashes of tokens, which are no secrets.
    named -= {name for name in named if name.endswith(("_days", "_tries", "_at_once", "_tokens"))}
    kinds = {name: configuration.kind(settings.model_fields[name]) for name in named}
    assert {name: kind for name, kind in kinds.items() if "**secret**" not in kind} == {}


def test_no_secret_has_a_default_that_could_be_used_in_earnest():
    for settings in CLASSES:
        for name, info in settings.model_fields.items():
            if "secret" in configuration.kind(info) and not name.endswith("_url"):
                assert configuration.default(info) == "none", name
