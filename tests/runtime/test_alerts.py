"""An owner's alerts: raised once per episode, over restarts too, by the owner alone, and never in the way."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.config import AlertingSettings, Config
from holdfast.core.alerts import AlertKind, Notice
from holdfast.core.amounts import parse_amount
from holdfast.core.balances import Holding
from holdfast.core.events import Event
from holdfast.core.seams import Emit
from holdfast.errors import ConfigError, LockoutError, VenueError, VenueUnreachableError
from holdfast.runtime.alert_outbox import ClosablePost
from holdfast.runtime.alerts import FACT, AlertView, troubles_of
from holdfast.runtime.parts import Parts
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets, run_virtual
from holdfast.testing.parts import memory_config, memory_parts
from tests.runtime.entry_rig import FUNDS, outcome_of, trading

AT: Any = {"venue": "acme", "request": "BalanceEx"}
READS = ("BalanceEx", "Balance", "orders")


class Letterbox:
    """Takes notices in memory; says of each at once, or when the test says so, whether somebody got it."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.notices: list[Notice] = []
        self.is_closed = False

    def put(self, notice: Notice, done: Callable[[bool], object]) -> None:
        self.notices.append(notice)
        asyncio.get_running_loop().call_soon(done, self.works)

    async def close(self) -> None:
        self.is_closed = True

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(notice.kind.value, notice.subject, notice.stage.value) for notice in self.notices]


class Opened:
    """A desk with a letterbox, on virtual time, that can be closed and opened again."""

    def __init__(self, *, store: Path | str = ":memory:", **settings: Any) -> None:
        self.box = Letterbox()
        self.store = store
        self.settings = settings
        self.venue = FakeVenue()
        self.events: list[Event] = []
        self.made = 0
        self.problem: ConfigError | None = None

    @property
    def config(self) -> Config:
        return msgspec.structs.replace(memory_config(), alerts=AlertingSettings(**self.settings))

    def parts(self, **changes: Any) -> Parts:
        clock = FakeClock(asyncio.get_running_loop())
        made = memory_parts(clock=clock, venue=self.venue, store_path=self.store, **changes)
        return dataclasses.replace(made, alerts=self.make)

    def make(self, emit: Emit) -> ClosablePost | None:
        self.made += 1
        if self.problem is not None:
            raise self.problem
        return self.box

    def open(self, *, shared: dict[str, Any] | None = None, **options: Any) -> Any:
        given: dict[str, Any] = {"parts": self.parts(**(shared or {})), "on_event": self.events.append, **options}
        return holdfast.open(self.config, **given)

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]

    def lose(self, *, reads: bool = True) -> None:
        """Neither stream nor reads from now on, or no stream alone."""
        if reads:
            self.venue.clients[-1].failing.update(dict.fromkeys(READS, unreachable()))
        self.venue.streams[-1].refuses = unreachable()
        self.venue.streams[-1].cut()

    def heal(self) -> None:
        """Everything works again."""
        self.venue.clients[-1].failing.clear()
        self.venue.streams[-1].refuses = None


def unreachable() -> VenueUnreachableError:
    return VenueUnreachableError("connection refused", **AT)


def test_a_quiet_broker_tells_nobody_anything() -> None:
    async def main() -> None:
        o = Opened()
        async with o.open() as desk:
            await desk.ready()
            await asyncio.sleep(3600)
        assert o.box.told == []
        assert o.box.is_closed

    run_virtual(main())


def test_an_outage_is_told_in_its_parts_each_once_and_so_is_its_end() -> None:
    async def main() -> None:
        o = Opened()
        async with o.open() as desk:
            await desk.ready()
            o.lose()
            await asyncio.sleep(600)
            raised = [
                ("breaker_open", "read", "raised"),
                ("breaker_open", "stream", "raised"),
                ("figures_stale", "", "raised"),
                ("stream_lost", "", "raised"),
            ]
            assert sorted(o.box.told) == raised
            assert all(fields["broker"] == "acme-master" for fields in o.said("alert.raised"))
            assert len(o.said("alert.delivered")) == 4
            o.heal()
            await asyncio.sleep(900)
            assert sorted(o.box.told[4:]) == [(kind, subject, "recovered") for kind, subject, _ in raised]
            await asyncio.sleep(3600)
            assert len(o.box.told) == 8

    run_virtual(main())


def test_a_breaker_that_stays_open_is_told_as_stuck() -> None:
    async def main() -> None:
        o = Opened()
        async with o.open() as desk:
            await desk.ready()
            o.lose()
            await asyncio.sleep(899)
            assert not [kind for kind, _, _ in o.box.told if kind == "breaker_stuck"]
            await asyncio.sleep(120)
            assert ("breaker_stuck", "read", "raised") in o.box.told
            assert ("breaker_stuck", "stream", "raised") in o.box.told
            (notice,) = [
                each for each in o.box.notices if each.kind is AlertKind.BREAKER_STUCK and each.subject == "read"
            ]
            assert notice.level == "error"
            assert "holdfast reset-circuit-breaker" in notice.body

    run_virtual(main())


def test_a_breaker_that_opened_and_closed_between_two_looks_is_told_all_the_same() -> None:
    async def main() -> None:
        o = Opened()
        async with o.open() as desk:
            await desk["acme-master"].wait_until("live")
            view = AlertView(status=desk["acme-master"].status())
            before = {each.name: each.breaker.openings - 1 for each in view.status.capabilities}
            assert {each.subject for each in troubles_of(view, openings=before)} == {"read", "trade", "stream"}
            assert troubles_of(view, openings={name: count + 1 for name, count in before.items()}) == []
            assert troubles_of(view) == []

    run_virtual(main())


def test_a_parked_credential_is_told_at_once_with_its_cause() -> None:
    async def main() -> None:
        o = Opened()
        async with o.open() as desk:
            await desk["acme-master"].wait_until("live")
            o.venue.clients[-1].failing.update(dict.fromkeys(READS, LockoutError("locked", **AT)))
            await asyncio.sleep(120)
            assert o.box.told == [("credential_parked", "", "raised")]
            assert "Why: lockout." in o.box.notices[0].body

    run_virtual(main())


def test_two_sources_that_go_on_disagreeing_are_told_by_asset() -> None:
    async def main() -> None:
        o = Opened(discrepancy_after_s=20)
        async with o.open() as desk:
            await desk["acme-master"].wait_until("live")
            held = Holding(asset="USD", total=parse_amount("9"), held=parse_amount("11"), available=parse_amount("9"))
            for read in READS[:2]:
                o.venue.clients[-1].answers[read] = {**o.venue.holdings(with_holds=True), "USD": held}
            await asyncio.sleep(600)
            assert o.said("discrepancy.found")
            assert ("discrepancy", "USD", "raised") in o.box.told
            o.venue.clients[-1].answers.clear()
            await asyncio.sleep(600)
            assert o.box.told[-1] == ("discrepancy", "USD", "recovered")

    run_virtual(main())


def test_an_order_in_doubt_is_told_once_it_has_been_so_for_too_long() -> None:
    async def main() -> None:
        o = Opened()
        o.venue = FakeVenue(dict(FUNDS))
        async with trading(venue=o.venue, parts=o.parts(), orders={"in_doubt_alert_s": 120.0}) as t:
            t.client.failing.update(dict.fromkeys(("closed", "fills", "orders"), unreachable()))
            t.stream.outcomes.add(VenueError("busy", **AT))
            assert await outcome_of(t.buy("a")) == "OutcomeUnknownError"
            t.stream.refuses = unreachable()
            t.stream.cut()
            await asyncio.sleep(110)
            assert "order_in_doubt" not in [kind for kind, _, _ in o.box.told]
            await asyncio.sleep(30)
            assert ("order_in_doubt", "", "raised") in o.box.told

    run_virtual(main())


def test_a_halt_by_command_is_no_news_and_any_other_is() -> None:
    async def main() -> None:
        o = Opened()
        async with o.open() as desk:
            await desk.ready()
            await desk["acme-master"].set_trading_state("halted", reason="holiday")
            await asyncio.sleep(600)
            assert o.box.told == []
            desk["acme-master"]._backend.supervisor.account.halt("ownership_lost")
            await asyncio.sleep(60)
            assert ("broker_halted", "", "raised") in o.box.told

    run_virtual(main())


def test_what_was_told_is_not_told_again_by_the_next_owner(tmp_path: Path) -> None:
    async def main() -> None:
        o = Opened(store=tmp_path / "holdfast.db")
        async with o.open() as desk:
            await desk.ready()
            o.lose(reads=False)
            await asyncio.sleep(600)
        assert o.box.told == [("breaker_open", "stream", "raised"), ("stream_lost", "", "raised")]
        for _ in range(3):
            async with o.open() as desk:
                await desk.ready()
                o.lose(reads=False)
                await asyncio.sleep(50)
        stages = [stage for kind, _, stage in o.box.told if kind == "stream_lost"]
        assert stages == ["raised"]
        async with o.open() as desk:
            await desk["acme-master"].wait_until("live")
            assert await desk["acme-master"]._backend.supervisor.store.fact(FACT) is not None
            await asyncio.sleep(600)
            assert await desk["acme-master"]._backend.supervisor.store.fact(FACT) is None
        assert o.box.told[-1] == ("stream_lost", "", "recovered")

    run_virtual(main())


def test_a_record_that_cannot_be_read_keeps_no_account_closed(tmp_path: Path) -> None:
    async def main() -> None:
        o = Opened(store=tmp_path / "holdfast.db")
        async with o.open() as desk:
            await desk["acme-master"]._backend.supervisor.store.keep_fact(FACT, '{"stream_lost": 7}')
        async with o.open() as desk:
            await desk.ready()

    run_virtual(main())


def test_what_nobody_got_is_raised_again_and_not_kept_as_told() -> None:
    async def main() -> None:
        o = Opened()
        o.box.works = False
        async with o.open() as desk:
            await desk.ready()
            o.lose(reads=False)
            await asyncio.sleep(300)
            lost = [told for told in o.box.told if told[0] == "stream_lost"]
            assert len(lost) == 4  # At 60 s, then 30, 60 and 120 s apart.
            assert len(o.said("alert.undelivered")) == len(o.box.told)
            assert await desk["acme-master"]._backend.supervisor.store.fact(FACT) is None
            o.box.works = True
            await asyncio.sleep(900)
            assert len([told for told in o.box.told if told[0] == "stream_lost"]) == 5

    run_virtual(main())


@pytest.mark.parametrize("contact", ["rest", "none"])
def test_a_command_that_asks_for_one_answer_raises_nothing(contact: Any) -> None:
    async def main() -> None:
        o = Opened()
        async with o.open(contact=contact):
            o.venue.clients[-1].failing.update(dict.fromkeys(READS, LockoutError("locked", **AT)))
            await asyncio.sleep(600)
        assert (o.made, o.box.told) == (0, [])

    run_virtual(main())


def test_alerts_that_are_not_enabled_need_nothing() -> None:
    async def main() -> None:
        o = Opened(enabled=False)
        o.problem = ConfigError("no apprise")
        async with o.open() as desk:
            await desk.ready()

    run_virtual(main())


def test_addresses_that_cannot_be_used_are_refused_while_a_desk_opens_and_nothing_stays_held() -> None:
    async def main() -> None:
        o, owners = Opened(), MemoryOwners()
        o.problem = ConfigError("alerts are sent through apprise, which is not installed")
        with pytest.raises(ConfigError, match="apprise"):
            await o.open(shared={"owners": owners}).__aenter__()
        o.problem = None
        async with o.open(shared={"owners": owners}) as desk:
            await desk.ready()

    run_virtual(main())


def test_an_account_is_taken_over_by_a_process_that_cannot_send_alerts_and_it_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        o = Opened(store=tmp_path / "holdfast.db")
        shared = {"owners": MemoryOwners(), "sockets": MemorySockets()}
        first = o.open(shared=shared)
        await first.__aenter__()
        async with o.open(shared=shared) as standby:
            assert o.made == 1  # An attached process raises nothing, and needs no address.
            o.problem = ConfigError("alert URLs: HOLDFAST_ALERT_URLS is empty: set it, or unset it")
            await first.__aexit__(None, None, None)
            await standby["acme-master"].wait_until("live", timeout_s=120)
            (told,) = o.said("alert.unavailable")
            assert "HOLDFAST_ALERT_URLS is empty" in told["reason"]
            assert o.said("owner.succeeded")

    run_virtual(main())


def test_a_bug_in_alerts_ends_alerts_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        o = Opened()
        async with o.open() as desk:
            await desk.ready()

            def broken(*_: object, **__: object) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr("holdfast.runtime.alerts.troubles_of", broken)
            await asyncio.sleep(60)
            assert [str(context["message"]) for context in seen] == ["alerts of broker acme-master have ended"]
            assert o.said("alert.unavailable") == [{"broker": "acme-master", "reason": "ZeroDivisionError"}]
            await desk.ready()
            assert desk["acme-master"].balance("USD").state.value == "live"

    run_virtual(main())


def test_no_notice_has_an_amount_an_account_id_or_a_venues_text() -> None:
    async def main() -> None:
        o = Opened(discrepancy_after_s=0)
        o.venue.account_id = "ACCOUNT-77"
        async with o.open() as desk:
            await desk.ready()
            hostile = VenueUnreachableError("VENUE-TEXT 1500.25", **AT)
            o.venue.clients[-1].failing.update(dict.fromkeys(READS, hostile))
            o.venue.streams[-1].refuses = hostile
            o.venue.streams[-1].cut()
            await asyncio.sleep(1200)
        assert len(o.box.notices) >= 4
        for notice in o.box.notices:
            text = notice.title + notice.body
            assert "1500" not in text
            assert "ACCOUNT-77" not in text
            assert "VENUE-TEXT" not in text

    run_virtual(main())
