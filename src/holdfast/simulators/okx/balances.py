"""
How a trading account is stated: ``account/balance``, and the rows of the channels that push it.

In spot mode most fields do not apply and are empty; the others have figures in the margin modes only. Sources (checked
2026-11-20): https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance,
https://www.okx.com/docs-v5/en/#trading-account-websocket-account-channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import ZERO, add, exact, multiply, round_down, subtract, total_of
from holdfast.simulators.okx.exchange import FUNDING, OkxAccount, OkxExchange
from holdfast.simulators.okx.render import ms, plain

__all__ = ["AccountView", "detail_row", "past_account", "seen_account", "stated_account"]

SPOT = "1"
FUTURES = "2"
PORTFOLIO = "4"


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader sees of an account's trading pot; times are the venue's clock in microseconds."""

    cash: Mapping[str, Decimal]
    held: Mapping[str, Decimal]
    changed_us: Mapping[str, int]
    bots: Mapping[str, Decimal]

    def currencies(self) -> list[str]:
        """Everything that the pot ever had, as far as this reader sees."""
        rows = dict.fromkeys((*self.cash, *self.held, *self.bots))
        return [row for row in rows if not row.endswith(FUNDING)]

    def is_shown(self, currency: str) -> bool:
        """Whether a reader who asks for everything is told of a currency: cash or equity is not zero."""
        return bool(self.cash.get(currency, ZERO) or self.bots.get(currency, ZERO))


def past_account(exchange: OkxExchange, account: OkxAccount, *, by_s: float) -> AccountView:
    """The account as it was so many seconds ago."""
    at_s = exchange.now_s() - by_s
    rows = account.ledger.rows_at(at_s)
    changed_us = account.changed_us_at(at_s)
    return AccountView(cash=rows.balances, held=rows.holds, changed_us=changed_us, bots=account.bots)


def seen_account(exchange: OkxExchange, account: OkxAccount, *, is_lagging: bool) -> AccountView:
    """The account as it is, or as a replica that lags still has it."""
    faults = exchange.impairments
    seen_s = faults.lagging_s("rest_lag") if is_lagging else None
    holds_s = faults.lagging_s("hold_lag") if is_lagging else None
    if seen_s is None and holds_s is None:
        rows, changed_us = account.ledger.rows, account.changed_us
    else:
        at_s = exchange.now_s() if seen_s is None else seen_s
        rows = account.ledger.rows_at(at_s, holds_at_s=at_s if holds_s is None else min(at_s, holds_s))
        changed_us = account.changed_us_at(at_s)
    return AccountView(cash=rows.balances, held=rows.holds, changed_us=changed_us, bots=account.bots)


def stated_account(
    exchange: OkxExchange, account: OkxAccount, view: AccountView, currencies: Iterable[str]
) -> dict[str, Any]:
    """The whole account with a row for each of *currencies*; the totals are of everything."""
    equity = total_of(
        round_down(
            multiply(add(view.cash.get(code, ZERO), view.bots.get(code, ZERO)), exchange.usd_price(code)), places=8
        )
        for code in view.currencies()
    )
    none = _margin_text(exchange, account)
    is_spot = account.mode == SPOT
    return {
        "adjEq": none if is_spot or account.mode == FUTURES else plain(equity),
        "availEq": "" if is_spot or account.mode == FUTURES else plain(equity),
        "borrowFroz": none,
        "delta": "",
        "deltaLever": "",
        "deltaNeutralStatus": "0",
        "details": [detail_row(exchange, account, view, code) for code in currencies],
        "imr": none,
        "isoEq": "0",
        "mgnRatio": none,
        "mmr": none,
        "notionalUsd": none,
        "notionalUsdForBorrow": none,
        "notionalUsdForFutures": "" if is_spot else none,
        "notionalUsdForOption": none,
        "notionalUsdForSwap": "" if is_spot else none,
        "ordFroz": none,
        "totalEq": plain(equity),
        "uTime": ms(exchange.now_us()),
        "upl": "" if is_spot else none,
    }


def detail_row(
    exchange: OkxExchange, account: OkxAccount, view: AccountView, code: str, *, is_pushed: bool = False
) -> dict[str, Any]:
    """One currency, complete: the stream's row has another name in it and one field more."""
    cash, held = view.cash.get(code, ZERO), view.held.get(code, ZERO)
    bots = view.bots.get(code, ZERO)
    price = exchange.usd_price(code) if code in exchange.listing.currencies else Decimal(1)
    with exact():
        equity = cash + bots
        in_usd = round_down(equity * price, places=8)
        available = subtract(cash, held)
        frozen = held + bots
    none = _margin_text(exchange, account)
    futures = "0" if account.mode == FUTURES else ""
    portfolio = "0" if account.mode == PORTFOLIO else ""
    derivatives = "" if account.mode == SPOT else "0"
    ordered = {"held": plain(held), "zero": "0", "empty": ""}[exchange.settings.order_frozen]
    lent = account.lent.get(code, ZERO)
    return {
        "accAvgPx": "",
        "autoLendMtAmt": plain(lent),
        "autoLendStatus": "active" if lent else "off",
        "availBal": plain(available),
        "availEq": "" if account.mode == SPOT else plain(available),
        "borrowFroz": none,
        "cashBal": plain(cash),
        "ccy": code,
        "clSpotInUseAmt": portfolio,
        "colBorrAutoConversion": "0",
        "colRes": "0",
        "collateralEnabled": False,
        "collateralRestrict": False,
        "crossLiab": none,
        "disEq": none if account.mode in (SPOT, FUTURES) else plain(in_usd),
        "eq": plain(equity),
        "eqUsd": plain(in_usd),
        "fixedBal": "0",
        "frozenBal": plain(frozen),
        "frpType": "0",
        "imr": futures,
        "interest": none,
        "isoEq": derivatives,
        "isoLiab": derivatives,
        "isoUpl": derivatives,
        "liab": none,
        "maxLoan": none,
        ("maxSpotInUseAmt" if is_pushed else "maxSpotInUse"): portfolio,
        "mgnRatio": "",
        "mmr": futures,
        "notionalLever": futures,
        "openAvgPx": "",
        "ordFrozen": ordered,
        "rewardBal": "0",
        "smtSyncEq": "0",
        "spotBal": "",
        "spotCopyTradingEq": "0",
        "spotInUseAmt": portfolio,
        "spotIsoBal": "0",
        "spotUpl": "",
        "spotUplRatio": "",
        "stgyEq": plain(bots),
        "totalPnl": "",
        "totalPnlRatio": "",
        "twap": "0",
        "uTime": ms(view.changed_us.get(code, exchange.opened_us)),
        "upl": derivatives,
        "uplLiab": derivatives,
        **({"coinUsdPrice": plain(price)} if is_pushed else {}),
    }


def _margin_text(exchange: OkxExchange, account: OkxAccount) -> str:
    """What stands in a field that applies, and has nothing to tell without borrowing."""
    if account.mode == SPOT and not exchange.settings.does_spot_fill_margin_fields:
        return ""
    return "0"
