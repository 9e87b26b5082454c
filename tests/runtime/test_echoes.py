"""What a venue, or a gateway before it, echoes of a credential goes no further than the wire."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from holdfast.core.credentials import Credential, Secret
from holdfast.core.seams import HttpReply, HttpRequest, StreamConnection, WireError
from holdfast.runtime.echoes import UnechoedHttp, UnechoedStreams

PEM = "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIlinelinelineone\nsecondlineoftheprivatekey\n-----END PRIVATE KEY-----\n"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


def credential_of(**changes: str) -> Credential:
    given = {"venue": "acme", "key": "SIMKEY-0123456789", "secret": "s3cret-0123456789", **changes}
    return Credential(**given)


class Wire:
    """Answers with what the test put in, or raises it."""

    def __init__(self, answer: bytes | WireError, *, status: int = 200) -> None:
        self.answer = answer
        self.status = status

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        if isinstance(self.answer, WireError):
            raise self.answer
        return HttpReply(status=self.status, headers={}, body=self.answer, sent_s=1.0, received_s=2.0)

    async def close(self) -> None:
        pass


class Streams:
    """Hands over the callbacks."""

    def __init__(self) -> None:
        self.on_frame: Callable[[bytes], None] = print
        self.on_close: Callable[[int | None, str], None] = print

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> StreamConnection:
        self.on_frame, self.on_close = on_frame, on_close
        return self  # type: ignore[return-value]  # Nobody sends.


def request(**headers: str) -> HttpRequest:
    return HttpRequest(method="POST", url="https://acme.example/x?token=CANARY", headers=headers, body=b"otp=CANARY")


async def answer(body: bytes | WireError, *, status: int = 200, headers: Any = None, **changes: str) -> HttpReply:
    wire = UnechoedHttp(Wire(body, status=status), credential_of(**changes))
    return await wire.request(request(**(headers or {})), deadline_s=1.0)


async def test_an_answer_without_an_echo_is_handed_on_as_it_is() -> None:
    inner = Wire(b'{"USD":"1"}')
    reply = await UnechoedHttp(inner, credential_of()).request(request(), deadline_s=1.0)
    assert reply.body is inner.answer


@pytest.mark.parametrize("status", [200, 401, 502])
async def test_secret_and_passphrase_never_come_back(status: int) -> None:
    body = b"you sent s3cret-0123456789 and pass-phrase-1"
    reply = await answer(body, status=status, passphrase="pass-phrase-1")
    assert (reply.status, reply.body) == (status, b"you sent *** and ***")


async def test_no_line_of_a_key_file_comes_back() -> None:
    reply = await answer(b"key secondlineoftheprivatekey; MHcCAQEEIlinelinelineone", secret=PEM)
    assert reply.body == b"key ***; ***"


async def test_the_public_key_may_be_named_in_an_answer_and_in_no_refusal() -> None:
    assert (await answer(b'{"api_key":"SIMKEY-0123456789"}')).body == b'{"api_key":"SIMKEY-0123456789"}'
    assert (await answer(b"bad key SIMKEY-0123456789", status=403)).body == b"bad key ***"


@pytest.mark.parametrize("name", ["Authorization", "API-Sign", "OK-ACCESS-SIGN"])
async def test_a_signature_and_a_token_do_not_come_back(name: str) -> None:
    value = f"Bearer {TOKEN}" if name == "Authorization" else TOKEN
    reply = await answer(f"headers: {name}: {value}; token {TOKEN}".encode(), status=400, headers={name: value})
    assert TOKEN.encode() not in reply.body


async def test_a_fault_of_the_wire_is_told_without_an_echo_and_says_the_rest() -> None:
    fault = WireError("bad header s3cret-0123456789 SIMKEY-0123456789", kind="protocol", was_sent=True, status=400)
    with pytest.raises(WireError) as caught:
        await answer(fault)
    assert str(caught.value) == "bad header *** ***"
    assert (caught.value.kind, caught.value.was_sent, caught.value.status) == ("protocol", True, 400)


async def test_frames_and_the_reason_of_a_close_hold_no_passphrase() -> None:
    inner, frames, ends = Streams(), [], []  # type: ignore[var-annotated]
    wire = UnechoedStreams(inner, credential_of(passphrase="pass-phrase-1"))
    await wire.connect("wss://x", on_frame=frames.append, on_close=lambda *end: ends.append(end), deadline_s=1.0)
    clean = b'{"event":"subscribe"}'
    inner.on_frame(clean)
    inner.on_frame(b'Invalid request: {"passphrase":"pass-phrase-1"}')
    inner.on_close(4001, "login pass-phrase-1 refused")
    assert frames[0] is clean
    assert frames[1] == b'Invalid request: {"passphrase":"***"}'
    assert ends == [(4001, "login *** refused")]


async def test_what_is_too_short_to_be_a_secret_is_left_alone() -> None:
    assert (await answer(b"a 12345 b", passphrase="12345")).body == b"a 12345 b"


def test_a_request_shows_neither_headers_nor_query_nor_body() -> None:
    shown = repr(request(**{"OK-ACCESS-PASSPHRASE": "CANARY"}))
    assert shown == "<HttpRequest POST https://acme.example/x 10 bytes>"


def test_a_credential_takes_itself_out_of_words() -> None:
    credential = credential_of(passphrase="pass-phrase-1")
    assert credential.redact("SIMKEY-0123456789 s3cret-0123456789 pass-phrase-1 rest") == "*** *** *** rest"
    assert credential_of(secret=PEM).redact("x secondlineoftheprivatekey") == "x ***"


def test_a_secret_shows_and_carries_nothing() -> None:
    secret = Secret("CANARY")
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert text.strip("[]") == "<Secret>"
    for each in (secret, UnechoedHttp(Wire(b""), credential_of(secret="CANARY-0123"))._parts):
        with pytest.raises(TypeError):
            pickle.dumps(each)
    assert (bool(Secret("")), bool(secret), secret.reveal()) == (False, True, "CANARY")
