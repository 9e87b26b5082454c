"""
The tokens that let a stream speak for a key.

Source: https://docs.kraken.com/api-reference/trading/get-websockets-token (checked 2026-11-20): to be used within 15
minutes; sources disagree on how long a used one lives, so that is a setting.
"""

from __future__ import annotations

import base64

from holdfast.simulators.core.dice import bytes_for
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.keys import ApiKey

__all__ = ["Token", "TokenStore"]


class Token:
    """One token: whose it is, since when, and how many subscriptions live on it."""

    __slots__ = ("is_dead", "issued_s", "key", "subscriptions")

    def __init__(self, *, key: ApiKey, issued_s: float) -> None:
        self.key = key
        self.issued_s = issued_s
        self.subscriptions = 0
        self.is_dead = False


class TokenStore:
    """Every token that was issued and may still be used."""

    def __init__(self, exchange: KrakenExchange) -> None:
        self._exchange = exchange
        self._tokens: dict[str, Token] = {}
        self._issued = 0

    def issue(self, key: ApiKey) -> str:
        """A new token for *key*."""
        self._issued += 1
        if len(self._tokens) > 1000:
            self._tokens = {text: token for text, token in self._tokens.items() if self._lives(token)}
        text = base64.b64encode(bytes_for(self._exchange.seed, "token", key.public, self._issued)[:32]).decode()[:43]
        self._tokens[text] = Token(key=key, issued_s=self._exchange.now_s())
        return text

    def find(self, text: object) -> Token | None:
        """The living token of this text."""
        token = self._tokens.get(text) if isinstance(text, str) else None
        return token if token is not None and self._lives(token) else None

    def kill(self, *, public_key: str | None = None) -> int:
        """End tokens (of one key) before their time; returns how many."""
        killed = 0
        for token in self._tokens.values():
            if not token.is_dead and public_key in (None, token.key.public):
                token.is_dead = True
                killed += 1
        return killed

    def _lives(self, token: Token) -> bool:
        settings = self._exchange.settings
        if token.is_dead or token.key.is_revoked:
            return False
        if token.subscriptions and settings.session_life == "while_subscribed":
            return True
        return self._exchange.now_s() - token.issued_s < settings.token_first_use_s
