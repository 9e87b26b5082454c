"""``holdfast.connect`` over HTTP: the library's whole interface, as far as the bearer's role goes, across restarts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import holdfast
from holdfast.config import DaemonSettings
from holdfast.core.events import Event
from holdfast.errors import ConfigError, DeniedError, OwnerSilentError, UnknownNameError
from holdfast.runtime.attach.web import RemoteClock, address_of
from holdfast.testing import FakeClock
from tests.daemon.rig import BROKER, Rig, running


def token_file(folder: Path, token: str) -> Path:
    path = folder / "token"
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    path.write_text(token + "\n")
    return path


def url_of(rig: Rig) -> str:
    assert rig.daemon.url is not None
    return rig.daemon.url


async def test_figures_orders_and_the_record_come_through(tmp_path: Path) -> None:
    async with running(tmp_path / "state", BROKER, "acme-other") as rig:
        file = token_file(tmp_path, rig.token("trade"))
        async with holdfast.connect(url_of(rig), token_file=file) as desk:
            assert list(desk.brokers) == [BROKER, "acme-other"]
            broker = desk[BROKER]
            await broker.ready(timeout_s=10)
            assert str(broker.balance("USD").total) == "1500.25"
            verdict = await broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="50")
            async with broker.reserve(verdict) as reservation:
                order = await broker.place_market_order("BTC-USD", "buy", quote_quantity="50", reservation=reservation)
            assert order.intent_id is not None
            assert (await broker.order(order.intent_id)).client_order_id == order.client_order_id
            assert len(rig.venue.orders.placed) == 1
            with pytest.raises(DeniedError, match="needs the operate role"):
                await broker.set_trading_state("halted")
            rows = await rig.desk[BROKER].history(limit=1000)
            assert not [row for row in rows if row.kind == "audit"]
        async with holdfast.connect(f"{url_of(rig)}/brokers/acme-other", token_file=file) as desk:
            assert list(desk.brokers) == ["acme-other"]


async def test_a_reader_reads_and_does_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "state") as rig:
        file = token_file(tmp_path, rig.token("read"))
        async with holdfast.connect(url_of(rig), token_file=file) as desk:
            broker = desk[BROKER]
            assert await broker.history(limit=1)
            for act in (
                broker.place_market_order("BTC-USD", "buy", quote_quantity="50"),
                broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="50", reserve=True),
                broker.refresh(),
                broker.reset_circuit_breaker(),
                broker.backup(str(tmp_path / "copy.db")),
                broker.emergency_repair(),
            ):
                with pytest.raises(DeniedError, match=r"needs the (trade|operate) role; this bearer has read"):
                    await act
        assert not (tmp_path / "copy.db").exists()
        assert rig.venue.orders.placed == []


async def test_events_and_changes_come_through(tmp_path: Path) -> None:
    async with running(tmp_path / "state") as rig:
        heard = asyncio.Event()

        def hear(happened: Event) -> None:
            if happened.name == "trading.changed":
                heard.set()

        file = token_file(tmp_path, rig.token("read"))
        async with holdfast.connect(url_of(rig), token_file=file, on_event=hear):
            await rig.desk[BROKER].set_trading_state("halted")
            async with asyncio.timeout(5):
                await heard.wait()


async def test_it_goes_on_with_the_daemon_that_follows(tmp_path: Path) -> None:
    async with running(tmp_path / "state", store=str(tmp_path / "s.db")) as rig:
        port = rig.port
        file = token_file(tmp_path, rig.token("trade"))
        connecting = holdfast.connect(url_of(rig), token_file=file, wait_s=20)
        desk = await connecting.__aenter__()
        await desk[BROKER].verify_balance_before_order(
            "BTC-USD", "buy", quote_quantity="50", intent_id="kept", reserve=True
        )
    try:
        assert desk[BROKER].status().health.value == "down"
        settings = DaemonSettings(port=port)
        async with running(tmp_path / "state", store=str(tmp_path / "s.db"), settings=settings) as rig:
            view = await desk[BROKER].reservation("kept")
            assert view.intent_id == "kept"
            order = await desk[BROKER].place_market_order("BTC-USD", "buy", quote_quantity="25", intent_id="after")
            assert order.intent_id == "after"
            assert len(rig.venue.orders.placed) == 1
    finally:
        await connecting.__aexit__(None, None, None)


async def test_a_bearer_that_is_not_taken_is_told_at_once(tmp_path: Path) -> None:
    async with running(tmp_path / "state") as rig:
        with pytest.raises(ConfigError, match=r"does not take us: .*401"):
            async with holdfast.connect(url_of(rig), token_file=token_file(tmp_path, "hf_wrong")):
                pass
        file = token_file(tmp_path, rig.token("read"))
        with pytest.raises(UnknownNameError, match="no broker 'none-such'"):
            async with holdfast.connect(f"{url_of(rig)}/brokers/none-such", token_file=file):
                pass
        file.chmod(0o644)
        with pytest.raises(ConfigError, match="600"):
            async with holdfast.connect(url_of(rig), token_file=file):
                pass


async def test_nobody_there_is_told_after_the_wait(tmp_path: Path) -> None:
    with pytest.raises(OwnerSilentError, match="no daemon answers"):
        async with holdfast.connect("http://127.0.0.1:1", token_file=token_file(tmp_path, "hf_x"), wait_s=0.1):
            pass


async def test_the_token_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path / "state") as rig:
        monkeypatch.setenv("HOLDFAST_TOKEN_FILE", str(token_file(tmp_path, rig.token("read"))))
        async with holdfast.connect(url_of(rig)) as desk:
            assert list(desk.brokers) == [BROKER]
        monkeypatch.delenv("HOLDFAST_TOKEN_FILE")
        with pytest.raises(ConfigError, match="no token"):
            async with holdfast.connect(url_of(rig)):
                pass


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret@holdfast.example",
        "https://holdfast.example/?token=the-canary",
        "https://holdfast.example/#the-canary",
        "https://holdfast.example/other/path",
        "http://holdfast.example",
        "http://",
        "http://127.0.0.1:99999",
    ],
)
def test_an_address_that_leaks_or_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address_of(url)
    assert "the-canary" not in str(caught.value)


def test_another_host_s_clock_never_makes_a_figure_younger() -> None:
    ours = FakeClock()
    clock = RemoteClock(ours)
    at_s = ours.now_s()

    clock.measured(theirs_s=at_s + 0.5, asked_s=at_s, answered_s=at_s + 1.0)
    assert clock.offset_s == 0.0  # One host, as far as can be seen.
    clock.measured(theirs_s=at_s + 1000.0, asked_s=at_s, answered_s=at_s + 1.0)
    assert clock.now_s() >= ours.now_s() + 999.0


async def test_x14_a_bearer_goes_to_the_host_that_was_named_and_follows_nobody(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def lure(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(lure, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(ConfigError, match="does not take us: HTTP 302"):
            async with holdfast.connect(f"http://127.0.0.1:{port}", token_file=token_file(tmp_path, "hf_x")):
                pass
    assert len(asked) == 1
