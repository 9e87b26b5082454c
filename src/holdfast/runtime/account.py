"""
One supervised account: what its venue states goes in, figures, journal rows and events come out.

Every method is a plain function, so that what belongs together happens in one step. The rules are the ledger's and
the stream life's; in here is only who is told what.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.assets import AssetCode
from holdfast.core.balances import BalanceState, Delta, OrderChange, OrdersSnapshot, Partial, Snapshot
from holdfast.core.changes import NOTHING, Change, Discrepancy, Outcome, Want, WantKind, change_of
from holdfast.core.events import event
from holdfast.core.ledger import Ledger
from holdfast.core.reconcile import Reconciler
from holdfast.core.seams import Clock, Store
from holdfast.core.streaming import StreamLife, StreamState
from holdfast.core.venue import Channel, VenueMode, VenueStatus, VenueStream
from holdfast.runtime.alarm import Alarm
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.journal_queue import JournalQueue
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.record import amount_text, row_of_balance
from holdfast.runtime.views import BalancesChanged, ChannelStatus, StreamStatus

if TYPE_CHECKING:
    from holdfast.runtime.claims import Claims
    from holdfast.runtime.vitals import Vitals

__all__ = ["FROM_STORE", "Account"]

FROM_STORE: Final = "store"
"""The read by which last known figures come back from the journal."""


class Account:
    """
    A ledger with its stream's life, its journal and its listeners; it is the stream's ``StreamSink``.

    Attributes:
        stream: The venue's stream, or ``None`` where none is wanted.
        claims: Our own orders and claims: told what the venue says of either, once the ledger knows.
        vitals: Told of the stream's end and of its coming live.
        journal: Takes the rows of what was accepted.
        reading: Rung whenever the reading schedule may have changed.
        halted_reason: Why nothing more is taken in, or ``None``.
        halted_detail: The same in a sentence, with what to do.
        on_moment: Called when the nearest moment to look at something may have come nearer.
        on_look: Called whenever time itself is looked at, every few seconds at least.
        on_halt: Called once when the account is halted.
        on_mode: Called when the venue's mode, or who would tell of it, may have changed.
    """

    def __init__(
        self,
        *,
        name: str,
        ledger: Ledger,
        life: StreamLife | None,
        reconciler: Reconciler,
        store: Store,
        clock: Clock,
        emitter: Emitter,
        listeners: Sequence[Listeners],
    ) -> None:
        self.name = name
        self.ledger = ledger
        self.life = life
        self.reconciler = reconciler
        self.store = store
        self.journal = JournalQueue(store, clock)
        self.clock = clock
        self.emitter = emitter
        self.stream: VenueStream | None = None
        self.claims: Claims | None = None
        self.vitals: Vitals | None = None
        self.reading = Alarm(clock)
        self.halted_reason: str | None = None
        self.halted_detail: str | None = None
        self._restored: dict[AssetCode, tuple[Decimal | None, ...]] = {}
        self.venue_mode = VenueMode.UNKNOWN
        self.balances_within_s: float | None = None  # The venue pushes balances at least this often.
        self.on_moment: Callable[[float], None] = _ignore
        self.on_look: Callable[[float], None] = _ignore
        self.on_halt: Callable[[], None] = _ignore
        self.on_mode: Callable[[], None] = _ignore
        self._listeners = tuple(listeners)
        for each in listeners:
            each.on_first.append(self._note_states)
        self._waiters: list[asyncio.Future[None]] = []
        self._shown_states: dict[AssetCode, BalanceState] = {}
        self._states_until_s = float("-inf")  # Until then only a statement, or silence, can change a state.
        self._stream_state = life.state if life is not None else None
        self._stream_since_s = self._not_live_since_s = clock.now_s()
        self._last_frame_s: float | None = None
        self._is_open = False
        self._abort_reason: str | None = None
        self._connects = 0
        self._channels = {channel: _ChannelRecord() for channel in Channel}
        self._balances_channel = self._channels[Channel.BALANCES]
        self._refused: set[tuple[str, str]] = set()
        self._wants: tuple[Want, ...] = ()
        # Bound once: called for every frame.
        self._heard = None if life is None else life.frame_arrived
        self._prove = ledger.prove
        self._follow = ledger.follow
        self._moved_told: dict[AssetCode, BalancesChanged] = {}

    # The stream's word (StreamSink): plain functions that do not raise

    def frame_arrived(self, now_s: float) -> None:
        # Called for every heartbeat: nothing that takes time belongs here.
        self._last_frame_s = now_s
        if self._heard is not None:
            self._heard(now_s)
        self._prove(now_s)

    def stream_opened(self) -> None:
        now_s = self.clock.now_s()
        self._is_open = True
        self._connects += 1
        if self.life is not None:
            self.life.opened(now_s=now_s)
        self.emitter(event("stream.connected", broker=self.name, attempt=self._connects))
        self.note_stream(now_s)

    def channel_subscribed(self, channel: Channel) -> None:
        now_s = self.clock.now_s()
        self._channels[channel].is_subscribed = True
        if self.life is not None:
            self.life.subscribed(channel, now_s=now_s)
        self.note_stream(now_s)

    def channel_refused(self, channel: Channel, reason: str) -> None:
        self._channels[channel].is_subscribed = False
        self._channels[channel].refusal = reason[:300]
        self.answer_refused(channel.value, "subscription_refused", reason)
        self._lose_channel(channel, "refused")

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        self._channels[channel].gaps += 1
        self.emitter(event("stream.gapped", broker=self.name, channel=channel.value, expected=expected, found=found))
        self._lose_channel(channel, "gap")

    def balances_stated(self, snapshot: Snapshot | Partial) -> None:
        now_s = snapshot.as_of_s
        self._channels[Channel.BALANCES].last_s = now_s
        if isinstance(snapshot, Snapshot):
            self.take(self.ledger.state_snapshot, snapshot, read=snapshot.read, now_s=now_s)
            self._stated(Channel.BALANCES, now_s)
        else:
            self.take(self.ledger.state_partial, snapshot, read=snapshot.read, now_s=now_s)

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        # The frame that a busy account sends most: what nearly all of them need, and the rest only where asked for.
        delta = deltas[0]
        now_s = self._balances_channel.last_s = delta.as_of_s
        if self.halted_reason is not None:
            return
        try:
            if len(deltas) == 1:
                moved = self._follow(delta, now_s)
                if moved is not None:
                    self.journal.add_moved(moved)
                    if self.claims is not None:
                        self.claims.look_for_uncovered()
                    if self.emitter.is_heard:
                        self._tell_changes((change_of(moved),))
                    else:
                        self._tell_moved(delta.asset)
                    if self._waiters:
                        self.wake()
                    return
            outcome = self.ledger.move(deltas, now_s=now_s)
            if self.claims is not None:
                self.claims.balances_moved(deltas)
            if outcome is not NOTHING:
                self._settle(outcome, read="balances", now_s=now_s)
        except Exception as error:
            self.halt("invariant", error)

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        now_s = self._channels[Channel.ORDERS].last_s = snapshot.as_of_s
        self.take_orders(snapshot)
        self._stated(Channel.ORDERS, now_s)

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        now_s = self._channels[Channel.ORDERS].last_s = self.clock.now_s()
        self.take(self.ledger.change_orders, changes, read="orders", now_s=now_s)
        if self.claims is not None and self.halted_reason is None:
            self._guarded(self.claims.orders_changed, changes)

    def venue_changed(self, status: VenueStatus) -> None:
        before, self.venue_mode = self.venue_mode, status.mode
        self.on_mode()
        if before is status.mode:
            return
        if before is not VenueMode.UNKNOWN or status.mode is not VenueMode.ONLINE:
            self.emitter(event("venue.changed", broker=self.name, before=before.value, after=status.mode.value))
        self.wake()

    def answer_refused(self, read: str, reason: str, detail: str) -> None:
        self.ledger.refuse(read, reason, now_s=self.clock.now_s())
        # A venue that speaks nonsense does so many times: said once, until this read is believed again.
        if (read, reason) not in self._refused:
            self._refused.add((read, reason))
            self.emitter(event("answer.refused", broker=self.name, read=read, reason=reason, detail=detail[:200]))

    def _stated(self, channel: Channel, now_s: float) -> None:
        self._channels[channel].has_snapshot = True
        self._channels[channel].refusal = None
        if self.life is not None:
            self.life.stated(channel, now_s=now_s)
        self.note_stream(now_s)

    def _lose_channel(self, channel: Channel, reason: str) -> None:
        now_s = self.clock.now_s()
        self._channels[channel].has_snapshot = False
        if self.life is not None:
            self.life.unstated(channel, reason, now_s=now_s)
        self.take(self.ledger.lose_channel, channel, reason, read=channel.value, now_s=now_s)
        self.note_stream(now_s)

    @property
    def is_open(self) -> bool:
        """Whether the stream's connection is open, whatever it has delivered."""
        return self._is_open

    @property
    def is_aborting(self) -> bool:
        """Whether the connection was given up and has not ended yet."""
        return self._abort_reason is not None

    def balances_due_s(self) -> float | None:
        """When the balances channel has to have spoken again, our clock; None where nothing says that it must."""
        record = self._balances_channel
        if self.balances_within_s is None or not record.has_snapshot or record.last_s is None:
            return None
        return record.last_s + self.balances_within_s

    def look_for_balances(self, now_s: float) -> None:
        """A channel that owes a push at intervals and is silent is asked for a new snapshot: its socket may live."""
        due_s = self.balances_due_s()
        if due_s is None or now_s < due_s or self.stream is None or self.halted_reason is not None:
            return
        self._lose_channel(Channel.BALANCES, "overdue")
        self.stream.resubscribe(Channel.BALANCES, "overdue")
        self.reconciler.hurry("overdue", now_s=now_s)
        self.reading.ring()

    def abort_stream(self, reason: str) -> None:
        """Give up the connection; *reason* is then why it was lost."""
        if self.stream is not None and self._abort_reason is None:
            self._abort_reason = reason
            self.stream.abort(reason)

    def stream_lost(self, reason: str) -> None:
        """The connection, or the attempt at one, ended."""
        now_s = self.clock.now_s()
        reason, self._abort_reason = self._abort_reason or reason, None
        was_open, self._is_open = self._is_open, False
        self._last_frame_s = None
        for record in self._channels.values():
            record.is_subscribed = record.has_snapshot = False
            record.last_s = None
        if self.life is not None:
            self.life.lost(reason, now_s=now_s)
        if self.vitals is not None:
            self.vitals.stream_lost(reason, now_s)
        if was_open:
            self.emitter(event("stream.lost", broker=self.name, reason=reason))
            self.take(self.ledger.lose_stream, reason, read="stream", now_s=now_s)
            self.reconciler.hurry("stream_lost", now_s=now_s)
        self.note_stream(now_s)
        self.reading.ring()

    def note_stream(self, now_s: float) -> None:
        """Tell what the stream's state has become, where it changed."""
        self.on_moment(now_s)
        if self.life is None:
            return
        before, state = self._stream_state, self.life.state
        if state is before or before is None:
            return
        if before is StreamState.LIVE:
            self._not_live_since_s = now_s
        self._stream_state = state
        self._stream_since_s = now_s
        self.on_mode()
        names = {"before": before.value, "after": state.value}
        self.emitter(event("supervisor.changed", broker=self.name, **names, reason=self.life.reason))
        if state is StreamState.LIVE:
            after_s = round(now_s - self._not_live_since_s, 3)
            self.emitter(event("stream.live", broker=self.name, after_s=after_s))
            if self.vitals is not None:
                self.vitals.stream_is_live(now_s)
        if StreamState.LIVE in (before, state):
            # A stream of orders alone keeps no figure young.
            is_live = state is StreamState.LIVE and self.ledger.pushes_balances
            self.reconciler.set_live(is_live, now_s=now_s)
            self.reading.ring()
        self.tell_states()
        self.wake()

    def stream_data_s(self) -> float | None:
        """When a live stream last stated balances or orders, our clock; None while none is live."""
        if self.life is None or self.life.state is not StreamState.LIVE:
            return None
        return max((record.last_s for record in self._channels.values() if record.last_s is not None), default=None)

    def stream_status(self, now_s: float) -> StreamStatus:
        """The stream as a value; ``down`` without a reason where none is wanted."""
        life = self.life
        channels = tuple(
            ChannelStatus(
                name=channel.value,
                is_subscribed=record.is_subscribed,
                has_snapshot=record.has_snapshot,
                age_s=None if record.last_s is None else max(0.0, now_s - record.last_s),
                gaps=record.gaps,
                refusal=record.refusal,
            )
            for channel, record in self._channels.items()
        )
        return StreamStatus(
            state="down" if life is None else life.state.value,
            reason="not_wanted" if life is None else life.reason,
            for_s=max(0.0, now_s - self._stream_since_s),
            last_frame_age_s=None if self._last_frame_s is None else max(0.0, now_s - self._last_frame_s),
            connects=self._connects,
            channels=channels,
        )

    # Statements of any source

    def take_orders(self, snapshot: OrdersSnapshot) -> Outcome:
        """Let the ledger, and whoever places orders here, take every open order. Never raises."""
        outcome = self.take(self.ledger.state_orders, snapshot, read=snapshot.read, now_s=self.clock.now_s())
        if self.claims is not None and self.halted_reason is None:
            self._guarded(self.claims.orders_stated, snapshot)
        return outcome

    def _guarded(self, step: Callable[..., None], *facts: Any) -> None:
        """A bug in what is made of an order halts this account alone."""
        try:
            step(*facts)
        except Exception as error:
            self.halt("invariant", error)

    def note_uncovered(self, asset: AssetCode, *, reserved: Decimal, left: Decimal | None) -> None:
        """Less is left than is reserved: kept as a discrepancy, with both figures, and told."""
        now_s = self.clock.now_s()
        found = Discrepancy(asset=asset, kind="reservations_uncovered", ours=reserved, theirs=left, found_s=now_s)
        self.journal.add((), (found,), read="reservations")
        texts = {"reserved": amount_text(reserved), "left": amount_text(left)}
        self.emitter(event("reservations.uncovered", broker=self.name, asset=asset, **texts))

    def take(self, rule: Callable[..., Outcome], *facts: Any, read: str, now_s: float) -> Outcome:
        """
        Let the ledger judge *facts*, and see to everything its outcome asks for.

        Never raises: a bug in a rule halts this account alone and keeps its evidence.
        """
        if self.halted_reason is not None:
            return NOTHING
        try:
            outcome = rule(*facts, now_s=now_s)
            if outcome is not NOTHING:
                self._settle(outcome, read=read, now_s=now_s)
        except Exception as error:
            self.halt("invariant", error)
            return NOTHING
        return outcome

    def halt(self, reason: str, error: BaseException | None = None, *, detail: str | None = None) -> None:
        """Take nothing in any more; figures stay and age, at once where a bug (*error*) may have half changed them."""
        if self.halted_reason is not None:
            return
        self.halted_reason = reason
        self.halted_detail = detail
        if error is not None:
            self.halted_detail = (
                f"a bug of holdfast ended this broker ({type(error).__name__}): the event loop's exception handler has "
                "the traceback; close the desk and open it again"
            )
            with contextlib.suppress(Exception):  # The same bug may be met again.
                self.ledger.invalidate("halted", now_s=self.clock.now_s())
        self.emitter(event("broker.halted", broker=self.name, reason=reason))
        if error is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"broker {self.name} is halted: {reason}", "exception": error}
            )
        self.on_halt()
        self.wake()

    def journal_everything(self, why: str) -> None:
        """Write down where every asset stands now."""
        wall_us = self.clock.wall_us()
        balances = self.ledger.balances(now_s=self.clock.now_s()).values()
        rows = [row_of_balance(each, why=why, wall_us=wall_us) for each in balances if each.total is not None]
        self.journal.flush()
        if rows:
            self.store.append(rows)

    def _settle(self, outcome: Outcome, *, read: str, now_s: float) -> None:
        self._states_until_s = float("-inf")
        # What the journal itself said is not written down again: every start would bury what happened under it.
        if read == FROM_STORE:
            self._restored = {each.asset: (each.total, each.held, each.available) for each in outcome.changes}
        elif outcome.changes or outcome.found or outcome.resolved:
            changes = outcome.changes
            if self._restored:
                changes = tuple(each for each in changes if not self._confirms_restored(each))
            if changes or outcome.found or outcome.resolved:
                self.journal.add(changes, outcome.found + outcome.resolved, read=read)
        self._tell_judgement(outcome, read)
        self.note_wants()
        if outcome.wants:
            self._see_to_wants(outcome, now_s)
        if self.claims is not None:
            self.claims.figures_changed()
        if outcome.changes:
            self._tell_changes(outcome.changes)
        if outcome.invalidated is not None or outcome.suspect is not None:
            self.tell_states()
        self.wake()
        self.on_moment(now_s)

    def note_wants(self) -> None:
        """Hand the ledger's open questions to the schedule, where they have changed."""
        wants = self.ledger.wants
        if wants != self._wants:
            self._wants = wants
            self.reconciler.want(wants)
            self.reading.ring()

    def _see_to_wants(self, outcome: Outcome, now_s: float) -> None:
        for want in outcome.wants:
            if want.kind is not WantKind.RESUBSCRIBE or want.channel is None:
                continue
            delay_s = want.not_before_s - now_s
            if delay_s > 0:
                asyncio.get_running_loop().call_later(delay_s, self._resubscribe, want.channel, want.reason)
            else:
                self._resubscribe(want.channel, want.reason)

    def _resubscribe(self, channel: Channel, reason: str) -> None:
        if self.stream is None or self.life is None or not self._is_open or self.halted_reason is not None:
            return
        if not any(want.channel is channel and want.kind is WantKind.RESUBSCRIBE for want in self.ledger.wants):
            return  # What asked for it was settled while we waited: REST was merely faster.
        now_s = self.clock.now_s()
        self._channels[channel].has_snapshot = False
        self.life.unstated(channel, reason, now_s=now_s)
        self.stream.resubscribe(channel, reason)
        self.take(self.ledger.await_snapshot, channel, read=channel.value, now_s=now_s)
        self.note_stream(now_s)

    # Telling

    def _tell_judgement(self, outcome: Outcome, read: str) -> None:
        facts = {"broker": self.name, "read": read}
        if outcome.refused is not None:
            self.answer_refused(read, outcome.refused, "")
        elif self._refused:
            self._refused = {key for key in self._refused if key[0] != read}
        if outcome.suspect is not None:
            suspected = ",".join(outcome.suspect_assets[:20])
            self.emitter(event("answer.suspected", **facts, reason=outcome.suspect, assets=suspected))
        if outcome.confirmed is not None:
            self.emitter(event("answer.confirmed", **facts, reason=outcome.confirmed))
        if outcome.dismissed is not None:
            self.emitter(event("answer.dismissed", **facts, reason=outcome.dismissed))
        if outcome.invalidated is not None:
            assets = None if outcome.invalidated_assets is None else ",".join(outcome.invalidated_assets)
            self.emitter(event("balance.invalidated", broker=self.name, reason=outcome.invalidated, assets=assets))
        for each in outcome.found:
            ours, theirs = amount_text(each.ours), amount_text(each.theirs)
            named = {"broker": self.name, "asset": each.asset, "kind": each.kind}
            self.emitter(event("discrepancy.found", **named, ours=ours, theirs=theirs))
        for each in outcome.resolved:
            named = {"broker": self.name, "asset": each.asset, "kind": each.kind}
            self.emitter(event("discrepancy.resolved", **named, how=each.how))

    def _tell_changes(self, changes: tuple[Change, ...]) -> None:
        if self.emitter.is_heard:
            now_s = self.clock.now_s()
            for change in changes:
                if not change.is_money:
                    continue
                balance = self.ledger.balance(change.asset, now_s=now_s)
                self.emitter(
                    event(
                        "balance.changed",
                        broker=self.name,
                        asset=change.asset,
                        total=amount_text(balance.total),
                        held=amount_text(balance.held),
                        available=amount_text(balance.available),
                        state=balance.state.value,
                        source=None if balance.source is None else balance.source.value,
                        kind=change.kind,
                    )
                )
        told: BalancesChanged | None = None
        for listeners in self._listeners:
            if not listeners.is_empty:
                if told is None:
                    first = changes[0]
                    several = len(changes) > 1
                    assets = tuple(dict.fromkeys(each.asset for each in changes)) if several else (first.asset,)
                    told = BalancesChanged(broker=self.name, kind=first.kind, assets=assets)
                listeners.tell(told)

    def _tell_moved(self, asset: AssetCode) -> None:
        told = self._moved_told.get(asset)
        if told is None:
            # It names the asset and no figure, so that one serves for all.
            told = self._moved_told[asset] = BalancesChanged(broker=self.name, kind="delta", assets=(asset,))
        for listeners in self._listeners:
            if not listeners.is_empty:
                listeners.tell(told)

    def _note_states(self) -> None:
        now_s = self.clock.now_s()
        self._shown_states = self.ledger.states(now_s=now_s)
        self._states_until_s = self.ledger.live_until_s(now_s=now_s)

    def tell_states(self) -> None:
        """Tell of figures whose state moved without the figure moving. Costs nothing while nobody listens."""
        for listeners in self._listeners:
            if not listeners.is_empty:
                break
        else:
            return
        before = self._shown_states
        self._note_states()
        if self._shown_states == before:
            return
        moved = tuple(code for code, state in self._shown_states.items() if before.get(code, state) is not state)
        if moved:
            for listeners in self._listeners:
                listeners.tell(BalancesChanged(broker=self.name, kind="state", assets=moved))

    def _confirms_restored(self, change: Change) -> bool:
        """Whether *change* is the first word on an asset since the start, and says what the journal says already."""
        before = self._restored.pop(change.asset, None)
        return before == (change.total, change.held, change.available) and change.kind in ("snapshot", "partial")

    def look_at_states(self, now_s: float) -> None:
        """Tell of states that time has moved, where it can have moved any."""
        if now_s >= self._states_until_s or not self.ledger.is_heard(now_s=now_s):
            self.tell_states()

    def wake(self) -> None:
        """Let everyone who waits for a change look again."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                _end(waiter)

    async def changed(self, *, within_s: float) -> None:
        """Suspend until anything changed, at most *within_s* seconds."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(within_s, _end, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)


class _ChannelRecord:
    """What one channel did on this connection, and how often its sequence broke since the start."""

    __slots__ = ("gaps", "has_snapshot", "is_subscribed", "last_s", "refusal")

    def __init__(self) -> None:
        self.is_subscribed = False
        self.has_snapshot = False
        self.last_s: float | None = None
        self.gaps = 0
        self.refusal: str | None = None


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _ignore(*_: object) -> None:
    pass
