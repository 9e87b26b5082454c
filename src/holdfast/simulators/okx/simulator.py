"""The simulated OKX as one value: what a front carries the bytes of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO
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
from holdfast.simulators.okx.account_channels import AccountChannels
from holdfast.simulators.okx.background import Background
from holdfast.simulators.okx.call import Services
from holdfast.simulators.okx.exchange import OkxExchange
from holdfast.simulators.okx.faults import checked_fault
from holdfast.simulators.okx.gate import Gate
from holdfast.simulators.okx.happenings import Happenings
from holdfast.simulators.okx.market_channels import MarketChannels
from holdfast.simulators.okx.order_channel import OrderChannel
from holdfast.simulators.okx.order_desk import OrderDesk
from holdfast.simulators.okx.plans import ROWS, plan_of
from holdfast.simulators.okx.render import plain
from holdfast.simulators.okx.rest import PUBLIC, SIGNED, RestSurface, endpoint_of, query_fields
from holdfast.simulators.okx.settings import OkxSimSettings
from holdfast.simulators.okx.stream import EVENTS, StreamSurface
from holdfast.simulators.okx.stream_orders import StreamOrders
from holdfast.simulators.okx.subscriptions import CHANNELS, Subscriptions
from holdfast.simulators.okx.trading import OrderEntry

__all__ = ["OkxSimulator"]


class OkxSimulator:
    """
    A simulated OKX: REST below ``/api/v5``, streams below ``/ws/v5``, deterministic for its seed, clock and requests.

    Args:
        seed: Decides credentials, ids and every random choice.
        profile: What the accounts hold: plain, earn, busy, margin, empty or many.
        clock: ``wall_us`` is the venue's time; ``now_s`` measures its durations.
        timers: When it acts by itself; ``loop.call_later`` of any event loop fits.
        settings: Switches; the defaults are a quiet, documented OKX.

    Raises:
        ValueError: No such profile.
    """

    id = "okx"

    def __init__(
        self,
        *,
        seed: int,
        profile: str = "plain",
        clock: Clock,
        timers: Timers,
        settings: OkxSimSettings | None = None,
    ) -> None:
        self._exchange = OkxExchange(seed=seed, profile=profile, clock=clock, timers=timers, settings=settings)
        self._orders = OrderEntry(self._exchange)
        self._gate = Gate(self._exchange)
        desk = OrderDesk(self._exchange, self._orders, self._gate)
        self._rest = RestSurface(Services(self._exchange, self._gate, self._orders, desk))
        self._stream = StreamSurface(self._exchange, self._gate)
        self._channels = AccountChannels(self._exchange, self._stream)
        OrderChannel(self._exchange, self._stream)
        Subscriptions(
            self._exchange,
            self._stream,
            account=self._channels,
            markets=MarketChannels(self._exchange, self._stream),
        )
        StreamOrders(self._exchange, self._stream, desk)
        self._events = Happenings(self._exchange, self._orders, self._stream, self._channels)
        Background(self._exchange)

    def handle(self, request: SimRequest) -> SimReply:
        """Answer one REST request; what it commits is committed when this returns."""
        return self._rest.handle(request)

    def describe(self, request: SimRequest) -> dict[str, str]:
        """``name`` (``GET account/balance``), and where they apply ``key`` and ``client_order_id``; acts on nothing."""
        facts = {"name": endpoint_of(request)}
        key = request.headers.get("ok-access-key")
        if key is not None:
            facts["key"] = key
        fields = query_fields(request) if request.query else decode_json(request.body) if request.body else None
        if isinstance(fields, dict) and isinstance(fields.get("clOrdId"), str) and fields["clOrdId"]:
            facts["client_order_id"] = fields["clOrdId"]
        return facts

    def describe_frame(self, frame: bytes) -> dict[str, str]:
        """``name`` of a request, answer or event, ``channel`` and ``type`` of data, ``key`` of a login."""
        message = decode_json(frame)
        if not isinstance(message, dict):
            return {"name": frame.decode()} if frame in (b"ping", b"pong") else {}
        facts: dict[str, str] = {}
        for name in ("event", "op"):
            if isinstance(message.get(name), str):
                facts["name"] = message[name]
        if isinstance(message.get("eventType"), str):
            facts["type"] = message["eventType"]
        args = message.get("args")
        part = args[0] if isinstance(args, list) and args and isinstance(args[0], dict) else message.get("arg")
        if isinstance(part, dict):
            for name, fact in (("channel", "channel"), ("clOrdId", "client_order_id"), ("apiKey", "key")):
                if isinstance(part.get(name), str) and part[name]:
                    facts[fact] = part[name]
        return facts

    def connect(self, path: str, peer: Peer, headers: Mapping[str, str]) -> Session | SimReply:
        """A stream connection, or the refusal of its handshake."""
        return self._stream.connect(path, peer, headers)

    def truth(self) -> dict[str, Any]:
        """
        What every account really holds, in canonical codes and exact text.

        ``assets`` is the trading pot: cash, frozen and available. Beside it stand ``free``, what a further order may
        really claim, ``funding``, what the other pot holds, and ``equity``, cash with what bots hold.
        """
        return {
            "accounts": {
                name: {
                    "assets": self._exchange.truth_of(account),
                    "free": self._exchange.free_of(account),
                    "funding": {code: plain(amount) for code, amount in self._exchange.funding_of(account).items()},
                    "equity": {
                        code: plain(self._exchange.equity(account, code, account.ledger.balances.get(code, ZERO)))
                        for code in self._exchange.trading_rows(account)
                    },
                }
                for name, account in self._exchange.accounts.items()
            }
        }

    def orders(self) -> dict[str, Any]:
        """
        Every order that was ever accepted, by account and oldest first, with its fills; exact text, venue's clock.

        ``symbol`` names what is really paid (``BTC-USDC`` for ``BTC-USD`` against USDC). ``claimed`` is what an open
        order counts against further ones, ``held`` what it shows.
        """
        return {
            "accounts": {
                name: {"orders": [stated_order(account, order) for order in account.orders.ever()]}
                for name, account in self._exchange.accounts.items()
            }
        }

    def free(self, asset: AssetCode, *, account: str = "master") -> Decimal:
        """
        What a further order may really claim of an asset now: cash less every open order's claim, fees included.

        Zero for an asset that the trading pot never had.
        """
        return self._exchange.accounts[account].free(asset)

    def mid(self, symbol: str) -> Decimal:
        """The price around which a market (``BTC-USDT``) trades now."""
        return self._exchange.engine.markets[symbol].mid

    def total(self, asset: AssetCode, *, account: str = "master") -> Decimal:
        """Cash of an asset in the trading pot."""
        return self._exchange.accounts[account].ledger.balances.get(asset, ZERO)

    def decimals(self, asset: AssetCode) -> int:
        """Places of the ledger for an asset."""
        return self._exchange.listing.currencies[asset].decimals

    def asset_of(self, row: str) -> str:
        """The name under which the truth has a row of the trading pot; here both are the same."""
        return row

    def open_orders(self, *, account: str = "master") -> list[Order]:
        """The account's open orders, in order of arrival."""
        return list(self._exchange.accounts[account].orders.open.values())

    def takes_orders(self, symbol: str) -> bool:
        """Whether the venue and this market (``BTC-USDT``) take orders."""
        exchange = self._exchange
        return not exchange.is_in_maintenance and exchange.state_of(exchange.listing.lines[symbol]) == "live"

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

        *orders* gets every change of any order, *entries* every posting (rows of the funding pot end in ``@6``),
        *refusals* every order that was understood and refused, with OKX's code.
        """
        if orders is not None:
            self._exchange.order_listeners.append(orders)
        if entries is not None:
            self._exchange.entry_listeners.append(entries)
        if refusals is not None:
            self._exchange.refusal_listeners.append(refusals)

    def credentials(self) -> list[dict[str, Any]]:
        """Every living key with its secret and passphrase, for the ready line."""
        return [key.credential() for key in self._exchange.keys.values() if not key.is_revoked]

    def happen(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """
        Let something of ``holdfast.simulators.okx.events.CATALOGUE`` happen.

        Raises:
            ValueError: The event is unknown or malformed; the text says what is expected.
        """
        return self._events.happen(event)

    @property
    def message_names(self) -> MessageNames:
        """What its calls, stream messages and channels are called."""
        return MessageNames(
            calls=frozenset({*SIGNED, *PUBLIC}),
            messages=frozenset({*self._stream.handlers, *EVENTS}),
            channels=frozenset(name for names in CHANNELS.values() for name in names),
        )

    def impair(self, fault: Mapping[str, Any]) -> bool:
        """
        Take a fault of ``holdfast.simulators.okx.faults.CATALOGUE``; an empty mapping clears all of them.

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
        """What a row of the fault table asks of this venue, drawn from a seed; raises ``ValueError`` where nothing."""
        return plan_of(row, seed=seed)

    @property
    def plan_rows(self) -> tuple[str, ...]:
        """The rows of the fault table that this venue acts out."""
        return ROWS

    def _act(self, name: str, fields: dict[str, Any]) -> None:
        if name == "close_streams":
            self._stream.close_all(fields.get("code", 4006), fields.get("reason", ""))
        elif name == "upgrade_notice":
            self._stream.announce_upgrade(fields.get("after_s", 60.0))
        elif name == "log_out":
            if fields.get("key") not in (None, *self._exchange.keys):
                raise ValueError("fault log_out: key is not the public key of one of the simulator's credentials")
            self._stream.log_out(fields.get("key"))
        elif name == "extra_snapshot":
            self._channels.resend(fields.get("channel", "*"))
        elif name == "clock_skew":
            self._exchange.skew_us = round(fields["by_s"] * 1_000_000)
        elif name == "rate_limit":
            self._gate.limits.fill(fields.get("name", "*"), now_s=self._exchange.now_s())
