"""
What a run looks at where orders are concerned: positions, whether an order would be taken, and the private stream.

Nothing here places an order. What a dry run lets the venue validate would rest far from the market, and the open orders
are read afterwards: should one of ours be among them, the run says so in capitals.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from holdfast.core.amounts import ZERO
from holdfast.core.nonce_diagnosis import NonceCause
from holdfast.core.orders import OrderTicket, OrderType, TimeInForce
from holdfast.core.positions import PositionKind, PositionList
from holdfast.core.readiness import Finding
from holdfast.core.readiness.causes import lost_by
from holdfast.core.readiness.judging import dry_run_of, earned, judge_tradable, lost
from holdfast.errors import DeniedError, HoldfastError, PermissionMissingError, StoreError
from holdfast.runtime.readiness.looks import Looks
from holdfast.runtime.readiness.subject import Subject

__all__ = ["LooksAtOrders"]

_STREAM_WITHIN_S: Final = 30.0
_WATCHED_S: Final = 3.0
_ATTEMPTS: Final = 3
_AGAIN_AFTER_S: Final = 4.0
_DRY_RUN_WITHIN_S: Final = 10.0

_BROKEN: Final = {
    "stream.gapped": "something was missing from the channel {channel}",
    "stream.lost": "the connection was lost ({reason})",
    "stream.resubscribed": "the channel {channel} contradicted what was read, and was asked anew ({reason})",
}
"""Events that say that the stream was not whole, and how each is told."""

_REASONS: Final = {
    "connecting": "no connection was tried yet",
    "credential": "the venue refuses the key its stream",
    "network": "no connection comes about",
    "no_snapshot": "acknowledged, and no snapshot came",
    "refused": "the venue refused a channel",
    "silent": "connected, and nothing was heard",
    "unreachable": "no connection comes about",
    "venue": "the venue refuses the connection",
}
"""Why a stream is not live, where its word alone says too little."""

_STREAM_REFUSALS: Final = frozenset({"regressed", "cached", "out_of_order", "before_snapshot", "not_pushed"})


class LooksAtOrders:
    """The looks of one run at positions, orders and the stream."""

    def __init__(self, subject: Subject, looks: Looks) -> None:
        self._subject = subject
        self._looks = looks
        self._facts = subject.surroundings.facts
        self._positions: PositionList | None = None
        supervisor = subject.supervisor
        self._refused_before = 0 if supervisor is None else supervisor.lane.refused
        self.by_check: dict[str, Callable[[], Awaitable[Finding]]] = {
            "positions.retrieved": self.retrieved,
            "positions.form": self.well_formed,
            "trade.rules": self.rules,
            "trade.fees": self.fees,
            "trade.dry_run": self.dry_run,
            "stream.snapshot": self.snapshot,
            "stream.sequence": self.sequence,
            "stream.nonces": self.nonces,
        }

    # Positions

    async def retrieved(self) -> Finding:
        ask = self._subject.positions
        if ask is None:
            return lost("The broker could not be opened.", "Mend what kept it from being opened first.")
        answer = await self._looks.answers.ask("positions", ask)
        for _ in range(_ATTEMPTS - 1):
            if answer.value is None:
                break
            is_known = answer.value.state.value in ("live", "fresh")
            if answer.value.is_complete and is_known:
                break
            if not is_known:
                await self._looks.supervisor.refresh(timeout_s=_AGAIN_AFTER_S)
            await asyncio.sleep(_AGAIN_AFTER_S)  # Our own share of the rate limit may have had no room.
            answer = await self._looks.answers.ask("positions", ask, is_again=True)
        if answer.value is None:
            assert answer.error is not None
            return self._looks.lost_by(answer.error, check="positions.retrieved", what="The positions")
        found = self._positions = answer.value
        if not self._looks.supervisor.balances() and self._looks.supervisor.has_figures:
            return earned("Nothing is held: the account is proven to be empty.")
        if found.state.value not in ("live", "fresh") or not found.is_complete:
            notes = f": {'; '.join(found.notes)}" if found.notes else ""
            completeness = "" if found.is_complete else ", and not all of them could be read"
            finding = lost(
                f"Positions are {found.state.value}{completeness}{notes}.",
                f"`holdfast force-balance-refresh {self._subject.name}` reads the account again.",
            )
            is_old = found.state.value not in ("live", "fresh")
            roots = ("balance.current", "balance.zero", "balance.agree") if is_old else ()
            return self._looks.follow(finding, *roots, self._root_of_rights(found))
        spot = sum(each.kind is PositionKind.SPOT for each in (*found.positions, *found.dust))
        margin = len(found.positions) + len(found.dust) - spot
        return earned(f"{spot} spot holdings ({len(found.dust)} of them dust) and {margin} margin positions.")

    def _root_of_rights(self, found: PositionList) -> str | None:
        answer = self._looks.answers.known("orders")
        is_right = answer is not None and isinstance(answer.error, PermissionMissingError)
        return "credentials.read_rights" if is_right and not found.is_complete else None

    async def well_formed(self) -> Finding:
        found = self._positions
        assert found is not None
        assets = self._looks.client.assets
        balances = self._looks.supervisor.balances()
        wrong = []
        for each in (*found.positions, *found.dust):
            balance = balances.get(each.asset)
            if each.asset not in assets:
                wrong.append(f"{each.asset} is not listed")
            elif not each.quantity.is_finite() or each.quantity < ZERO:
                wrong.append(f"{each.asset} has the quantity {each.quantity}")
            elif each.kind is PositionKind.SPOT and (balance is None or balance.total != each.quantity):
                wrong.append(f"{each.asset} is not what the balance says")
        if wrong:
            return lost(
                f"{len(wrong)} positions cannot be right: {'; '.join(wrong[:3])}.",
                f"`holdfast explain {self._subject.name} ASSET` has what they were made of; then run again.",
            )
        return earned(f"{len(found.positions) + len(found.dust)} positions, each of a listed asset and exact.")

    # Trading

    async def rules(self) -> Finding:
        client, reference = self._looks.client, self._looks.reference()
        await client.refresh_instrument(reference.symbol)
        instrument = client.instruments[reference.symbol]
        answer = await self._looks.answers.ask("tickers", lambda: client.tickers([reference.symbol]))
        if answer.value is None:
            assert answer.error is not None
            return self._looks.lost_by(answer.error, check="trade.rules", what=f"The price of {reference.symbol}")
        return judge_tradable(instrument, answer.value.get(reference.symbol))

    async def fees(self) -> Finding:
        client, reference = self._looks.client, self._looks.reference()
        answer = await self._looks.answers.ask("fees", lambda: client.fee_rates([reference.symbol]))
        if answer.value is None:
            assert answer.error is not None
            return self._looks.lost_by(answer.error, check="trade.fees", what="The account's rates")
        rates = answer.value.get(reference.symbol)
        if rates is None:
            return lost(
                f"The venue told no rate of {reference.symbol}.",
                "Orders are judged at the dearest tier meanwhile; ask the venue's support.",
            )
        return earned(f"{reference.symbol}: taker {rates.taker * 100:f} %, maker {rates.maker * 100:f} %.")

    async def dry_run(self) -> Finding:
        supervisor, client = self._looks.supervisor, self._looks.client
        symbol = self._looks.reference().symbol
        answer = self._looks.answers.known("tickers")
        ticker = None if answer is None or answer.value is None else answer.value.get(symbol)
        assert ticker is not None
        spendable = {asset: each.spendable or ZERO for asset, each in supervisor.balances().items()}
        order = dry_run_of(client.instruments[symbol], ticker, spendable=spendable)
        ticket = OrderTicket(
            client_order_id=secrets.token_hex(16),
            symbol=symbol,
            side=order.side,
            order_type=OrderType.LIMIT,
            quantity=order.quantity,
            quote_quantity=None,
            limit_price=order.price,
            time_in_force=TimeInForce.GTC,
            is_post_only=True,
            valid_until_us=supervisor.entry.time.now_us() + int(supervisor.entry.settings.validity_s * 1_000_000),
        )
        told = f"{order.side.value} {order.quantity:f} {symbol} at {order.price:f}"
        stream = supervisor.entry.stream
        try:
            if stream is not None and supervisor.entry.sending.takes_unsigned():
                await stream.check_order(ticket, deadline_s=_DRY_RUN_WITHIN_S)
            else:
                await client.check_order(ticket, deadline_s=_DRY_RUN_WITHIN_S)
        except HoldfastError as error:
            await self._look_for(ticket.client_order_id)
            finding = self._looks.lost_by(error, check="trade.dry_run", what=f"A dry run ({told})")
            return self._looks.follow(finding, "market.products")
        if await self._look_for(ticket.client_order_id):
            return lost(
                f"THE VENUE PLACED WHAT IT WAS ASKED TO VALIDATE: {told} is open.",
                f"Cancel it now: `holdfast orders cancel {ticket.client_order_id} --broker {self._subject.name}`. Do "
                "not trade here before the venue has explained it.",
            )
        return earned(f"The venue validated: {told}. None of ours is open; nothing was placed.")

    async def _look_for(self, client_order_id: str) -> bool:
        """Whether the order is open at the venue. Suspends; a venue that does not answer has not shown one."""
        answer = await self._looks.answers.ask("orders", self._looks.client.open_orders, is_again=True)
        return answer.value is not None and any(
            each.client_order_id == client_order_id for each in answer.value.orders.values()
        )

    # The stream

    async def snapshot(self) -> Finding:
        supervisor = self._looks.supervisor
        life = supervisor.account.life
        if life is None:
            return lost("The broker is open without a stream.", "Open it with one, or end the process that owns it.")
        supervisor.hurry()
        clock = self._subject.clock
        until_s = clock.now_s() + _STREAM_WITHIN_S
        while life.state.value != "live" and (left_s := until_s - clock.now_s()) > 0:
            await supervisor.changed(within_s=min(0.5, left_s))
        status = supervisor.account.stream_status(clock.now_s())
        stated = [each.name for each in status.channels if each.has_snapshot]
        if life.state.value == "live":
            stream = supervisor.account.stream
            wanted = [] if stream is None else [channel.value for channel in stream.rules.channels]
            return earned(f"Live since {status.for_s:.0f} s: {' and '.join(wanted)} stated the account.")
        refused = [f"{each.name} refused: {each.refusal}" for each in status.channels if each.refusal]
        silent = [each.name for each in status.channels if each.is_subscribed and not each.has_snapshot]
        why = "" if status.reason is None else f" ({_REASONS.get(status.reason, status.reason)})"
        what = [f"the stream is {status.state}{why}"]
        what += refused
        if silent:
            what.append(f"{' and '.join(silent)} acknowledged, and no snapshot came")
        if stated:
            what.append(f"{' and '.join(stated)} stated")
        info = self._looks.info
        missing = [right for right in self._facts.stream_rights if info is not None and right not in info.permissions]
        if missing:
            return lost(
                f"The key lacks {', '.join(missing)}, without which there is no stream; {what[0]}.",
                f"Give the key {' and '.join(missing)} on the venue's API page; it is seen in the next run.",
            )
        finding = lost(
            f"Within {_STREAM_WITHIN_S:.0f} s {'; '.join(what)}.",
            f"`holdfast emergency-repair {self._subject.name}` connects it with a new token; where it stays silent, "
            "the key may lack the right to the stream, or a proxy lets no WebSocket through.",
        )
        is_right = any("ermission" in (each.refusal or "") for each in status.channels)
        has_begun = life.state.value != "connecting" or status.connects > 0
        return self._looks.follow(
            finding,
            "credentials.read_rights" if is_right else None,
            None if has_begun else "market.products",
            None if has_begun else "credentials.read_rights",
        )

    async def sequence(self) -> Finding:
        supervisor, clock = self._looks.supervisor, self._subject.clock
        assert supervisor.account.life is not None
        until_s = clock.now_s() + _WATCHED_S
        while (left_s := until_s - clock.now_s()) > 0:
            await supervisor.changed(within_s=left_s)
        for event in self._looks.happened:
            text = _BROKEN.get(event.name)
            if text is None and event.name == "answer.refused" and event.fields.get("reason") in _STREAM_REFUSALS:
                text = "{read} stated something older than before ({reason})"
            if text is not None:
                fields = {name: str(value) for name, value in event.fields.items()}
                finding = lost(
                    f"During this run {text.format_map(_Named(fields))}.",
                    "Run again: once may be an outage. Where it stays, a proxy or the venue drops messages; figures "
                    "are read over REST meanwhile.",
                )
                is_disputed = event.fields.get("reason") == "disputed"
                return self._looks.follow(
                    finding, *(("balance.agree", "balance.held", "balance.current") if is_disputed else ())
                )
        status = supervisor.account.stream_status(clock.now_s())
        if status.state != "live" or status.last_frame_age_s is None:
            return lost(
                f"While it was watched the stream became {status.state} ({status.reason}).",
                f"`holdfast emergency-repair {self._subject.name}` connects it anew, and says what is in the way.",
            )
        gaps = sum(each.gaps for each in status.channels)
        before = f"; {gaps} gaps before this run were closed by a new snapshot" if gaps else ""
        heard = f"the last frame came {status.last_frame_age_s:.1f} s ago"
        return earned(f"Nothing missing, repeated or older in this run; {heard}{before}.")

    async def nonces(self) -> Finding:
        supervisor = self._looks.supervisor
        refused = supervisor.lane.refused - self._refused_before
        if refused:
            return lost(
                f"{refused} nonces were refused during this run.",
                f"`holdfast nonce doctor --broker {self._subject.name}` finds out who else uses the key.",
            )
        try:
            report = await supervisor.nonces.examine(may_call=False)
        except DeniedError:
            return earned(f"0 nonces refused in this run, {supervisor.lane.refused} since the broker was opened.")
        except StoreError as error:
            return lost_by(error, broker=self._subject.name, what="The lane's file")
        diagnosis = report.diagnosis
        if diagnosis.cause not in (NonceCause.NOTHING, NonceCause.NO_NONCES):
            steps = " ".join(diagnosis.next_steps)
            return lost(diagnosis.summary, steps or f"`holdfast nonce doctor --broker {self._subject.name}` says more.")
        unit = "" if report.unit is None else f"; counted in {report.unit.value}"
        return earned(f"0 nonces refused in this run{unit}; {diagnosis.summary}")


class _Named(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f"an unnamed {name}"
