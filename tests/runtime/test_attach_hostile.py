"""What an owner refuses of those who attach, and that it lives: garbage, floods, slow readers, other versions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import BalanceState
from holdfast.errors import ClosedError, ConfigError, DeniedError, OwnerSilentError
from holdfast.runtime.attach.protocol import (
    REQUEST_MAX,
    VERSION,
    Accepted,
    Ask,
    Bye,
    ClientHello,
    Failed,
    FrameError,
    Frames,
    OwnerHello,
    Pushed,
    Result,
    decode_from_client,
    decode_from_owner,
    encode,
    encode_value,
)
from holdfast.runtime.attach.values import error_of
from holdfast.testing import run_virtual
from tests.runtime.attach_worlds import PLACE, Attached, Host, Raw, balance

HELLO = encode(ClientHello(version=VERSION, pid=1))


def on_a_host(test: Callable[[Host], Awaitable[None]]) -> None:
    """Run *test* on virtual time, and prove that the owner lives after it."""

    async def main() -> None:
        host = Host()
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        try:
            await test(host)
            assert failures == []
            assert (await host.attach()).broker.balance("USD").state is BalanceState.LIVE
        finally:
            await host.close()

    run_virtual(main())


async def settle(for_s: float = 0.1) -> None:
    await asyncio.sleep(for_s)


def ask(number: int, method: str, until_s: float, /, **arguments: Any) -> bytes:
    return encode(Ask(id=number, method=method, valid_until_s=until_s, arguments=encode_value(arguments)))


def byes(raw: Raw) -> list[str]:
    return [message.reason for message in raw.heard(Bye)]


# Frames


def test_lines_come_out_whole_however_they_arrive() -> None:
    text = b'{"a":1}\n\n{"b":2}\nrest'
    for size in range(1, len(text) + 1):
        frames = Frames(limit=10)
        lines = [line for start in range(0, len(text), size) for line in frames.feed(text[start : start + size])]
        assert lines == [b'{"a":1}', b"", b'{"b":2}']
        assert frames.feed(b"\n") == [b"rest"]


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x" * 11 + b"\n"], [b"x" * 6] * 2, [b"ok\n" + b"x" * 11]])
def test_a_line_beyond_the_bound_is_refused_before_it_is_kept(pieces: list[bytes]) -> None:
    frames = Frames(limit=10)
    for piece in pieces[:-1]:
        assert frames.feed(piece) == []
    with pytest.raises(FrameError) as caught:
        frames.feed(pieces[-1])
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("decode", [decode_from_client, decode_from_owner])
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b'{"say":"hello"}',
        b'{"say":"sing"}',
        b'{"say":["ask"]}',
        b'{"say":"ask","id":"one","method":"place","valid_until_s":1}',
        b'{"say":"ask","id":1,"method":"place","valid_until_s":1e999}',
        b'{"say":"hello","version":1,"pid":1,"wants_events":"no"}',
        b'{"say":"stop","id":1} {"say":"stop","id":2}',
    ],
)
def test_what_is_no_message_is_refused(decode: Callable[[bytes], Any], line: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        decode(line)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("decode", [decode_from_client, decode_from_owner])
def test_what_nests_too_deeply_is_refused(decode: Callable[[bytes], Any]) -> None:
    with pytest.raises(FrameError) as caught:
        decode(b'{"further":' * 50_000 + b"1" + b"}" * 50_000)
    assert caught.value.reason == "too_deep"


# Whoever connects


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x00" * 1000 + b"\n", "malformed"),
        (encode(Ask(id=1, method="place", valid_until_s=1e9)), "malformed"),
        (HELLO + HELLO, "malformed"),
        (HELLO + b'{"say":"ask","id":1,"method":7,"valid_until_s":1}\n', "malformed"),
        (HELLO + b'{"say":"ask","id":1,"method":"x","valid_until_s":"nan"}\n', "malformed"),
        (HELLO + b'{"further":' * 50_000, "too_large"),
        (HELLO + b'{"say":"ask","further":' + b"[" * 60_000 + b"\n", "too_deep"),
        (encode(ClientHello(version=VERSION + 1, pid=1)), "version"),
    ],
)
def test_nonsense_is_answered_with_its_name_and_the_end(sent: bytes, reason: str) -> None:
    async def test(host: Host) -> None:
        raw = Raw(host)
        raw.send(sent)
        await settle()
        assert byes(raw) == [reason]
        assert raw.end == "ended"
        assert host.owner.server.clients == 0
        assert host.backend.asked == []

    on_a_host(test)


def test_a_hundred_megabytes_without_an_end_are_cut_off_at_the_bound() -> None:
    async def test(host: Host) -> None:
        raw = Raw(host)
        raw.send(HELLO)
        piece = b"x" * 65_536
        taken = 0
        for _ in range(1600):
            if raw.end is not None:
                break
            raw.send(piece)
            taken += len(piece)
            await asyncio.sleep(0)
        await settle()
        assert byes(raw) == ["too_large"]
        assert taken < REQUEST_MAX + 4 * len(piece)

    on_a_host(test)


@pytest.mark.parametrize("method", ["close", "_journal", "__class__", "status", "balance", "entry.place", "x" * 300])
def test_a_method_that_is_no_call_is_denied_and_the_connection_stays(method: str) -> None:
    async def test(host: Host) -> None:
        raw = Raw(host)
        raw.send(HELLO, ask(1, method, host.clock.now_s() + 5), ask(2, "orders", host.clock.now_s() + 5, limit=1))
        await settle()
        (failed,) = raw.heard(Failed)
        error = error_of(failed.failure)
        assert type(error) is DeniedError
        assert "no call is named" in str(error)
        assert len(str(error)) < 200
        assert [message.id for message in raw.heard(Result)] == [2]
        assert raw.end is None

    on_a_host(test)


def test_arguments_of_another_kind_are_denied_and_nothing_is_begun() -> None:
    async def test(host: Host) -> None:
        until_s = host.clock.now_s() + 5
        raw = Raw(host)
        raw.send(HELLO)
        raw.send(ask(1, "place", until_s, ask={}, intent_id=None, is_reserved=False, valid_until_s=None))
        raw.send(ask(2, "orders", until_s, limit="many"))
        raw.send(encode(Ask(id=3, method="orders", valid_until_s=until_s, arguments=msgspec.Raw(b"[1]"))))
        raw.send(ask(4, "cancel", until_s, name="i1", self="x"))
        await settle()
        assert [type(error_of(each.failure)) for each in raw.heard(Failed)] == [DeniedError] * 4
        assert raw.heard(Accepted) == []
        assert host.backend.asked == []
        assert raw.end is None

    on_a_host(test)


def test_a_call_that_is_read_too_late_is_answered_so_and_not_begun() -> None:
    async def test(host: Host) -> None:
        raw = Raw(host)
        raw.send(HELLO, ask(1, "cancel", host.clock.now_s(), name="i1"), ask(2, "cancel", -1e300, name="i1"))
        await settle()
        assert [type(error_of(each.failure)) for each in raw.heard(Failed)] == [OwnerSilentError] * 2
        assert host.backend.asked == []

    on_a_host(test)


def test_a_validity_beyond_reason_is_cut() -> None:
    async def test(host: Host) -> None:
        raw = Raw(host)
        order = {"symbol": "BTC-USD", "side": "buy", "order_type": "market", "quantity": "1"}
        arguments = {"ask": order, "intent_id": "i1", "is_reserved": False, "valid_until_s": 1e9}
        raw.send(HELLO, ask(1, "place", 1e300, **arguments))
        await settle()
        assert host.backend.asked[0][1]["valid_until_s"] <= host.clock.now_s() + 600

    on_a_host(test)


def test_ids_that_do_not_rise_are_refused() -> None:
    async def test(host: Host) -> None:
        until_s = host.clock.now_s() + 5
        raw = Raw(host)
        raw.send(HELLO, ask(7, "orders", until_s, limit=1), ask(7, "orders", until_s, limit=1))
        await settle()
        assert byes(raw) == ["malformed"]
        assert len(host.backend.asked) <= 1

    on_a_host(test)


def test_a_flood_of_calls_is_bounded() -> None:
    async def test(host: Host) -> None:
        host.backend.gate.clear()
        raw = Raw(host)
        raw.send(HELLO)
        for number in range(1, 401):
            raw.send(ask(number, "orders", host.clock.now_s() + 5, limit=1))
        await settle()
        assert len(raw.heard(Accepted)) == 256
        assert len(raw.heard(Failed)) == 144
        host.backend.gate.set()
        await settle()
        assert len(raw.heard(Result)) == 256
        raw.send(ask(999, "orders", host.clock.now_s() + 5, limit=1))
        await settle()
        assert raw.heard(Result)[-1].id == 999

    on_a_host(test)


def test_more_clients_than_there_is_room_for_are_told_so() -> None:
    async def test(host: Host) -> None:
        raws = [Raw(host) for _ in range(70)]
        for raw in raws:
            raw.send(HELLO)
        await settle()
        assert [len(raw.heard(OwnerHello)) for raw in raws] == [1] * 64 + [0] * 6
        assert [byes(raw) for raw in raws[64:]] == [["full"]] * 6
        for raw in raws[:10]:
            assert raw.line is not None
            raw.line.abort()
        await settle()

    on_a_host(test)


def test_who_says_nothing_is_dropped_and_makes_room() -> None:
    async def test(host: Host) -> None:
        raws = [Raw(host) for _ in range(64)]
        await asyncio.sleep(6)
        assert [byes(raw) for raw in raws] == [["no_hello"]] * 64

    on_a_host(test)


def test_a_slow_reader_is_dropped_and_holds_nobody_up() -> None:
    async def test(host: Host) -> None:
        host.backend.figures = {f"A{number}": balance(f"A{number}", "1") for number in range(300)}
        raw, attached = Raw(host), await host.attach()
        attached.listen()
        raw.send(HELLO)
        await settle()
        assert raw.line is not None
        raw.line.is_stopped = True
        dropped: list[str] = []
        host.owner.emitter.subscribe(lambda event: dropped.append(event.fields.get("reason", "")))
        for number in range(200):
            for asset in host.backend.figures:
                host.backend.figures[asset] = balance(asset, f"{number}.5")
            host.backend.ring(*host.backend.figures)
            await asyncio.sleep(0.05)
        assert dropped == ["slow_reader"]
        assert attached.broker.balance("A7").total == balance("A7", "199.5").total
        assert host.owner.server.clients == 1

    on_a_host(test)


def test_a_call_is_not_begun_where_its_acceptance_would_stand_in_a_queue() -> None:
    """Else the owner could act, die, and leave a caller who is sure that nothing was done."""

    async def test(host: Host) -> None:
        raw = Raw(host)
        raw.send(HELLO)
        await settle()
        assert raw.line is not None
        raw.line.is_stopped = True
        host.sockets.capacity = 1  # Nothing more goes to whoever has not read what is there.
        await asyncio.sleep(2.0)
        (theirs,) = host.owner.place.lines
        theirs.take(ask(1, "cancel", host.clock.now_s() + 5, name="i1"))
        await settle()
        assert host.backend.asked == []
        assert host.owner.server.clients == 0

    on_a_host(test)


# The owner itself


def test_an_owner_that_lost_its_account_serves_nobody_and_touches_nothing() -> None:
    async def test(host: Host) -> None:
        attached = await host.attach()
        attached.listen()
        host.owner.lost = ClosedError("the lock's file is gone")
        await asyncio.sleep(1.5)
        assert host.owner.server.clients == 0
        assert host.owner.server.address is None
        assert [fields["reason"] for fields in attached.said("owner.lost")] == ["ownership_lost"]
        host.owner = type(host.owner)(host.sockets, host.clock)

    on_a_host(test)


def test_a_bug_in_an_answer_leaves_nobody_with_old_figures() -> None:
    async def main() -> None:
        host = Host()
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        attached = await host.attach()
        sound = host.backend.balances
        setattr(host.backend, "balances", lambda: 1 / 0)  # noqa: B010
        host.backend.ring("USD")
        await settle()
        assert not attached.attachment.is_connected
        assert attached.broker.balance("USD").state is BalanceState.STALE
        assert [type(failure["exception"]) for failure in failures] == [ZeroDivisionError]
        setattr(host.backend, "balances", sound)  # noqa: B010
        assert attached.attachment.connect()
        await settle()
        assert attached.broker.balance("USD").state is BalanceState.LIVE
        await host.close()

    run_virtual(main())


# Whoever serves


class Liar:
    """An owner that says what a test wants."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = lines
        self.line: Any = None

    def __call__(self, line: Any) -> Liar:
        self.line = line
        for each in self.lines:
            line.send(each)
        return self

    def received(self, data: bytes) -> None: ...

    def lost(self, reason: str) -> None: ...


def hello(host: Host, **more: Any) -> bytes:
    facts: dict[str, Any] = {
        "version": VERSION,
        "pid": 7,
        "host": "h",
        "broker": "acme-master",
        "venue": "acme",
        "environment": "simulated",
        "now_s": host.clock.now_s(),
    }
    return encode(OwnerHello(**{**facts, **more}))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"version": VERSION + 1}, "version"),
        ({"broker": "acme-other"}, "is of broker acme-other"),
        ({"environment": "production"}, "production"),
        ({"now_s": 1e6}, "clock is not ours"),
    ],
)
def test_an_owner_that_is_not_the_one_meant_is_refused(more: dict[str, Any], why: str) -> None:
    async def test(host: Host) -> None:
        await host.owner.server.close()
        host.sockets.serve(PLACE, Liar(hello(host, **more)))
        attached = Attached(host)
        assert attached.attachment.connect()
        await settle()
        assert not attached.attachment.is_connected
        assert isinstance(attached.attachment.refusal, ConfigError)
        assert why in str(attached.attachment.refusal)
        host.owner = type(host.owner)(host.sockets, host.clock)

    on_a_host(test)


@pytest.mark.parametrize("line", [b"nonsense\n", b"x" * (5 << 20), b'{"say":"result","id":1}\n', b"[" * 90_000 + b"\n"])
def test_an_owner_that_speaks_nonsense_is_left(line: bytes) -> None:
    async def test(host: Host) -> None:
        await host.owner.server.close()
        host.sockets.serve(PLACE, Liar(hello(host), line))
        attached = Attached(host)
        assert attached.attachment.connect()
        await settle()
        assert not attached.attachment.is_connected
        host.owner = type(host.owner)(host.sockets, host.clock)

    on_a_host(test)


def test_figures_before_a_hello_are_not_believed() -> None:
    async def test(host: Host) -> None:
        pushed = Pushed(
            sent_s=host.clock.now_s(),
            status=host.backend.status(),
            error_count=0,
            has_figures=True,
            is_whole=True,
            balances={"USD": balance("USD", "1000000")},
        )
        await host.owner.server.close()
        host.sockets.serve(PLACE, Liar(encode(pushed)))
        attached = Attached(host)
        assert attached.attachment.connect()
        await settle()
        assert attached.broker.balances() == {}
        host.owner = type(host.owner)(host.sockets, host.clock)

    on_a_host(test)


def test_an_owner_cannot_speak_from_the_future() -> None:
    """Else a wrong clock would keep its figures fresh for ever."""

    async def test(host: Host) -> None:
        pushed = Pushed(
            sent_s=host.clock.now_s() + 50,
            status=host.backend.status(),
            error_count=0,
            has_figures=True,
            is_whole=True,
            balances={"USD": balance("USD", "5")},
        )
        await host.owner.server.close()
        host.sockets.serve(PLACE, Liar(hello(host), encode(pushed)))
        attached = Attached(host)
        assert attached.attachment.connect()
        await settle()
        assert attached.broker.balance("USD").state is BalanceState.LIVE
        await asyncio.sleep(3.5)
        assert attached.broker.balance("USD").state is BalanceState.STALE
        attached.attachment.close()
        host.owner = type(host.owner)(host.sockets, host.clock)

    on_a_host(test)
