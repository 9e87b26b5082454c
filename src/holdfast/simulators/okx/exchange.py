"""
The simulated OKX itself: what exists there, whatever wire it is asked over.

It is the host of the matching engine: it posts what the engine settles, remembers when each currency of an account last
changed, and tells whoever listens. An account has two pots: orders spend only the trading one, the funding one is a row
of the same ledger with another name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, exact, format_amount, multiply, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.seams import Clock
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.dice import Dice, number_for
from holdfast.simulators.core.engine import Engine
from holdfast.simulators.core.history import History
from holdfast.simulators.core.host import EnginePolicy, Leg
from holdfast.simulators.core.impairments import Impairments
from holdfast.simulators.core.lazily import Lazily
from holdfast.simulators.core.ledger import LedgerEntry, Posting
from holdfast.simulators.core.markets import Market, MarketRules, PublicTrade
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest
from holdfast.simulators.core.seam import Timers
from holdfast.simulators.okx.keys import TRADING_PERMISSIONS, ApiKey, made_key
from holdfast.simulators.okx.listing import Instrument, Listing, listing_for
from holdfast.simulators.okx.profiles import PROFILES, AccountStart, Profile
from holdfast.simulators.okx.render import ms
from holdfast.simulators.okx.settings import OkxSimSettings

__all__ = ["FUNDING", "INSTRUMENT_STATES", "KEEP_S", "OkxAccount", "OkxExchange", "Outage", "Transfer"]

KEEP_S: Final = 300.0
"""How many seconds of the past lagging replicas can answer from."""

FUNDING: Final = "@6"
"""What the name of a funding pot's row ends with; 6 is its id at OKX."""

INSTRUMENT_STATES: Final = ("live", "suspend", "preopen", "test")
"""What a spot instrument can be; only the first is traded."""

_NUMBER_BITS: Final = 20
_LEVEL_VALUES: Final = {"BTC": Decimal("0.125")}  # About what one level of a book is worth, in quote units.


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """One announced maintenance; times are the venue's clock, Unix microseconds."""

    title: str
    starts_us: int
    ends_us: int

    def stated(self, now_us: int) -> dict[str, str]:
        """The maintenance as ``system/status`` states it now."""
        state = "scheduled" if now_us < self.starts_us else "ongoing" if now_us < self.ends_us else "completed"
        return {
            "title": self.title,
            "state": state,
            "begin": ms(self.starts_us),
            "end": ms(self.ends_us),
            "preOpenBegin": "",
            "href": "",
            "serviceType": "5",
            "maintType": "1",
            "env": "1",
            "system": "unified",
            "scheDesc": "",
        }


class Transfer(msgspec.Struct, kw_only=True):
    """One transfer between the pots."""

    id: str
    client_id: str
    account: str
    currency: AssetCode
    amount: Decimal
    source: str
    target: str
    state: str = "pending"


class OkxAccount(Account):
    """
    An account with what OKX remembers of it beside the ledger.

    Attributes:
        uid: What every key of the account reports.
        bots: Equity of trading bots by currency: frozen, and no cash.
        lent: What auto-lend has matched, by currency.
        mode: 1 spot, 2 futures, 3 multi-currency margin, 4 portfolio margin.
    """

    def __init__(
        self, *, name: str, uid: str, next_entry_id: Callable[[], str], start: AccountStart, mode: str
    ) -> None:
        super().__init__(
            name=name, account_id=uid, rows_of=lambda asset: (asset,), next_entry_id=next_entry_id, keep_s=KEEP_S
        )
        self.uid = uid
        self.mode = mode
        self.bots = {code: Decimal(amount) for code, amount in start.bots.items()}
        self.lent = {code: Decimal(amount) for code, amount in start.lent.items()}
        self.is_blocked = False
        self.changed_us: dict[str, int] = {}  # By currency of the trading pot.
        self._past_changes: History[str, int] = History(keep_s=KEEP_S)

    def touch_currency(self, currency: str, *, at_us: int, now_s: float) -> None:
        """Remember that a currency changed now."""
        self._past_changes.note(currency, self.changed_us.get(currency), now_s=now_s)
        self.changed_us[currency] = at_us

    def changed_us_at(self, at_s: float) -> dict[str, int]:
        """When each currency had last changed, as seen at *at_s*."""
        return self._past_changes.rewind(self.changed_us, to_s=at_s)


class OkxExchange:
    """Accounts, keys, markets, engine and time of one simulated OKX."""

    def __init__(
        self, *, seed: int, profile: str, clock: Clock, timers: Timers, settings: OkxSimSettings | None
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}; expected one of {', '.join(PROFILES)}")
        self.seed = seed
        self.profile_name = profile
        self.profile: Profile = PROFILES[profile]
        self.clock = clock
        self.timers = timers
        self.settings = settings or OkxSimSettings()
        self.skew_us = round(self.settings.clock_skew_s * 1_000_000)
        self.listing: Listing = listing_for(
            extra_currencies=self.profile.extra_currencies, is_busd_listed=self.settings.is_busd_listed
        )
        self.is_in_maintenance = False
        self.states: dict[str, str] = {}  # By instrument, where it is not live.
        self.fee_type: str = self.settings.fee_type
        self.outages: list[Outage] = []
        self.transfers: dict[str, Transfer] = {}
        self.accounts: dict[str, OkxAccount] = {}
        self.keys: dict[str, ApiKey] = {}
        self.impairments = Impairments(clock)
        self.entry_listeners: list[Callable[[Account, Sequence[LedgerEntry]], None]] = []
        self.order_listeners: list[Callable[[Order, Change, Fill | None], None]] = []
        self.refusal_listeners: list[Callable[[Account, OrderRequest, str], None]] = []
        self.trade_listeners: list[Callable[[Instrument, PublicTrade], None]] = []
        self.book_listeners: list[Callable[[Instrument], None]] = []
        self.instrument_listeners: list[Callable[[Instrument], None]] = []
        self.outage_listeners: list[Callable[[Outage], None]] = []
        self._dice = Dice(seed, "ids")
        opened_us = self.opened_us = self.now_us()
        self._number = (opened_us // 1000) << _NUMBER_BITS
        self.engine = Engine(
            self,
            markets=Lazily(
                lambda code: Market(
                    _rules_of(self.listing.lines[code], liquidity=self.settings.liquidity),
                    seed=seed,
                    opened_us=opened_us,
                    levels=self.settings.book_levels,
                )
            ),
            timers=timers,
            policy=self._policy(),
        )
        for name, start in self.profile.accounts.items():
            self._begin(self.open_account(name, start), start)

    def change_settings(self, settings: OkxSimSettings) -> None:
        """Go by other settings from now on; accounts, keys and markets stay as they were made."""
        self.settings = settings
        self.engine.adopt(self._policy())

    def _policy(self) -> EnginePolicy:
        # The reasons are OKX's codes of what cancelled an order (cancelSource).
        return EnginePolicy(
            does_hold_include_fee=self.settings.does_hold_include_fee,
            do_untriggered_stops_hold=False,
            resting_fill_parts=max(1, self.settings.resting_fill_parts),
            refill_s=self.settings.refill_s,
            post_only_reason="31",
            ioc_reason="14",
            fok_reason="13",
            self_trade_reason="32",
            no_liquidity_reason="0",
            short_reason="0",
            user_reason="1",
            expired_reason="0",
        )

    def _begin(self, account: OkxAccount, start: AccountStart) -> None:
        pots = [(code, code, amount) for code, amount in start.trading.items()]
        pots += [(code, code + FUNDING, amount) for code, amount in start.funding.items()]
        for code, row, amount in pots:
            if Decimal(amount):
                # Before all time: what an account begins with is older than any lag.
                account.ledger.post(
                    [Posting(row=row, amount=Decimal(amount), kind="1", subtype="11")],
                    ref=self.new_number(),
                    at_us=self.opened_us,
                    now_s=float("-inf"),
                )
            else:
                account.ledger.touch(row)
            account.changed_us[code] = self.opened_us
        for code in (*start.bots, *start.lent):
            account.changed_us.setdefault(code, self.opened_us)

    # Time and ids

    def now_us(self) -> int:
        """The venue's clock, Unix microseconds."""
        return self.clock.wall_us() + self.skew_us

    def now_s(self) -> float:
        """The unstepped clock that durations are measured on."""
        return self.clock.now_s()

    def new_number(self) -> str:
        """An id in OKX's form: digits that only rise."""
        self._number += 1 + self._dice.below(1000)
        return str(self._number)

    def new_order_id(self) -> str:
        """An order id."""
        return self.new_number()

    def new_fill_id(self) -> str:
        """The id that both bills of one fill refer to."""
        return self.new_number()

    # Accounts and keys

    def open_account(self, name: str, start: AccountStart | None = None) -> OkxAccount:
        """A new account with one trading key."""
        account = OkxAccount(
            name=name,
            uid=str(44_000_000_000_000_000 + number_for(self.seed, "uid", name, below=900_000_000_000_000)),
            next_entry_id=self.new_number,
            start=start or AccountStart(trading={}),
            mode=self.settings.account_mode or self.profile.mode,
        )
        self.accounts[name] = account
        self.add_key(name, name="trading", permissions=TRADING_PERMISSIONS)
        return account

    def add_key(self, account: str, *, name: str, permissions: Sequence[str]) -> ApiKey:
        """A new key of an account."""
        key = made_key(
            self.seed,
            account=account,
            name=name,
            permissions=permissions,
            environment=self.settings.environment,
            used_s=self.now_s(),
        )
        self.keys[key.public] = key
        return key

    def living_key(self, public: str) -> ApiKey | None:
        """The key of this name that is neither deleted nor dead of silence."""
        key = self.keys.get(public)
        if key is None or key.is_revoked:
            return None
        idle_s = self.settings.key_idle_s
        if idle_s and key.dies_of_silence and self.now_s() - key.used_s > idle_s:
            key.is_revoked = True
            return None
        return key

    @property
    def main_uid(self) -> str:
        """The main account's id."""
        return self.accounts["master"].uid

    def account(self, name: str) -> OkxAccount:
        """The account of this name."""
        return self.accounts[name]

    def all_accounts(self) -> Sequence[Account]:
        """Every account."""
        return list(self.accounts.values())

    # Fees and prices

    def fee_rate(self, account: Account, *, is_maker: bool) -> Decimal:
        """The fraction of cost that an account pays; negative where it is paid."""
        del account  # Everybody is on the same level.
        percent = self.settings.maker_fee_percent if is_maker else self.settings.taker_fee_percent
        with exact():
            return percent / 100

    def fee_elsewhere(self, account: Account, *, quote: AssetCode, fee: Decimal) -> tuple[AssetCode, Decimal] | None:
        """OKX takes fees from the market's own assets only."""
        del account, quote, fee
        return None

    def usd_price(self, currency: AssetCode) -> Decimal:
        """What one unit is worth in US dollars now, for valuations."""
        line = self.listing.lines.get(f"{currency}-USDT") if currency != "USDC" else None
        if line is None:
            return self.listing.currencies[currency].usd
        # A market that nobody looked at yet has not moved, and is not made for this.
        market = self.engine.markets.get(line.line)
        return line.start_price if market is None else market.mid

    def move_price(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Move an instrument in whatever currency it is traded; returns what its price became."""
        own, *others = self.listing.lines_of(instrument.id)
        for line in others:
            self.engine.move_price(line.line, price)
        return self.engine.move_price(own.line, price)

    # Ledger

    def post(self, account: Account, postings: Sequence[Posting], *, ref: str | None = None) -> tuple[LedgerEntry, ...]:
        """Post the legs of one event to an account's ledger, and tell who listens."""
        now_us, now_s = self.now_us(), self.now_s()
        entries = account.ledger.post(postings, ref=ref or self.new_number(), at_us=now_us, now_s=now_s)
        assert isinstance(account, OkxAccount)
        for entry in entries:
            if not entry.row.endswith(FUNDING):
                account.touch_currency(entry.row, at_us=now_us, now_s=now_s)
        for listener in self.entry_listeners:
            listener(account, entries)
        return entries

    def settle(self, account: Account, legs: Sequence[Leg], *, ref: str, kind: str) -> tuple[str, ...]:
        """Post what the engine settles: one bill per currency of a fill."""
        del kind
        # What is given comes first; no two instruments trade the same currencies the other way round.
        is_buy = f"{legs[1].asset}-{legs[0].asset}" in self.listing.lines
        postings = [
            Posting(row=leg.asset, amount=leg.amount, fee=leg.fee, kind="2", subtype="1" if is_buy else "2")
            for leg in legs
        ]
        return tuple(entry.id for entry in self.post(account, postings, ref=ref))

    # What the engine tells

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        """Tell who listens what happened to an order."""
        if order.hold_asset is not None and self.settings.does_hold_move_u_time:
            account = self.accounts[order.account]
            account.touch_currency(order.hold_asset, at_us=self.now_us(), now_s=self.now_s())
        for listener in self.order_listeners:
            listener(order, change, fill)

    def traded(self, market: Market, trade: PublicTrade) -> None:
        """Tell who listens of a public trade."""
        for listener in self.trade_listeners:
            listener(self.listing.lines[market.rules.symbol], trade)

    def book_changed(self, market: Market) -> None:
        """Tell who listens that a book may differ."""
        for listener in self.book_listeners:
            listener(self.listing.lines[market.rules.symbol])

    # States

    def state_of(self, instrument: Instrument) -> str:
        """An instrument's state."""
        return self.states.get(instrument.id, "live")

    def set_state(self, instrument: Instrument, state: str) -> None:
        """Put an instrument into a state."""
        if self.state_of(instrument) != state:
            self.states[instrument.id] = state
            for listener in self.instrument_listeners:
                listener(self.listing.instruments[instrument.id])

    def announce(self, outage: Outage) -> None:
        """Announce a maintenance."""
        self.outages.append(outage)
        for listener in self.outage_listeners:
            listener(outage)

    # Transfers

    def transfer(self, account: Account, currency: AssetCode, amount: Decimal, *, to_trading: bool) -> None:
        """Move *amount* between the pots of an account; what is there has been checked."""
        legs = [(currency + FUNDING, "12"), (currency, "11")]
        if not to_trading:
            legs = [(currency, "12"), (currency + FUNDING, "11")]
        self.post(
            account,
            [
                Posting(row=legs[0][0], amount=amount.copy_negate(), kind="1", subtype=legs[0][1]),
                Posting(row=legs[1][0], amount=amount, kind="1", subtype=legs[1][1]),
            ],
        )

    # Truth

    def truth_of(self, account: OkxAccount) -> dict[AssetCode, dict[str, str]]:
        """Total (cash), held (frozen) and available of the trading pot, by canonical code."""
        truth = {}
        with exact():
            for code in self.trading_rows(account):
                cash = account.ledger.balances.get(code, ZERO)
                held = account.ledger.holds.get(code, ZERO)
                truth[code] = {
                    "total": _shown(cash),
                    "held": _shown(held + account.bots.get(code, ZERO)),
                    "available": _shown(cash - held),
                }
        return truth

    def trading_rows(self, account: OkxAccount) -> list[str]:
        """Every currency that the trading pot ever had."""
        rows = dict.fromkeys((*account.ledger.balances, *account.ledger.holds, *account.bots))
        return [row for row in rows if not row.endswith(FUNDING)]

    def funding_of(self, account: Account) -> dict[AssetCode, Decimal]:
        """What the funding pot holds, by currency."""
        return {
            row.removesuffix(FUNDING): amount
            for row, amount in account.ledger.balances.items()
            if row.endswith(FUNDING)
        }

    def free_of(self, account: OkxAccount) -> dict[AssetCode, str]:
        """What a further order may really claim of every currency of the trading pot."""
        with exact():
            return {code: _shown(account.free(code)) for code in self.trading_rows(account)}

    def equity(self, account: OkxAccount, currency: AssetCode, cash: Decimal) -> Decimal:
        """Equity of a currency: cash, and what bots hold."""
        return add(cash, account.bots.get(currency, ZERO))

    def unclaimed(self, account: Account, currency: AssetCode) -> Decimal:
        """What is not behind open orders: no venue lets the rest go."""
        return subtract(account.tradable(currency), account.claimed(currency))

    def wire_code(self, instrument: Instrument) -> int | None:
        """The code by which the stream's order operations name an instrument."""
        return instrument.code if self.settings.has_instrument_codes else None


def _shown(value: Decimal) -> str:
    return format_amount(value.normalize())


def _rules_of(line: Instrument, *, liquidity: Decimal) -> MarketRules:
    return MarketRules(
        symbol=line.line,
        base=line.base.code,
        quote=line.quote.code,
        price_step=line.tick,
        price_decimals=line.price_decimals,
        quantity_decimals=line.quantity_decimals,
        base_decimals=line.base.decimals,
        quote_decimals=line.quote.decimals,
        start_price=line.start_price,
        level_value=multiply(_LEVEL_VALUES.get(line.quote.code, Decimal(5000)), liquidity),
    )
