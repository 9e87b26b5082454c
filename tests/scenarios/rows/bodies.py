"""Rows of bodies: text that is no answer, amounts that are none, names that attack, answers about nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from holdfast.core.balances import BalanceState
from tests.crash.injections import AMOUNT_MUTATIONS, BAD_FRAMES
from tests.crash.misled import (
    Finding,
    amounts_in_every_place,
    mislead_stream,
    real_zeros,
    shown_as_stated,
    suspects,
    truncated_at_every_byte,
)
from tests.scenarios.rows.benches import act_out, bad_answer, endures, expect, reading, said
from tests.scenarios.rows.scenario import calling, on_virtual_time
from tests.scenarios.world import World, world

__all__: list[str] = []

_READS: Final = ("BalanceEx", "Balance")
_ZEROS: Final = ("object", "absent", "null", "zeros", "withdrawn")


def _kept(found: Finding) -> dict[str, Any]:
    expect(found.is_kept, f"{found.what}: {found.problem}")
    return {"bad_answers": found.times}


def _bad_frame(row: str, seed: int) -> dict[str, Any]:
    kinds = [each for each in BAD_FRAMES if each.row == row]
    return _kept(mislead_stream(kinds[seed % len(kinds)], seed=seed))


@calling(seeds=2, sampled=False)
def b1_cut_after_each_byte(seed: int) -> dict[str, Any]:
    """A balance read is cut after every one of its bytes, as if that were all."""
    return _kept(truncated_at_every_byte(_READS[seed % 2], seed=seed))


@calling(seeds=2)
def b1_cut_after_many_bytes(seed: int) -> dict[str, Any]:
    """The same after every 41st byte."""
    return _kept(truncated_at_every_byte(_READS[seed % 2], step=41, seed=seed))


@on_virtual_time()
async def b1_torn_answers_to_everything(seed: int) -> dict[str, Any]:
    """Any answer is cut at a drawn byte while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "B1", seed)


@calling(seeds=2 * len(AMOUNT_MUTATIONS))
def b2_no_amount_in_any_place(seed: int) -> dict[str, Any]:
    """One spelling that is no amount stands in every amount of a balance read, one after the other."""
    how = tuple(AMOUNT_MUTATIONS)[seed % len(AMOUNT_MUTATIONS)]
    return _kept(amounts_in_every_place(how, _READS[seed // len(AMOUNT_MUTATIONS) % 2], seed=seed, places=slice(0, 4)))


@calling(seeds=60)
def b2_no_amount_in_a_push(seed: int) -> dict[str, Any]:
    """The same in a pushed amount, fee or balance."""
    return _bad_frame("B2", seed)


@calling(seeds=2)
def b3_negative_amounts(seed: int) -> dict[str, Any]:
    """Each amount of a balance read is negative, and no credit line explains it."""
    return _kept(amounts_in_every_place("negative", _READS[seed % 2], seed=seed))


@on_virtual_time()
async def b3_a_debt_that_the_venue_explains(seed: int) -> dict[str, Any]:
    """An account with a credit line owes: its balance really is below zero."""
    async with reading(seed, profile="margin", points=()) as w:
        usd = w.truth()["USD"]["total"]
        w.happen(kind="adjustment", asset="USD", amount=str(-usd - w.rng.randint(1, 50)))
        await w.sleep(40.0)
        shown = w.broker.balance("USD")
        expect(shown.total is None or shown.total <= usd, f"a debt is shown as {shown.total}")
        expect(not shown.spendable or shown.spendable >= 0, f"spendable is {shown.spendable}")
        w.heal()
        return {"shown": str(shown.total), "spendable": str(shown.spendable), "state": shown.state.value}


@calling(seeds=2)
def b4_more_held_than_owned(seed: int) -> dict[str, Any]:
    """A balance read states 10 owned and 25 held."""
    return _kept(shown_as_stated("B4", "more held than owned", balance="10.0000", hold="25.0000", seed=seed))


@calling(seeds=3)
def b5_many_digits(seed: int) -> dict[str, Any]:
    """A balance read states 10^30, 10^-30, or 40 digits."""
    digits = ("1" + "0" * 30, "0." + "0" * 29 + "1", "1234567890123456789.012345678901234567891")[seed % 3]
    return _kept(shown_as_stated("B5", "many digits", balance=digits, seed=seed))


@calling()
def b6_a_key_twice(seed: int) -> dict[str, Any]:
    """A balance read has a key or a row twice."""
    return bad_answer("B6", seed)


@calling(seeds=8)
def b6_a_key_twice_in_a_push(seed: int) -> dict[str, Any]:
    """A push has a key twice."""
    return _bad_frame("B6", seed)


@calling()
def b7_codes_that_collide_or_are_unknown(seed: int) -> dict[str, Any]:
    """A row is called as nobody lists it, or as another asset is."""
    return bad_answer("B7", seed)


@on_virtual_time()
async def b7_rows_of_one_asset(seed: int) -> dict[str, Any]:
    """Coins move into rows that earn and rows that are locked, and back."""
    async with world(seed=seed, profile=("earn", "plain")[seed % 2], points=()) as w:
        await _true_but_locked(w)
        asset = w.rng.choice(("ETH", "SOL"))
        before = w.broker.balance(asset).total
        w.happen(kind="auto_earn", asset=asset, on=seed % 4 < 2)
        await w.sleep(5.0)
        await _true_but_locked(w)
        earning = w.broker.balance(asset)
        expect(earning.total == before, f"earning changed {before} {asset} to {earning.total}")
        w.happen(kind="staking", asset=asset, amount="1", suffix="S")
        await w.sleep(5.0)
        await w.broker.refresh()
        rows = {code: each for code, each in w.broker.balances().items() if code.startswith(f"{asset}.")}
        expect(rows, f"no locked row of {asset} is shown: {w.truth()}")
        expect(not any(each.spendable for each in rows.values()), f"locked rows are spendable: {rows}")
        w.heal()
        return {"locked_rows": len(rows), "healed_s": round(await _true_but_locked(w), 1)}


async def _true_but_locked(w: World) -> float:
    """Rows that nothing pushes are never live: all the others are."""
    began_s = w.clock.now_s()
    while any("." not in asset for asset in w.checker.differences()):
        expect(w.clock.now_s() - began_s < 90.0, w.checker.differences())
        await w.sleep(0.5)
    return float(w.clock.now_s() - began_s)


@calling()
def b8_other_spellings_of_an_amount(seed: int) -> dict[str, Any]:
    """An amount is a number in place of text, or has an exponent."""
    return bad_answer("B8", seed)


@on_virtual_time(sampled=False)
async def b8_other_spellings_stay(seed: int) -> dict[str, Any]:
    """The same while the account lives on, and pushed numbers have exponents."""
    async with reading(seed, settings={"numbers": "exponent"}) as w:
        return await endures(w, "B8", seed)


@calling()
def b9_fields_are_missing_or_renamed(seed: int) -> dict[str, Any]:
    """A balance read lacks an amount, or its result has another name."""
    return bad_answer("B9", seed)


@calling(seeds=8)
def b9_fields_are_missing_in_a_push(seed: int) -> dict[str, Any]:
    """A push lacks an amount, its asset, its rows or its number."""
    return _bad_frame("B9", seed)


@on_virtual_time()
async def b9_fields_that_nobody_knows(seed: int) -> dict[str, Any]:
    """Balance reads have a member more, in the envelope and in a row."""
    async with reading(seed) as w:
        more = {"do": "mutate", "how": "set", "field": "error", "value": '[],"news":{"of":[1,null,"x"]}'}
        w.fault(kind="rest", name=list(_READS), action=more)
        report = await w.broker.refresh()
        expect(report.is_ok, f"a member that nobody knows: {report.error}")
        w.heal()
        return {"healed_s": round(await w.converged(), 1)}


@calling(seeds=6)
def b10_an_asset_is_missing_from_one_read(seed: int) -> dict[str, Any]:
    """One of the two reads lacks an asset, the other has it."""
    asset = ("ZUSD", "XXBT", "SOL")[seed % 3]
    fault = {"kind": "vanish", "asset": asset, "read": _READS[0], "for_s": 30}
    return _kept(suspects(f"{asset} is missing", fault, row="B10", seed=seed))


@on_virtual_time()
async def b10_one_asset_is_left(seed: int) -> dict[str, Any]:
    """Everything but one asset is really withdrawn: the others become zeros, by a second read."""
    async with reading(seed) as w:
        kept = w.rng.choice(("USD", "BTC"))
        for asset, row in w.truth().items():
            if asset != kept and row["available"] > 0:
                w.happen(kind="withdrawal", asset=asset, amount=str(row["available"]))
        healed_s = await w.converged()
        zeros = [each.asset for each in w.broker.balances().values() if each.total == Decimal(0)]
        expect(kept not in zeros and len(zeros) >= 4, f"{kept} was left, zeros are {zeros}")
        w.heal()
        return {"zeros": len(zeros), "healed_s": round(healed_s, 1)}


@calling()
def b11_markup_in_names_and_errors(seed: int) -> dict[str, Any]:
    """A row or an error has markup for a name."""
    return bad_answer("B11", seed)


@calling()
def b12_control_characters_in_names_and_errors(seed: int) -> dict[str, Any]:
    """A row or an error has line breaks, NUL, right-to-left marks, or 100,000 letters."""
    return bad_answer("B12", seed)


@on_virtual_time()
async def b12_what_is_told_stays_on_one_line(seed: int) -> dict[str, Any]:
    """The same while every event is read: no field of any holds a control character or a page of text."""
    async with reading(seed) as w:
        found = await endures(w, ("B11", "B12")[seed % 2], seed)
        for _, event in w.events:
            for name, value in event.fields.items():
                text = str(value)
                expect(not re.search(r"[\x00-\x1f\x7f\u202a-\u202e]", text), f"{event.name}.{name} is {text!r}")
                expect(len(text) <= 2_000, f"{event.name}.{name} has {len(text)} characters")
        return found


@calling()
def b13_nested_lists(seed: int) -> dict[str, Any]:
    """A balance read is nested 1,000 or 100,000 deep."""
    return bad_answer("B13", seed)


@calling(seeds=2)
def b13_nested_lists_in_a_push(seed: int) -> dict[str, Any]:
    """A push is nested 100,000 deep."""
    return _bad_frame("B13", seed)


@calling(seeds=38)
def b14_answers_to_other_questions(seed: int) -> dict[str, Any]:
    """A balance read is answered with another endpoint's, another venue's, or any other good JSON."""
    return bad_answer("B14", seed)


@calling(seeds=14)
def b14_messages_of_others(seed: int) -> dict[str, Any]:
    """Before a push comes HTML, nothing, or another venue's message."""
    return _bad_frame("B14", seed)


@on_virtual_time(seeds=4)
async def b14_an_answer_out_of_a_cache(seed: int) -> dict[str, Any]:
    """A balance read has an `Age` header: it was true some time ago."""
    async with reading(seed) as w:
        w.fault(kind="rest", name=list(_READS), action={"do": "mislabel", "headers": {"Age": "30"}})
        began_s = w.clock.now_s()
        report = await w.broker.refresh(timeout_s=5.0)
        expect(not report.is_ok and "cache" in (report.error or ""), f"a cached answer: {report.error}")
        expect(said(w, "answer.refused", since_s=began_s), "nobody was told of a cached answer")
        w.heal()
        return {"healed_s": round(await w.converged(), 1)}


@calling(seeds=5)
def b15_accounts_that_hold_nothing(seed: int) -> dict[str, Any]:
    """An account was never funded, or is emptied: zeros once a different read agrees."""
    return _kept(real_zeros(_ZEROS[seed % len(_ZEROS)], seed=seed))


@calling(seeds=8)
def b15_one_read_says_that_nothing_is_there(seed: int) -> dict[str, Any]:
    """Of a funded account one read says so, in each of four forms, and the other does not."""
    form = _ZEROS[seed % 4]
    fault = {"kind": "empty_result", "form": form, "read": "BalanceEx", "for_s": 30}
    return _kept(suspects(form, fault, row="B15", seed=seed))


@on_virtual_time()
async def b15_empty_answers_while_the_account_lives_on(seed: int) -> dict[str, Any]:
    """One of the two reads says that nothing is there while money comes and goes."""
    async with reading(seed) as w:
        plan = act_out(w, "B15", seed)
        await w.broker.refresh(timeout_s=10.0)
        usd = w.broker.balance("USD")
        expect(usd.total or usd.state is BalanceState.UNKNOWN, f"{plan.faults}: USD is {usd}")
        w.heal()
        return {"healed_s": round(await w.converged(), 1)}
