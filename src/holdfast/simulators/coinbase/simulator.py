"""The simulated Coinbase as one value: what a front carries the bytes of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.assets import AssetCode
from holdfast.core.seams import Clock
from holdfast.simulators.coinbase.background import Background
from holdfast.simulators.coinbase.call import Services
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.faults import checked_fault
from holdfast.simulators.coinbase.gate import Gate
from holdfast.simulators.coinbase.happenings import Happenings
from holdfast.simulators.coinbase.listing import PLACES
from holdfast.simulators.coinbase.market_channels import MarketChannels
from holdfast.simulators.coinbase.plans import ROWS, plan_of
from holdfast.simulators.coinbase.rest import METHODS, RestSurface, route_of
from holdfast.simulators.coinbase.settings import CoinbaseSimSettings
from holdfast.simulators.coinbase.stream import CHANNELS, REQUESTS, WIRE_NAMES, StreamSurface
from holdfast.simulators.coinbase.tokens import key_name_in
from holdfast.simulators.coinbase.trading import OrderEntry
from holdfast.simulators.coinbase.user_channel import UserChannel
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.message_names import MessageNames
from holdfast.simulators.core.order_log import stated_order
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest
from holdfast.simulators.core.plans import Plan
from holdfast.simulators.core.seam import Peer, Session, SimReply, SimRequest, Timers
from holdfast.simulators.core.wire_json import decode_json

__all__ = ["CoinbaseSimulator"]


class CoinbaseSimulator:
    """
    A simulated Coinbase Advanced: REST below ``/api/v3/brokerage``, the stream at ``/``; deterministic for its inputs.

    Both hosts of the stream, and the public and the private one of REST, are the one address it is served at. The same
    seed, clock and requests give the same bytes.

    Args:
        seed: Decides credentials, ids and every random choice.
        profile: What the portfolios hold: plain, earn, busy, margin, empty or many.
        clock: ``wall_us`` is the venue's time; ``now_s`` measures its durations.
        timers: When it acts by itself; ``loop.call_later`` of any event loop fits.
        settings: Switches; the defaults are a quiet, documented Coinbase.

    Raises:
        ValueError: No such profile.
    """

    id = "coinbase"

    def __init__(
        self,
        *,
        seed: int,
        profile: str = "plain",
        clock: Clock,
        timers: Timers,
        settings: CoinbaseSimSettings | None = None,
    ) -> None:
        self._exchange = CoinbaseExchange(seed=seed, profile=profile, clock=clock, timers=timers, settings=settings)
        self._orders = OrderEntry(self._exchange)
        self._gate = Gate(self._exchange)
        self._rest = RestSurface(Services(self._exchange, self._orders), self._gate)
        self._stream = StreamSurface(self._exchange)
        self._user = UserChannel(self._exchange, self._stream)
        MarketChannels(self._exchange, self._stream)
        self._events = Happenings(self._exchange, self._orders, close_streams=self._stream.close_of_key)
        Background(self._exchange)

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one REST request; what it commits is committed when this returns."""
        return self._rest.handle(request)

    def describe(self, request: SimRequest) -> dict[str, str]:
        """``name``, and where they apply ``key`` and ``client_order_id``; acts on nothing."""
        found = route_of(request)
        facts = {"name": request.path if found is None else found[0].name}
        self._name_key(facts, request.headers.get("authorization", "").partition(" ")[2])
        if request.method == "POST" and request.body:
            body = decode_json(request.body)
            if isinstance(body, dict) and isinstance(body.get("client_order_id"), str):
                facts["client_order_id"] = body["client_order_id"]
        return facts

    def describe_frame(self, frame: bytes) -> dict[str, str]:
        """``name`` of a request, ``channel`` and ``type`` of either side's messages, ``key`` behind a token."""
        message = decode_json(frame)
        if not isinstance(message, dict):
            return {}
        facts: dict[str, str] = {}
        kind, channel, events = message.get("type"), message.get("channel"), message.get("events")
        if isinstance(channel, str):
            facts["channel"] = channel
        if isinstance(kind, str):
            facts["type"] = kind
            if kind != "error":
                facts["name"] = kind
        elif isinstance(events, list) and events and isinstance(events[0], dict):
            told = events[0].get("type")
            if isinstance(told, str):
                facts["type"] = told
        token = message.get("jwt")
        if isinstance(token, str):
            self._name_key(facts, token)
        return facts

    def _name_key(self, facts: dict[str, str], token: str) -> None:
        kid = key_name_in(token) if token else ""
        if kid:
            key = self._exchange.find_key(kid)
            facts["key"] = kid if key is None else key.public

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> Session | SimReply:
        """A stream connection, or the refusal of its handshake."""
        return self._stream.connect(path, peer, headers)

    def truth(self) -> dict[str, Any]:
        """
        What every portfolio really holds, in canonical codes and exact text.

        ``rows`` beside ``assets`` has the same by wallet, as a prompt read would list it, and ``free`` what a further
        order may really claim, which differs from ``available`` where holds leave out fees.
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
        Every order that was ever accepted, by portfolio and oldest first, with its fills; exact text, venue's clock.

        ``claimed`` is what an open order counts against further ones, ``held`` what it shows.
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

        Zero for an asset the portfolio never touched.
        """
        return self._exchange.accounts[account].free(asset)

    def mid(self, symbol: str) -> Decimal:
        """The price around which a market (``BTC-USD``) trades now."""
        return self._exchange.engine.markets[symbol].mid

    def total(self, asset: AssetCode, *, account: str = "master") -> Decimal:
        """What the portfolio owns of an asset in its spot wallets."""
        return self._exchange.total_of(self._exchange.accounts[account], asset)

    def decimals(self, asset: AssetCode) -> int:
        """Places of the ledger for an asset: the same for all."""
        del asset
        return PLACES

    def asset_of(self, row: str) -> str:
        """The name under which the truth has a row of the ledger (``BTC``, ``BTC@VAULT``)."""
        return self._exchange.truth_code(row)

    def open_orders(self, *, account: str = "master") -> list[Order]:
        """The portfolio's open orders, in order of arrival."""
        return list(self._exchange.accounts[account].orders.open.values())

    def takes_orders(self, symbol: str) -> bool:
        """Whether the venue and this market (``BTC-USD``) are both online."""
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
        Tell of what happens to portfolios, in the very step in which it does.

        *orders* gets every change of any order, *entries* every posting, *refusals* every order that was understood
        and refused, with Coinbase's word.
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
        Let something of ``holdfast.simulators.coinbase.events.CATALOGUE`` happen.

        Raises:
            ValueError: The event is unknown or malformed; the text says what is expected.
        """
        return self._events.happen(event)

    @property
    def message_names(self) -> MessageNames:
        """What its calls, stream messages and channels are called."""
        return MessageNames(
            calls=frozenset(METHODS),
            messages=frozenset(REQUESTS),
            channels=frozenset({*CHANNELS, *WIRE_NAMES.values(), "subscriptions"}),
        )

    def impair(self, fault: Mapping[str, Any]) -> bool:
        """
        Take a fault of ``holdfast.simulators.coinbase.faults.CATALOGUE``; an empty mapping clears all of them.

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

    @property
    def plan_rows(self) -> tuple[str, ...]:
        """The rows of the fault table that this venue acts out."""
        return ROWS

    def plan_of(self, row: str, *, seed: int) -> Plan:
        """The plan of a row, the same for the same seed; raises ``ValueError`` for a row it does not act out."""
        return plan_of(row, seed=seed)

    def _act(self, name: str, fields: dict[str, Any]) -> None:
        keys = [key for key in self._exchange.keys.values() if fields.get("key") in (None, key.public)]
        if "key" in fields and not keys:
            raise ValueError(f"fault {name}: key is not the name of one of the simulator's credentials")
        if name == "lockout":
            for key in keys:
                key.locked_until_s = self._exchange.now_s() + fields.get("for_s", 60.0)
        elif name == "close_streams":
            self._stream.close_all(fields.get("code", 1001), fields.get("reason", ""))
        elif name == "extra_snapshot":
            self._user.resend()
        elif name == "foreign_row":
            self._user.tell_foreign(fields)
        elif name == "clock_skew":
            self._exchange.skew_us = round(fields["by_s"] * 1_000_000)
        elif name == "rate_limit":
            self._gate.fill_counters()
