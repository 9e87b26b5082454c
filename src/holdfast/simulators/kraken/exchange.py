"""
The simulated Kraken itself: what exists there, whatever wire it is asked over.

It is the host of the matching engine: it knows in which rows an asset lives, posts what the engine settles, moves
auto-earn balances around it, and tells whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, exact, format_amount, multiply, round_up, subtract, total_of
from holdfast.core.assets import AssetCode
from holdfast.core.seams import Clock
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.dice import Dice
from holdfast.simulators.core.engine import Engine
from holdfast.simulators.core.fees import FeeSchedule
from holdfast.simulators.core.host import EnginePolicy, Leg
from holdfast.simulators.core.impairments import Impairments
from holdfast.simulators.core.lazily import Lazily
from holdfast.simulators.core.ledger import LedgerEntry, Posting
from holdfast.simulators.core.markets import Market, MarketRules, PublicTrade
from holdfast.simulators.core.orders import Change, Fill, Order, OrderRequest
from holdfast.simulators.core.seam import Timers
from holdfast.simulators.kraken.keys import TRADING_PERMISSIONS, ApiKey, made_key
from holdfast.simulators.kraken.limits import TIERS, Tier
from holdfast.simulators.kraken.listing import EARN_SUFFIX, ListedPair, Listing, listing_for
from holdfast.simulators.kraken.profiles import PROFILES, Profile
from holdfast.simulators.kraken.render import rfc3339
from holdfast.simulators.kraken.settings import KrakenSimSettings

__all__ = ["FEES", "KEEP_S", "MODES", "KrakenExchange", "Maintenance"]

KEEP_S: Final = 300.0
"""How many seconds of the past lagging replicas can answer from."""

FEES: Final = FeeSchedule(
    (
        ("0", "0.40", "0.25"),
        ("10000", "0.35", "0.20"),
        ("50000", "0.24", "0.14"),
        ("100000", "0.22", "0.12"),
        ("250000", "0.20", "0.08"),
        ("500000", "0.18", "0.06"),
        ("1000000", "0.16", "0.04"),
        ("2500000", "0.14", "0.02"),
        ("5000000", "0.12", "0.00"),
        ("10000000", "0.10", "0.00"),
    )
)
"""Thirty-day volume in USD, taker and maker percent; plausible, not current."""

MODES: Final = ("online", "maintenance", "cancel_only", "post_only", "limit_only")
"""What the whole engine can be."""


_CREDITS: Final = "KFEE"
_CREDITS_PER_USD: Final = 100
_COARSER: Final = 2  # Ledger places that a claim which is rounded up does without.


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """One announced maintenance; times are the venue's clock, Unix microseconds."""

    event_id: str
    title: str
    starts_us: int
    ends_us: int

    def stated(self, now_us: int) -> dict[str, object]:
        """The event as ``MaintenanceSchedule`` states it now."""
        left_s = (self.starts_us - now_us) // 1_000_000
        phases = ((30, "final_warning_30s"), (300, "imminent_5m"), (1800, "approaching_30m"), (86_400, "reminder_24h"))
        return {
            "event_id": self.event_id,
            "title": self.title,
            "expected_start_utc": rfc3339(self.starts_us),
            "expected_end_utc": rfc3339(self.ends_us),
            "time_to_start_s": left_s,
            "phase": next((phase for below_s, phase in phases if left_s <= below_s), "announced"),
            "affected_services": ["spot_rest", "spot_ws", "spot_trading"],
            "order_submission": "allowed",
            "recommended_action": "reduce_activity" if left_s > 300 else "cancel_open_orders",
            "cancel_before_utc": rfc3339(self.starts_us),
            "source_url": "https://status.kraken.com",
        }


class KrakenExchange:
    """Accounts, keys, markets, engine and time of one simulated Kraken."""

    def __init__(
        self, *, seed: int, profile: str, clock: Clock, timers: Timers, settings: KrakenSimSettings | None
    ) -> None:
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}; expected one of {', '.join(PROFILES)}")
        self.seed = seed
        self.profile_name = profile
        self.profile: Profile = PROFILES[profile]
        self.clock = clock
        self.timers = timers
        self.settings = settings or KrakenSimSettings()
        self.skew_us = round(self.settings.clock_skew_s * 1_000_000)
        self.listing: Listing = listing_for(
            extra_assets=self.profile.extra_assets, is_busd_listed=self.settings.is_busd_listed
        )
        self.mode = "online"
        self.pair_status: dict[str, str] = {}  # By the pair's code, where it is not online.
        self.tier_name: str = self.settings.tier
        self.maintenance: list[Maintenance] = []
        self.emergencies: list[dict[str, str]] = []
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.impairments = Impairments(clock)
        self.entry_listeners: list[Callable[[Account, Sequence[LedgerEntry]], None]] = []
        self.order_listeners: list[Callable[[Order, Change, Fill | None], None]] = []
        self.refusal_listeners: list[Callable[[Account, OrderRequest, str], None]] = []
        self.trade_listeners: list[Callable[[ListedPair, PublicTrade], None]] = []
        self.book_listeners: list[Callable[[ListedPair], None]] = []
        self.mode_listeners: list[Callable[[], None]] = []
        self.instrument_listeners: list[Callable[[ListedPair], None]] = []
        self._ids = Dice(seed, "ids")
        self._accounts_opened = 0
        opened_us = self.now_us()
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
            policy=EnginePolicy(
                does_hold_include_fee=self.settings.does_hold_include_fee,
                do_untriggered_stops_hold=self.settings.do_untriggered_stops_hold,
                claim_coarser=_COARSER if self.settings.are_holds_rounded_up else 0,
                resting_fill_parts=max(1, self.settings.resting_fill_parts),
                refill_s=self.settings.refill_s,
                post_only_reason="Post only order",
                ioc_reason="IOC order unfilled",
                fok_reason="FOK order not filled",
                self_trade_reason="Self trade prevention",
                no_liquidity_reason="Insufficient liquidity",
                short_reason="Insufficient funds",
                user_reason="User requested",
                expired_reason="Order expired",
            ),
        )
        for name, start in self.profile.accounts.items():
            account = self.open_account(name)
            for row, amount in start.rows.items():
                if Decimal(amount):
                    # Before all time: what an account begins with is older than any lag.
                    account.ledger.post(
                        [Posting(row=row, amount=Decimal(amount), kind="deposit")],
                        ref=self.new_id("R"),
                        at_us=opened_us,
                        now_s=float("-inf"),
                    )
                else:
                    account.ledger.touch(row)
            account.credit.update({asset: Decimal(amount) for asset, amount in start.credit.items()})
            account.sweeps.update({asset: self.earn_row(asset) for asset in start.sweeps})

    # Time, names and ids

    def now_us(self) -> int:
        """The venue's clock, Unix microseconds."""
        return self.clock.wall_us() + self.skew_us

    def now_s(self) -> float:
        """The unstepped clock that durations are measured on."""
        return self.clock.now_s()

    def new_id(self, first: str) -> str:
        """An id in Kraken's form, such as ``OABCDE-FGHIJ-KLMNOP``."""
        letters = self._ids.letters(16)
        return f"{first}{letters[:5]}-{letters[5:10]}-{letters[10:]}"

    def new_order_id(self) -> str:
        """An order id."""
        return self.new_id("O")

    def new_fill_id(self) -> str:
        """A trade id, which is also what its ledger entries refer to."""
        return self.new_id("T")

    def earn_row(self, asset: AssetCode) -> str:
        """The auto-earn row of an asset; raises ``ValueError`` where it has none."""
        row = next((row.id for row in self.listing.rows_of(asset) if row.suffix == EARN_SUFFIX), None)
        if row is None:
            raise ValueError(f"{asset} has no auto-earn row")
        return row

    @property
    def tier(self) -> Tier:
        """The tier every account is on."""
        return TIERS[self.tier_name]

    # Accounts and keys

    def open_account(self, name: str) -> Account:
        """A new account with one trading key."""
        account = Account(
            name=name,
            account_id=f"AA{self._ids.below(90) + 10} N84G {self._ids.letters(4)} {self._ids.letters(4)}",
            rows_of=self._spendable_rows,
            next_entry_id=lambda: self.new_id("L"),
            keep_s=KEEP_S,
        )
        self.accounts[name] = account
        self.add_key(name, name="trading", permissions=TRADING_PERMISSIONS, nonce_window=self.settings.nonce_window)
        return account

    def add_key(self, account: str, *, name: str, permissions: Sequence[str], nonce_window: int) -> ApiKey:
        """A new key of an account."""
        key = made_key(
            self.seed,
            account=account,
            name=name,
            permissions=permissions,
            nonce_window=nonce_window,
            created_us=self.now_us(),
        )
        self.keys[key.public] = key
        return key

    def account(self, name: str) -> Account:
        """The account of this name."""
        return self.accounts[name]

    def all_accounts(self) -> Sequence[Account]:
        """Every account."""
        return list(self.accounts.values())

    def fee_rate(self, account: Account, *, is_maker: bool) -> Decimal:
        """The fraction of cost that an account pays."""
        del account  # Everybody has the same thirty-day volume.
        rebate = self.settings.maker_rebate_percent
        if is_maker and rebate:
            with exact():
                return (rebate / 100).copy_negate()
        return FEES.rate(self.settings.volume_30d_usd, is_maker=is_maker)

    def fee_elsewhere(self, account: Account, *, quote: AssetCode, fee: Decimal) -> tuple[AssetCode, Decimal] | None:
        """What pays a fee of so much *quote* in fee credits; None where there are not enough, or none are taken."""
        if not self.settings.are_fees_paid_in_credits or fee <= 0:
            return None
        with exact():
            amount = round_up(fee * self.usd_price(quote) * _CREDITS_PER_USD, places=2)
        return (_CREDITS, amount) if account.ledger.balances.get(_CREDITS, ZERO) >= amount else None

    def usd_price(self, asset: AssetCode) -> Decimal:
        """What one unit is worth in US dollars now, for valuations."""
        if asset == "USD":
            return Decimal(1)
        code = f"{asset}-USD"
        return self.engine.markets[code].mid if code in self.listing.by_code else self.listing.main[asset].usd

    # Ledger

    def post(self, account: Account, postings: Sequence[Posting], *, ref: str | None = None) -> tuple[LedgerEntry, ...]:
        """Post the legs of one event to an account's ledger, and tell who listens."""
        entries = account.ledger.post(postings, ref=ref or self.new_id("R"), at_us=self.now_us(), now_s=self.now_s())
        for listener in self.entry_listeners:
            listener(account, entries)
        return entries

    def settle(self, account: Account, legs: Sequence[Leg], *, ref: str, kind: str) -> tuple[str, ...]:
        """Post what the engine settles, with the auto-earn moves that it takes before and causes after."""
        for leg in legs:
            self.fetch_from_earn(account, leg.asset, subtract(leg.fee, leg.amount))
        postings = [
            Posting(row=self.listing.main[leg.asset].id, amount=leg.amount, fee=leg.fee, kind=kind) for leg in legs
        ]
        entries = self.post(account, postings, ref=ref)
        self.sweep(account)
        return tuple(entry.id for entry in entries)

    def move_earn(self, account: Account, asset: AssetCode, amount: Decimal) -> None:
        """Move *amount* from the base row into the auto-earn row; a negative amount moves it back."""
        base, earn = self.listing.main[asset].id, self.earn_row(asset)
        if amount > 0:
            kinds = ("spottostaking", "stakingfromspot")
            first, second, moved = base, earn, amount
        else:
            kinds = ("stakingtospot", "spotfromstaking")
            first, second, moved = earn, base, amount.copy_negate()
        self.post(
            account,
            [
                Posting(row=first, amount=moved.copy_negate(), kind="transfer", subtype=kinds[0]),
                Posting(row=second, amount=moved, kind="transfer", subtype=kinds[1]),
            ],
        )

    def sweep(self, account: Account) -> None:
        """Empty the base rows of auto-earn assets into their auto-earn rows, now or after the configured delay."""
        if not account.sweeps:
            return
        if self.settings.auto_earn_delay_s:
            self.timers.call_later(self.settings.auto_earn_delay_s, self._sweep_now, account)
        else:
            self._sweep_now(account)

    def _sweep_now(self, account: Account) -> None:
        for asset in account.sweeps:
            idle = self.idle(account, asset)
            if idle > 0:
                self.move_earn(account, asset, idle)

    def idle(self, account: Account, asset: AssetCode) -> Decimal:
        """What of the base row may leave it: where the auto-earn row cannot be spent, what orders claim stays."""
        base = account.ledger.balances.get(self.listing.main[asset].id, ZERO)
        if self.settings.are_f_rows_spendable:
            return base
        return min(base, subtract(account.tradable(asset), account.claimed(asset)))

    def fetch_from_earn(self, account: Account, asset: AssetCode, needed: Decimal) -> None:
        """Bring back from the auto-earn row what the base row lacks to give *needed*."""
        rows = self._spendable_rows(asset)
        if needed <= 0 or len(rows) < 2:
            return
        balances = account.ledger.balances
        missing = subtract(needed, balances.get(rows[0], ZERO))
        earning = balances.get(rows[1], ZERO)
        if missing > 0 and earning > 0:
            self.move_earn(account, asset, min(missing, earning).copy_negate())

    def _spendable_rows(self, code: AssetCode) -> list[str]:
        earns = (EARN_SUFFIX,) if self.settings.are_f_rows_spendable else ()
        return [row.id for row in self.listing.rows_of(code) if row.suffix in ("", *earns)]

    # What the engine tells

    def order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        """Tell who listens what happened to an order."""
        for listener in self.order_listeners:
            listener(order, change, fill)

    def traded(self, market: Market, trade: PublicTrade) -> None:
        """Tell who listens of a public trade."""
        pair = self.listing.by_code[market.rules.symbol]
        for listener in self.trade_listeners:
            listener(pair, trade)

    def book_changed(self, market: Market) -> None:
        """Tell who listens that a book may differ."""
        pair = self.listing.by_code[market.rules.symbol]
        for listener in self.book_listeners:
            listener(pair)

    # Modes

    def set_mode(self, mode: str) -> None:
        """Put the whole engine into a mode."""
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; expected one of {', '.join(MODES)}")
        if mode != self.mode:
            self.mode = mode
            for listener in self.mode_listeners:
                listener()

    def set_pair_status(self, pair: ListedPair, status: str) -> None:
        """Put one pair into a status."""
        if self.status_of(pair) != status:
            self.pair_status[pair.code] = status
            for listener in self.instrument_listeners:
                listener(pair)

    def status_of(self, pair: ListedPair) -> str:
        """A pair's own status."""
        return self.pair_status.get(pair.code, "online")

    def upcoming_maintenance(self) -> list[dict[str, object]]:
        """What is announced and has not begun, in Kraken's form."""
        now_us = self.now_us()
        return [event.stated(now_us) for event in self.maintenance if event.starts_us > now_us]

    # Truth

    def truth_of(self, account: Account) -> dict[AssetCode, dict[str, str]]:
        """
        Total, held and available of everything the account ever touched, by canonical code.

        An auto-earn row counts as its asset. A locked row (``DOT.S``, ``SOL03.S``) is something of its own, of which
        nothing is ever available.
        """
        rows = account.ledger.rows
        figures: dict[AssetCode, tuple[Decimal, Decimal]] = {}
        truth = {}
        with exact():
            for row in dict.fromkeys((*rows.balances, *rows.holds)):
                code = self.listing.assets[row].truth_code
                total, held = figures.get(code, (ZERO, ZERO))
                figures[code] = total + rows.balances.get(row, ZERO), held + rows.holds.get(row, ZERO)
            for code, (total, held) in figures.items():
                available = ZERO
                if code in self.listing.main:
                    available = account.tradable(code) + account.credit.get(code, ZERO) - held
                truth[code] = {"total": _shown(total), "held": _shown(held), "available": _shown(available)}
        return truth

    def total_of(self, account: Account, asset: AssetCode) -> Decimal:
        """Total of one asset, as ``truth_of`` states it."""
        rows = self.listing.rows_of(asset)
        return total_of(account.ledger.balances.get(row.id, ZERO) for row in rows if row.truth_code == asset)

    def rows_of(self, account: Account) -> dict[str, dict[str, str]]:
        """Balance and hold of every row, in Kraken's spelling."""
        rows = account.ledger.rows
        with exact():
            return {
                row: {
                    "balance": _shown(rows.balances.get(row, ZERO)),
                    "hold_trade": _shown(rows.holds.get(row, ZERO)),
                }
                for row in dict.fromkeys((*rows.balances, *rows.holds))
            }

    def free_of(self, account: Account) -> dict[AssetCode, str]:
        """What a further order may really claim of every asset the account ever touched."""
        codes = dict.fromkeys(self.listing.assets[row].code for row in account.ledger.balances)
        with exact():
            return {code: _shown(account.free(code)) for code in codes}


def _shown(value: Decimal) -> str:
    return format_amount(value.normalize())


def _rules_of(pair: ListedPair, *, liquidity: Decimal) -> MarketRules:
    return MarketRules(
        symbol=pair.code,
        base=pair.base.code,
        quote=pair.quote.code,
        price_step=pair.tick,
        price_decimals=pair.price_decimals,
        quantity_decimals=pair.lot_decimals,
        base_decimals=pair.base.decimals,
        quote_decimals=pair.quote.decimals,
        start_price=pair.start_price,
        level_value=multiply(_LEVEL_VALUES.get(pair.quote.code, Decimal(5000)), liquidity),
    )


_LEVEL_VALUES: Final = {"BTC": Decimal("0.125")}
"""About what one level of a book is worth, in quote units; 5,000 where nothing else is said."""
