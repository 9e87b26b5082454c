"""The simulated Kraken as one value: what a front carries the bytes of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from holdfast.core.assets import AssetCode
from holdfast.core.seams import Clock
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.message_names import MessageNames
from holdfast.simulators.core.order_log import stated_order
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest
from holdfast.simulators.core.plans import Plan
from holdfast.simulators.core.seam import Peer, Session, SimReply, SimRequest, Timers
from holdfast.simulators.core.wire_json import decode_json
from holdfast.simulators.kraken.background import Background
from holdfast.simulators.kraken.balances import BalancesChannel
from holdfast.simulators.kraken.call import Services
from holdfast.simulators.kraken.errors import KrakenRefusedError
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.executions import ExecutionsChannel
from holdfast.simulators.kraken.faults import checked_fault
from holdfast.simulators.kraken.gate import Gate
from holdfast.simulators.kraken.happenings import Happenings
from holdfast.simulators.kraken.market_channels import MarketChannels
from holdfast.simulators.kraken.plans import ROWS, plan_of
from holdfast.simulators.kraken.rest import PRIVATE_METHODS, PUBLIC_METHODS, RestSurface, parse_body
from holdfast.simulators.kraken.settings import KrakenSimSettings
from holdfast.simulators.kraken.stream import HEARTBEAT, StreamSurface
from holdfast.simulators.kraken.stream_orders import StreamOrders
from holdfast.simulators.kraken.subscriptions import CHANNELS, Subscriptions
from holdfast.simulators.kraken.tokens import TokenStore
from holdfast.simulators.kraken.trading import OrderEntry

__all__ = ["KrakenSimulator"]

_HEARTBEAT_FACTS: Final = {"channel": "heartbeat"}


class KrakenSimulator:
    """
    A simulated Kraken: REST below ``/0`` and WebSocket v2 at ``/v2``, deterministic for its seed, clock and requests.

    Args:
        seed: Decides credentials, ids and every random choice.
        profile: What the accounts hold: plain, earn, busy, margin, empty or many.
        clock: ``wall_us`` is the venue's time; ``now_s`` measures its durations.
        timers: When it acts by itself; ``loop.call_later`` of any event loop fits.
        settings: Switches; the defaults are a quiet, documented Kraken.

    Raises:
        ValueError: No such profile.
    """

    id = "kraken"

    def __init__(
        self,
        *,
        seed: int,
        profile: str = "plain",
        clock: Clock,
        timers: Timers,
        settings: KrakenSimSettings | None = None,
    ) -> None:
        self._exchange = KrakenExchange(seed=seed, profile=profile, clock=clock, timers=timers, settings=settings)
        self._tokens = TokenStore(self._exchange)
        self._orders = OrderEntry(self._exchange)
        self._gate = Gate(self._exchange)
        self._rest = RestSurface(Services(self._exchange, self._tokens, self._orders), self._gate)
        self._stream = StreamSurface(self._exchange, self._tokens)
        self._subscriptions = Subscriptions(
            self._exchange,
            self._stream,
            self._tokens,
            balances=BalancesChannel(self._exchange, self._stream),
            executions=ExecutionsChannel(self._exchange, self._stream, counted=self._orders.counted),
            markets=MarketChannels(self._exchange, self._stream),
        )
        StreamOrders(self._exchange, self._stream, self._tokens, self._orders)
        self._events = Happenings(self._exchange, self._orders, self._tokens, close_streams=self._stream.close_of_key)
        Background(self._exchange)

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one REST request; what it commits is committed when this returns."""
        return self._rest.handle(request)

    def describe(self, request: SimRequest) -> dict[str, str]:
        """``name``, and where they apply ``key``, ``nonce`` and ``client_order_id``; acts on nothing."""
        facts = {"name": request.path.rpartition("/")[2]}
        key = request.headers.get("api-key")
        if key is not None:
            facts["key"] = key
        if request.body:
            try:
                fields = parse_body(request)
            except KrakenRefusedError:
                return facts
            for field, fact in (("nonce", "nonce"), ("cl_ord_id", "client_order_id")):
                if field in fields:
                    facts[fact] = str(fields[field])
        return facts

    def describe_frame(self, frame: bytes) -> dict[str, str]:
        """``name`` of a request or answer, ``channel`` and ``type`` of data, ``key`` behind a token."""
        if frame == HEARTBEAT:
            return dict(_HEARTBEAT_FACTS)
        message = decode_json(frame)
        if not isinstance(message, dict):
            return {}
        facts: dict[str, str] = {}
        if isinstance(message.get("method"), str):
            facts["name"] = message["method"]
        for name in ("channel", "type"):
            if isinstance(message.get(name), str):
                facts[name] = message[name]
        for name in ("params", "result"):
            part = message.get(name)
            if isinstance(part, dict):
                if isinstance(part.get("channel"), str):
                    facts.setdefault("channel", part["channel"])
                if isinstance(part.get("cl_ord_id"), str):
                    facts["client_order_id"] = part["cl_ord_id"]
                token = self._tokens.find(part.get("token"))
                if token is not None:
                    facts["key"] = token.key.public
        return facts

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> Session | SimReply:
        """A stream connection, or the refusal of its handshake."""
        return self._stream.connect(path, peer, headers)

    def truth(self) -> dict[str, Any]:
        """
        What every account really holds, in canonical codes and exact text.

        ``rows`` beside ``assets`` has the same in Kraken's own rows, and ``free`` what a further order may really
        claim, which differs from ``available`` where holds leave out fees.
        """
        return {
            "accounts": {
                name: {
                    "assets": self._exchange.truth_of(account),
                    "rows": self._exchange.rows_of(account),
                    "free": self._exchange.free_of(account),
                }
                for name, account in self._exchange.accounts.items()
            }
        }

    def orders(self) -> dict[str, Any]:
        """
        Every order that was ever accepted, by account and oldest first, with its fills; exact text, venue's clock.

        ``claimed`` is what an open order counts against further ones, which is what the venue really takes out of
        the account's reach; ``held`` what it shows.
        """
        return {
            "accounts": {
                name: {"orders": [stated_order(account, order) for order in account.orders.ever()]}
                for name, account in self._exchange.accounts.items()
            }
        }

    def free(self, asset: AssetCode, *, account: str = "master") -> Decimal:
        """
        What a further order may really claim of an asset now: its total less every open order's claim, fees included.

        Zero for an asset the account never touched.
        """
        return self._exchange.accounts[account].free(asset)

    def mid(self, symbol: str) -> Decimal:
        """The price around which a market (``BTC-USD``) trades now."""
        return self._exchange.engine.markets[symbol].mid

    def total(self, asset: AssetCode, *, account: str = "master") -> Decimal:
        """What the account owns of an asset, auto-earn rows included, locked rows not."""
        return self._exchange.total_of(self._exchange.accounts[account], asset)

    def decimals(self, asset: AssetCode) -> int:
        """Places of the ledger for an asset."""
        return self._exchange.listing.main[asset].decimals

    def asset_of(self, row: str) -> str:
        """The name under which the truth has a row of the ledger (``XXBT``, ``DOT.S``)."""
        return self._exchange.listing.assets[row].truth_code

    def open_orders(self, *, account: str = "master") -> list[Order]:
        """The account's open orders, in order of arrival."""
        return list(self._exchange.accounts[account].orders.open.values())

    def takes_orders(self, symbol: str) -> bool:
        """Whether the engine and this market (``BTC-USD``) are both online."""
        exchange = self._exchange
        return exchange.mode == exchange.status_of(exchange.listing.by_code[symbol]) == "online"

    def now_us(self) -> int:
        """The venue's clock, Unix microseconds."""
        return self._exchange.now_us()

    def watch(
        self,
        *,
        orders: Callable[[Order, Change, Fill | None], None] | None = None,
        entries: Callable[[Account, Sequence[LedgerEntry]], None] | None = None,
        refusals: Callable[[Account, OrderRequest, str], None] | None = None,
    ) -> None:
        """
        Tell of what happens to accounts, in the very step in which it does.

        *orders* gets every change of any order, *entries* every posting, *refusals* every order that was understood
        and refused, with Kraken's text.
        """
        if orders is not None:
            self._exchange.order_listeners.append(orders)
        if entries is not None:
            self._exchange.entry_listeners.append(entries)
        if refusals is not None:
            self._exchange.refusal_listeners.append(refusals)

    def credentials(self) -> list[dict[str, Any]]:
        """Every living key with its secret, for the ready line."""
        return [key.credential() for key in self._exchange.keys.values() if not key.is_revoked]

    def happen(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """
        Let something of ``holdfast.simulators.kraken.events.CATALOGUE`` happen.

        Raises:
            ValueError: The event is unknown or malformed; the text says what is expected.
        """
        return self._events.happen(event)

    @property
    def message_names(self) -> MessageNames:
        """What its calls, stream messages and channels are called."""
        return MessageNames(
            calls=frozenset({*PUBLIC_METHODS, *PRIVATE_METHODS}),
            messages=frozenset({*self._stream.handlers, "ping", "pong"}),
            channels=frozenset(CHANNELS),
        )

    def impair(self, fault: Mapping[str, Any]) -> bool:
        """
        Take a fault of ``holdfast.simulators.kraken.faults.CATALOGUE``; an empty mapping clears all of them.

        Returns:
            False where the kind is not one of ours.

        Raises:
            ValueError: The kind is ours and a field is wrong; the text says what is expected.
        """
        if not fault:
            self._exchange.impairments.clear()
            return True
        checked = checked_fault(fault)
        if checked is None:
            return False
        kind, fields = checked
        name = str(fault["kind"])
        self.message_names.check_fault(name, fields)
        if kind.nature == "immediate":
            self._act(name, fields)
            return True
        for_s = fields.pop("for_s", None)
        count = fields.pop("count", None)
        if kind.nature == "counted" and count is None and for_s is None:
            count = 1
        self._exchange.impairments.add(name, fields, for_s=for_s, count=count)
        return True

    def plan_of(self, row: str, *, seed: int) -> Plan:
        """What a row of the fault table asks of this venue; raises ``ValueError`` for a row it does not act out."""
        return plan_of(row, seed=seed)

    @property
    def plan_rows(self) -> tuple[str, ...]:
        """The rows it acts out."""
        return ROWS

    def _act(self, name: str, fields: dict[str, Any]) -> None:
        keys = [key for key in self._exchange.keys.values() if fields.get("key") in (None, key.public)]
        if "key" in fields and not keys:
            raise ValueError(f"fault {name}: key is not the public key of one of the simulator's credentials")
        if name == "stolen_nonce":
            scale = {"ms": 1000, "us": 1, "10ns": 1, "ns": 1}[fields.get("scale", "us")]
            factor = {"10ns": 100, "ns": 1000}.get(fields.get("scale", "us"), 1)
            for key in keys:
                key.consume(fields.get("nonce", self._exchange.now_us() // scale * factor))
        elif name == "lockout":
            for key in keys:
                key.locked_until_s = self._exchange.now_s() + fields.get("for_s", self._exchange.settings.lockout_s)
        elif name == "token_death":
            self._tokens.kill(public_key=fields.get("key"))
            if fields.get("closes"):
                self._stream.close_of_key(fields.get("key"))
        elif name == "close_streams":
            self._stream.close_all(fields.get("code", 1001), fields.get("reason", ""))
        elif name == "extra_snapshot":
            self._subscriptions.resend(fields.get("channel", "*"))
        elif name == "foreign_row":
            self._subscriptions.push_foreign(fields)
        elif name == "clock_skew":
            self._exchange.skew_us = round(fields["by_s"] * 1_000_000)
        elif name == "rate_limit":
            self._gate.fill_counters(fields.get("above", 0))
            if fields.get("engine"):
                self._orders.fill_counters(fields.get("above", 0))
