"""
Signed endpoints about the account: balances of both pots, its configuration, fees, ceilings, bills and transfers.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance,
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration,
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-fee-rates,
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-bills-details-last-7-days,
https://www.okx.com/docs-v5/en/#funding-account-rest-api-get-balance,
https://www.okx.com/docs-v5/en/#funding-account-rest-api-funds-transfer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, exact
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.okx.balances import seen_account, stated_account
from holdfast.simulators.okx.call import Call, wrong_parameter
from holdfast.simulators.okx.errors import ItemRefusedError, OkxRefusedError
from holdfast.simulators.okx.exchange import FUNDING, OkxAccount, OkxExchange, Transfer
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.order_rows import bill_row
from holdfast.simulators.okx.pages import page_of
from holdfast.simulators.okx.render import minus, ms, plain
from holdfast.simulators.okx.rest_public import instrument_rows
from holdfast.simulators.okx.tickets import amount_of

__all__ = ["ENDPOINTS", "NOTHING"]

NOTHING: Final = object()
"""An answer without ``data``."""

_MOST_CURRENCIES: Final = 20
_WEEK_US: Final = 7 * 86_400_000_000
_QUARTER_US: Final = 90 * 86_400_000_000


def _codes(call: Call) -> list[str]:
    codes = [code for code in (call.text("ccy") or "").split(",") if code]
    if len(codes) > _MOST_CURRENCIES:
        raise wrong_parameter("ccy")
    return codes


def _balance(call: Call) -> Any:
    account = call.account
    foreign = call.exchange.impairments.spend("foreign_balances")
    if foreign is not None:
        account = call.exchange.accounts.get(str(foreign.fields["account"]), account)
    view = seen_account(call.exchange, account, is_lagging=True)
    wanted = _codes(call)
    ever = view.currencies()
    # Asked for by name, a currency that was ever held is told of even at zero; otherwise zeros are left out.
    shown = [code for code in ever if code in wanted] if wanted else [code for code in ever if view.is_shown(code)]
    return _impaired(call, stated_account(call.exchange, account, view, shown))


def _impaired(call: Call, stated: dict[str, Any]) -> Any:
    """The account as the faults in force let this read state it."""
    faults = call.exchange.impairments
    details: list[dict[str, Any]] = stated["details"]
    scaled = faults.spend("scale_balances")
    if scaled is not None:
        for row in details:
            for name in ("cashBal", "availBal", "frozenBal", "eq", "eqUsd"):
                with exact():
                    row[name] = plain(Decimal(row[name]) * scaled.fields["factor"])
    vanished = faults.spend("vanish")
    if vanished is not None:
        stated["details"] = details = [row for row in details if row["ccy"] != vanished.fields["asset"]]
    overridden = faults.spend("override_row")
    if overridden is not None:
        _override(call, details, overridden.fields)
    emptied = faults.spend("empty_result")
    if emptied is None:
        return [stated]
    form = emptied.fields.get("form", "details")
    if form == "details":
        stated["details"] = []
    elif form == "no_details":
        del stated["details"]
    elif form == "zeros":
        for row in details:
            row |= dict.fromkeys(("cashBal", "availBal", "frozenBal", "eq", "eqUsd"), "0")
    elif form == "data":
        return []
    elif form == "no_data":
        return NOTHING
    return [stated]


def _override(call: Call, details: list[dict[str, Any]], fields: Any) -> None:
    name = fields["asset"]
    row = next((row for row in details if row["ccy"] == name), None)
    if row is None:
        account = call.account
        view = seen_account(call.exchange, account, is_lagging=False)
        row = stated_account(call.exchange, account, view, [name])["details"][0]
        details.append(row)
    row["cashBal"] = row["eq"] = fields["balance"]
    row["frozenBal"] = fields.get("hold", "0")
    row["availBal"] = fields.get("available", fields["balance"])


def _config(call: Call) -> Any:
    account, key = call.account, call.key
    return [
        {
            "acctLv": account.mode,
            "acctStpMode": "cancel_maker",
            "autoLoan": account.mode in ("3", "4"),
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "feeType": call.exchange.fee_type,
            "greeksType": "PA",
            "ip": ",".join(key.addresses),
            "kycLv": "2",
            "label": key.name,
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": call.exchange.main_uid,
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": ",".join(name for name in ("read_only", "trade", "withdraw") if name in key.permissions),
            "posMode": "net_mode",
            "roleType": "0",
            "settleCcy": "USD",
            "settleCcyList": ["USD", "USDC", "USDG"],
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "stgyType": "0",
            "traderInsts": [],
            "type": "0" if account.uid == call.exchange.main_uid else "1",
            "uid": account.uid,
        }
    ]


def _trade_fee(call: Call) -> Any:
    if call.needed("instType") != "SPOT":
        raise wrong_parameter("instType")
    exchange = call.exchange
    if call.text("instId") is not None:
        groups = [call.instrument().group]
    else:
        groups = sorted({one.group for one in exchange.listing.instruments.values()}, key=int)
        asked = call.text("groupId")
        groups = [group for group in groups if asked in (None, group)]
    program = "rpiMaker" if exchange.settings.is_elp_renamed else "elpMaker"
    maker, taker = (minus(exchange.fee_rate(call.account, is_maker=is_maker)) for is_maker in (True, False))
    return [
        {
            "category": "1",
            "delivery": "",
            "exercise": "",
            "feeGroup": [{program: maker, "groupId": group, "maker": maker, "taker": taker} for group in groups],
            "fiat": [],
            "instType": "SPOT",
            "level": "Lv1",
            "maker": maker,
            "makerU": "",
            "makerUSDC": maker,
            "ruleType": "normal",
            "settle": "",
            "taker": taker,
            "takerU": "",
            "takerUSDC": taker,
            "ts": ms(exchange.now_us()),
        }
    ]


def _lines(call: Call) -> list[Instrument]:
    lines = []
    for name in call.needed("instId").split(","):
        instrument = call.exchange.listing.instruments.get(name)
        if instrument is None:
            raise OkxRefusedError("51001")
        line = call.exchange.listing.line(instrument, call.text("tradeQuoteCcy") or instrument.named_quote)
        if line is None:
            raise wrong_parameter("tradeQuoteCcy")
        lines.append(line)
    if len(lines) > 5:
        raise wrong_parameter("instId")
    return lines


def _max_avail_size(call: Call) -> Any:
    call.needed("tdMode")
    return [
        {
            "instId": line.id,
            "availBuy": plain(max(ZERO, call.account.free(line.quote.code))),
            "availSell": plain(max(ZERO, call.account.free(line.base.code))),
        }
        for line in _lines(call)
    ]


def _max_size(call: Call) -> Any:
    call.needed("tdMode")
    rows = []
    for line in _lines(call):
        price = amount_of(call.fields, "px") or call.exchange.engine.markets[line.line].last
        buy = divide(max(ZERO, call.account.free(line.quote.code)), price, places=line.quantity_decimals)
        sell = max(ZERO, call.account.free(line.base.code))
        if call.exchange.settings.max_sell_unit == "quote":
            with exact():
                sell = sell * price
        rows.append({"instId": line.id, "ccy": "", "maxBuy": plain(buy), "maxSell": plain(sell)})
    return rows


def _max_withdrawal(call: Call) -> Any:
    wanted = _codes(call)
    rows = []
    for code in call.exchange.trading_rows(call.account):
        if not wanted or code in wanted:
            most = plain(max(ZERO, call.exchange.unclaimed(call.account, code)))
            rows.append({"ccy": code, "maxWd": most, "maxWdEx": most, "spotOffsetMaxWd": "", "spotOffsetMaxWdEx": ""})
    return rows


def _positions(call: Call) -> Any:
    del call
    return []  # Spot alone has none.


def _account_instruments(call: Call) -> Any:
    return instrument_rows(call)


# Bills


def _bills(call: Call) -> Any:
    return _bills_since(call, call.exchange.now_us() - _WEEK_US)


def _bills_archive(call: Call) -> Any:
    return _bills_since(call, call.exchange.now_us() - _QUARTER_US)


def _bills_since(call: Call, oldest_us: int) -> Any:
    exchange, account = call.exchange, call.account
    seen_s = call.seen_s
    wanted = {name: call.text(name) for name in ("instId", "ccy", "type", "subType")}

    def is_wanted(entry: LedgerEntry) -> bool:
        if entry.row.endswith(FUNDING) or entry.at_us < oldest_us or (seen_s is not None and entry.at_s > seen_s):
            return False
        if wanted["ccy"] not in (None, entry.row) or wanted["type"] not in (None, entry.kind):
            return False
        if wanted["subType"] not in (None, entry.subtype):
            return False
        if wanted["instId"] is None:
            return True
        fill = account.orders.fills.get(entry.ref)
        return fill is not None and exchange.listing.lines[fill.symbol].id == wanted["instId"]

    entries = [entry for entry in reversed(account.ledger.entries) if is_wanted(entry)]
    page = page_of(call, entries, id_of=lambda entry: entry.id, at_us=lambda entry: entry.at_us)
    return [bill_row(exchange, account, entry) for entry in page]


# Funding


def _asset_balances(call: Call) -> Any:
    wanted = _codes(call)
    return [
        {"availBal": plain(amount), "bal": plain(amount), "ccy": code, "frozenBal": "0"}
        for code, amount in call.exchange.funding_of(call.account).items()
        if amount > 0 and (not wanted or code in wanted)
    ]


def _currencies(call: Call) -> Any:
    wanted = _codes(call)
    return [
        {
            "burningFeeRate": "",
            "canDep": True,
            "canInternal": True,
            "canWd": True,
            "ccy": currency.code,
            "chain": f"{currency.code}-{currency.name}",
            "ctAddr": "",
            "depEstOpenTime": "",
            "depQuotaFixed": "",
            "depQuoteDailyLayer2": "",
            "fee": "0.0001",
            "logoLink": "",
            "mainNet": True,
            "maxFee": "0.0001",
            "maxFeeForCtAddr": "",
            "maxWd": "1000000",
            "minDep": "0.0001",
            "minDepArrivalConfirm": "1",
            "minFee": "0.0001",
            "minFeeForCtAddr": "",
            "minInternal": "0.0001",
            "minWd": "0.001",
            "minWdUnlockConfirm": "2",
            "name": currency.name,
            "needTag": False,
            "usedDepQuotaFixed": "",
            "usedWdQuota": "0",
            "wdEstOpenTime": "",
            "wdQuota": "10000000",
            "wdTickSz": str(currency.decimals),
        }
        for currency in call.exchange.listing.currencies.values()
        if not wanted or currency.code in wanted
    ]


def _transfer(call: Call) -> Any:
    exchange, account = call.exchange, call.account
    code = call.needed("ccy")
    try:
        amount = amount_of(call.fields, "amt")
    except ItemRefusedError as refusal:
        raise OkxRefusedError(refusal.code, refusal.text) from None
    source, target = call.needed("from"), call.needed("to")
    if code not in exchange.listing.currencies or amount is None or amount <= 0:
        raise wrong_parameter("amt")
    if {source, target} != {"6", "18"} or (call.text("type") or "0") != "0":
        raise wrong_parameter("from")
    has = exchange.funding_of(account).get(code, ZERO) if source == "6" else exchange.unclaimed(account, code)
    if amount > has:
        raise OkxRefusedError("58116")
    transfer = Transfer(
        id=exchange.new_number(),
        client_id=call.text("clientId") or "",
        account=account.name,
        currency=code,
        amount=amount,
        source=source,
        target=target,
    )
    exchange.transfers[transfer.id] = transfer
    if exchange.settings.transfer_s:
        exchange.timers.call_later(exchange.settings.transfer_s, _arrive, exchange, account, transfer)
    else:
        _arrive(exchange, account, transfer)
    row = _transfer_row(transfer)
    return [{name: row[name] for name in ("transId", "ccy", "clientId", "from", "amt", "to")}]


def _arrive(exchange: OkxExchange, account: OkxAccount, transfer: Transfer) -> None:
    code, is_in = transfer.currency, transfer.source == "6"
    has = exchange.funding_of(account).get(code, ZERO) if is_in else exchange.unclaimed(account, code)
    if transfer.amount > has:  # Spent while the transfer was pending.
        transfer.state = "failed"
        return
    exchange.transfer(account, code, transfer.amount, to_trading=is_in)
    transfer.state = "success"


def _transfer_row(transfer: Transfer) -> dict[str, str]:
    return {
        "amt": plain(transfer.amount),
        "ccy": transfer.currency,
        "clientId": transfer.client_id,
        "from": transfer.source,
        "instId": "",
        "state": transfer.state,
        "subAcct": "",
        "to": transfer.target,
        "toInstId": "",
        "transId": transfer.id,
        "type": "0",
    }


def _transfer_state(call: Call) -> Any:
    number, client_id = call.text("transId"), call.text("clientId")
    if number is None and client_id is None:
        raise OkxRefusedError("50014", "Parameter transId can not be empty")
    found: Sequence[Transfer] = [
        transfer
        for transfer in call.exchange.transfers.values()
        if transfer.account == call.account.name
        and (transfer.id == number if number is not None else transfer.client_id == client_id)
    ]
    if not found:
        raise OkxRefusedError("58129")
    return [_transfer_row(found[-1])]


ENDPOINTS: Final[dict[str, tuple[str, Callable[[Call], Any]]]] = {
    "GET account/balance": ("read_only", _balance),
    "GET account/config": ("read_only", _config),
    "GET account/instruments": ("read_only", _account_instruments),
    "GET account/trade-fee": ("read_only", _trade_fee),
    "GET account/max-avail-size": ("read_only", _max_avail_size),
    "GET account/max-size": ("read_only", _max_size),
    "GET account/max-withdrawal": ("read_only", _max_withdrawal),
    "GET account/positions": ("read_only", _positions),
    "GET account/bills": ("read_only", _bills),
    "GET account/bills-archive": ("read_only", _bills_archive),
    "GET asset/balances": ("read_only", _asset_balances),
    "GET asset/currencies": ("read_only", _currencies),
    "POST asset/transfer": ("trade", _transfer),
    "GET asset/transfer-state": ("read_only", _transfer_state),
}
"""Signed endpoints about the account: the right that is needed, and what answers."""
