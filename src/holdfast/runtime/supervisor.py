"""
What keeps one broker true: load the venue's names, prove whose account it is, read, stream, and come back from faults.

A shell only. The ledger judges figures, the stream's life says when to connect and when to give up, the schedule says
when to read; this connects, waits and reads as told, and survives whatever the venue does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.events import event
from holdfast.core.health import Facts, judge, word_of_loss
from holdfast.core.instruments import AssetInfo
from holdfast.core.parking import LOCKOUT, Parking, remaining_s
from holdfast.core.reconcile import ReconcileSettings
from holdfast.core.seams import Randomness, Store
from holdfast.core.streaming import StreamState
from holdfast.core.venue import CredentialInfo, ServerTime, VenueClient, VenueMode, VenueStream
from holdfast.core.venue_time import offset_s
from holdfast.errors import DeniedError, HoldfastError, OwnedElsewhereError, StoreError
from holdfast.runtime.account import Account
from holdfast.runtime.alarm import Alarm
from holdfast.runtime.audit import Audit
from holdfast.runtime.call_budget import KeptCounters
from holdfast.runtime.dead_man import DeadMan
from holdfast.runtime.entry import OrderEntry
from holdfast.runtime.follower import Follower
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.names import check_asset
from holdfast.runtime.reader import Reader
from holdfast.runtime.silence import lockout_of
from holdfast.runtime.views import (
    BrokerStatus,
    CredentialStatus,
    Dispute,
    Isolable,
    NonceStatus,
    RefreshReport,
    ResetReport,
)
from holdfast.runtime.vitals import Vitals
from holdfast.runtime.watch import Watch

if TYPE_CHECKING:
    from holdfast.runtime.nonce_doctor import NonceRounds
    from holdfast.runtime.readiness.surroundings import Surroundings

__all__ = ["ACCOUNT_FACT", "Contact", "LaneView", "PinnedAccount", "Supervisor"]

Contact = Literal["stream", "rest", "none"]
"""How far a broker reaches out: a live stream, REST reads only, or nothing but its own store."""

ACCOUNT_FACT: Final = "account"
"""The store's fact that pins which account this broker is."""

_RESTORED: Final = "restored_old_copy"
_RESTORED_DETAIL: Final = (
    "the store is an older copy than what the account has done since: figures are still read and shown, and order "
    "entry stays closed: compare open orders with the venue's own list, then `holdfast resume --accept-restored`"
)
_LOAD_WAIT_INITIAL_S: Final = 1.0
_LOAD_WAIT_MAX_S: Final = 60.0
_STATES: Final = ("live", "fresh", "stale")
_LOOK_EVERY_S: Final = 5.0
_PRUNE_EVERY_S: Final = 6 * 3600.0

_KEPT_POINTS: Final = ReconcileSettings().headroom

_STATUS_AGAIN_S: Final = 5.0
_STATUS_QUIET_S: Final = 60.0
_STATUS_NEVER_S: Final = 3600.0


class LaneView(Protocol):
    """What a lane tells beside giving turns; the lane on files and the one in memory both do."""

    @property
    def refused(self) -> int:
        """Nonces the venue refused."""
        ...

    def parking_now(self) -> Parking | None:
        """The parking in force, whoever parked it."""
        ...

    def hear_venue_time(self, time: ServerTime) -> object:
        """Judge our wall clock by the venue's."""
        ...

    def use_venue_time(self, ask: Callable[[], Awaitable[ServerTime]]) -> None:
        """Let the lane ask the venue's time before its first nonce, where it has not heard it."""
        ...

    async def keep_credential_info(self, info: CredentialInfo) -> object:
        """Remember what the venue says of the credential while it is healthy."""
        ...

    async def unpark(self, *, cause: str | None = None) -> bool:
        """Open a parked credential, only where parked for *cause* if one is named; whether it was."""
        ...


class PinnedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Which account a broker's store belongs to, and which credential it was last proved with."""

    account_id: str
    fingerprint: str


class Supervisor:
    """
    One broker's tasks and answers.

    Args:
        account: The ledger and what hangs on it.
        client: The venue's reads.
        stream: The venue's stream, or None where none is wanted or offered.
        vitals: How well reads, orders and stream work.
        pinned: What the store says of the account, or None for a new store.
        own: Called with the venue's account id once it is known; takes the account's owner lock.
        check_ownership: Raises ``ClosedError`` once the account may be another process's.
        lane: What the credential's lane tells of itself.
        entry: Makes the order entry, given what compares the clocks and what says why the credential is parked.
        on_disk: Compares the credential in use with what would be read now: ``same``, ``changed``, or why it cannot be
            read. Reads small files.
        checks_account_mode: Whether the venue is asked at every start how the account is set up.
        redact: Takes what is secret out of a text.
        counters: What the client counts its calls with, where it counts them.
        credential_hint: The last characters of the public key, for a person who has several.
        broker_of: Which other broker of the desk an account belongs to, or None: for a person who mixed them up.
    """

    def __init__(
        self,
        *,
        account: Account,
        client: VenueClient,
        stream: VenueStream | None,
        vitals: Vitals,
        listeners: Listeners,
        venue: str,
        environment: str,
        contact: Contact,
        fingerprint: str,
        pinned: PinnedAccount | None,
        failure_threshold: int,
        randomness: Randomness,
        own: Callable[[str], None],
        check_ownership: Callable[[], None],
        lane: LaneView,
        entry: Callable[[Callable[[float], None], Callable[[], str | None]], OrderEntry],
        on_disk: Callable[[], str] | None = None,
        checks_account_mode: bool = False,
        redact: Callable[[str], str] = str,
        counters: KeptCounters | None = None,
        credential_hint: str | None = None,
        broker_of: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.name = account.name
        self.venue = venue
        self.environment = environment
        self.account = account
        self.listeners = listeners
        self.account_id = None if pinned is None else pinned.account_id
        self._client = client
        self._clock = account.clock
        self._contact = contact
        self._fingerprint = fingerprint
        self._pinned = pinned
        self._failure_threshold = failure_threshold
        self._randomness = randomness
        self._own = own
        self._lane = lane
        self.on_disk = on_disk
        self.redact = redact
        self.surroundings: Callable[[], Surroundings] = _nowhere
        """What a run of readiness has to know beside this; set by whoever opens the broker."""
        self._checks_account_mode = checks_account_mode
        self._account_mode: str | None = None
        self._notes: tuple[str, ...] = ()
        self._counters = counters
        self._credential_hint = credential_hint
        self._broker_of = broker_of
        self._credential_info: CredentialInfo | None = None
        self.vitals = vitals
        self._connecting = Alarm(account.clock)  # Waits between two connections; rung, it looks again at once.
        self._reader = Reader(account, client, vitals, failure_threshold=failure_threshold)
        self._watch = Watch(account, check_ownership=check_ownership)
        vitals.on_change = self._breaker_changed
        self._stream = stream
        account.stream = stream
        account.on_halt = self._end_tasks
        self._tasks: asyncio.Task[None] | None = None
        self._is_loaded = False
        self._loading = Alarm(account.clock)  # What waits to load or to identify; rung, it tries at once.
        self._clock_offset_s: float | None = None
        self.repairing = asyncio.Lock()
        """One repair at a time: two people who type the same drop the stream once."""
        self.audit = Audit(
            account.store,
            account.clock,
            broker=self.name,
            emit=account.emitter,
            before_writing=account.journal.flush,
            redact=redact,
        )
        self.entry = entry(self._watch.observe, self._parked_cause)
        self._follower = Follower(self.entry, account)
        self._dead_man = DeadMan(self.entry, account)

    @property
    def nonces(self) -> NonceRounds:
        """The nonce doctor at this broker's credential; raises ``DeniedError`` where its lane is not on files."""
        from holdfast.runtime.lane import FileLane
        from holdfast.runtime.nonce_doctor import NonceRounds

        if not isinstance(self._lane, FileLane):
            raise DeniedError(f"{self.name}: its lane is in memory; there is nothing to examine")
        return NonceRounds(self._client, self._lane, clock=self._clock)

    @property
    def store(self) -> Store:
        return self.account.store

    # Life

    def start(self) -> None:
        """Begin to supervise. Needs a running loop; never suspends."""
        self._watch.start()
        self.account.emitter(event("broker.opened", broker=self.name, venue=self.venue, environment=self.environment))
        if self._contact != "none" and self.account.halted_reason is None:
            self._tasks = asyncio.get_running_loop().create_task(self._run(), name=f"holdfast {self.name}")

    async def stop(self) -> None:
        """Let orders under way come to an end, then close stream, client and store, in that order. Suspends."""
        self._watch.stop()
        await self.entry.finish()  # While the stream is there: an order's answer may be on its way.
        self.vitals.close()  # What ends from here on ends because we end it.
        if self._tasks is not None:
            self._tasks.cancel()
            await asyncio.gather(self._tasks, return_exceptions=True)
        self.account.stream = None  # What was planned for it is not done any more.
        self.listeners.close()
        await self.entry.close()
        self.account.wake()
        self.account.journal.flush()
        try:
            await self._client.close()
        finally:
            await self.store.close()
        self.account.emitter(event("broker.closed", broker=self.name))

    def _breaker_changed(self) -> None:
        self.account.reading.ring()
        self.account.wake()

    def _end_tasks(self) -> None:
        self.vitals.close()
        if self._tasks is not None:
            self._tasks.cancel()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._prune())
                await self._load()
                await self._identify()
                tasks.create_task(self._ask_status())
                await self._list_orders()
                tasks.create_task(self._reader.run())
                tasks.create_task(self._follower.run())
                tasks.create_task(self._dead_man.run())
                if self._stream is not None:
                    tasks.create_task(self._serve(self._stream))
        except* OwnedElsewhereError as errors:
            self.account.halt("owned_elsewhere", detail=str(errors.exceptions[0]))
        except* Exception as errors:
            # A bug of ours ends this broker alone; the others go on, and its figures age in the open.
            self.account.halt("invariant", errors.exceptions[0] if len(errors.exceptions) == 1 else errors)

    async def _load(self) -> None:
        """Fetch the venue's names, however long it takes."""
        wait_s = _LOAD_WAIT_INITIAL_S
        while True:
            try:
                await self.vitals.read.guard(self._client.load, is_forced=True)
            except HoldfastError as error:
                self._reader.failed("load", error)
            else:
                self._is_loaded = True
                self.account.wake()
                break
            # Jitter: every bot of a venue comes back from the same outage at once.
            now_s = self._clock.now_s()
            at_s = now_s + wait_s * self._randomness.uniform(0.5, 1.0)
            breaker = self.vitals.read.breaker
            retry_after_s = None if breaker.is_quiet else breaker.retry_after_s(now_s)
            if retry_after_s is not None:
                # Nothing else is read before: were this later than the end of the break, that would have no trial.
                at_s = min(at_s, now_s + max(retry_after_s, _LOAD_WAIT_INITIAL_S))
            # The listing needs no key, but a lockout is silence for every call: then it is read once that is over.
            is_locked_out = self._reader.parked_cause == LOCKOUT and self._reader.parked_until_s is not None
            await self._loading.wait_until(max(at_s, self._reader.parked_until_s or 0.0) if is_locked_out else at_s)
            wait_s = _LOAD_WAIT_INITIAL_S if is_locked_out else min(wait_s * 2, _LOAD_WAIT_MAX_S)
        await self._measure_clock()

    async def _measure_clock(self) -> None:
        """The venue's clock against ours: nonces are counted on it. The lane asks by itself where this fails."""
        self._lane.use_venue_time(self._client.server_time)
        with contextlib.suppress(HoldfastError):
            await self.measure_clock()

    async def measure_clock(self) -> float:
        """
        The venue's clock minus ours, seconds, asked now; nonces and validities are counted on it from here. Suspends.

        Raises:
            HoldfastError: It could not be asked, or did not answer.
        """
        time = await self._client.server_time()
        self._lane.hear_venue_time(time)
        self._clock_offset_s = offset_s(time)
        self.entry.time.hear(time)
        return self._clock_offset_s

    async def _list_orders(self) -> None:
        """Before the first figures: orders that we left at the venue, or their hold would count beside their claim."""
        if self.entry.claims.lacks_orders():
            with contextlib.suppress(HoldfastError):
                self.account.take_orders(await self._client.open_orders())
                await self._follower.catch_up()

    async def _ask_status(self) -> None:
        """
        The venue's own word about itself: once, and while nobody else would tell that it has changed.

        A live stream tells. Where it does not, or the venue has closed something, it is asked: unsigned, and cheap.
        """
        account, alarm = self.account, Alarm(self._clock)
        account.on_mode = alarm.ring
        while True:
            with contextlib.suppress(HoldfastError):
                account.venue_changed(await self._client.status())
            while True:
                is_told = account.life is not None and account.life.state is StreamState.LIVE
                is_online = account.venue_mode is VenueMode.ONLINE
                now_s = self._clock.now_s()
                pause_s = _STATUS_AGAIN_S if not is_online else _STATUS_QUIET_S if not is_told else _STATUS_NEVER_S
                await alarm.wait_until(now_s + pause_s)
                if self._clock.now_s() >= now_s + pause_s:
                    break

    async def _identify(self) -> None:
        """
        Prove that the credential belongs to the account this store is of.

        Asked of the venue once per credential, while it is healthy, and kept: the answer cannot change. Where an
        account can be set up in ways that the adapter does not work with, it is asked at every start.
        """
        pinned = self._pinned
        if pinned is not None and pinned.fingerprint == self._fingerprint:
            self._own(pinned.account_id)
            if not self._checks_account_mode:
                return
        while True:
            try:
                info = await self.vitals.read.guard(self._client.credential_info, is_forced=True)
            except HoldfastError as error:
                self._reader.failed("credential_info", error)
                pause_s = (
                    10.0 if self._reader.parked_until_s is None else self._reader.parked_until_s - self._clock.now_s()
                )
                await self._loading.wait_until(self._clock.now_s() + max(1.0, pause_s))
                continue
            break
        if pinned is not None and pinned.account_id != info.account_id:
            self.account.emitter(
                event("account.mismatched", broker=self.name, expected=pinned.account_id, found=info.account_id)
            )
            other = self._broker_of(info.account_id)
            whose = f"{info.account_id}, which is that of {other}" if other is not None else info.account_id
            detail = (
                f"the store of {self.name} belongs to account {pinned.account_id}, and the key to {whose}: "
                "use another broker name for the other account, or holdfast restore --start-new to begin a new store"
            )
            self.account.halt("account_mismatch", detail=detail)
            await asyncio.sleep(0)  # Let the halt's cancellation arrive before anything is read.
            return
        self._own(info.account_id)
        self.account_id = info.account_id
        self._account_mode, self._notes, self._credential_info = info.account_mode, info.notes, info
        if info.refusal is not None:
            self.account.halt("account_mode", detail=info.refusal)
            await asyncio.sleep(0)  # As above.
            return
        if pinned is not None and pinned.fingerprint == self._fingerprint:
            return  # Known already, and set up as it has to be.
        self._pinned = PinnedAccount(account_id=info.account_id, fingerprint=self._fingerprint)
        with contextlib.suppress(StoreError):  # Told by the watch; the venue is asked again next time.
            await self.store.keep_fact(ACCOUNT_FACT, msgspec.json.encode(self._pinned).decode())
        with contextlib.suppress(StoreError, DeniedError):
            # While the key is healthy: once its nonces are refused it could not be asked any more.
            await self._lane.keep_credential_info(info)
        self.account.emitter(event("account.identified", broker=self.name, account=info.account_id))

    async def _serve(self, stream: VenueStream) -> None:
        """Connect and serve, lose and connect again, for ever."""
        account, life = self.account, self.account.life
        assert life is not None
        alarm = self._connecting
        # REST first: the stream's first snapshot is then judged against something, and anchored at once.
        await self._reader.has_read.wait()
        while True:
            at_s = life.connect_at_s()
            now_s = self._clock.now_s()
            if at_s is None or at_s > now_s:
                # Looked at again every few seconds: a machine that slept has waited long enough.
                await alarm.wait_until(now_s + _LOOK_EVERY_S if at_s is None else min(at_s, now_s + _LOOK_EVERY_S))
                continue
            if await lockout_of(self._lane, self._clock, name=self.name) is not None:
                # Not a failed connection: they would be waited for longer and longer, and on after the lockout.
                await alarm.wait_until(self._clock.now_s() + _LOOK_EVERY_S)
                continue
            life.connecting(now_s=now_s)
            account.note_stream(now_s)
            reason = "ended"
            try:
                await stream.run(account)
            except HoldfastError as error:
                reason = word_of_loss(error)
            account.stream_lost(reason)

    async def _prune(self) -> None:
        """Drop old journal segments, now and then."""
        while True:
            with contextlib.suppress(StoreError):
                await self.store.prune(wall_us=self._clock.wall_us())
                await self.entry.claims.forget()
            await Alarm(self._clock).wait_until(self._clock.now_s() + _PRUNE_EVERY_S)

    # What a person asks for

    @property
    def lane(self) -> LaneView:
        """The credential's lane."""
        return self._lane

    async def look_at_lane(self) -> None:
        """Read the lane's file, so that what it says is known before anything is sent. Suspends; ``StoreError``."""
        from holdfast.runtime.lane import FileLane

        if isinstance(self._lane, FileLane):
            await self._lane.state()

    @property
    def failure_threshold(self) -> int:
        """Counted errors in a row that open a breaker."""
        return self._failure_threshold

    @property
    def contact(self) -> Contact:
        """How far this broker reaches out."""
        return self._contact

    @property
    def is_running(self) -> bool:
        """Whether its tasks run: False where it was opened to ask nothing, or has been stopped for good."""
        return self._tasks is not None and not self._tasks.done()

    def hurry(self) -> None:
        """What is left of waits is over: for the venue's names, for the account's name, between two connections."""
        if self.is_running and not (self._is_loaded and self._pinned is not None):
            self._loading.ring()
        if self.account.life is not None:
            self.account.life.hurry(now_s=self._clock.now_s())
            self._connecting.ring()

    def check_credential(self) -> None:
        """
        Refuse to try a key again that was mended on disk and not here.

        Raises:
            DeniedError: What would be read now is another credential than the one in use; says what to restart.
        """
        if self.on_disk is not None and self.on_disk() == "changed":
            pid = os.getpid()
            raise DeniedError(
                f"{self.name}: the credential was changed since process {pid} read it, and nothing new is read while "
                f"it runs: restart process {pid}, then `holdfast nonce doctor --broker {self.name} --retry`"
            )

    def key_opened(self) -> None:
        """The credential was opened: whatever waits for it goes on now."""
        self._reader.opened()
        self.hurry()

    def ask_about_doubts(self) -> None:
        """Look for evidence about orders in doubt now, out of turn; what is needed for it stays what it was."""
        self._follower.hurry()

    # Answers

    def balance(self, asset: AssetCode) -> Balance:
        now_s = self._clock.now_s()
        self._watch.observe(now_s)
        balance = self.account.ledger.balance(asset, now_s=now_s)
        if balance.total is None or not balance.total:
            # Only a figure that is not there, or zero, can be that of an asset that does not exist.
            self._check_asset(asset)
        return balance

    def look_at_clock(self) -> None:
        """Notice a jump of the clock now: what is shown next is of after it, figures and claims alike."""
        self._watch.observe(self._clock.now_s())

    def balances(self) -> dict[AssetCode, Balance]:
        now_s = self._clock.now_s()
        self._watch.observe(now_s)
        balances = self.account.ledger.balances(now_s=now_s)
        return {asset: balances[asset] for asset in sorted(balances)}

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]:
        """Every asset the venue lists, by code; empty until it was asked."""
        return self._client.assets if self._is_loaded else {}

    def _check_asset(self, asset: AssetCode) -> None:
        known = self.account.ledger.balances(now_s=self._clock.now_s())
        check_asset(asset, venue=self.venue, listed=self.assets, known=known)

    @property
    def error_count(self) -> int:
        return self.vitals.error_count

    @property
    def has_figures(self) -> bool:
        """Whether a complete answer was believed since the start."""
        return self.account.ledger.has_complete_picture()

    def status(self) -> BrokerStatus:
        now_s = self._clock.now_s()
        self._watch.observe(now_s)
        account, reader = self.account, self._reader
        capabilities = self.vitals.health(now_s)
        read, trade, _ = capabilities
        balances = account.ledger.balances(now_s=now_s)
        store = account.store.status()
        stream = account.stream_status(now_s)
        parked_cause = reader.parked_cause
        parked_for_s = None if reader.parked_until_s is None else max(0.0, reader.parked_until_s - now_s)
        try:
            parking = self._lane.parking_now()
        except StoreError:
            parked_cause = "lane_unreadable"  # Nothing can be signed; why exactly, the next read tells.
        else:
            if parking is not None:
                parked_cause = parking.cause
                parked_for_s = remaining_s(parking, now_s=now_s, wall_us=self._clock.wall_us())
        trading = self.entry.trading
        halted_reason = account.halted_reason or trading.halted_word
        halted_detail = account.halted_detail
        if halted_reason == _RESTORED:
            halted_detail = _RESTORED_DETAIL
        elif halted_detail is None and halted_reason is not None:
            halted_detail = f"only cancels are taken ({trading.reason or halted_reason}): `holdfast resume` ends it"
        judgement = judge(
            Facts(
                stream=None if account.life is None else account.life.state,
                stream_reason=stream.reason,
                is_loaded=self._is_loaded,
                has_figures=self.has_figures,
                are_restored=_are_restored(balances.values()),
                are_fit=all(balance.is_fit_to_approve for balance in balances.values()),
                error_count=read.error_count,
                failure_threshold=self._failure_threshold,
                venue_mode=account.venue_mode,
                parked_cause=parked_cause,
                halted_reason=halted_reason,
                is_stopped=account.halted_reason is not None,
                store_reason=None if store.is_ok else store.reason or "failed",
                read=read.breaker.state,
                trade=trade.breaker.state,
            )
        )
        return BrokerStatus(
            broker=self.name,
            venue=self.venue,
            environment=self.environment,
            account_id=self.account_id,
            health=judgement.health,
            reasons=judgement.reasons,
            is_available=judgement.is_available,
            error_count=self.error_count,
            last_error=account.halted_detail or reader.last_error,
            last_success_age_s=read.last_success_age_s,
            read_latency_s=read.latency_s,
            stream=stream,
            venue_mode=account.venue_mode,
            venue_clock_offset_s=self._clock_offset_s,
            is_halted=halted_reason is not None,
            halted_reason=halted_reason,
            halted_detail=halted_detail,
            store=store,
            nonce=NonceStatus(
                refused=self._lane.refused,
                parked_cause=parked_cause,
                parked_for_s=parked_for_s,
            ),
            assets=len(balances),
            states={name: sum(each.state.value == name for each in balances.values()) for name in _STATES},
            discrepancies=len(account.ledger.discrepancies),
            suspects=tuple(
                asset for asset, balance in balances.items() if (balance.reason or "").startswith("suspect")
            ),
            trading_state=trading.state,
            trading_reason=trading.reason,
            reservations=len(self.entry.claims.book.live()),
            in_doubt=len(self.entry.intents.doubts()),
            capabilities=capabilities,
            account_mode=self._account_mode,
            notes=self._notes,
            disputes=tuple(
                Dispute(
                    asset=each.asset,
                    kind=each.kind,
                    ours=each.ours,
                    theirs=each.theirs,
                    for_s=max(0.0, now_s - each.found_s),
                    rows=each.rows,
                )
                for each in account.ledger.discrepancies
            ),
            calls=None if self._counters is None else self._counters.fullest(now_s=now_s, kept=_KEPT_POINTS),
            credential=None if self._credential_hint is None else self._credential_status(self._credential_hint),
        )

    def _credential_status(self, hint: str) -> CredentialStatus:
        if self._credential_info is None:
            return CredentialStatus(hint=hint)
        found = self._credential_info
        return CredentialStatus(hint=hint, permissions=found.permissions, can_withdraw=found.can_withdraw)

    def _parked_cause(self) -> str | None:
        """Why nothing may be signed now, or None."""
        try:
            parking = self._lane.parking_now()
        except StoreError:
            return "lane_unreadable"
        return self._reader.parked_cause if parking is None else parking.cause

    async def refresh(self, *, timeout_s: float, tell: Callable[[str, str], None] | None = None) -> RefreshReport:
        """Read balances and open orders now, and again where an answer is suspect; *tell* hears what was asked."""
        return await self._reader.refresh(timeout_s=timeout_s, tell=tell)

    async def reset_circuit_breaker(
        self, *, timeout_s: float, tell: Callable[[str, str], None] | None = None
    ) -> ResetReport:
        """Close every breaker, durably, and read the account again; *tell* hears how far it has come."""
        before = self.vitals.health(self._clock.now_s())
        await self.vitals.reset()
        if tell is not None:
            tell("breakers", "closed")
        self.hurry()
        refresh = await self._reader.refresh(timeout_s=timeout_s, tell=tell)
        after = self.vitals.health(self._clock.now_s())
        return ResetReport(broker=self.name, before=before, after=after, refresh=refresh)

    async def isolate(self, what: Isolable, *, reason: str | None) -> None:
        await self.vitals.isolate(what, reason=reason)

    async def changed(self, *, within_s: float) -> None:
        await self.account.changed(within_s=within_s)


def _nowhere() -> Surroundings:
    raise DeniedError("this broker was put together without what a run of readiness has to know")


def _are_restored(balances: Iterable[Balance]) -> bool:
    """Whether every figure is known, and any of them only from before the start."""
    found = tuple(balances)
    return any(each.reason == "restored" for each in found) and all(each.total is not None for each in found)
