"""
What a simulated Kraken can be told to do differently.

Kraken leaves much unsaid; where it does, each plausible behaviour is a setting here, so that a scenario can draw one at
random and a client can be shown to be safe under all of them. ``OPEN_POINTS`` lists, for those settings, the values
worth drawing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, get_args, get_origin, get_type_hints

import msgspec

__all__ = ["OPEN_POINTS", "KrakenSimSettings"]

Check = Literal["key", "signature", "nonce", "permission", "counter"]


class KrakenSimSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    The switches of one simulated Kraken.

    Durations are in seconds, rates per second. Every field is described, with what Kraken documents about it, on the
    conformance page (``docs/reference/simulators/kraken.md``).
    """

    # Credentials, nonces, lockout
    nonce_window: int = 0  # In ticks of the nonce, per key; new keys get this one.
    is_identical_nonce_in_window_accepted: bool = False
    does_refused_call_consume_nonce: bool = True  # Refused by a check that comes after the nonce check.
    check_order: tuple[Check, ...] = ("key", "signature", "nonce", "permission", "counter")
    bad_signature_error: Literal["EAPI:Invalid signature", "EAPI:Invalid key"] = "EAPI:Invalid signature"
    lockout_after: int = 0  # Bad nonces and keys within lockout_window_s; 0: never.
    lockout_window_s: float = 60.0
    lockout_s: float = 900.0
    does_attempt_restart_lockout: bool = True

    # Rate limits
    are_calls_counted: bool = True  # False: no counter of REST or the engine ever refuses anything.
    tier: Literal["starter", "intermediate", "pro"] = "pro"
    do_refused_calls_count: bool = False
    query_ledgers_cost: Literal[1, 2] = 1
    order_change_cost: Literal[0, 1] = 0  # Of AmendOrder, EditOrder and the batch calls, on the REST counter.
    rate_limit_status: Literal[200, 429] = 200
    public_calls_per_s: float = 0.0  # 0: unlimited.
    concurrent_calls: int = 0  # Private calls of a key that may be worked on at once; 0: unlimited.
    call_time_s: float = 0.05  # How long one counts as being worked on.
    throttle_s: float = 5.0
    connect_budget: int = 150
    connect_budget_window_s: float = 600.0
    connect_ban_s: float = 600.0

    # Balances and holds
    does_hold_include_fee: bool = True
    are_holds_rounded_up: bool = False  # A buy's hold and claim, to two places fewer than the ledger has.
    do_untriggered_stops_hold: bool = True
    are_f_rows_spendable: bool = True
    empty_balance: Literal["object", "absent", "null", "zeros"] = "object"
    credit_fields: Literal["with_credit_line", "always", "never"] = "with_credit_line"
    result_on_error: Literal["absent", "empty", "null"] = "absent"
    auto_earn_delay_s: float = 0.0

    # Orders
    sell_fee_default: Literal["fcib", "fciq"] = "fcib"
    does_validate_check_funds: bool = False
    is_validate_false_true: bool = False  # Any value of validate in a form body counts as true.
    does_stream_validate_name_order: bool = False
    duplicate_cl_ord_id_error: str = "EOrder:Invalid order"
    limit_only_error: str = "EService:Market in limit_only mode"
    are_short_funds_a_cancel: bool = False  # pending_new, then canceled with a reason, in place of a refusal.
    is_crossing_post_only_an_error: bool = False  # Else accepted and cancelled at once.
    do_stream_errors_explain: bool = False  # "EOrder:Insufficient funds (insufficient user funds)".
    cancel_pending_s: float = 0.0  # Above 0: CancelOrder answers pending, and cancels that much later.
    deadline_min_s: float = 0.5
    deadline_max_s: float = 60.0
    dead_man_off_time: Literal["zero", "now", "empty"] = "zero"
    fee_tier_spelling: Literal["plain", "underscored"] = "plain"
    volume_30d_usd: Decimal = Decimal("52000.10")
    maker_rebate_percent: Decimal = Decimal(0)  # Above 0: makers are paid this much of cost in place of their fee.
    are_fees_paid_in_credits: bool = False  # KFEE pays while there is enough of it, 100 for a dollar.

    # Stream
    heartbeat_s: float = 1.0
    coalesce_heartbeats_s: float = 0.0  # Above 0: idle heartbeats come only this often.
    idle_close_s: float = 60.0
    token_first_use_s: float = 900.0
    session_life: Literal["while_subscribed", "first_use_only"] = "while_subscribed"
    dead_session_error: str = "ESession:Invalid session"
    is_ack_before_snapshot: bool = True
    are_acks_before_events: bool = True
    update_balance: Literal["total", "running_total", "wallet"] = "total"
    are_trade_legs_apart: bool = True
    first_sequence: Literal[0, 1] = 1
    does_sequence_restart: bool = True
    numbers: Literal["plain", "exponent"] = "plain"
    can_status_be_subscribed: bool = False
    missing_permission_on_stream: Literal["error", "mute"] = "error"

    # Venue
    clock_skew_s: float = 0.0
    has_maintenance_arrays: bool = True
    do_reads_fail_in_maintenance: bool = True  # Signed ones, with EService:Unavailable.

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
        if sorted(self.check_order) != sorted(("key", "signature", "nonce", "permission", "counter")):
            raise ValueError(
                f"check_order has to hold key, signature, nonce, permission and counter once each: {self.check_order}"
            )
        if self.check_order.index("key") > min(map(self.check_order.index, ("signature", "nonce", "permission"))):
            raise ValueError("check_order has to begin with key before signature, nonce and permission")
        if self.deadline_min_s > self.deadline_max_s:
            raise ValueError("deadline_min_s is above deadline_max_s")


_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    name: get_args(hint) for name, hint in get_type_hints(KrakenSimSettings).items() if get_origin(hint) is Literal
}

OPEN_POINTS: Final[dict[str, tuple[object, ...]]] = {
    "is_identical_nonce_in_window_accepted": (False, True),
    "does_refused_call_consume_nonce": (True, False),
    "check_order": (
        ("key", "signature", "nonce", "permission", "counter"),
        ("key", "nonce", "signature", "permission", "counter"),
        ("key", "counter", "signature", "nonce", "permission"),
        ("key", "signature", "permission", "nonce", "counter"),
    ),
    "bad_signature_error": ("EAPI:Invalid signature", "EAPI:Invalid key"),
    "lockout_after": (0, 5, 50),
    "lockout_s": (900.0, 120.0),
    "does_attempt_restart_lockout": (True, False),
    "do_refused_calls_count": (False, True),
    "query_ledgers_cost": (1, 2),
    "order_change_cost": (0, 1),
    "rate_limit_status": (200, 429),
    "does_hold_include_fee": (True, False),
    "are_holds_rounded_up": (False, True),
    "do_untriggered_stops_hold": (True, False),
    "are_f_rows_spendable": (True, False),
    "empty_balance": ("object", "absent", "null", "zeros"),
    "credit_fields": ("with_credit_line", "always", "never"),
    "result_on_error": ("absent", "empty", "null"),
    "sell_fee_default": ("fcib", "fciq"),
    "does_validate_check_funds": (False, True),
    "is_validate_false_true": (False, True),
    "does_stream_validate_name_order": (False, True),
    "duplicate_cl_ord_id_error": ("EOrder:Invalid order", "EGeneral:Invalid arguments:cl_ord_id"),
    "limit_only_error": ("EService:Market in limit_only mode", "EService:Market in limit-only mode"),
    "are_short_funds_a_cancel": (False, True),
    "is_crossing_post_only_an_error": (False, True),
    "do_stream_errors_explain": (False, True),
    "cancel_pending_s": (0.0, 0.2),
    "deadline_min_s": (0.5, 2.0),
    "dead_man_off_time": ("zero", "now", "empty"),
    "fee_tier_spelling": ("plain", "underscored"),
    "session_life": ("while_subscribed", "first_use_only"),
    "dead_session_error": ("ESession:Invalid session", "EAPI:Invalid session", "Token is expired"),
    "is_ack_before_snapshot": (True, False),
    "are_acks_before_events": (True, False),
    "update_balance": ("total", "running_total", "wallet"),
    "are_trade_legs_apart": (True, False),
    "first_sequence": (1, 0),
    "does_sequence_restart": (True, False),
    "numbers": ("plain", "exponent"),
    "can_status_be_subscribed": (False, True),
    "missing_permission_on_stream": ("error", "mute"),
    "has_maintenance_arrays": (True, False),
    "do_reads_fail_in_maintenance": (True, False),
}
"""Per setting that stands for something Kraken leaves unsaid: the values worth drawing, the default first."""
