"""
API keys of the simulated Kraken: signatures, nonces, permissions, and the lockout of a key that misbehaves.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/rest/authentication,
https://docs.kraken.com/exchange/guides/rest/api-keys,
https://support.kraken.com/hc/en-us/articles/360001148023-What-is-a-nonce-window-.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from holdfast.simulators.core.dice import bytes_for

__all__ = ["ALL_PERMISSIONS", "TRADING_PERMISSIONS", "ApiKey", "api_sign", "made_key"]

ALL_PERMISSIONS: Final = (
    "query-funds",
    "add-funds",
    "withdraw-funds",
    "earn-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "export-data",
    "create-ws-token",
    "add-withdraw-address",
    "update-withdraw-address",
)
"""Every permission a key can have, in the order ``GetApiKeyInfo`` lists them."""

TRADING_PERMISSIONS: Final = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "create-ws-token",
)
"""What a trading bot needs: no right to move funds out."""

_U64: Final = 2**64


def api_sign(*, secret: bytes, path: str, nonce: str, body: bytes) -> str:
    """Kraken's signature: HMAC-SHA512 over the path and SHA-256 of nonce and body, in base64."""
    digest = hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.digest(secret, path.encode() + digest, "sha512")).decode()


class ApiKey:
    """
    One key with everything the venue remembers about it.

    Attributes:
        nonce: The highest accepted so far; a new key starts at 0.
        locked_until_s: Unstepped clock until which every call is answered with a lockout.
    """

    def __init__(
        self,
        *,
        public: str,
        secret: str,
        account: str,
        name: str,
        permissions: Iterable[str],
        nonce_window: int,
        created_us: int,
    ) -> None:
        self.public = public
        self.secret = secret
        self.account = account
        self.name = name
        self.permissions = set(permissions)
        self.nonce_window = nonce_window
        self.nonce = 0
        self.is_revoked = False
        self.valid_until_us = 0
        self.ip_allow_list: list[str] = []
        self.created_us = created_us
        self.modified_us = created_us
        self.last_used_us: int | None = None
        self.locked_until_s = 0.0
        self._secret_bytes = base64.b64decode(secret)
        self._recent: set[int] = set()  # Accepted nonces that the window still reaches.
        self._strikes: deque[float] = deque()

    def is_signed(self, *, path: str, nonce: str, body: bytes, signature: str) -> bool:
        """Whether *signature* is this key's over these bytes."""
        try:
            given = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        digest = hashlib.sha256(nonce.encode() + body).digest()
        return hmac.compare_digest(given, hmac.digest(self._secret_bytes, path.encode() + digest, "sha512"))

    def accepts(self, nonce: int | None, *, is_identical_accepted: bool) -> bool:
        """Whether *nonce* (None: not an unsigned 64-bit number) may come next; remembers nothing."""
        if nonce is None or not 0 <= nonce < _U64:
            return False
        if nonce > self.nonce:
            return True
        if not self.nonce_window or nonce <= self.nonce - self.nonce_window:
            return False
        return is_identical_accepted or nonce not in self._recent

    def consume(self, nonce: int) -> None:
        """Remember *nonce* as used."""
        if nonce > self.nonce:
            self.nonce = nonce
        if self.nonce_window:
            self._recent.add(nonce)
            if len(self._recent) > 4096:
                oldest = self.nonce - self.nonce_window
                self._recent = {used for used in self._recent if used > oldest}

    def credential(self) -> dict[str, Any]:
        """The key with its secret, as the ready line has it."""
        return {
            "account": self.account,
            "key": self.public,
            "secret": self.secret,
            "passphrase": None,
            "nonce_window": self.nonce_window,
        }

    def strike(self, *, now_s: float, after: int, window_s: float, lockout_s: float) -> bool:
        """Count a bad nonce or signature; True where this one locks the key out."""
        if not after:
            return False
        strikes = self._strikes
        strikes.append(now_s)
        while strikes and strikes[0] < now_s - window_s:
            strikes.popleft()
        if len(strikes) < after:
            return False
        strikes.clear()
        self.locked_until_s = now_s + lockout_s
        return True


def made_key(
    seed: int,
    *,
    account: str,
    name: str,
    permissions: Iterable[str],
    nonce_window: int,
    created_us: int,
) -> ApiKey:
    """A key that the seed and its names decide; its public half begins with ``SIM``, as no real key does."""
    public = "SIM" + base64.b64encode(bytes_for(seed, "key", account, name)).decode()[:53]
    return ApiKey(
        public=public,
        secret=base64.b64encode(bytes_for(seed, "secret", account, name)).decode(),
        account=account,
        name=name,
        permissions=permissions,
        nonce_window=nonce_window,
        created_us=created_us,
    )
