"""
What a simulated OKX can be told to do differently.

OKX leaves much unsaid; where it does, each plausible behaviour is a setting here, so that a scenario can draw one at
random and a client can be shown to be safe under all of them. ``OPEN_POINTS`` lists, for those settings, the values
worth drawing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, get_args, get_origin, get_type_hints

import msgspec

__all__ = ["CHECKS", "OPEN_POINTS", "OkxSimSettings"]

Check = Literal["key", "passphrase", "timestamp", "signature", "environment", "address", "permission"]

CHECKS: Final[tuple[Check, ...]] = (
    "key",
    "timestamp",
    "signature",
    "passphrase",
    "environment",
    "address",
    "permission",
)
"""What a signed request has to pass, in the order of the default."""


class OkxSimSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    The switches of one simulated OKX.

    Durations are in seconds. Every field is described, with what OKX documents about it, on the conformance page
    (``docs/reference/simulators/okx.md``).
    """

    # Credentials
    check_order: tuple[Check, ...] = CHECKS
    environment: Literal["any", "live", "demo"] = "any"  # What the keys are for; any: the demo header is not looked at.
    has_data_on_gateway_errors: bool = False  # The key ``data`` in answers to calls that fail authentication.
    unknown_key_status: Literal[200, 401] = 401
    timestamp_window_s: float = 30.0
    key_idle_s: float = 1_209_600.0  # 14 days: a live trading key without addresses dies of this much silence.
    closes_after_failed_login: bool = True

    # Rate limits
    are_calls_counted: bool = True
    rate_limit_form: Literal["200", "429"] = "429"
    retry_after_s: float = 0.0  # Above 0: 429 carries the header.
    ban_s: float = 0.0  # Above 0: whoever was refused is refused everything for so long.
    do_refused_calls_count: bool = False
    stream_rate_code: Literal["50011", "60014"] = "50011"  # Of order operations on the stream.
    does_account_limit_apply: bool = True  # A thousand orders of an account in two seconds, spot included.
    burst_share: float = 1.0  # Of a window's calls, what may come within a tenth of it.

    # Accounts
    account_mode: Literal["", "1", "2", "3", "4"] = ""  # Empty: the profile's.
    fee_type: Literal["0", "1"] = "0"
    taker_fee_percent: Decimal = Decimal("0.1")
    maker_fee_percent: Decimal = Decimal("0.08")  # Negative: a rebate.
    does_hold_include_fee: bool = True  # Where the fee is in the quote currency.
    does_hold_move_u_time: bool = True
    order_frozen: Literal["held", "zero", "empty"] = "held"
    max_sell_unit: Literal["quote", "base"] = "quote"
    does_spot_fill_margin_fields: bool = False  # Spot mode writes "0" where it otherwise writes "".
    transfer_s: float = 0.0  # How long a transfer between the pots is pending.

    # Orders
    are_parameter_errors_top_level: bool = False
    duplicate_code: Literal["51016", "51000", "50071"] = "51016"
    expired_code: Literal["50036", "50037"] = "50036"
    expired_form: Literal["call", "item"] = "call"  # The whole call's code, or each order's.
    short_code: Literal["51008", "51131", "51119"] = "51008"
    is_nothing_available_51127: bool = False
    sub_code: Literal["detail", "whole", "absent"] = "detail"
    unknown_cancel_code: Literal["51603", "51400"] = "51603"
    order_visibility_lag_s: float = 0.0
    cancel_delay_s: float = 0.0  # Above 0: a cancel is accepted, and takes effect that much later.
    market_reserve: Literal["base", "both", "none"] = "base"  # Which market buys are checked with 5 % on top.
    is_trade_quote_required: bool = False
    does_crossing_post_only_go_live: bool = False
    price_band_percent: Decimal = Decimal(0)  # Above 0: how far beyond the price a limit may be.
    max_pending_orders: int = 4000
    max_pending_per_instrument: int = 500

    # Stream
    snapshot_s: float = 5.0
    account_grid_s: float = 0.05
    snapshot_page_rows: int = 50
    page_gap_s: float = 0.0  # Above 0: pages come so far apart, and events in between.
    do_updates_show_zero: bool = True
    has_event_type: bool = True  # False: as before 2025-03-12, no eventType, curPage and lastPage.
    is_wire_ack_before_events: bool = True
    stream_instrument: Literal["code", "either"] = "code"  # Of order operations; either: as before 2026-03.
    is_elp_renamed: bool = False  # ELP is called RPI in fields.
    has_instrument_codes: bool = True  # False: instIdCode is null.
    does_stream_know_codes: bool = True
    idle_close_s: float = 30.0
    connects_per_s: int = 3
    requests_per_hour: int = 480
    connections_per_channel: int = 30

    # Venue
    clock_skew_s: float = 0.0

    # Market and background
    market_step_s: float = 0.0
    background_trade_s: float = 0.0
    is_busd_listed: bool = False  # Markets in a currency that was given up, from the start on.
    quiet_candles: int = 0  # Above 0: nothing was traded in every so-manieth candle that REST tells.
    book_levels: int = 100
    liquidity: Decimal = Decimal(1)
    refill_s: float = 2.0
    resting_fill_parts: int = 1

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} has to be one of {', '.join(map(str, choices))}: {getattr(self, name)!r}")
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name not in _MAY_BE_NEGATIVE and isinstance(value, int | float | Decimal) and value < 0:
                raise ValueError(f"{name} may not be negative: {value}")
        if sorted(self.check_order) != sorted(CHECKS):
            raise ValueError(f"check_order has to hold {', '.join(CHECKS)} once each: {self.check_order}")
        if self.check_order.index("key") > 0:
            raise ValueError("check_order has to begin with key: the others are checked against it")
        if not 0 < self.burst_share <= 1:
            raise ValueError(f"burst_share has to be above 0 and at most 1: {self.burst_share}")
        for name in ("account_grid_s", "snapshot_page_rows", "connects_per_s", "resting_fill_parts"):
            if not getattr(self, name):
                raise ValueError(f"{name} has to be above 0")


_MAY_BE_NEGATIVE: Final = ("clock_skew_s", "maker_fee_percent")

_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    name: get_args(hint) for name, hint in get_type_hints(OkxSimSettings).items() if get_origin(hint) is Literal
}

OPEN_POINTS: Final[dict[str, tuple[object, ...]]] = {
    "check_order": (
        CHECKS,
        ("key", "passphrase", "signature", "timestamp", "environment", "address", "permission"),
        ("key", "environment", "address", "timestamp", "signature", "passphrase", "permission"),
    ),
    "has_data_on_gateway_errors": (False, True),
    "unknown_key_status": (401, 200),
    "closes_after_failed_login": (True, False),
    "rate_limit_form": ("429", "200"),
    "retry_after_s": (0.0, 2.0),
    "ban_s": (0.0, 5.0),
    "do_refused_calls_count": (False, True),
    "stream_rate_code": ("50011", "60014"),
    "does_account_limit_apply": (True, False),
    "burst_share": (1.0, 0.5),
    "does_hold_include_fee": (True, False),
    "does_hold_move_u_time": (True, False),
    "order_frozen": ("held", "zero", "empty"),
    "max_sell_unit": ("quote", "base"),
    "does_spot_fill_margin_fields": (False, True),
    "transfer_s": (0.0, 0.5),
    "are_parameter_errors_top_level": (False, True),
    "duplicate_code": ("51016", "51000", "50071"),
    "expired_code": ("50036", "50037"),
    "expired_form": ("call", "item"),
    "short_code": ("51008", "51131", "51119"),
    "is_nothing_available_51127": (False, True),
    "sub_code": ("detail", "whole", "absent"),
    "unknown_cancel_code": ("51603", "51400"),
    "order_visibility_lag_s": (0.0, 0.3),
    "cancel_delay_s": (0.0, 0.2),
    "market_reserve": ("base", "both", "none"),
    "does_crossing_post_only_go_live": (False, True),
    "page_gap_s": (0.0, 0.02),
    "do_updates_show_zero": (True, False),
    "is_wire_ack_before_events": (True, False),
    "is_elp_renamed": (False, True),
    "has_instrument_codes": (True, False),
    "does_stream_know_codes": (True, False),
}
"""Per setting that stands for something OKX leaves unsaid: the values worth drawing, the default first."""
