"""Out of each way in which a credential is left alone, by what the error names; and what no command may do then."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import holdfast
from holdfast.core.parking import CLOCK, INVALID_NONCE
from holdfast.core.seams import Priority
from holdfast.errors import CredentialParkedError, HoldfastError
from holdfast.testing import run_virtual
from tests.cli.stuck import KrakenHost, commands_in


def at_kraken(folder: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[KrakenHost], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(KrakenHost(folder, monkeypatch))

    run_virtual(main())


async def parked(broker: holdfast.Broker) -> str:
    """What somebody is told who asks for a read, once the key is parked."""
    await broker.wait_until(lambda status: status.nonce.parked_cause is not None, timeout_s=600)
    report = await broker.refresh()
    assert report.error is not None
    return report.error


async def is_back(broker: holdfast.Broker, *, within_s: float = 15.0) -> None:
    await broker.ready(timeout_s=within_s)
    assert broker.is_available()
    assert broker.status().nonce.parked_cause is None


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("EAPI:Invalid key", "key_revoked"),
        ("EAPI:Invalid signature", "wrong_secret"),
        ("EAuth:Account temporary disabled", "account_locked"),
    ],
)
def test_a_refused_key_that_was_mended_at_the_venue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, cause: str
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="refuse", error=error, count=1000)
            text = await parked(broker)
            assert broker.status().nonce.parked_cause == cause
            assert commands_in(text) == ["holdfast nonce doctor --retry"]
            too_early = await host.obey(text)
            assert too_early.code == 3, too_early.said
            host.heal()

            done = await host.obey(text)

            assert done.code == 0, done.said
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_parked_key_and_nobody_owns_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="refuse", error="EAPI:Invalid signature", count=1000)
            await parked(broker)
        host.heal()
        repair = await host.type("holdfast emergency-repair")
        assert repair.code == 3, repair.said

        done = await host.obey(repair.out)

        assert done.code == 0, done.said
        async with host.owning(contact="rest") as broker:
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_repair_does_not_try_a_refused_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="refuse", error="EAPI:Invalid key", count=1000)
            await parked(broker)
            mark = (await host.lane().state()).record.mark

            done = await host.type("holdfast emergency-repair")

            assert done.code == 3, done.said
            assert (await host.lane().state()).record.mark == mark, "something was signed"
            assert "holdfast nonce doctor --broker kraken-master --retry" in commands_in(done.out)
            host.heal()
            assert (await host.obey(done.out)).code == 0
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_wrong_secret_that_was_corrected_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        good, host.secret = host.secret, base64.b64encode(b"w" * 64).decode()
        async with host.owning(contact="rest") as broker:
            text = await parked(broker)
            host.secret = good
            still = await host.obey(text)  # The process that owns the account has read the wrong one.
            assert still.code != 0
            assert re.search(r"restart process \d+, then", still.err), still.err
        async with host.owning(contact="rest") as broker:  # Restarted, as it was told.
            await broker.wait_until(lambda status: status.nonce.parked_cause is not None)

            done = await host.obey(still.err)

            assert done.code == 0, done.said
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_revoked_key_and_a_new_one_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.happen(kind="key_revocation", key=host.key)
            await parked(broker)
            made = host.happen(kind="new_key", name="second")["credential"]
            host.key, host.secret = made["key"], made["secret"]
            advice = await host.type("holdfast emergency-repair")
            assert advice.code == 3
            assert re.search(r"changed since process \d+ read it: restart that process", advice.out), advice.out
        async with host.owning(contact="rest") as broker:
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_right_that_was_missing_and_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="refuse", error="EGeneral:Permission denied", name="BalanceEx", count=1000)
            await asyncio.sleep(60)
            done = await host.type("holdfast force-balance-refresh kraken-master")
            assert done.code == 3, done.said
            assert broker.balance("USD").total is not None
            assert "at the venue; the call is tried again within 5 minutes" in done.err
            host.heal()

            await asyncio.sleep(301)

            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


# Nonces


def test_nonces_that_another_program_has_outrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="stolen_nonce", scale="ns")
            text = await parked(broker)
            assert broker.status().nonce.parked_cause == INVALID_NONCE
            told = await host.obey(text)
            assert told.code == 3
            repair = await host.type("holdfast emergency-repair")
            assert repair.code == 3
            assert (await host.type("holdfast nonce doctor --retry")).code != 0
            ways = [each for each in commands_in(told.out + repair.out) if "ratchet" in each]
            assert ways, told.out

            done = await host.type(f"{ways[0]} --yes")

            assert done.code == 0, done.said
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_key_that_is_parked_for_its_nonces_until_a_person_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            nonce = host.clock.wall_us() + 900 * 1_000_000
            host.fault(kind="stolen_nonce", nonce=nonce)
            text = await parked(broker)
            await asyncio.sleep(400)  # Its one probe was refused as well.
            assert broker.status().nonce.parked_for_s is None
            await asyncio.sleep(600)  # The other program has stopped, and its number lies behind us by now.
            assert (await host.obey(text)).code == 3

            done = await host.type("holdfast nonce doctor --retry")

            assert done.code == 0, done.said
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_mark_far_ahead_of_the_clock_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.clock.step_wall(86_400.0)  # Another process, started while the clock was a day ahead, takes a nonce.
            async with host.lane().turn(priority=Priority.BALANCE) as turn:
                await turn.take()
            host.clock.step_wall(-86_400.0)
            ahead_s = (await host.lane().state()).ahead_s
            assert ahead_s is not None
            assert ahead_s > 80_000

            done = await host.type("holdfast emergency-repair")

            assert done.code == 0, done.said
            assert (await broker.refresh()).is_ok
            assert host.said("nonce.far_ahead")
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


# Silence, and time


def test_during_a_lockout_no_command_sends_anything_and_it_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="lockout", for_s=600)
            await broker.wait_until(lambda status: status.nonce.parked_cause == "lockout", timeout_s=120)
            await asyncio.sleep(10)
            mark = (await host.lane().state()).record.mark
            for line in ("emergency-repair", "reset-circuit-breaker", "force-balance-refresh"):
                done = await host.type(f"holdfast {line} kraken-master")
                assert done.code == 7, done.said
            assert (await host.type("holdfast nonce doctor --retry")).code != 0
            assert (await host.lane().state()).record.mark == mark, "something was signed"
            assert "wait" in (await host.type("holdfast emergency-repair")).out
            await asyncio.sleep(broker.status().nonce.parked_for_s or 0.0)
            await is_back(broker, within_s=60)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_key_left_alone_for_the_clock_is_opened_once_the_clock_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.happen(kind="clock", by_s=30)
            async with host.lane().turn(priority=Priority.BALANCE) as turn:
                await turn.park(CLOCK, for_s=600.0)
            text = await parked(broker)
            wrong = await host.obey(text)
            assert wrong.code == 3, wrong.said
            assert "set this machine's clock" in wrong.out
            host.happen(kind="clock", by_s=0)

            done = await host.obey(text)

            assert done.code == 0, done.said
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


def test_what_is_denied_for_a_parked_key_names_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.fault(kind="refuse", error="EAPI:Invalid key", count=1000)
            await parked(broker)
            with pytest.raises(HoldfastError) as caught:
                await broker.place_limit_order("BTC-USD", "buy", "0.001", "30000")
            assert isinstance(caught.value, CredentialParkedError)
            told = await host.obey(str(caught.value))
            assert told.code == 3, told.said
            host.heal()
            assert (await host.obey(told.out, word="nonce doctor")).code == 0
            await is_back(broker)

    at_kraken(tmp_path, monkeypatch, story)


WIRE_KINDS = ("request", "ws_open", "ws_refused", "ws_in")


def asked(host: KrakenHost, since: int) -> list[str]:
    """Every call of any kind, and every connection, that reached the venue since entry *since* of its journal."""
    entries = host.front.journal.since(since)["entries"]
    return [str(each.get("path") or each.get("name") or each) for each in entries if each["kind"] in WIRE_KINDS]


def told(host: KrakenHost) -> int:
    return int(host.front.journal.since(0, kinds=())["next"])


EVERY_COMMAND = (
    "balances",
    "balances",
    "status",
    "doctor",
    "verify-balance USD 1",
    "force-balance-refresh",
    "reset-circuit-breaker",
    "emergency-repair",
    "emergency-repair --dry-run",
    "nonce doctor",
    "nonce doctor --retry",
)


def test_without_an_owner_not_even_an_unsigned_call_reaches_the_venue_during_a_lockout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
        assert (await host.type("holdfast balances")).code == 0
        host.fault(kind="lockout", for_s=200)
        assert (await host.type("holdfast balances")).code == 7
        since = told(host)

        for line in EVERY_COMMAND:
            done = await host.type(f"holdfast {line}")
            assert asked(host, since) == [], line
            assert done.code == (0 if "dry-run" in line else 7), f"{line}: {done.said}"
            if line in ("balances", "status"):
                assert "lockout" in done.said
        figures = (await host.type("holdfast balances --output json")).out
        assert '"restored' in figures, figures
        parked_for_s = (await host.lane().state()).parked_for_s
        assert parked_for_s is not None
        assert parked_for_s > 60, "the commands have to have been typed during the lockout"
        assert asked(host, since) == []

        await asyncio.sleep(parked_for_s)
        assert (await host.type("holdfast balances")).code == 0
        assert asked(host, since)

    at_kraken(tmp_path, monkeypatch, story)


def test_an_owner_asks_nothing_while_a_lockout_lasts_that_another_process_met_and_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live", timeout_s=60)
            async with host.lane().turn(priority=Priority.BALANCE) as turn:
                await turn.park("lockout", for_s=300.0)
            host.fault(kind="close_streams")
            await asyncio.sleep(1.0)
            since = told(host)
            await asyncio.sleep(240)
            assert (await host.type("holdfast doctor")).code == 7
            assert (await host.type("holdfast emergency-repair")).code == 7
            assert asked(host, since) == []
            assert broker.status().nonce.parked_cause == "lockout"
            host.heal()
            await broker.wait_until("live", timeout_s=240)

    at_kraken(tmp_path, monkeypatch, story)


def test_an_owner_that_starts_during_a_lockout_shows_what_was_and_loads_once_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live", timeout_s=60)
        async with host.lane().turn(priority=Priority.BALANCE) as turn:
            await turn.park("lockout", for_s=300.0)
        since = told(host)
        async with host.owning() as broker:
            await asyncio.sleep(290)
            assert asked(host, since) == []
            assert broker.balance("USD").reason == "restored"
            assert "credential_lockout" in broker.status().reasons
            await broker.wait_until("live", timeout_s=60)

    at_kraken(tmp_path, monkeypatch, story)


def test_a_repair_at_a_venue_that_answers_nothing_says_6_and_not_that_figures_are_stale_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: KrakenHost) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
        for name in ("BalanceEx", "Balance", "OpenOrders"):
            host.fault(kind="rest", name=name, action={"do": "html_error", "status": 502})
        host.fault(kind="handshake", action={"do": "refuse", "status": 503})
        done = await host.type("holdfast emergency-repair --timeout 10")
        assert done.code == 6, done.said

    at_kraken(tmp_path, monkeypatch, story)
