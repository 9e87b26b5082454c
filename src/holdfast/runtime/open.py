"""Open the brokers of a configuration: own their accounts, load what is known of them, and supervise them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.config import BrokerConfig, Config, load_config
from holdfast.core.budgets import Budgets
from holdfast.core.changes import LedgerSettings
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.funds import FundsSettings
from holdfast.core.ledger import Ledger
from holdfast.core.orders import OrderType
from holdfast.core.reconcile import Reconciler, ReconcileSettings
from holdfast.core.seams import HttpWire, Store
from holdfast.core.streaming import StreamLife, StreamSettings
from holdfast.core.venue import Capability, Site, StreamRules, Venue
from holdfast.core.venue_time import VenueTime
from holdfast.errors import (
    ClosedError,
    ConfigError,
    HoldfastError,
    StoreCorruptError,
    UnknownNameError,
    UnsupportedError,
)
from holdfast.runtime.account import FROM_STORE, Account
from holdfast.runtime.alerts import AlertWatch, DeskAlerts
from holdfast.runtime.attach.lines import Place
from holdfast.runtime.attach.succession import Mode, Seat
from holdfast.runtime.call_budget import KeptCounters
from holdfast.runtime.desk import Desk
from holdfast.runtime.echoes import UnechoedHttp, UnechoedStreams
from holdfast.runtime.emitter import Emitter
from holdfast.runtime.entry import EntrySettings, OrderEntry
from holdfast.runtime.guard import Guard
from holdfast.runtime.identities import Identities
from holdfast.runtime.listeners import Listeners
from holdfast.runtime.local import LocalBroker
from holdfast.runtime.ownership import account_fingerprint, broker_fingerprint
from holdfast.runtime.parts import Held, Parts, real_parts
from holdfast.runtime.record import holdings_of, lows_of
from holdfast.runtime.reloading import ReloadReport, needs_restart, why_not_live
from holdfast.runtime.silence import SilentHttp, keep_silent
from holdfast.runtime.supervisor import ACCOUNT_FACT, Contact, PinnedAccount, Supervisor
from holdfast.runtime.trading import Trading
from holdfast.runtime.vitals import READ_BREAK_MAX_S, Vitals

if TYPE_CHECKING:
    from holdfast.runtime.broker import Broker
    from holdfast.runtime.routing import Router

__all__ = ["Mode", "Opening", "open", "site_of"]

_TRIAL_WAITS_S: Final = 15.0
"""What a trial may wait for beside its answer: the lane, the store, a price."""


_ROWS_LATELY: Final = 10_000


def open(  # noqa: A001  # Users read it as holdfast.open().
    config: str | os.PathLike[str] | Mapping[str, Any] | Config | None = None,
    *,
    mode: Mode = "auto",
    brokers: Sequence[str] | None = None,
    contact: Contact = "stream",
    on_event: Callable[[Event], object] | None = None,
    log: bool = False,
    parts: Parts | None = None,
) -> Opening:
    """
    Own the configured accounts, or attach to their owners, for the length of an ``async with`` block.

    Returns at once; entering the block takes the owner locks and opens the stores, and suspends meanwhile. It does
    not wait for the venue: ``await desk.ready()`` does. Each broker is owned or attached by itself: a desk may mix.

    Args:
        config: A TOML file, the same tables as a mapping, a ``Config``, or None to find the file.
        mode: ``own`` becomes the owner, or fails where another process is; ``attach`` uses the account through the
            process that owns it, and fails where none does; ``auto`` owns what nobody owns, attaches to the rest, and
            takes an account over when its owner dies. Attaching needs no credential.
        brokers: Only these, by name; None for all.
        contact: ``stream`` for live figures, ``rest`` for reads only, ``none`` for the journal alone.
        on_event: Called with every event from the very first.
        log: Write events to stderr as the configuration's ``[log]`` says.
        parts: Other makers of clock, wires, lanes and stores than the real ones; for tests.

    Raises (on entering):
        ConfigError: The configuration, a credential, *mode* or *contact* cannot be used.
        UnknownNameError: *brokers* names one that is not configured.
        OwnedElsewhereError: Another process owns an account and *mode* is ``own``; names it.
        OwnerSilentError: The process that owns an account does not answer; or *mode* is ``attach`` and there is none.
        StoreError: An account's store cannot be opened; it is never taken for empty.
    """
    return Opening(config, mode=mode, brokers=brokers, contact=contact, on_event=on_event, log=log, parts=parts)


class Opening:
    """What ``holdfast.open`` returns: enter it once, with ``async with``."""

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | Config | None,
        *,
        mode: Mode,
        brokers: Sequence[str] | None,
        contact: Contact,
        on_event: Callable[[Event], object] | None,
        log: bool,
        parts: Parts | None,
    ) -> None:
        self._source = config
        self._mode = mode
        self._names = brokers
        self._contact: Contact = contact
        self._on_event = on_event
        self._log = log
        self._given_parts = parts
        self._is_entered = False
        self._guard: Guard | None = None
        self._seats: list[Seat] = []
        self._alerts: DeskAlerts | None = None
        self._listeners = Listeners()
        self._routers: list[Router] = []
        self._desk: Desk | None = None
        self._reloading = asyncio.Lock()
        self._identities = Identities()
        self._names_known: dict[str, str] = {}  # Every remembered intent of the desk, by client order id: whose it is.

    async def __aenter__(self) -> Desk:
        if self._is_entered:
            raise ClosedError("this desk was opened before: call holdfast.open(...) again for another one")
        self._is_entered = True
        if self._mode not in ("auto", "own", "attach"):
            raise ConfigError(f"mode {self._mode!a}: one of auto, own, attach")
        if self._contact not in ("stream", "rest", "none"):
            raise ConfigError(f"contact {self._contact!a}: one of stream, rest, none")
        config = load_config(self._source)
        chosen = _chosen(config, self._names)
        parts = self._given_parts or real_parts(config)
        emitter = Emitter([] if self._on_event is None else [self._on_event])
        if self._log:
            from holdfast.runtime.logs import log_events

            emitter.subscribe(log_events(config.log))
        self._alerts = DeskAlerts(
            config.alerts,
            make=parts.alerts if self._contact == "stream" else None,
            clock=parts.clock,
            emit=emitter,
        )
        self._guard = Guard("this desk")
        self._seats = [self._seat(broker, config, parts=parts, emitter=emitter) for broker in chosen]
        try:
            for seat in self._seats:
                await seat.open()
        except BaseException:
            await self._close()
            raise
        self._alerts.is_strict = False
        brokers = {seat.name: seat.broker for seat in self._seats}
        self._desk = Desk(
            brokers,
            config=config,
            guard=self._guard,
            listeners=self._listeners,
            emitter=emitter,
            parts=self._given_parts,
            router=lambda open_brokers: self._router(open_brokers, config, parts=parts, emitter=emitter),
        )
        return self._desk

    async def reload(self, config: Config) -> ReloadReport:
        """
        Go on with *config*: brokers whose settings or keys changed are opened anew, one after the other. Suspends.

        A broker that cannot be opened as configured now goes on as it was; its claims stay either way. Attached brokers
        are their owner's to reload.

        Raises:
            ClosedError: The desk is not open.
        """
        desk, guard = self._desk, self._guard
        if desk is None or guard is None:
            raise ClosedError("this desk is not open: there is nothing to reload")
        guard.check()
        async with self._reloading:
            parts = self._given_parts or real_parts(config)
            before = desk.config
            reopened: list[str] = []
            unchanged: list[str] = []
            failed: dict[str, str] = {}
            later = needs_restart(before, config, chosen=frozenset(desk.brokers))
            for at, seat in enumerate(list(self._seats)):
                old, new = before.brokers[seat.name], config.brokers.get(seat.name)
                if new is None:
                    continue
                other = why_not_live(old, new)
                if other is not None:
                    later.append(f"brokers.{seat.name}.{other}")
                    continue
                try:
                    if old == new and not seat.has_other_key():
                        unchanged.append(seat.name)
                        continue
                    venue = parts.venue(new.venue)
                    parts.credential(new, venue)  # What cannot be read is told before anything is given back.
                    _check_options(new, venue)
                    self._seats[at] = await self._reopen(seat, old, new, config, parts=parts, emitter=desk._emitter)
                    reopened.append(seat.name)
                except HoldfastError as error:
                    failed[seat.name] = str(error)
            desk.config = config
        return ReloadReport(
            reopened=tuple(reopened), unchanged=tuple(unchanged), failed=failed, needs_restart=tuple(later)
        )

    async def _reopen(
        self, seat: Seat, old: BrokerConfig, new: BrokerConfig, config: Config, *, parts: Parts, emitter: Emitter
    ) -> Seat:
        """The seat that takes another's place; raises what hindered it, when the old one is back."""
        broker, listeners = seat.broker, seat.listeners
        await seat.close(keeps_listeners=True)
        made = self._seat(new, config, parts=parts, emitter=emitter, listeners=listeners)
        try:
            await made.open()
        except HoldfastError:
            await made.close(keeps_listeners=True)
            back = self._seat(old, config, parts=parts, emitter=emitter, listeners=listeners)
            self._seats[self._seats.index(seat)] = back
            await back.open()
            back.go_on_as(broker)
            raise
        made.go_on_as(broker)
        return made

    def _router(self, brokers: Mapping[str, Broker], config: Config, *, parts: Parts, emitter: Emitter) -> Router:
        from holdfast.runtime.routing import Router  # Loaded by whoever routes.

        routes = parts.routes
        if routes is None:
            raise UnsupportedError("this desk was made without a place to bind intents", capability="routing")
        router = Router(
            brokers,
            settings=config.routing,
            clock=parts.clock,
            randomness=parts.randomness,
            emit=emitter,
            open_book=routes,
        )
        self._routers.append(router)
        return router

    def _seat(
        self,
        broker: BrokerConfig,
        config: Config,
        *,
        parts: Parts,
        emitter: Emitter,
        listeners: Listeners | None = None,
    ) -> Seat:
        assert self._guard is not None
        assert self._alerts is not None
        alerts = self._alerts
        listeners = Listeners() if listeners is None else listeners

        async def take() -> _OpenBroker:
            return await _open_broker(
                broker,
                parts=parts,
                contact=self._contact,
                emitter=emitter,
                listeners=(listeners, self._listeners),
                names=self._names_known,
                identities=self._identities,
                alerts=alerts,
            )

        return Seat(
            where=Place(environment=broker.environment, name=broker.name),
            name=broker.name,
            venue=broker.venue,
            environment=broker.environment,
            mode=self._mode,
            take=take if self._mode != "attach" else None,
            sockets=parts.sockets,
            clock=parts.clock,
            randomness=parts.randomness,
            emitter=emitter,
            listeners=(listeners, self._listeners),
            guard=self._guard,
            wait_s=config.lane.wait_s,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._desk = None
        if self._guard is not None:
            self._guard.close()
        seats, self._seats = self._seats, []
        self._listeners.close()
        results = await asyncio.gather(*(seat.close() for seat in seats), return_exceptions=True)
        for router in self._routers:
            await router.close()
        if self._alerts is not None:
            await self._alerts.close()
        failures = [result for result in results if isinstance(result, Exception)]
        if failures:
            raise failures[0] if len(failures) == 1 else ExceptionGroup("closing failed", failures)


def _chosen(config: Config, names: Sequence[str] | None) -> list[BrokerConfig]:
    if names is None:
        return list(config.brokers.values())
    unknown = [name for name in names if name not in config.brokers]
    if unknown:
        raise UnknownNameError(f"no broker {unknown[0]!a}: configured are {', '.join(config.brokers)}")
    return [config.brokers[name] for name in dict.fromkeys(names)]


class _OpenBroker:
    """One broker's supervisor and everything to be given back when it closes."""

    def __init__(self, broker: BrokerConfig, *, own: Callable[[BrokerConfig, str], Held]) -> None:
        self.name = broker.name
        self._broker = broker
        self.held: dict[str, Held] = {}
        self.http: HttpWire | None = None
        self.store: Store | None = None
        self.supervisor: Supervisor | None = None
        self.alerts: AlertWatch | None = None
        self._own = own

    @property
    def backend(self) -> LocalBroker:
        """What answers for it."""
        assert self.supervisor is not None
        return LocalBroker(self.supervisor, self.supervisor.entry)

    @property
    def max_age_s(self) -> float:
        """Beyond which a fresh figure is stale."""
        return self._broker.reading.max_age_s

    @property
    def has_other_key(self) -> bool:
        """Whether the credential that would be read now is another one than the one in use."""
        assert self.supervisor is not None
        look = self.supervisor.on_disk
        return look is not None and look() == "changed"

    def start(self) -> None:
        """Begin to supervise."""
        assert self.supervisor is not None
        self.supervisor.start()

    def own(self, fingerprint: str) -> None:
        """Take an owner lock, unless it is ours already."""
        if fingerprint not in self.held:
            self.held[fingerprint] = self._own(self._broker, fingerprint)

    def own_account(self, account_id: str) -> None:
        """Take the lock of the account itself: two keys of one account are one owner's."""
        place = f"{self._broker.venue}/{self._broker.environment}"
        self.own(account_fingerprint(venue=place, account=account_id))

    def check(self) -> None:
        """Prove that the account is still ours; raises ``ClosedError``."""
        for held in self.held.values():
            held.check()

    async def close(self) -> None:
        """Give everything back, the locks last."""
        if self.alerts is not None:
            self.alerts.close()
        try:
            if self.supervisor is not None:
                await self.supervisor.stop()
            elif self.store is not None:
                await self.store.close()
        finally:
            try:
                if self.http is not None:
                    await self.http.close()
            finally:
                # Last of all: while anything of ours could still write, nobody else may own the account.
                for held in self.held.values():
                    held.release()


async def _open_broker(
    broker: BrokerConfig,
    *,
    parts: Parts,
    contact: Contact,
    emitter: Emitter,
    listeners: tuple[Listeners, Listeners],
    names: dict[str, str],
    identities: Identities,
    alerts: DeskAlerts,
) -> _OpenBroker:
    opened = _OpenBroker(broker, own=parts.own)
    try:
        # Before anything else: who is told that another process owns it needs no credential to attach to that.
        opened.own(broker_fingerprint(environment=broker.environment, name=broker.name))
        venue = parts.venue(broker.venue)
        credential = parts.credential(broker, venue)
        opened.own(credential.fingerprint)
        opened.store = store = await parts.store(broker, emitter)
        pinned = await _pinned_account(store)
        identities.know(broker.name, pinned, credential.fingerprint)
        if pinned is not None and pinned.fingerprint == credential.fingerprint:
            opened.own_account(pinned.account_id)  # Known already: said now, not once the venue has been asked.
        lane = parts.lane(broker, credential, emitter)
        is_simulated = broker.environment == "simulated"
        site = site_of(broker, venue)
        _check_options(broker, venue)
        time = VenueTime(parts.clock)
        offered: dict[str, object] = {
            "must_be_simulator": is_simulated,
            "environment": broker.environment,
            "region": broker.region,
            "exchange": broker.exchange,
            "venue_time": time,
            "auto_earn_spendable": broker.auto_earn_spendable,
            "rate_tier": broker.rate_tier or ("pro" if is_simulated else "starter"),
            "read_deadline_s": broker.reading.read_deadline_s,
            "random": parts.randomness,
        }
        counters = KeptCounters(None if parts.counters is None else parts.counters(broker, credential))
        offered["counter"] = counters
        offered["silence"] = functools.partial(keep_silent, lane, parts.clock, name=broker.name)
        options = {name: value for name, value in offered.items() if name in venue.facts.options}
        wire = UnechoedHttp(parts.http(broker), credential)
        opened.http = SilentHttp(wire, lane, clock=parts.clock, name=broker.name)
        streams = parts.streams(broker)
        client = venue.client(
            http=opened.http,
            lane=lane,
            credential=credential,
            clock=parts.clock,
            emit=emitter,
            rest_url=site.rest_url,
            account=broker.name,
            options=options,
        )
        stream = venue.stream(
            wire=streams if credential.reveal_passphrase() is None else UnechoedStreams(streams, credential),
            client=client,
            clock=parts.clock,
            emit=emitter,
            ws_url=site.ws_url,
            account=broker.name,
            options=options,
        )
        rules = _rules_of(broker, stream.rules)
        has_stream = contact == "stream" and venue.facts.has_stream
        account = Account(
            name=broker.name,
            ledger=_ledger_of(broker, venue, rules, client.balance_reads),
            life=_life_of(rules, site.ws_url, parts) if has_stream else None,
            reconciler=Reconciler(
                settings=ReconcileSettings(
                    quiet_s=broker.reading.reconcile_quiet_s,
                    after_event_s=broker.reading.reconcile_fault_s,
                    max_age_s=broker.reading.max_age_s,
                    answer_within_s=min(3.0, broker.reading.read_deadline_s),
                ),
                reads=client.balance_reads,
                budget=None,  # The client counts: it knows what each call costs.
                randomness=parts.randomness,
            ),
            store=store,
            clock=parts.clock,
            emitter=emitter,
            listeners=listeners,
        )
        account.balances_within_s = rules.balances_within_s
        account.vitals = vitals = _vitals_of(broker, venue, account, parts)
        await vitals.restore()
        opened.supervisor = Supervisor(
            account=account,
            client=client,
            stream=stream if has_stream else None,
            vitals=vitals,
            listeners=listeners[0],
            venue=broker.venue,
            environment=broker.environment,
            contact=contact,
            fingerprint=credential.fingerprint,
            pinned=pinned,
            failure_threshold=broker.health.failure_threshold,
            randomness=parts.randomness,
            own=opened.own_account,
            check_ownership=opened.check,
            lane=lane,
            entry=lambda observe, parked_cause: OrderEntry(
                account=account,
                client=client,
                stream=stream if has_stream else None,
                vitals=vitals,
                funds=_funds_of(broker, venue),
                settings=_entry_settings_of(broker, venue),
                budgets=Budgets(broker.bot_budgets),
                bots=broker.bot_budgets,
                trading=Trading(),
                names=names,
                rest_lag_s=account.ledger.settings.rest_lag_s,
                randomness=parts.randomness,
                time=time,
                check_ownership=opened.check,
                observe=observe,
                parked_cause=parked_cause,
            ),
            on_disk=lambda: _on_disk(broker, venue, credential, parts),
            redact=credential.redact,
            checks_account_mode=venue.facts.checks_account_mode,
            counters=counters,
            credential_hint=credential.hint or None,
            broker_of=identities.broker_of,
        )
        opened.supervisor.surroundings = lambda: parts.surroundings(broker, venue.facts, site.rest_url)
        opened.alerts = await alerts.watch(opened.supervisor, in_doubt_after_s=broker.orders.in_doubt_alert_s)
        await opened.supervisor.entry.restore()
        if contact == "none":
            # Nothing will be signed, so nothing else would find out that the credential is parked.
            with contextlib.suppress(HoldfastError):
                await opened.supervisor.look_at_lane()
        holdings = holdings_of(await store.latest())
        if holdings:
            wall_us = parts.clock.wall_us()
            since_us = wall_us - int(account.ledger.settings.rest_lag_s * 1_000_000)
            lately = await store.history(since_wall_us=since_us, limit=_ROWS_LATELY, newest_first=True)
            lows = lows_of(lately, wall_us=wall_us)
            account.take(account.ledger.restore, holdings, lows, read=FROM_STORE, now_s=parts.clock.now_s())
    except BaseException:
        await opened.close()
        raise
    return opened


def site_of(broker: BrokerConfig, venue: Venue) -> Site:
    """
    Where a broker's venue is spoken to: a simulator where one is configured, else one of the venue's own addresses.

    Raises:
        ConfigError: The venue has no such environment or region.
    """
    if broker.environment == "simulated" and broker.rest_url and broker.ws_url:
        return Site(environment="simulated", rest_url=broker.rest_url, ws_url=broker.ws_url, region=broker.region)
    site = venue.facts.site(broker.environment, broker.region)
    if site is None:
        where = broker.environment if broker.region is None else f"{broker.environment} in {broker.region}"
        raise ConfigError(f"brokers.{broker.name}: {broker.venue} has no addresses for {where}")
    return site


def _check_options(broker: BrokerConfig, venue: Venue) -> None:
    """
    A setting that the venue's adapter does not take is refused: nobody is to believe that it does something.

    Raises:
        ConfigError: Names the setting.
    """
    if broker.rate_tier is not None and "rate_tier" not in venue.facts.options:
        raise ConfigError(f"brokers.{broker.name}: rate_tier means nothing at {venue.id}: leave it out")
    reason = venue.facts.lacks.get(Capability.DEAD_MAN_SWITCH)
    if broker.orders.dead_man_s and reason is not None:
        raise ConfigError(f"brokers.{broker.name}.orders: dead_man_s means nothing at {venue.id}: {reason}")


async def _pinned_account(store: Store) -> PinnedAccount | None:
    text = await store.fact(ACCOUNT_FACT)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=PinnedAccount)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(f"{store.status().path}: the fact {ACCOUNT_FACT} cannot be read: {error}") from None


def _on_disk(broker: BrokerConfig, venue: Venue, credential: Credential, parts: Parts) -> str:
    """Whether what would be read now is the credential in use: ``same``, ``changed``, or why it cannot be read."""
    try:
        found = parts.credential(broker, venue)
    except ConfigError as error:
        return str(error)
    is_same = (
        found.key == credential.key
        and found.reveal_secret() == credential.reveal_secret()
        and found.reveal_passphrase() == credential.reveal_passphrase()
    )
    return "same" if is_same else "changed"


def _rules_of(broker: BrokerConfig, rules: StreamRules) -> StreamRules:
    reading = broker.reading
    return msgspec.structs.replace(
        rules,
        silent_after_s=rules.silent_after_s if reading.silent_after_s is None else reading.silent_after_s,
        snapshot_within_s=rules.snapshot_within_s if reading.snapshot_within_s is None else reading.snapshot_within_s,
    )


def _ledger_of(broker: BrokerConfig, venue: Venue, rules: StreamRules, reads: tuple[str, ...]) -> Ledger:
    reading = broker.reading
    rest_lag_s = rules.rest_lag_s if reading.rest_lag_s is None else reading.rest_lag_s
    settings = LedgerSettings(
        max_age_s=reading.max_age_s,
        anchor_max_age_s=reading.anchor_max_age_s,
        rest_lag_s=rest_lag_s,
        after_event_s=reading.reconcile_fault_s,
        proof_within_s=rules.silent_after_s,
        floors=broker.floor_amounts,
    )
    return Ledger(settings=settings, reads=reads, pushes_balances=rules.pushes_balances)


def _funds_of(broker: BrokerConfig, venue: Venue) -> FundsSettings:
    orders = broker.orders
    return FundsSettings(
        buffer_market=max(orders.buffer(OrderType.MARKET), venue.facts.market_reserve),
        buffer_limit=orders.buffer(OrderType.LIMIT),
        market_estimate=orders.market_estimate_fraction,
        ticker_max_age_s=orders.ticker_max_age_s,
        largest_order=orders.largest_order_amounts,
        price_collar=orders.price_collar_fraction,
        orders_per_minute=orders.orders_per_minute,
        degraded_max_age_s=orders.degraded_max_age_s,
        degraded_haircut=orders.degraded_haircut_fraction,
        floors=broker.floor_amounts,
    )


def _vitals_of(broker: BrokerConfig, venue: Venue, account: Account, parts: Parts) -> Vitals:
    health = broker.health
    validity_s = broker.orders.validity_s or venue.facts.validity_s
    vitals = Vitals(
        name=broker.name,
        read=health.breaker(
            trial_within_s=broker.reading.read_deadline_s + _TRIAL_WAITS_S, break_max_s=READ_BREAK_MAX_S
        ),
        trade=health.breaker(trial_within_s=validity_s + _TRIAL_WAITS_S, trials=health.trials),
        life=account.life,
        store=account.store,
        clock=parts.clock,
        randomness=parts.randomness,
        emit=account.emitter,
    )
    vitals.data_s = account.stream_data_s
    return vitals


def _entry_settings_of(broker: BrokerConfig, venue: Venue) -> EntrySettings:
    orders, facts = broker.orders, venue.facts
    return EntrySettings(
        validity_s=orders.validity_s or facts.validity_s,
        ahead_s=facts.validity_ahead_s,
        validity_max_s=facts.validity_max_s,
        enforces_validity=facts.enforces_validity,
        evidence=facts.evidence,
        lacks={capability.value: reason for capability, reason in facts.lacks.items()},
        unsent_ttl_s=orders.unsent_ttl_s,
        in_doubt_alert_s=orders.in_doubt_alert_s,
        dead_man_s=orders.dead_man_s,
        prefers_stream=orders.prefer == "stream",
    )


def _life_of(rules: StreamRules, ws_url: str, parts: Parts) -> StreamLife:
    return StreamLife(
        rules=rules,
        settings=StreamSettings(),
        budget=parts.connections(ws_url, rules),
        randomness=parts.randomness,
        now_s=parts.clock.now_s(),
    )
