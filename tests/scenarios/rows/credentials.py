"""Rows of credentials: revoked, expired, without a right, wrong, swapped."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

import holdfast
from holdfast.core.parking import BAD_KEYS, PROBE_EVERY_S
from holdfast.errors import ConfigError, HoldfastError
from tests.scenarios.quiet import revoked_key
from tests.scenarios.rows.benches import act_out, calls, expect, reading, said
from tests.scenarios.rows.scenario import calling, on_virtual_time
from tests.scenarios.world import World

__all__: list[str] = []

_QUARTER_S: Final = 900.0


def _signed(w: World, since: int) -> int:
    return len([each for each in calls(w, since=since) if each.get("key")])


@on_virtual_time(seeds=10, sampled=False)
async def a1_a_revoked_key_is_parked(seed: int) -> dict[str, Any]:
    """The key is deleted while it is used; an hour of asking for figures follows."""
    found = await revoked_key(hours=1.0, seed=seed)
    expect(found["cause"] in BAD_KEYS, f"the cause is {found['cause']}")
    expect(found["parked_after_s"] < 60.0, f"parked after {found['parked_after_s']} s")
    expect(found["signed_calls"] <= found["allowed"], f"more signed calls than one in five minutes: {found}")
    expect(not any(found["openings"].values()), f"a breaker opened: {found}")
    return found


@on_virtual_time(seeds=10)
async def a1_figures_age_and_say_why(seed: int) -> dict[str, Any]:
    """The key is deleted: figures stay, nothing is bought on them, and the status names the cause."""
    async with reading(seed, points=()) as w:
        before = {asset: each.total for asset, each in w.broker.balances().items()}
        act_out(w, "A1", seed)
        await w.sleep(_QUARTER_S)
        after = {asset: each.total for asset, each in w.broker.balances().items()}
        expect(before == after, f"figures moved from {before} to {after}")
        status = w.broker.status()
        expect(status.nonce.parked_cause in BAD_KEYS, f"the cause is {status.nonce.parked_cause}")
        expect(said(w, "credential.parked"), "nobody was told")
        code = w.broker.verify_balance("USD", "1").code.value
        expect(code in ("balance_stale", "credential_parked"), f"1 USD was {code}")
        return {"cause": status.nonce.parked_cause, "verdict": code}


@on_virtual_time()
async def a2_a_right_is_taken_away(seed: int) -> dict[str, Any]:
    """The key loses the right to trade, or to read funds, or gets the right to withdraw."""
    async with reading(seed, points=(), funds={"USD": "500"}) as w:
        key = next(each for each in w.venue.credentials() if each["account"] == "master")["key"]
        had = sorted(w.venue._exchange.keys[key].permissions)
        plan = act_out(w, "A2", seed)
        rights = set(plan.events[0]["permissions"])
        await w.broker.refresh(timeout_s=10.0)
        ordered: str | None = None
        try:
            await w.broker.place_limit_order("BTC-USD", "buy", "0.001", "20000.0", intent_id="one")
        except HoldfastError as error:
            ordered = f"{type(error).__name__}: {error}"
        expect(("modify-trades" in rights) == (ordered is None), f"with {sorted(rights)}: {ordered}")
        expect(ordered is None or "ermission" in ordered, f"the missing right is not named: {ordered}")
        if "query-funds" not in rights:
            errors = [each["error"] for each in said(w, "read.failed")]
            expect(any("ermission" in each for each in errors), f"the missing right is not named: {errors}")
        cause = w.broker.status().nonce.parked_cause
        expect(cause in (None, "permission_missing"), f"a missing right is told as {cause}")
        since = w.front.journal.since(0, kinds=())["next"]
        await w.sleep(_QUARTER_S / 3)
        lacking = [
            each for each in calls(w, since=since, kinds=("verdict",)) if "ermission" in str(each.get("outcome"))
        ]
        expect(len(lacking) <= 4, f"{len(lacking)} calls without the right in five minutes")
        w.happen(kind="permissions", permissions=had)
        w.heal()
        healed_s = await w.converged(within_s=PROBE_EVERY_S + 90.0)
        return {"named": (ordered or "")[:60], "calls_without_the_right": len(lacking), "healed_s": round(healed_s, 1)}


@on_virtual_time(seeds=4)
async def a2_a_right_to_withdraw_is_warned_of(seed: int) -> dict[str, Any]:
    """A key that may move money out is used: the status says so, beside its figures."""
    async with reading(seed, points=()) as w:
        expect(not w.broker.status().notes, f"warned of an innocent key: {w.broker.status().notes}")
        await w.close()
        wide = w.venue.happen({"kind": "new_key", "name": "wide", "permissions": [*_TRADING, "withdraw-funds"]})[
            "credential"
        ]
        w.use_key(wide)
        await w.open()
        await w.converged()
        notes = w.broker.status().notes
        expect(any("withdraw-funds" in each for each in notes), f"nobody is warned: {notes}")
        return {"note": notes[0]}


_TRADING: Final = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "create-ws-token",
)


@on_virtual_time(seeds=12)
async def a3_keys_that_the_venue_refuses(seed: int) -> dict[str, Any]:
    """A key expires, its secret is another key's, or the venue does not know it: one cause for each."""
    kind = ("key_expired", "wrong_secret", "bad_key")[seed % 3]
    async with reading(seed, points=(), keeps_store=True) as w:
        await w.close()
        made = w.venue.happen({"kind": "new_key", "name": "second"})["credential"]
        if kind == "wrong_secret":
            w.use_key({**made, "secret": w.venue.credentials()[0]["secret"]})
        elif kind == "bad_key":
            w.use_key({**made, "key": "SIM" + made["key"][3:][::-1]})
        else:
            w.use_key(made)
            w.happen(kind="key_expiry", key=made["key"], in_s=60.0)
        await w.open()
        if kind == "key_expired":
            await w.converged()
            await w.sleep(61.0)
            w.fault(kind="close_streams")
        await w.broker.wait_until(lambda status: status.nonce.parked_cause is not None, timeout_s=300.0)
        await w.broker.refresh(timeout_s=5.0)
        since = w.front.journal.since(0, kinds=())["next"]
        cause = w.broker.status().nonce.parked_cause
        await w.sleep(_QUARTER_S)
        signed = _signed(w, since)
        expect(signed <= _QUARTER_S / PROBE_EVERY_S + 1, f"{signed} signed calls in a quarter of an hour")
        # Which of a key's faults it is, a lane in memory cannot know where it would have had to remember.
        expect(cause in ({kind, "bad_key"} if kind == "key_expired" else {kind}), f"a key that is {kind}: {cause}")
        return {"cause": cause, "signed_calls": signed}


@calling(seeds=4)
def a3_secrets_that_are_refused_before_anything_is_sent(seed: int) -> dict[str, Any]:
    """A secret has blanks around it, is no base64, is a simulator's key in production, or can be read by others."""
    kinds = {"blank": "blank", "no base64": "base64", "simulator": "simulator", "readable": "chmod 600"}
    kind = tuple(kinds)[seed % len(kinds)]
    with tempfile.TemporaryDirectory(prefix="hf-row-") as folder:
        files = {"key": "SIMkey" if kind == "simulator" else "K" * 56, "secret": "c2VjcmV0" * 8 + "\n"}
        if kind == "blank":
            files["secret"] = " " + "c2VjcmV0" * 8 + "\n\n"
        if kind == "no base64":
            files["secret"] = "not base64!"
        for name, text in files.items():
            path = Path(folder) / name
            path.touch(mode=0o600)
            path.write_text(text)
        if kind == "readable":
            (Path(folder) / "secret").chmod(0o644)
        broker = {
            "venue": "kraken",
            "environment": "production",
            "credentials": {name: str(Path(folder) / part) for name, part in _FILES.items()},
        }
        refusal = asyncio.run(_refusal({"state_dir": str(Path(folder) / "state"), "brokers": {"real": broker}}))
        expect(files["secret"].strip() not in refusal, "the secret is in the error")
        expect(kinds[kind] in refusal, f"{kind} is refused with: {refusal}")
        return {"kind": kind, "refusal": refusal.replace(folder, "FOLDER")[:80]}


async def _refusal(config: dict[str, Any]) -> str:
    """Why a desk does not open, which it must not: nothing here would reach a simulator."""
    try:
        async with holdfast.open(config):
            raise AssertionError("taken as a good credential")
    except ConfigError as refused:
        return str(refused)


_FILES: Final = {"key_file": "key", "secret_file": "secret"}


@on_virtual_time(seeds=6)
async def a5_keys_of_two_accounts_change_places(seed: int) -> dict[str, Any]:
    """After a restart the broker's key belongs to another account of the same venue."""
    async with reading(seed, points=(), keeps_store=True) as w:
        await w.close()
        other = w.venue.happen({"kind": "new_account", "name": "another"})["credential"]
        w.venue.happen({"kind": "deposit", "account": "another", "asset": "USD", "amount": "123456"})
        w.use_key(other)
        await w.open()
        await w.broker.wait_until(lambda status: status.is_halted, timeout_s=60.0)
        status = w.broker.status()
        expect(status.halted_reason == "account_mismatch", f"halted for {status.halted_reason}")
        expect(said(w, "account.mismatched"), "nobody was told")
        await w.sleep(30.0)
        usd = w.broker.balance("USD")
        expect(str(usd.total) != "123456", "a figure of the other account is shown")
        try:
            await w.broker.place_limit_order("BTC-USD", "buy", "0.001", "20000.0")
            raise AssertionError("an order went to the other account")
        except HoldfastError as error:
            return {"refused_as": type(error).__name__, "detail": msgspec.to_builtins(status.halted_detail)[:60]}
