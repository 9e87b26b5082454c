"""
API keys of the simulated OKX: signatures, passphrases, permissions, and their death by silence.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#overview-rest-authentication,
https://www.okx.com/docs-v5/en/#overview-websocket-login.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

from holdfast.simulators.core.dice import bytes_for

__all__ = ["ALL_PERMISSIONS", "TRADING_PERMISSIONS", "ApiKey", "made_key", "signature_of"]

ALL_PERMISSIONS: Final = ("read_only", "trade", "withdraw")
"""Every permission a key can have."""

TRADING_PERMISSIONS: Final = ("read_only", "trade")
"""What a trading bot needs: no right to move funds out."""


def signature_of(*, secret: str, text: str) -> str:
    """OKX's signature: HMAC-SHA256 of *text* under the secret as it is spelled, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()


class ApiKey:
    """
    One key with everything the venue remembers about it.

    Attributes:
        used_s: When a signed REST call or a stream login last used it, on the unstepped clock.
    """

    def __init__(
        self,
        *,
        public: str,
        secret: str,
        passphrase: str,
        account: str,
        name: str,
        permissions: Iterable[str],
        environment: str,
        used_s: float,
    ) -> None:
        self.public = public
        self.secret = secret
        self.passphrase = passphrase
        self.account = account
        self.name = name
        self.permissions = set(permissions)
        self.environment = environment  # live, demo, or any.
        self.addresses: list[str] = []
        self.is_revoked = False
        self.is_frozen = False
        self.is_elsewhere = False  # Registered with another part of OKX, whose hosts these are not.
        self.used_s = used_s

    def is_signed(self, text: str, signature: str) -> bool:
        """Whether *signature* is this key's over *text*."""
        expected = signature_of(secret=self.secret, text=text)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))

    @property
    def dies_of_silence(self) -> bool:
        """Whether it is removed when it is not used: live, more than reading, and bound to no address."""
        return (
            self.environment != "demo" and not self.addresses and not self.permissions.isdisjoint(("trade", "withdraw"))
        )

    def credential(self) -> dict[str, Any]:
        """The key with its secrets, as the ready line has it."""
        return {
            "account": self.account,
            "key": self.public,
            "secret": self.secret,
            "passphrase": self.passphrase,
            "nonce_window": None,
        }


def made_key(
    seed: int, *, account: str, name: str, permissions: Iterable[str], environment: str, used_s: float
) -> ApiKey:
    """A key that the seed and its names decide; its public half begins with ``00000000-``, as no real key does."""
    digits = bytes_for(seed, "okx key", account, name).hex()
    return ApiKey(
        public=f"00000000-{digits[:4]}-4{digits[4:7]}-8{digits[7:10]}-{digits[10:22]}",
        secret=bytes_for(seed, "okx secret", account, name).hex().upper()[:32],
        passphrase="Sim-" + bytes_for(seed, "okx passphrase", account, name).hex()[:16],
        account=account,
        name=name,
        permissions=permissions,
        environment=environment,
        used_s=used_s,
    )
