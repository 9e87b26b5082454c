"""
JSON Web Tokens as they arrive: read, and judged against a key, a clock and a request.

Written from RFC 7515/7519 and Coinbase's pages, not with a JWT library: a client's library and ours would agree with
each other's mistakes. Sources (checked 2026-11-20):
https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-authentication,
https://github.com/coinbase/coinbase-advanced-py/issues/19 (a clock under a second ahead is refused).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final

import msgspec

from holdfast.simulators.coinbase.keys import ALGORITHMS, ApiKey
from holdfast.simulators.coinbase.settings import CoinbaseSimSettings

__all__ = ["Token", "TokenRefusedError", "judge_token", "key_name_in", "read_token"]

_ISSUERS: Final = ("cdp", "coinbase-cloud")
_LARGEST: Final = 8192


class TokenRefusedError(Exception):
    """A token is not taken; the text says why, for the journal only: a client is told nothing."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One token taken apart; nothing of it is believed yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read_token(text: str) -> Token:
    """
    Take a compact token apart.

    Raises:
        TokenRefusedError: It is not three parts of base64url, the first two JSON objects.
    """
    parts = text.split(".")
    if len(parts) != 3 or len(text) > _LARGEST or not text.isascii():
        raise TokenRefusedError("not three parts")
    header, claims = (_object(part) for part in parts[:2])
    return Token(header=header, claims=claims, signed=f"{parts[0]}.{parts[1]}".encode(), signature=_base64url(parts[2]))


def key_name_in(text: str) -> str:
    """The ``kid`` of a token, unchecked; empty where there is none."""
    try:
        kid = _object(text.partition(".")[0]).get("kid")
    except TokenRefusedError:
        return ""
    return kid if isinstance(kid, str) else ""


def judge_token(
    token: Token,
    *,
    find_key: Callable[[str], ApiKey | None],
    now_us: int,
    uris: tuple[str, ...] | None,
    settings: CoinbaseSimSettings,
) -> ApiKey:
    """
    The living key behind a token.

    Args:
        uris: The forms in which the token may name this request; None where it names none, as on the stream.

    Raises:
        TokenRefusedError: Any check fails.
    """
    header, claims = token.header, token.claims
    kid, nonce = header.get("kid"), header.get("nonce")
    if header.get("alg") not in ALGORITHMS or header.get("typ", "JWT") != "JWT":
        raise TokenRefusedError("alg or typ")
    if not isinstance(nonce, str) or not nonce:
        raise TokenRefusedError("no nonce in the header")
    key = find_key(kid) if isinstance(kid, str) else None
    if key is None or key.is_revoked:
        raise TokenRefusedError("unknown kid")
    if key.algorithm != header["alg"] or not key.is_signed(message=token.signed, signature=token.signature):
        raise TokenRefusedError("signature")
    if key.algorithm == "EdDSA" and not settings.is_ed25519_accepted:
        raise TokenRefusedError("Ed25519 is not accepted")
    if claims.get("iss") not in _ISSUERS:
        raise TokenRefusedError("iss")
    if not key.is_called(str(claims.get("sub"))):
        raise TokenRefusedError("sub")
    _judge_times(claims, now_s=now_us / 1_000_000, settings=settings)
    if uris is not None and not _named(claims) & set(uris):
        raise TokenRefusedError("uri")
    return key


def _judge_times(claims: dict[str, Any], *, now_s: float, settings: CoinbaseSimSettings) -> None:
    begins, ends = claims.get("nbf"), claims.get("exp")
    for moment in (begins, ends):
        if isinstance(moment, bool) or not isinstance(moment, int | float):
            raise TokenRefusedError("nbf or exp is missing")
    assert isinstance(begins, int | float)
    assert isinstance(ends, int | float)
    if begins > now_s + settings.clock_leeway_s:
        raise TokenRefusedError("nbf is ahead")
    if ends <= now_s - settings.clock_leeway_s:
        raise TokenRefusedError("expired")
    if ends - begins > settings.token_life_s and settings.is_long_token_refused:
        raise TokenRefusedError("lives too long")
    if now_s - begins > settings.token_life_s + settings.clock_leeway_s:
        raise TokenRefusedError("issued too long ago")


def _named(claims: dict[str, Any]) -> set[str]:
    """What a token says it is for: ``uri``, or the list ``uris`` that some clients send."""
    listed = claims.get("uris")
    named = [claims.get("uri"), *(listed if isinstance(listed, list) else [])]
    # A client that takes only "https://" off its address leaves the other scheme in it where a test has no TLS.
    return {uri.replace(" http://", " ", 1) for uri in named if isinstance(uri, str)}


def _object(part: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(_base64url(part))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefusedError("not JSON") from None
    if not isinstance(value, dict):
        raise TokenRefusedError("not an object")
    return value


def _base64url(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenRefusedError("not base64url") from None
