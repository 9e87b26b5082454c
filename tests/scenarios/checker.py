"""
The judge: it sees what the venue knows and what the client says, and compares them all the time.

Invariants by their names in the documentation: I2 nonces rise and are never refused; I3 a refused answer changes
nothing; I4 a real zero is applied; I5 nothing from before a loss counts; I6 age and detection bounds; I7, I15 healing;
I12 nothing crashes; I16 exact decimals; and unknown is never zero.
"""

from __future__ import annotations

import bisect
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.amounts import format_amount, parse_amount
from holdfast.core.balances import Balance, BalanceState
from holdfast.core.breakers import BreakerState
from holdfast.core.events import Event

if TYPE_CHECKING:
    import holdfast
    from holdfast.runtime.listeners import Subscription
    from tests.scenarios.world import World

__all__ = ["Checker", "ViolationError"]

_ZERO: Final = Decimal(0)

# Bounds of the design, seconds. A push is noticed within 2; a legs' wait and the wire's latency are inside of that.
_SILENT_S: Final = 5.0 + 1.5
_FROZEN_S: Final = 60.0 + 6.5
_MAX_AGE_S: Final = 30.0
_LAG_MAX_S: Final = 60.0  # The longest that any fault lets reads lag.

_NOT_MONEY: Final = frozenset({"KFEE"})  # Fee credits: no figure of ours.

# Faults under which a change can stay unseen for longer than a push takes, and for how long.
_BLINDING: Final = {
    "mute_stream": _SILENT_S,
    "mute": _SILENT_S,
    "close": _SILENT_S,
    "freeze_channel": _FROZEN_S,
    "mute_channel": _FROZEN_S,
    "missing_event": _FROZEN_S,
    "sequence_gap": _FROZEN_S,
    "sequence_reorder": _FROZEN_S,
    "snapshot_empty": _FROZEN_S,
    "update_before_snapshot": _FROZEN_S,
    "subscribe_error": _FROZEN_S,
    "reorder_event": _FROZEN_S,
    "missing_snapshot": _FROZEN_S,
    "lost_page": _FROZEN_S,
    "connection_count_error": _FROZEN_S,
    "log_out": _FROZEN_S,
    "foreign_ack": _FROZEN_S,
    "drop": _FROZEN_S,
    "swap": _FROZEN_S,
    "truncate": _FROZEN_S,
    "mutate": _FROZEN_S,
    "inject": _FROZEN_S,
    "delay": _FROZEN_S,
    "rest_lag": _FROZEN_S + _LAG_MAX_S,
}


class ViolationError(AssertionError):
    """An invariant does not hold."""


class Checker:
    """Compares one client with one venue for the length of a run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._noticed_s = world.play.noticed_s
        # A venue whose socket may be silent for longer is found out that much later.
        self._more_silent_s = max(0.0, world.play.silent_s - 5.0)
        self._truths: dict[str, tuple[list[float], list[Decimal]]] = {}
        self._shown: dict[str, tuple[Decimal | None, Decimal | None, Decimal | None]] = {}
        self._valid_after_s: dict[str | None, float] = {}
        self._blind: list[tuple[float, float]] = []  # Until when, and for how long, changes may stay unseen.
        self._subscription: Subscription | None = None
        self._are_nonces_stolen = False
        self.violations: list[str] = []
        self.looked = 0

    # What is true

    def note_truth(self) -> None:
        """Remember what the venue's ledger says from now on."""
        now_s = self._world.clock.now_s()
        for asset, row in self._world.truth().items():
            times, totals = self._truths.setdefault(asset, ([], []))
            if not totals or totals[-1] != row["total"]:
                times.append(now_s)
                totals.append(row["total"])

    def note_fault(self, rule: dict[str, Any]) -> None:
        """Remember what a fault may hide."""
        kind = rule["action"]["do"] if "action" in rule else rule["kind"]
        if rule["kind"] == "stolen_nonce" or (kind == "duplicate_request" and rule["action"]["reply"] == "second"):
            self._are_nonces_stolen = True  # Or the client is told of a refusal that is not about its own call.
        if kind in _BLINDING and rule["kind"] != "rest":
            # Until healed: a rule that has ended leaves its mark for as long as it could hide something.
            bound_s = _BLINDING[kind] + (self._more_silent_s if _BLINDING[kind] == _SILENT_S else 0.0)
            self._blind.append((float("inf"), bound_s))

    def hidden_s(self) -> float:
        """For how long, beyond what a push takes, faults may hide a change now."""
        now_s = self._world.clock.now_s()
        return max((bound_s for until_s, bound_s in self._blind if now_s <= until_s), default=0.0)

    def note_total(self, asset: str, total: Decimal) -> None:
        """Remember what the venue's ledger says of one asset from now on."""
        times, totals = self._truths.setdefault(asset, ([], []))
        if not totals or totals[-1] != total:
            times.append(self._world.clock.now_s())
            totals.append(total)

    def faults_ended(self) -> None:
        """From now on nothing new is hidden; what was, may still be for its own bound."""
        now_s = self._world.clock.now_s()
        self._blind = [(min(until_s, now_s + bound_s), bound_s) for until_s, bound_s in self._blind]

    def _could_be(self, asset: str, total: Decimal, *, since_s: float) -> bool:
        """Whether the truth of *asset* was *total* at any moment since *since_s*."""
        times, totals = self._truths.get(asset, ([], []))
        if not times:
            return total == _ZERO
        first = max(0, bisect.bisect_right(times, since_s) - 1)
        return total in totals[first:] or (since_s < times[0] and total == _ZERO)

    # Watching

    def watch(self, desk: holdfast.Desk) -> None:
        """Look at every change of *desk* from now on."""
        self._shown = {}
        self._valid_after_s = {None: self._world.clock.now_s()}
        self._subscription = desk.subscribe(lambda _: self.look())

    def unwatch(self) -> None:
        """The client is about to close."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def on_event(self, event: Event) -> None:
        """Judge an event in the step in which it happened."""
        now_s = self._world.clock.now_s()
        if event.name in ("answer.refused", "read.failed", "answer.suspected") and self._world.desk is not None:
            self._check_unchanged(event)
        elif event.name == "balance.invalidated":
            assets = event.fields.get("assets")
            for asset in (None,) if assets is None else str(assets).split(","):
                self._valid_after_s[asset] = now_s
        elif event.name == "nonce.refused" and not self._are_nonces_stolen:
            self.violated("I2", f"a nonce was refused: {event.fields}")

    def look(self) -> None:
        """Judge every figure as it is shown now."""
        world = self._world
        if world.desk is None:
            return
        self.looked += 1
        now_s = world.clock.now_s()
        for asset, balance in world.broker.balances().items():
            self._judge_exact(balance)
            self._shown[asset] = (balance.total, balance.held, balance.available)
            if balance.state is BalanceState.UNKNOWN:
                if balance.total is not None or balance.spendable is not None:
                    self.violated("P1", f"unknown {asset} is shown as {balance.total}")
                continue
            if balance.age_s is not None and balance.age_s < 0:
                self.violated("I6", f"{asset} has a negative age: {balance.age_s}")
            if balance.is_fit_to_approve:
                self._judge_fit(asset, balance, now_s)

    def _judge_fit(self, asset: str, balance: Balance, now_s: float) -> None:
        assert balance.total is not None
        assert balance.age_s is not None
        as_of_s = now_s - balance.age_s
        floor_s = max(self._valid_after_s.get(None, 0.0), self._valid_after_s.get(asset, 0.0))
        hidden_s = self.hidden_s()
        if balance.state is BalanceState.FRESH:
            if balance.age_s > _MAX_AGE_S + 1e-6:
                self.violated("I6", f"{asset} is fresh at {balance.age_s} s")
            if as_of_s < floor_s - 1e-6:
                self.violated("I5", f"{asset} is fresh on a figure from {floor_s - as_of_s:.3f} s before the loss")
        elif not self._world.play.anchors_itself and not any(
            at_s >= floor_s - 1e-6 for at_s in reversed(self._world.asked)
        ):
            self.violated("I5", f"{asset} is live and nothing was asked since the loss")
        allowed_s = self._noticed_s + hidden_s
        if not self._could_be(asset, balance.total, since_s=as_of_s - allowed_s):
            self.violated(
                "I6",
                f"{asset} is {balance.state} at {balance.total} ({balance.source}, age {balance.age_s:.3f} s), which "
                f"the venue did not state in {balance.age_s + allowed_s:.1f} s; truth {self._truths.get(asset)}",
            )

    def _judge_exact(self, balance: Balance) -> None:
        for amount in (balance.total, balance.held, balance.available, balance.spendable, balance.reserved):
            if amount is not None and (type(amount) is not Decimal or parse_amount(format_amount(amount)) != amount):
                self.violated("I16", f"{balance.asset} has an inexact figure: {amount!r}")
        if balance.spendable is not None and balance.spendable < 0:
            self.violated("P1", f"{balance.asset} is spendable below zero: {balance.spendable}")

    def _check_unchanged(self, event: Event) -> None:
        for asset, balance in self._world.broker.balances().items():
            before = self._shown.get(asset)
            now = (balance.total, balance.held, balance.available)
            if before is not None and before != now:
                self.violated("I3", f"{event.name} {event.fields} changed {asset} from {before} to {now}")

    # The end

    def differences(self) -> dict[str, str]:
        """What keeps the client from being converged, by asset; empty when it is."""
        world = self._world
        shown = world.broker.balances()
        status = world.broker.status()
        found: dict[str, str] = {}
        if status.stream.state != "live":
            found["stream"] = f"{status.stream.state} ({status.stream.reason})"
        read, trade = status.capability("read"), status.capability("trade")
        # What keeps orders out is no figure's fault: when that heals is another family's to judge.
        if not status.is_available and trade.breaker.state is not BreakerState.OPEN:
            found["available"] = ", ".join(status.reasons)
        if read.error_count:
            found["errors"] = f"{read.error_count}: {status.last_error}"
        if found:
            return found  # Asked twice a second: no need to look any closer.
        truth = world.truth()
        for asset, row in truth.items():
            if asset in _NOT_MONEY:
                continue
            balance = shown.get(asset)
            if balance is None and "." in asset and world.play.id != "kraken":
                continue  # Kept elsewhere at the venue: no balance that any read of it is of.
            if balance is None:
                if row["total"] != _ZERO:
                    found[asset] = f"not shown; truth {row['total']}"
                continue
            ours = {name: getattr(balance, name) for name in row}
            if ours != row:
                found[asset] = f"ours {ours}, truth {row}"
            elif balance.state.value != world.play.best:
                found[asset] = f"{balance.state} ({balance.reason})"
        for asset, balance in shown.items():
            if asset not in truth and balance.total != _ZERO:
                found[asset] = f"shown as {balance.total}, and the venue has none"
        return found

    def judge_run(self) -> None:
        """Judge what only the whole run shows: every nonce the venue took or refused."""
        last: dict[str, int] = {}
        nonces: dict[int, tuple[str, int]] = {}
        for entry in self._world.front.journal.since(kinds=("request", "verdict"))["entries"]:
            if entry["kind"] == "request" and entry.get("nonce"):
                nonces[entry["n"]] = (entry["key"], int(entry["nonce"]))
            elif entry["kind"] == "verdict" and entry.get("of") in nonces:
                # Once: what arrives twice is refused the second time, and nobody's fault.
                key, nonce = nonces.pop(entry["of"])
                if "Invalid nonce" in (entry.get("outcome") or ""):
                    if not self._are_nonces_stolen and nonce not in self._world.orphans:
                        self.violated("I2", f"the venue refused nonce {nonce}")
                elif nonce <= last.get(key, -1):
                    self.violated("I2", f"nonce {nonce} came after {last[key]}")
                else:
                    last[key] = nonce
        if not self.looked:
            self.violated("I14", "nothing was ever shown: the scenario proves nothing")
        self.check()

    def violated(self, invariant: str, text: str) -> None:
        """
        Note which invariant broke, and when.

        Not raised here: this runs inside the client's own steps, which would take the error for one of theirs.
        """
        at_s = self._world.clock.now_s() - 1000.0
        self.violations.append(f"{invariant} at {at_s:.3f} s: {text}")

    def check(self) -> None:
        """Raise what was noted so far; raises ``ViolationError``."""
        if self.violations:
            more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
            raise ViolationError(self.violations[0] + more)
