"""Whole replies as simulated venues and the gateways before them write them, and edits of them."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import msgspec

from holdfast.simulators.core import actions as do
from holdfast.simulators.core.faults import Firing
from holdfast.simulators.core.mutations import mutate
from holdfast.simulators.core.seam import SimReply

__all__ = ["edited", "first_error", "html_page"]

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>{status}</title></head>
<body><h1>Error {status}</h1><p>The simulated gateway has no better answer.</p></body></html>
"""


def html_page(status: int) -> bytes:
    """The page a gateway shows instead of an answer."""
    return _PAGE.format(status=status).encode()


def first_error(reply: SimReply) -> str:
    """
    The verdict in *reply* for the journal: ``ok``, the venue's first error text, or the HTTP status.

    Reads the three venues' envelopes by shape: a list or text under ``error``, a ``code`` that is not zero, a list of
    ``errors``, or an ``error_response`` beside ``success``.
    """
    body = reply.body
    if reply.status == 200 and body.startswith(b'{"error":[]'):
        return "ok"
    try:
        envelope: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return str(reply.status)
    if isinstance(envelope, dict):
        error = envelope.get("error")
        if isinstance(error, list):
            # A warning stands beside a result; only an error is a refusal.
            error = next((text for text in error if isinstance(text, str) and not text.startswith("W")), None)
        if isinstance(error, str) and error:
            return error
        code = envelope.get("code")
        if isinstance(code, str) and code.strip("0"):
            return f"{code} {envelope.get('msg', '')}".rstrip()
        errors = envelope.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            return str(errors[0].get("id") or errors[0].get("edit_failure_reason") or reply.status)
        refusal = envelope.get("error_response")
        if envelope.get("success") is False and isinstance(refusal, dict):
            return _informative(refusal)
    return "ok" if reply.status < 300 else str(reply.status)


def _informative(refusal: dict[str, Any]) -> str:
    """The first word of an order's refusal that says something."""
    words = [refusal.get(name) for name in ("new_order_failure_reason", "error", "preview_failure_reason")]
    said = [word for word in words if isinstance(word, str) and word]
    return next((word for word in said if not word.startswith("UNKNOWN_")), said[0] if said else "refused")


def edited(reply: SimReply, firing: Firing) -> SimReply:
    """*reply* as ``truncate``, ``mutate``, ``mislabel`` or ``empty`` leaves it; unchanged where it cannot."""
    try:
        return _edited(reply, firing)
    except UnicodeDecodeError:  # An earlier rule has compressed or re-encoded it: there is no text left to edit.
        return reply


def _edited(reply: SimReply, firing: Firing) -> SimReply:
    action = firing.action
    body = reply.body
    if isinstance(action, do.Empty):
        return SimReply(status=action.status, headers=reply.headers, body=b"")
    if isinstance(action, do.Truncate):
        return SimReply(status=reply.status, headers=reply.headers, body=body[: firing.place_in(len(body))])
    if isinstance(action, do.Mutate):
        text = mutate(body.decode(), action.how, field=action.field, value=action.value, rng=firing.rng)
        return reply if text is None else SimReply(status=reply.status, headers=reply.headers, body=text.encode())
    assert isinstance(action, do.Mislabel)
    return _mislabelled(reply, action)


def _mislabelled(reply: SimReply, action: do.Mislabel) -> SimReply:
    headers = dict(reply.headers)
    body = reply.body
    kind = action.content_type if action.content_type is not None else headers.get("content-type", "application/json")
    if action.charset is not None:
        body = body.decode().encode(action.charset, "replace")
        kind = f"{kind.partition(';')[0]}; charset={action.charset}"
    if action.bom:
        body = b"\xef\xbb\xbf" + body
    headers["content-type"] = kind
    if action.content_encoding is not None:
        headers["content-encoding"] = action.content_encoding
        if action.encodes:
            for encoding in action.content_encoding.split(","):
                body = gzip.compress(body, mtime=0) if encoding.strip() == "gzip" else zlib.compress(body)
    headers.update(action.headers)
    return SimReply(status=reply.status, headers=headers, body=body)
