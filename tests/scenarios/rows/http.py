"""Rows of HTTP: statuses, envelopes, bodies that are too long, too short, or in disguise."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from holdfast.core.orders import OrderState
from holdfast.errors import HoldfastError, OutcomeUnknownError
from tests.scenarios.rows.benches import (
    act_out,
    bad_answer,
    calls,
    counted,
    drill,
    endures,
    expect,
    reading,
    said,
    trading_bench,
)
from tests.scenarios.rows.scenario import calling, on_virtual_time

__all__: list[str] = []

_ASKS: dict[str | None, tuple[float, float]] = {
    # Retry-After: what has to pass before the venue is asked again, at least and at the most.
    None: (0.0, 75.0),
    "20": (20.0, 75.0),
    "45": (45.0, 75.0),
    "1000000000": (60.0, 75.0),
    "-5": (0.0, 75.0),
    "soon": (0.0, 75.0),
}


@calling()
def h1_429_moves_nothing(seed: int) -> dict[str, Any]:
    """A balance read is answered 429, with every form of `Retry-After` in turn."""
    return bad_answer("H1", seed)


@on_virtual_time()
async def h1_retry_after_is_waited_out(seed: int) -> dict[str, Any]:
    """One signed read is answered 429; when the venue hears the next signed call is compared with `Retry-After`."""
    asked = tuple(_ASKS)[seed % len(_ASKS)]
    async with reading(seed) as w:
        w.fault(kind="rest", name="BalanceEx", action={"do": "too_many", "retry_after": asked}, count=1)
        since = w.front.journal.since(0, kinds=())["next"]
        impatient = asyncio.create_task(_impatient(w))
        await w.sleep(100.0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        signed = [each["at_s"] for each in calls(w, since=since) if each.get("key")]
        expect(len(signed) > 1, "the venue was never asked again")
        gap_s = signed[1] - signed[0]
        low_s, high_s = _ASKS[asked]
        expect(low_s - 1.0 <= gap_s <= high_s, f"asked again after {gap_s:.1f} s, Retry-After: {asked}")
        openings = {each.name: each.breaker.openings for each in w.broker.status().capabilities}
        expect(not any(openings.values()), f"a limit opened a breaker: {openings}")
        w.heal()
        return {"asked_again_s": round(gap_s, 1), "healed_s": round(await w.converged(), 1)}


async def _impatient(w: Any) -> None:
    while True:
        await w.broker.refresh(timeout_s=5.0)
        await asyncio.sleep(1.0)


@calling()
def h2_gateway_pages_move_nothing(seed: int) -> dict[str, Any]:
    """A balance read is answered with a gateway's page, every status in turn."""
    return bad_answer("H2", seed)


@on_virtual_time()
async def h2_gateway_pages_open_a_breaker_that_closes(seed: int) -> dict[str, Any]:
    """Everything is answered with a gateway's page while reads go on; then it heals."""
    async with reading(seed) as w:
        act_out(w, "H2", seed)
        w.fault(kind="close_streams")
        w.fault(kind="handshake", action={"do": "refuse", "status": 502})
        for _ in range(30):
            await w.broker.refresh(timeout_s=5.0)
            await w.sleep(1.0, 3.0)
        opened = said(w, "breaker.opened", capability="read")
        expect(opened, "the read breaker never opened")
        w.heal()
        began_s = w.clock.now_s()
        healed_s = await w.converged()
        while any(each.breaker.state.value != "closed" for each in w.broker.status().capabilities):
            expect(w.clock.now_s() - began_s < 90.0, f"not closed: {w.broker.status().capabilities}")
            await w.sleep(0.5)
        return {"healed_s": round(healed_s, 1), "closed_s": round(w.clock.now_s() - began_s, 1)}


@on_virtual_time(sampled=False)
async def h2_gateway_pages_to_orders(seed: int) -> dict[str, Any]:
    """Orders are answered with a gateway's page, before or after the venue acted."""
    return await drill(seed, "H2", prefer="rest", hits=True)


@calling()
def h3_an_error_in_json_behind_500(seed: int) -> dict[str, Any]:
    """A balance read is answered 500 with the venue's own envelope."""
    return bad_answer("H3", seed)


@on_virtual_time()
async def h3_an_order_refused_behind_500(seed: int) -> dict[str, Any]:
    """An order and a read are answered 500 with an error in JSON, by turns one that would prove a refusal."""
    faults = {"EOrder:Insufficient funds": "funds", "EAPI:Rate limit exceeded": "rate_limit"}
    error = tuple(faults)[seed % len(faults)]
    async with trading_bench(seed, prefer="rest") as run:
        w = run.w
        answer = {"do": "answer", "status": 500, "body": f'{{"error":["{error}"]}}'}
        w.fault(kind="rest", name=["AddOrder", "BalanceEx"], action=answer)
        try:
            await w.broker.place_market_order("BTC-USD", "buy", "0.001", intent_id="one")
            raise AssertionError("an order behind 500 counts as placed")
        except OutcomeUnknownError as told:
            expect(told.code == error, f"{error} behind 500 is told as {told.code}")
            expect("HTTP 500" in str(told) and "kraken kraken" not in str(told), f"told as: {told}")
        expect((await w.broker.order("one")).state is OrderState.IN_DOUBT, "not in doubt")
        await w.sleep(20.0)  # What a limit asks for is waited out first.
        await w.broker.refresh(timeout_s=5.0)
        told_of = {each["fault"] for each in said(w, "read.failed")}
        expect(told_of == {faults[error]}, f"{error} behind 500 is the fault {told_of}")
    return counted(run)


@calling()
def h4_an_error_in_an_envelope_moves_nothing(seed: int) -> dict[str, Any]:
    """A balance read is answered 200 with an error, by turns with a result beside it."""
    return bad_answer("H4", seed)


@on_virtual_time(sampled=False)
async def h4_errors_in_envelopes_to_everything(seed: int) -> dict[str, Any]:
    """Requests are answered 200 with an error while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "H4", seed)


@calling()
def h5_a_warning_beside_the_result(seed: int) -> dict[str, Any]:
    """A balance read carries a warning beside a good result."""
    return bad_answer("H5", seed)


@on_virtual_time()
async def h5_warnings_are_told(seed: int) -> dict[str, Any]:
    """Balance reads carry a warning while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "H5", seed, says=("answer.warned",))


@calling()
def h6_a_redirect_moves_nothing(seed: int) -> dict[str, Any]:
    """A balance read is redirected to another host, every status in turn."""
    return bad_answer("H6", seed)


@on_virtual_time(sampled=False)
async def h6_redirects_of_orders(seed: int) -> dict[str, Any]:
    """Orders and reads are redirected to another host."""
    return await drill(seed, "H6", prefer="rest")


@calling()
def h7_empty_bodies_and_wrong_lengths(seed: int) -> dict[str, Any]:
    """A balance read has no body, a wrong length, or lacks its last chunk."""
    return bad_answer("H7", seed)


@on_virtual_time(sampled=False)
async def h7_empty_bodies_to_orders(seed: int) -> dict[str, Any]:
    """Orders and reads are answered with no body, a wrong length, or without the last chunk."""
    return await drill(seed, "H7", prefer="rest")


@calling()
def h8_wrong_labels(seed: int) -> dict[str, Any]:
    """A balance read claims another type, another character set, or begins with a byte order mark."""
    return bad_answer("H8", seed)


@on_virtual_time(sampled=False)
async def h8_wrong_labels_on_everything(seed: int) -> dict[str, Any]:
    """Every answer is labelled wrongly while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "H8", seed)


@calling()
def h9_bombs_and_false_encodings(seed: int) -> dict[str, Any]:
    """A balance read is a compressed bomb, or claims an encoding that it does not have."""
    return bad_answer("H9", seed)


@on_virtual_time(sampled=False)
async def h9_bombs_for_everything(seed: int) -> dict[str, Any]:
    """Answers are bombs or falsely encoded while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "H9", seed, for_s=20.0)


@calling()
def h10_endless_bodies_and_headers(seed: int) -> dict[str, Any]:
    """A balance read has a body of 64 MiB, or headers beyond all bounds."""
    return bad_answer("H10", seed)


@on_virtual_time(sampled=False)
async def h10_endless_answers_to_everything(seed: int) -> dict[str, Any]:
    """Answers are endless, or their headers are, while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "H10", seed, for_s=20.0)


@on_virtual_time()
async def h12_a_page_of_a_history_is_lost(seed: int) -> dict[str, Any]:
    """Orders or their answers are lost, and so is every other page of the fills and closed orders that tell of them."""
    async with trading_bench(seed, prefer="rest", settings={"resting_fill_parts": 1}) as run:
        w = run.w
        # More than one page of fills in the time that a doubt looks at.
        others = asyncio.create_task(_somebody_trades(run))
        lost = ("lose_reply", "lose_request")[seed % 2]
        w.fault(kind="rest", name="AddOrder", action={"do": lost, "how": "silence"})
        w.fault(kind="missing_event", channel="executions", count=1_000)
        act_out(w, "H12", seed)
        for number in range(2):
            with contextlib.suppress(HoldfastError):
                await w.broker.place_market_order("BTC-USD", "buy", "0.001", intent_id=f"lost-{number}")
            run.look()
        await others
        await asyncio.sleep(90.0)
        run.look()
        pages = [each for each in calls(w) if each["name"] in ("TradesHistory", "ClosedOrders")]
        expect(pages, "no history was asked for: the scenario proves nothing")
    return {**counted(run), "pages_asked": len(pages)}


async def _somebody_trades(run: Any) -> None:
    for _ in range(30):
        for side in ("buy", "sell"):
            run.w.happen(kind="external_trade", pair="BTC-USD", side=side, quantity="0.0005")
        run.judge.happened()
        await asyncio.sleep(0.2)
