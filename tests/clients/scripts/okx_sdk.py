"""python-okx, OKX's own client: its REST classes, which hand the venue's envelopes over."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from okx import Account, Funding, MarketData, PublicData, Status, Trade

from tests.clients.scripts.told import MORE_THAN_THERE_IS, OKX_WRONG_KEY, PAIR_AMOUNT, Told

MARKET = "BTC-USDT"
REAL = "0"  # Its own default is demo trading.


def made(kind: Any, told: Told, *, key: str | None = None, secret: str | None = None) -> Any:
    # Its own way of asking for the server's time ignores the address.
    return kind(key or told.key, secret or told.secret, told.passphrase, False, REAL, told.rest)


def asked(envelope: dict[str, Any]) -> Any:
    if envelope["code"] != "0":
        items = envelope.get("data") or [{}]
        raise RuntimeError(f"{items[0].get('sCode') or envelope['code']}")
    return envelope["data"]


def figures(rows: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    return {
        row["ccy"]: {"total": row["cashBal"], "held": row["frozenBal"], "available": row["availBal"]} for row in rows
    }


def main() -> None:
    told = Told()
    report = told.report
    account, trade, funding = (made(kind, told) for kind in (Account.AccountAPI, Trade.TradeAPI, Funding.FundingAPI))
    market, public = (kind(flag=REAL, domain=told.rest) for kind in (MarketData.MarketAPI, PublicData.PublicAPI))
    report["version"] = version("python-okx")
    report["markets"] = sorted(row["instId"] for row in asked(public.get_instruments(instType="SPOT")))
    report["status"] = asked(Status.StatusAPI(flag=REAL, domain=told.rest).status())
    report["candles"] = len(asked(market.get_candlesticks(MARKET, bar="1m", limit="10")))
    report["uid"] = asked(account.get_account_config())[0]["uid"]
    report["fee"] = asked(account.get_fee_rates(instType="SPOT", instId=MARKET))[0]["feeGroup"][0]["taker"]
    report["funding"] = [row["ccy"] for row in asked(funding.get_balances())]
    (ticker,) = asked(market.get_ticker(MARKET))

    def balances() -> dict[str, dict[str, Any]]:
        return figures(asked(account.get_account_balance())[0]["details"])

    told.compare("at the start", balances())
    low = str(int(float(ticker["bidPx"]) / 2))
    order = {"instId": MARKET, "tdMode": "cash", "side": "buy", "sz": PAIR_AMOUNT}
    (placed,) = asked(trade.place_order(**order, ordType="limit", px=low, clOrdId="holdfast1"))
    told.compare("with an order resting", balances())
    report["resting"] = {
        "is_listed": placed["ordId"] in [row["ordId"] for row in asked(trade.get_order_list())],
        "status": asked(trade.get_order(MARKET, clOrdId="holdfast1"))[0]["state"],
        "named": asked(trade.get_order(MARKET, ordId=placed["ordId"]))[0]["clOrdId"],
    }
    told.expect_error("again", lambda: asked(trade.place_order(**order, ordType="limit", px=low, clOrdId="holdfast1")))
    asked(trade.amend_order(MARKET, clOrdId="holdfast1", newPx=str(int(low) - 10)))
    asked(trade.cancel_order(MARKET, ordId=placed["ordId"]))
    report["cancelled"] = asked(trade.get_order(MARKET, ordId=placed["ordId"]))[0]["state"]
    told.expect_error("cancel again", lambda: asked(trade.cancel_order(MARKET, ordId=placed["ordId"])))
    report["open"] = len(asked(trade.get_order_list()))

    (bought,) = asked(trade.place_order(**order, ordType="market", tgtCcy="base_ccy"))
    (row,) = asked(trade.get_order(MARKET, ordId=bought["ordId"]))
    report["filled"] = {"status": row["state"], "amount": row["accFillSz"], "fee": row["feeCcy"]}
    (fill,) = asked(trade.get_fills(ordId=bought["ordId"]))
    report["trade"] = {"amount": fill["fillSz"], "is_of_the_order": fill["ordId"] == bought["ordId"]}
    told.compare("at the end", balances())

    too_much = {**order, "sz": MORE_THAN_THERE_IS, "ordType": "limit", "px": low}
    told.expect_error("funds", lambda: asked(trade.place_order(**too_much)))
    told.expect_error("minimum", lambda: asked(trade.place_order(**{**too_much, "sz": "0.000001"})))
    told.expect_error("signature", lambda: asked(made(Account.AccountAPI, told, secret="wrong").get_account_balance()))
    told.expect_error("key", lambda: asked(made(Account.AccountAPI, told, key=OKX_WRONG_KEY).get_account_balance()))
    told.end()


if __name__ == "__main__":
    main()
