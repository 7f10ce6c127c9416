"""The four services: what each is called, where it listens, and which keys it shares with whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One service. ``keys`` are its key settings, each with the name of the key that goes there."""

    name: str
    port: int
    keys: dict[str, str]

    @property
    def program(self) -> str:
        """Its command."""
        return f"{self.name}-service"

    def variable(self, setting: str) -> str:
        """The environment variable of a setting."""
        return f"{self.name}_{setting}".upper()


#: Two services have a key of one name where what one seals the other opens.
SERVICES = (
    Service(
        "otp",
        8001,
        {"key_codes": "codes", "key_binding_otp": "binding-otp", "key_otp_notify": "otp-notify"},
    ),
    Service(
        "binding",
        8002,
        {
            "key_binding_otp": "binding-otp",
            "key_binding_review": "binding-review",
            "key_review_binding": "review-binding",
            "key_binding_notify": "binding-notify",
            "key_binding_store": "binding-store",
            "key_binding_hash": "binding-hash",
        },
    ),
    Service(
        "review",
        8003,
        {
            "key_binding_review": "binding-review",
            "key_review_binding": "review-binding",
            "key_review_notify": "review-notify",
            "key_review_store": "review-store",
            "key_sign_in": "review-sign-in",
            "key_audit": "review-audit",
        },
    ),
    Service(
        "notify",
        8004,
        {
            "key_otp_notify": "otp-notify",
            "key_binding_notify": "binding-notify",
            "key_review_notify": "review-notify",
            "key_store": "notify-store",
        },
    ),
)
