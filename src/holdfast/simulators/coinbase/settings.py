"""
What a simulated Coinbase can be told to do differently.

Coinbase leaves much unsaid; where it does, each plausible behaviour is a setting here, so that a scenario can draw one
at random and a client can be shown to be safe under all of them. ``OPEN_POINTS`` lists, for those settings, the values
worth drawing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, get_args, get_origin, get_type_hints

import msgspec

__all__ = ["OPEN_POINTS", "CoinbaseSimSettings"]


class CoinbaseSimSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    The switches of one simulated Coinbase.

    Durations are in seconds, rates per second. Every field is described, with what Coinbase documents about it, on the
    conformance page (``docs/reference/simulators/coinbase.md``).
    """

    # Keys and tokens
    key_algorithm: Literal["ES256", "EdDSA"] = "ES256"  # Of the keys that accounts are opened with.
    ec_pem: Literal["sec1", "pkcs8"] = "sec1"
    is_ed25519_accepted: bool = True
    clock_leeway_s: float = 0.0  # On nbf and exp.
    token_life_s: float = 120.0
    is_long_token_refused: bool = True  # One whose exp - nbf exceeds token_life_s; it expires after that all the same.
    is_token_reuse_refused: bool = False  # The same token for a second request, or a second stream message.
    unauthorized_body: Literal["text", "json", "empty"] = "text"
    forbidden_status: Literal[403, 401] = 403
    error_word_case: Literal["upper", "lower"] = "upper"
    not_found_word: Literal["NOT_FOUND", "unknown"] = "NOT_FOUND"

    # Rate limits
    are_calls_counted: bool = True
    private_calls_per_s: int = 30  # Per key.
    public_calls_per_s: int = 10  # All clients come from one address.
    calls_per_hour: int = 0  # Per key; 0: no such limit.
    rate_limit_body: Literal["v2", "v3", "text"] = "v2"
    throttle_status: Literal[429, 401] = 429
    has_retry_after: bool = False
    connects_per_s: int = 8
    messages_per_s: int = 8  # Stream messages without a token.

    # Accounts
    account_lag_s: float = 0.0  # Reads of accounts answer with what was true this long ago.
    hold_release_lag_s: float = 0.0  # What a cancelled or expired order held stays held, and counted, this long.
    are_pages_frozen: bool = False  # Later pages state the accounts as they were at the first.
    account_types: Literal["long", "short"] = "long"
    are_empty_wallets_ready: bool = True
    is_zero_hold_stated: bool = True  # False: no hold field where nothing is held.
    is_v2_balance_total: bool = True  # False: the balance of a v2 account leaves out what is held.
    staked_as: Literal["nothing", "own_code"] = "nothing"

    # Orders
    does_hold_include_fee: bool = True
    do_untriggered_stops_hold: bool = True
    is_fee_inside_quote_size: bool = False
    duplicate_client_order_id: Literal["return_existing", "refuse"] = "return_existing"
    client_order_id_kept_s: float = 0.0  # 0: for ever.
    client_order_id_scope: Literal["portfolio", "user"] = "portfolio"
    does_usd_order_take_usdc: bool = False  # What a USD order lacks is converted from USDC.
    reason_in: Literal["all", "new_order_failure_reason", "error", "preview_failure_reason"] = "all"
    explains_in: Literal["message", "error_details"] = "message"
    has_deprecated_order_fields: bool = True
    no_wallet: Literal["insufficient", "account_not_available"] = "insufficient"  # Refusal of an order without one.
    insufficient_word: Literal["INSUFFICIENT_FUND", "INSUFFICIENT_FUNDS"] = "INSUFFICIENT_FUND"
    are_short_funds_a_failure: bool = False  # Accepted with success, then FAILED, in place of a refusal.
    is_crossing_post_only_a_failure: bool = False  # Likewise.
    pending_s: float = 0.0  # How long an order is PENDING before it reaches the book.
    cancel_queued_s: float = 0.0  # How long a cancelled order is CANCEL_QUEUED.
    order_visible_after_s: float = 0.0  # Until then reads of orders and fills do not know an order.
    can_open_be_combined: bool = True  # OPEN with other statuses in one listing.
    second_cancel: Literal["success", "failure"] = "success"  # Of an order that has ended.
    cancel_refusal: str = "UNKNOWN_CANCEL_FAILURE_REASON"
    empty_numbers: Literal["zero", "empty"] = "zero"  # Of orders that have traded nothing or hold nothing.
    quote_sized_fills: Literal["base", "quote"] = "base"  # In what the size of a fill is, of an order sized in quote.
    odd_fills: Literal["none", "CORRECTION", "REVERSAL", "SYNTHETIC"] = "none"  # Listed beside each fill.
    largest_page: int = 1000  # Of orders and fills.
    are_preview_sizes_numbers: bool = False
    volume_30d_usd: Decimal = Decimal("52000.10")

    # Stream
    heartbeat_s: float = 1.0
    coalesce_heartbeats_s: float = 0.0  # Above 0: heartbeats come only this often.
    heartbeat_counter: Literal["number", "text"] = "number"
    subscribe_deadline_s: float = 5.0
    does_refused_subscribe_count: bool = True  # As having subscribed, for the deadline.
    idle_close_s: float = 75.0
    is_ack_before_snapshot: bool = True
    has_client_id: bool = True
    order_type_case: Literal["title", "upper"] = "title"
    are_user_rows_sparse: bool = False
    update_batch_s: float = 0.0  # Above 0: updates of orders are collected this long and share a frame.
    user_connections: Literal["any", "newest", "oldest"] = "any"

    # Venue
    clock_skew_s: float = 0.0
    time_cache_s: float = 1.0  # Of the public server time, unless the client forbids it.
    most_candles: int = 350
    is_epoch_text: bool = True
    is_product_count_text: bool = False
    maintenance_body: Literal["json", "html"] = "json"

    # Market and background
    market_step_s: float = 0.0  # Above 0: prices walk this often. The profile busy sets both where they are 0.
    background_trade_s: float = 0.0  # Above 0: mean time between trades made on the account by its other bot.
    is_busd_listed: bool = False  # Markets in a currency that was given up, from the start on.
    quiet_candles: int = 0  # Above 0: nothing was traded in every so-manieth candle that REST tells.
    book_levels: int = 100
    liquidity: Decimal = Decimal(1)  # How much of its usual size each level has.
    refill_s: float = 2.0  # After which liquidity that was taken is offered again.
    resting_fill_parts: int = 1  # A resting order that the market reaches is filled in so many, refill_s apart.

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} has to be one of {', '.join(map(str, choices))}: {getattr(self, name)!r}")
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name != "clock_skew_s" and isinstance(value, int | float | Decimal) and value < 0:
                raise ValueError(f"{name} may not be negative: {value}")


_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    name: get_args(hint) for name, hint in get_type_hints(CoinbaseSimSettings).items() if get_origin(hint) is Literal
}

OPEN_POINTS: Final[dict[str, tuple[object, ...]]] = {
    "is_ed25519_accepted": (True, False),
    "clock_leeway_s": (0.0, 0.5),
    "is_long_token_refused": (True, False),
    "is_token_reuse_refused": (False, True),
    "unauthorized_body": ("text", "json", "empty"),
    "forbidden_status": (403, 401),
    "error_word_case": ("upper", "lower"),
    "not_found_word": ("NOT_FOUND", "unknown"),
    "private_calls_per_s": (30, 15),
    "calls_per_hour": (0, 10_000),
    "rate_limit_body": ("v2", "v3", "text"),
    "throttle_status": (429, 401),
    "has_retry_after": (False, True),
    "connects_per_s": (8, 750),
    "account_lag_s": (0.0, 0.5, 2.0),
    "hold_release_lag_s": (0.0, 0.5, 2.0),
    "are_pages_frozen": (False, True),
    "account_types": ("long", "short"),
    "are_empty_wallets_ready": (True, False),
    "is_zero_hold_stated": (True, False),
    "is_v2_balance_total": (True, False),
    "staked_as": ("nothing", "own_code"),
    "does_hold_include_fee": (True, False),
    "do_untriggered_stops_hold": (True, False),
    "is_fee_inside_quote_size": (False, True),
    "duplicate_client_order_id": ("return_existing", "refuse"),
    "client_order_id_kept_s": (0.0, 86_400.0),
    "client_order_id_scope": ("portfolio", "user"),
    "does_usd_order_take_usdc": (False, True),
    "reason_in": ("all", "new_order_failure_reason", "error", "preview_failure_reason"),
    "explains_in": ("message", "error_details"),
    "has_deprecated_order_fields": (True, False),
    "no_wallet": ("insufficient", "account_not_available"),
    "insufficient_word": ("INSUFFICIENT_FUND", "INSUFFICIENT_FUNDS"),
    "are_short_funds_a_failure": (False, True),
    "is_crossing_post_only_a_failure": (False, True),
    "pending_s": (0.0, 0.2),
    "cancel_queued_s": (0.0, 0.3),
    "order_visible_after_s": (0.0, 0.5, 2.0),
    "can_open_be_combined": (True, False),
    "second_cancel": ("success", "failure"),
    "cancel_refusal": (
        "UNKNOWN_CANCEL_FAILURE_REASON",
        "UNKNOWN_CANCEL_ORDER",
        "INVALID_CANCEL_REQUEST",
        "COMMANDER_REJECTED_CANCEL_ORDER",
        "DUPLICATE_CANCEL_REQUEST",
    ),
    "empty_numbers": ("zero", "empty"),
    "quote_sized_fills": ("base", "quote"),
    "odd_fills": ("none", "CORRECTION", "REVERSAL", "SYNTHETIC"),
    "are_preview_sizes_numbers": (False, True),
    "heartbeat_counter": ("number", "text"),
    "does_refused_subscribe_count": (True, False),
    "idle_close_s": (75.0, 60.0, 90.0),
    "is_ack_before_snapshot": (True, False),
    "has_client_id": (True, False),
    "order_type_case": ("title", "upper"),
    "are_user_rows_sparse": (False, True),
    "update_batch_s": (0.0, 0.1),
    "user_connections": ("any", "newest", "oldest"),
    "most_candles": (350, 300),
    "is_epoch_text": (True, False),
    "is_product_count_text": (False, True),
    "maintenance_body": ("json", "html"),
}
"""Per setting that stands for something Coinbase leaves unsaid: the values worth drawing, the default first."""
