"""
Bad answers in memory, on virtual time: one world each, and what its client said and showed.

Over real sockets the same is done by ``misled_client``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from holdfast.core.amounts import format_amount, parse_amount
from holdfast.simulators.kraken.profiles import PROFILES
from holdfast.testing import run_virtual
from tests.crash.injections import AMOUNT_MUTATIONS, BALANCE_READS, Injection
from tests.crash.witness import Named, Picture, Witness
from tests.scenarios.world import World, world

__all__ = [
    "Finding",
    "amounts_in_every_place",
    "finding_of",
    "in_many_places",
    "mislead",
    "mislead_stream",
    "real_zeros",
    "said_of",
    "shown_as_stated",
    "suspects",
    "truncated_at_every_byte",
]

_ROWS: Final = tuple(PROFILES["plain"].accounts["master"].rows)
_PLACES: Final = {
    "BalanceEx": [f"{row}.{field}" for row in _ROWS for field in ("balance", "hold_trade")],
    "Balance": list(_ROWS),
}

_ZEROS: Final = {
    "object": 'never funded: `{"error":[],"result":{}}`',
    "absent": 'never funded: `{"error":[]}`',
    "null": "never funded: `result` is `null`",
    "zeros": "never funded: rows of zeros",
    "withdrawn": "emptied: everything was withdrawn",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    What came of one bad answer, or of one kind of it in many places.

    ``is_kept`` is whether what had to hold held; ``moved`` says in words what became of the figures. ``times`` counts
    the answers.
    """

    row: str
    what: str
    front: str
    said: str
    moved: str
    is_kept: bool
    times: int = 1
    grew_mib: float | None = None
    problem: str | None = None


def said_of(named: Iterable[Named]) -> str:
    """What was named, the class of a read's error first, each thing once."""
    shown: dict[str, None] = {}
    for each in named:
        if each.word and each.what in BALANCE_READS:
            shown[f"`{each.word}`: {each.text}"] = None
    events = {f"`{each.what} {each.word}`": None for each in named if "." in each.what}
    first = next(iter(shown), "")
    return "; ".join(part for part in (first, ", ".join(events)) if part)


def finding_of(
    injection: Injection, *, front: str, before: Picture, after: Picture, named: list[Named], truth: dict[str, Any]
) -> Finding:
    """Judge what was shown before and after one bad answer, and what was named."""
    is_untouched = before.digest() == after.digest()
    is_exact = _agrees(after, truth)
    problem = None
    if injection.expects == "refused":
        if not is_untouched:
            problem = f"figures moved from {before} to {after}"
        elif not any("." in each.what for each in named):
            problem = f"nothing was named but {named}"
        elif not any("." not in each.what for each in named):
            problem = f"no error was named but {named}"
    elif not is_exact:
        problem = f"shown {after.figures}, truth {truth}"
    moved = "untouched" if is_untouched else "the venue's own" if is_exact else "MOVED"
    return Finding(
        row=injection.row,
        what=injection.what,
        front=front,
        said=said_of(named) or "believed",
        moved=moved,
        is_kept=problem is None,
        problem=problem,
    )


def _agrees(picture: Picture, truth: dict[str, Any]) -> bool:
    for asset, row in truth.items():
        shown = picture.figures.get(asset)
        if shown is None or any(text is None for text in shown):
            return False
        theirs = [parse_amount(str(row[name])) for name in ("total", "held", "available")]
        if [parse_amount(text or "") for text in shown] != theirs:
            return False
    return True


async def _prepared(w: World) -> Witness:
    assert w.desk is not None
    await w.broker.ready()
    witness = Witness(w.desk, w.broker)
    # Holds beside the totals, so that none of the three figures is the other two's mirror.
    w.happen(kind="external_order", pair="XXBTZUSD", side="buy", quantity="0.01", price="20000.0")
    assert await witness.ask_in_peace()
    return witness


async def _bad_read(w: World, witness: Witness, injection: Injection, read: str) -> Finding:
    witness.forget()
    for rule in injection.rules:
        w.fault(**rule)
    before, after = await witness.ask(read)
    named = list(witness.named)
    w.heal()
    found = finding_of(injection, front="memory", before=before, after=after, named=named, truth=w.truth())
    # What could not move could not be judged: after healing the time moves.
    await w.sleep(0.01)
    if not await witness.ask_in_peace(within_s=90.0):
        return msgspec.structs.replace(found, is_kept=False, problem="not believed again after healing")
    if witness.picture().digest() == before.digest():
        return msgspec.structs.replace(found, is_kept=False, problem="a good answer moved nothing either")
    return found


def mislead(injection: Injection, *, seed: int = 0, read: str = "BalanceEx") -> Finding:
    """Make one read go wrong in a world of its own."""

    async def main() -> Finding:
        async with world(seed=seed, contact="rest") as w:
            return await _bad_read(w, await _prepared(w), injection, read)

    return run_virtual(main(), seed=seed)


def in_many_places(row: str, what: str, found: list[Finding]) -> Finding:
    """One line for one kind of answer in many places."""
    bad = [each for each in found if not each.is_kept]
    moved = sorted({each.moved for each in found})
    said = bad[0].said if bad else found[0].said
    return Finding(
        row=row,
        what=what,
        front=found[0].front,
        said=said,
        moved=", ".join(moved),
        is_kept=not bad,
        times=len(found),
        problem=bad[0].problem if bad else None,
    )


def truncated_at_every_byte(read: str, *, step: int = 1, seed: int = 0) -> Finding:
    """B1: the answer cut after each of its bytes, transport fine; the whole one is believed."""

    async def main() -> Finding:
        found: list[Finding] = []
        async with world(seed=seed, contact="rest") as w:
            witness = await _prepared(w)
            size = 0
            while True:
                rule = {"kind": "rest", "name": list(BALANCE_READS), "action": {"do": "truncate", "at": size}}
                cut = Injection(row="B1", what=f"cut after {size} bytes", rules=(rule,))
                one = await _bad_read(w, witness, cut, read)
                if one.said == "believed":
                    break
                found.append(one)
                size += step
        if size < 60:
            raise AssertionError(f"an answer cut after {size} bytes was believed")
        return in_many_places("B1", f"`{read}` cut after each of its {size} bytes", found)

    return run_virtual(main(), seed=seed)


def amounts_in_every_place(how: str, read: str, *, seed: int = 0, places: slice = slice(None)) -> Finding:
    """B2, B3: one spelling that is no amount, in each amount of an answer."""

    async def main() -> Finding:
        found: list[Finding] = []
        async with world(seed=seed, contact="rest") as w:
            witness = await _prepared(w)
            for place in _PLACES[read][places]:
                action = {"do": "mutate", "how": how, "field": place}
                rule = {"kind": "rest", "name": list(BALANCE_READS), "action": action}
                is_zero = how == "negative" and not _is_positive(w, place)
                expects = "exact" if is_zero else "refused"
                one = Injection(row="B2", what=place, rules=(rule,), expects=expects)  # type: ignore[arg-type]
                found.append(await _bad_read(w, witness, one, read))
        if how == "negative":
            return in_many_places("B3", f"a negative amount in `{read}` that no credit line explains", found)
        return in_many_places("B2", f"{AMOUNT_MUTATIONS[how]} for an amount of `{read}`", found)

    return run_virtual(main(), seed=seed)


def _is_positive(w: World, place: str) -> bool:
    row, _, field = place.partition(".")
    code = {"ZUSD": "USD", "ZEUR": "EUR", "XXBT": "BTC", "XETH": "ETH", "XXDG": "DOGE"}.get(row, row)
    return w.truth()[code]["held" if field == "hold_trade" else "total"] > 0


def mislead_stream(injection: Injection, *, seed: int = 0) -> Finding:
    """Make one pushed message go wrong in a world of its own; then let it heal."""

    async def main() -> Finding:
        async with world(seed=seed) as w:
            await w.converged()
            await w.sleep(2.3)
            assert w.desk is not None
            witness = Witness(w.desk, w.broker)
            before = witness.picture()
            w.fault(**injection.rules[0])
            w.happen(kind="deposit", asset="USD", amount="1.5")
            if not await witness.named_within(0.9):
                w.happen(kind="deposit", asset="EUR", amount="2.5")  # What was lost shows with what follows.
                await witness.named_within(4.0)
            now_s = w.clock.now_s()
            after, named = witness.picture(), list(witness.named)
            problem = None
            if not named:
                moved = "the venue's own"
                if not _agrees(after, w.truth()):
                    problem = f"nothing was named, shown {after.figures}, truth {w.truth()}"
            else:
                moved = "untouched"
                if after.figures["USD"] != before.figures["USD"] and not _agrees_on(after, w, "USD"):
                    problem, moved = f"USD moved from {before.figures['USD']} to {after.figures['USD']}", "MOVED"
                elif after.figures["USD"] != before.figures["USD"]:
                    moved = "the venue's own"
                elif (after.as_of_s["USD"] or 0.0) >= now_s:
                    problem, moved = "the figure's time moved to that of the message", "TIME MOVED"
                if after.states["USD"] == "live" and moved == "untouched":
                    problem = "USD is live, and what was pushed of it was not believed"
            w.heal()
            healed_s = await w.converged()
            return Finding(
                row=injection.row,
                what=injection.what,
                front="memory",
                said=(said_of(named) or "ignored") + f"; live and true again after {healed_s:.1f} s",
                moved=moved,
                is_kept=problem is None,
                problem=problem,
            )

    return run_virtual(main(), seed=seed)


def _agrees_on(picture: Picture, w: World, asset: str) -> bool:
    return parse_amount(picture.figures[asset][0] or "") == w.truth()[asset]["total"]


# Answers that are good, and hard to believe


def real_zeros(how: str, *, seed: int = 0) -> Finding:
    """
    I4: an account that holds nothing is shown as zero once a different read says so.

    *how* is a form of the never-funded account's answer (``object``, ``absent``, ``null``, ``zeros``), or
    ``withdrawn``: everything leaves a funded one.
    """

    async def main() -> Finding:
        is_funded = how == "withdrawn"
        async with world(seed=seed, profile="plain" if is_funded else "empty", contact="rest") as w:
            assert w.desk is not None
            witness = Witness(w.desk, w.broker)
            if is_funded:
                await w.broker.ready()
                for asset, row in w.truth().items():
                    if row["total"] > 0:
                        w.happen(kind="withdrawal", asset=asset, amount=format_amount(row["total"]))
                await witness.ask("BalanceEx")
                first = witness.picture()
                is_doubted = w.broker.balance("USD").total == 10_000 and "fresh" not in first.states.values()
            else:
                w.venue.happen({"kind": "setting", "name": "empty_balance", "value": how})
                await witness.named_within(5.0)
                first = witness.picture()
                is_doubted = not first.figures and w.broker.balance("USD").total is None
            began_s = w.clock.now_s()
            await w.broker.wait_until(lambda status: not status.suspects and _is_zero(w))
            took_s = w.clock.now_s() - began_s
            await w.sleep(0.0)
            entries = w.front.journal.since()["entries"]
            reads = sorted({entry["name"] for entry in entries if entry.get("name") in BALANCE_READS})
            usd = w.broker.balance("USD")
            problem = None
            if not is_doubted:
                problem = f"believed at once: {first}"
            elif reads != sorted(BALANCE_READS) or took_s < 0.9:
                problem = f"confirmed after {took_s} s by {reads}"
            elif usd.total != 0 or usd.state.value != "fresh":
                problem = f"shown as {usd}"
            said = f"{said_of(witness.named)}; the other read agreed {took_s:.1f} s later, then {usd.state.value} zeros"
            return Finding(
                row="B15",
                what=_ZEROS[how],
                front="memory",
                said=said,
                moved="proven zeros",
                is_kept=problem is None,
                problem=problem,
            )

    return run_virtual(main(), seed=seed)


def _is_zero(w: World) -> bool:
    usd = w.broker.balance("USD")
    return usd.total == 0 and usd.is_fit_to_approve


def suspects(what: str, fault: dict[str, Any], *, row: str, seed: int = 0) -> Finding:
    """B10, B15: one read claims that something is gone and the other does not: nothing moves."""

    async def main() -> Finding:
        async with world(seed=seed, contact="rest") as w:
            witness = await _prepared(w)
            witness.forget()
            w.fault(**fault)
            before, after = await witness.ask("BalanceEx")
            named = list(witness.named)
            is_kept = before.digest() == after.digest() and any(each.what == "answer.suspected" for each in named)
            await w.sleep(1.5)
            w.heal()
            is_kept = await witness.ask_in_peace() and is_kept and _agrees(witness.picture(), w.truth())
            problem = None if is_kept else f"before {before}, after {after}, named {named}"
            return Finding(
                row=row,
                what=what,
                front="memory",
                said=said_of(named),
                moved="untouched" if before.digest() == after.digest() else "MOVED",
                is_kept=is_kept,
                problem=problem,
            )

    return run_virtual(main(), seed=seed)


def shown_as_stated(row: str, what: str, *, balance: str, hold: str | None = None, seed: int = 0) -> Finding:
    """B4, B5: strange figures are shown to the last digit, and what contradicts itself is not spendable."""

    async def main() -> Finding:
        async with world(seed=seed, contact="rest") as w:
            witness = await _prepared(w)
            witness.forget()
            fault = {"kind": "override_row", "read": "*", "asset": "ZUSD", "balance": balance, "for_s": 60}
            w.venue.impair(fault if hold is None else {**fault, "hold": hold})
            for read in ("BalanceEx", "Balance", "BalanceEx"):
                await witness.ask(read)
                await asyncio.sleep(1.1)
            usd = w.broker.balance("USD")
            shown = None if usd.total is None else format(usd.total, "f")
            stated = parse_amount(balance)
            problem = None
            if usd.total != stated:
                problem = f"shown as {shown}"
            elif hold is not None and (usd.held != parse_amount(hold) or usd.spendable != 0):
                problem = f"held {usd.held}, spendable {usd.spendable}"
            found = [event.fields["kind"] for _, event in w.events if event.name == "discrepancy.found"]
            if hold is not None and not found:
                problem = "no discrepancy was recorded"
            w.heal()
            w.checker.violations.clear()  # The judge compares with the venue's ledger, which the fault contradicts.
            said = f"total {shown}"
            if hold is not None:
                said += f", held {usd.held}, spendable {usd.spendable}, discrepancy `{found[0] if found else None}`"
            is_kept = problem is None
            return Finding(
                row=row, what=what, front="memory", said=said, moved="as stated", is_kept=is_kept, problem=problem
            )

    return run_virtual(main(), seed=seed)
