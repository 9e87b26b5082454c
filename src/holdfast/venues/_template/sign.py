"""
Signatures. Pure: a request, the secret and the time (or a nonce) in, signed headers out.

The secret is decoded once. Source: https://docs.template.example/api/authentication (checked 2026-11-20).
"""

from __future__ import annotations

from holdfast.venues._template.questions import ask

__all__ = ["Signer"]


class Signer:
    """Signs with one secret."""

    def __init__(self, secret: str) -> None:
        ask(2, "sign.py", "what shape has a secret, and how is it decoded? Refuse a bad one by what is wrong with it")

    def headers(self, *, method: str, path: str, query: str, body: bytes, now_us: int) -> dict[str, str]:
        """The headers of one signed request. Never suspends."""
        ask(2, "sign.py", "which bytes are signed, with what, and which headers carry it? Pin a published vector")
