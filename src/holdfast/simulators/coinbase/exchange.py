"""
The simulated Coinbase itself: what exists there, whatever wire it is asked over.

It is the host of the matching engine: it knows in which wallets a currency lives, posts what the engine settles, keeps
the hold of a cancelled order for a while where it is told to, and tells whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, exact, multiply, subtract, total_of, trim_amount
from holdfast.core.assets import AssetCode
from holdfast.core.seams import Clock
from holdfast.simulators.coinbase.keys import TRADING_SCOPES, ApiKey, made_key, uuid_of
from holdfast.simulators.coinbase.listing import PLACES, Listing, Product, Wallet, listing_for
from holdfast.simulators.coinbase.pages import Pages
from holdfast.simulators.coinbase.profiles import PROFILES, Profile
from holdfast.simulators.coinbase.settings import CoinbaseSimSettings
from holdfast.simulators.coinbase.wallets import Wallets
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.dice import Dice, bytes_for
from holdfast.simulators.core.engine import Engine
from holdfast.simulators.core.fees import FeeSchedule
from holdfast.simulators.core.host import EnginePolicy, Leg
from holdfast.simulators.core.impairments import Impairments
from holdfast.simulators.core.lazily import Lazily
from holdfast.simulators.core.ledger import LedgerEntry, Posting, Rows
from holdfast.simulators.core.markets import Market, MarketRules, PublicTrade
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest
from holdfast.simulators.core.seam import Timers

__all__ = ["FEES", "KEEP_S", "MODES", "PRODUCT_STATUSES", "CoinbaseExchange", "WalletFigures"]

KEEP_S: Final = 300.0
"""How many seconds of the past lagging reads can answer from."""

FEES: Final = FeeSchedule(
    (
        ("0", "1.20", "0.60"),
        ("1000", "0.75", "0.35"),
        ("10000", "0.40", "0.25"),
        ("50000", "0.25", "0.15"),
        ("100000", "0.20", "0.10"),
        ("1000000", "0.18", "0.08"),
        ("15000000", "0.16", "0.06"),
        ("75000000", "0.12", "0.03"),
        ("250000000", "0.08", "0.00"),
        ("400000000", "0.05", "0.00"),
    )
)
"""Thirty-day volume in USD, taker and maker percent; the entry tier was seen, the rest is plausible."""

MODES: Final = ("online", "maintenance", "cancel_only", "post_only", "limit_only")
"""What the whole venue can be; the last three stand in every product's booleans."""

PRODUCT_STATUSES: Final = (
    "online",
    "offline",
    "delisted",
    "is_disabled",
    "trading_disabled",
    "cancel_only",
    "limit_only",
    "post_only",
    "view_only",
    "auction_mode",
)
"""What one product can be: a ``status``, or one of its booleans."""


class WalletFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One wallet as accounts are read: what may be used of it and what is held; ``stated`` is the code it goes by."""

    wallet: Wallet
    stated: str
    available: Decimal
    hold: Decimal


class CoinbaseExchange:
    """Portfolios, keys, markets, engine and time of one simulated Coinbase."""

    def __init__(
        self, *, seed: int, profile: str, clock: Clock, timers: Timers, settings: CoinbaseSimSettings | None
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}; expected one of {', '.join(PROFILES)}")
        self.seed = seed
        self.profile_name = profile
        self.profile: Profile = PROFILES[profile]
        self.clock = clock
        self.timers = timers
        self.settings = settings or CoinbaseSimSettings()
        self.skew_us = round(self.settings.clock_skew_s * 1_000_000)
        self.listing: Listing = listing_for(
            extra_currencies=self.profile.extra_currencies, is_busd_listed=self.settings.is_busd_listed
        )
        self.mode = "online"
        self.product_status: dict[str, str] = {}
        self.volume_30d_usd = self.settings.volume_30d_usd
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.impairments = Impairments(clock)
        self.pages = Pages()
        self.user_id = uuid_of(bytes_for(seed, "user"))
        self.entry_listeners: list[Callable[[Account, Sequence[LedgerEntry]], None]] = []
        self.order_listeners: list[Callable[[Order, Change, Fill | None], None]] = []
        self.refusal_listeners: list[Callable[[Account, OrderRequest, str], None]] = []
        self.queued_listeners: list[Callable[[Order], None]] = []
        self.trade_listeners: list[Callable[[Product, PublicTrade], None]] = []
        self.book_listeners: list[Callable[[Product], None]] = []
        self.product_listeners: list[Callable[[Product], None]] = []
        self._ids = Dice(seed, "ids")
        self._cached_until_s = float("-inf")
        self._cached_us = 0
        self._held: dict[str, tuple[AssetCode, Decimal, Decimal]] = {}  # What each open order holds and claims.
        self.opened_us = opened_us = self.now_us()
        self.wallets = Wallets(self.listing, seed=seed, opened_us=opened_us)
        self.engine = Engine(
            self,
            markets=Lazily(
                lambda code: Market(
                    _rules_of(self.listing.by_code[code], liquidity=self.settings.liquidity),
                    seed=seed,
                    opened_us=opened_us,
                    levels=self.settings.book_levels,
                )
            ),
            timers=timers,
            policy=self._policy(),
        )
        for name, start in self.profile.accounts.items():
            account = self.open_account(name, algorithm=start.algorithm)
            for row, amount in start.rows.items():
                if Decimal(amount):
                    # Before all time: what an account begins with is older than any lag.
                    account.ledger.post(
                        [Posting(row=row, amount=Decimal(amount), kind="deposit")],
                        ref=self.new_id(),
                        at_us=opened_us,
                        now_s=float("-inf"),
                    )
                else:
                    account.ledger.touch(row)

    def change_settings(self, settings: CoinbaseSimSettings) -> None:
        """Go by other settings from now on; accounts, keys and markets stay as they were made."""
        self.settings = settings
        self.engine.adopt(self._policy())

    def _policy(self) -> EnginePolicy:
        return EnginePolicy(
            does_hold_include_fee=self.settings.does_hold_include_fee,
            do_untriggered_stops_hold=self.settings.do_untriggered_stops_hold,
            resting_fill_parts=max(1, self.settings.resting_fill_parts),
            refill_s=self.settings.refill_s,
            post_only_reason="INVALID_LIMIT_PRICE_POST_ONLY",
            ioc_reason="IOC order unfilled",
            fok_reason="FOK order not filled",
            self_trade_reason="Self trade prevention",
            no_liquidity_reason="INVALID_NO_LIQUIDITY",
            short_reason="INSUFFICIENT_FUND",
            user_reason="User requested cancel",
            expired_reason="Order expired",
        )

    # Time, names and ids

    def now_us(self) -> int:
        """The venue's clock, Unix microseconds."""
        return self.clock.wall_us() + self.skew_us

    def cached_now_us(self) -> int:
        """What a cached server time says: the venue's clock as it was when the answer was made."""
        now_s = self.now_s()
        if now_s >= self._cached_until_s:
            self._cached_until_s = now_s + self.settings.time_cache_s
            self._cached_us = self.now_us()
        return self._cached_us

    def now_s(self) -> float:
        """The unstepped clock that durations are measured on."""
        return self.clock.now_s()

    def new_id(self) -> str:
        """A random-looking UUID."""
        return uuid_of(self._ids.raw(16))

    def new_order_id(self) -> str:
        """An order id."""
        return self.new_id()

    def new_fill_id(self) -> str:
        """A fill's id, which is also what its ledger entries refer to."""
        return self.new_id()

    # Portfolios and keys

    def open_account(self, name: str, *, algorithm: str | None = None) -> Account:
        """A new portfolio with one trading key."""
        account = Account(
            name=name,
            account_id=uuid_of(bytes_for(self.seed, "portfolio", name)),
            rows_of=lambda asset: self.wallets.spendable(self.accounts[name], asset),
            next_entry_id=self.new_id,
            keep_s=KEEP_S,
        )
        self.accounts[name] = account
        self.add_key(name, name="trading", scopes=TRADING_SCOPES, algorithm=algorithm)
        return account

    def add_key(self, account: str, *, name: str, scopes: Sequence[str], algorithm: str | None = None) -> ApiKey:
        """A new key of a portfolio."""
        key = made_key(
            self.seed,
            account=account,
            name=name,
            algorithm=algorithm or self.settings.key_algorithm,
            pem=self.settings.ec_pem,
            scopes=scopes,
            created_us=self.now_us(),
        )
        self.keys[key.public] = key
        return key

    def find_key(self, kid: str) -> ApiKey | None:
        """The key that a token calls so, revoked ones included."""
        return self.keys.get(kid) or next((key for key in self.keys.values() if key.is_called(kid)), None)

    def account(self, name: str) -> Account:
        """The portfolio of this name."""
        return self.accounts[name]

    def all_accounts(self) -> Sequence[Account]:
        """Every portfolio."""
        return list(self.accounts.values())

    def fee_rate(self, account: Account, *, is_maker: bool) -> Decimal:
        """The fraction of cost that a portfolio pays."""
        del account  # Everybody has the same thirty-day volume.
        return FEES.rate(self.volume_30d_usd, is_maker=is_maker)

    def fee_elsewhere(self, account: Account, *, quote: AssetCode, fee: Decimal) -> tuple[AssetCode, Decimal] | None:
        """Nothing: fees are always charged in the quote currency."""
        del account, quote, fee
        return None

    def usd_price(self, asset: AssetCode) -> Decimal:
        """What one unit is worth in US dollars now, for valuations."""
        code = f"{asset}-USD"
        if self.listing.main[asset].is_made_up and code not in self.engine.markets:
            return self.listing.main[asset].usd
        return self.engine.markets[code].mid if code in self.listing.by_code else self.listing.main[asset].usd

    # Ledger

    def post(self, account: Account, postings: Sequence[Posting], *, ref: str | None = None) -> tuple[LedgerEntry, ...]:
        """Post the legs of one event to a portfolio's ledger, and tell who listens."""
        entries = account.ledger.post(postings, ref=ref or self.new_id(), at_us=self.now_us(), now_s=self.now_s())
        self.wallets.touch(account, entries)
        for listener in self.entry_listeners:
            listener(account, entries)
        return entries

    def settle(self, account: Account, legs: Sequence[Leg], *, ref: str, kind: str) -> tuple[str, ...]:
        """Post what the engine settles; what leaves a currency with several wallets leaves them in their order."""
        postings: list[Posting] = []
        for leg in legs:
            postings += self.leaving(account, leg.asset, leg.amount, fee=leg.fee, kind=kind)
        return tuple(entry.id for entry in self.post(account, postings, ref=ref))

    def leaving(
        self, account: Account, asset: AssetCode, amount: Decimal, *, fee: Decimal = ZERO, kind: str
    ) -> list[Posting]:
        """The postings for a change of one currency: arrivals on its first wallet, departures from all it needs."""
        rows = self.wallets.spendable(account, asset)
        with exact():
            short = fee - amount - account.ledger.balances.get(rows[0], ZERO)
            first = amount
            more = []
            for row in rows[1:]:
                taken = min(short, account.ledger.balances.get(row, ZERO))
                if taken > 0:
                    more.append(Posting(row=row, amount=-taken, kind=kind))
                    short -= taken
                    first += taken
        return [Posting(row=rows[0], amount=first, fee=fee, kind=kind), *more]

    # Wallets as they are read

    def figures(
        self, account: Account, *, at_s: float | None = None, holds_at_s: float | None = None
    ) -> list[WalletFigures]:
        """Every wallet that is listed, in the order in which they came about; now, or as of an earlier moment."""
        rows = account.ledger.rows if at_s is None else account.ledger.rows_at(at_s, holds_at_s=holds_at_s)
        held = dict(rows.holds)
        listed = []
        for row in dict.fromkeys((*rows.balances, *rows.holds)):
            wallet = self.listing.wallet(row)
            stated = self._stated(wallet)
            if stated is None:
                continue
            hold = ZERO if wallet.kind else self._share(account, rows, wallet, held)
            balance = rows.balances.get(row, ZERO)
            listed.append(WalletFigures(wallet=wallet, stated=stated, available=subtract(balance, hold), hold=hold))
        return listed

    def _share(self, account: Account, rows: Rows, wallet: Wallet, held: dict[str, Decimal]) -> Decimal:
        """What of a currency's hold stands on this wallet: each takes what it has, the last what is left."""
        base = wallet.currency.id
        total = held.get(base, ZERO)
        after = [row for row in self.wallets.spendable(account, wallet.currency.code) if row in rows.balances]
        is_last = not after or wallet.row == after[-1]
        share = total if is_last else min(total, max(ZERO, rows.balances.get(wallet.row, ZERO)))
        held[base] = subtract(total, share)
        return share

    def _stated(self, wallet: Wallet) -> str | None:
        """The currency code under which a wallet is listed; None where it is not."""
        if wallet.kind != "STAKED":
            return wallet.currency.id
        own = f"{wallet.currency.id}2"
        return own if self.settings.staked_as == "own_code" and own in self.listing.currencies else None

    # What the engine tells

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        """Keep a cancelled order's hold where it lags, and tell who listens what happened."""
        before = self._held.pop(order.id, None)
        if order.is_open and order.hold_asset is not None:
            self._held[order.id] = (order.hold_asset, order.hold, order.claim)
        lag_s = self.settings.hold_release_lag_s
        fault = self.impairments.applies("hold_release_lag")
        if fault is not None:
            lag_s = max(lag_s, float(fault.fields["by_s"]))
        if lag_s and before is not None and change in (Change.CANCELED, Change.EXPIRED):
            account = self.accounts[order.account]
            self._hold(account, *before, sign=1)
            self.timers.call_later(lag_s, self._release, account, before)
        for listener in self.order_listeners:
            listener(order, change, fill)

    def cancel_queued(self, order: Order) -> None:
        """Tell who listens that a cancel of this order was taken and is on its way."""
        for listener in self.queued_listeners:
            listener(order)

    def _release(self, account: Account, held: tuple[AssetCode, Decimal, Decimal]) -> None:
        self._hold(account, *held, sign=-1)

    def _hold(self, account: Account, asset: AssetCode, hold: Decimal, claim: Decimal, *, sign: int) -> None:
        with exact():
            account.hold(asset, sign * hold, now_s=self.now_s())
            account.claim(asset, sign * claim)

    def traded(self, market: Market, trade: PublicTrade) -> None:
        """Tell who listens of a public trade."""
        product = self.listing.by_code[market.rules.symbol]
        for listener in self.trade_listeners:
            listener(product, trade)

    def book_changed(self, market: Market) -> None:
        """Tell who listens that a book may differ."""
        product = self.listing.by_code[market.rules.symbol]
        for listener in self.book_listeners:
            listener(product)

    def move_price(self, product: Product, price: Decimal) -> Decimal:
        """Move a product's price, and that of every product that shares its book; what it became."""
        data = self.listing.data_of(product)
        for name in data.alias_to:
            self.engine.move_price(self.listing.products[name].code, price)
        moved = self.engine.move_price(data.code, price)
        return moved

    # Modes

    def set_mode(self, mode: str) -> None:
        """Put the whole venue into a mode."""
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; expected one of {', '.join(MODES)}")
        if mode != self.mode:
            self.mode = mode
            for product in self.listing.products.values():
                self._product_changed(product)

    def set_product_status(self, product: Product, status: str) -> None:
        """Put one product into a status."""
        if self.status_of(product) != status:
            self.product_status[product.code] = status
            self._product_changed(product)

    def _product_changed(self, product: Product) -> None:
        for listener in self.product_listeners:
            listener(product)

    def status_of(self, product: Product) -> str:
        """A product's own status."""
        return self.product_status.get(product.code, "online")

    # Truth

    def truth_code(self, row: str) -> str:
        """The canonical name of a row, as the truth has it."""
        wallet = self.listing.wallet(row)
        stated = self._stated(wallet) if wallet.kind == "STAKED" else None
        return wallet.truth_code if stated is None else self.listing.currencies[stated].code

    def truth_of(self, account: Account) -> dict[AssetCode, dict[str, str]]:
        """
        Total, held and available of everything the portfolio ever touched, by canonical code.

        Further spot wallets count as their currency. A vault, dollars at the futures broker and staked coins are
        something of their own (``BTC.VAULT``), of which nothing is ever available.
        """
        rows = account.ledger.rows
        figures: dict[AssetCode, tuple[Decimal, Decimal]] = {}
        truth = {}
        with exact():
            for row in dict.fromkeys((*rows.balances, *rows.holds)):
                code = self.truth_code(row)
                total, held = figures.get(code, (ZERO, ZERO))
                figures[code] = total + rows.balances.get(row, ZERO), held + rows.holds.get(row, ZERO)
            for code, (total, held) in figures.items():
                available = total - held if code in self.listing.main else ZERO
                truth[code] = {
                    "total": trim_amount(total),
                    "held": trim_amount(held),
                    "available": trim_amount(available),
                }
        return truth

    def total_of(self, account: Account, asset: AssetCode) -> Decimal:
        """Total of one asset, as ``truth_of`` states it."""
        balances = account.ledger.balances
        return total_of(balances[row] for row in balances if self.truth_code(row) == asset)

    def rows_of(self, account: Account) -> dict[str, dict[str, str]]:
        """Available and held of every wallet that is listed, by row."""
        return {
            figures.wallet.row: {"available_balance": trim_amount(figures.available), "hold": trim_amount(figures.hold)}
            for figures in self.figures(account)
        }

    def free_of(self, account: Account) -> dict[AssetCode, str]:
        """What a further order may really claim of every currency the portfolio ever touched."""
        codes = dict.fromkeys(self.listing.wallet(row).currency.code for row in account.ledger.balances)
        return {code: trim_amount(account.free(code)) for code in codes}

    def has_wallet(self, account: Account, asset: AssetCode) -> bool:
        """Whether the portfolio has a spot wallet of this currency."""
        return self.listing.main[asset].id in account.ledger.balances

    def is_fault(self, kind: str, **where: str) -> dict[str, Any] | None:
        """The fields of a fault of this kind that applies now; one occasion of it is used up."""
        fault = self.impairments.spend(kind, **where)
        return None if fault is None else dict(fault.fields)


def _rules_of(product: Product, *, liquidity: Decimal) -> MarketRules:
    return MarketRules(
        symbol=product.code,
        base=product.base.code,
        quote=product.quote.code,
        price_step=product.price_increment,
        price_decimals=_decimals(product.price_increment),
        quantity_decimals=_decimals(product.base_increment),
        base_decimals=PLACES,
        quote_decimals=PLACES,
        start_price=product.start_price,
        level_value=multiply(_LEVEL_VALUES.get(product.quote.code, Decimal(5000)), liquidity),
    )


def _decimals(step: Decimal) -> int:
    exponent = step.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


_LEVEL_VALUES: Final = {"BTC": Decimal("0.125")}
"""About what one level of a book is worth, in quote units; 5,000 where nothing else is said."""
