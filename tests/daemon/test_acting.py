"""What can be done over HTTP, and how what cannot be done is told: the library's own answers, in one envelope."""

from __future__ import annotations

import asyncio
from pathlib import Path

from holdfast import errors
from holdfast.daemon.problems import code_of, problem_of, status_of
from holdfast.errors import HoldfastError, InsufficientFundsError, OutcomeUnknownError
from holdfast.testing.venues import FakeVenue
from tests.daemon.rig import BROKER, running

BUY = {"symbol": "BTC-USD", "side": "buy", "quote_quantity": "50"}


async def test_an_order_is_placed_once_under_its_intent(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        path = f"/v1/brokers/{BROKER}/orders"
        placed = await rig.post(path, {**BUY, "intent_id": "one"}, role="trade")
        status, document, _ = await rig.ask("POST", path, body={**BUY, "intent_id": "one"}, role="trade")
        shown = await rig.get(f"{path}/one", role="read")

        assert placed["order"]["intent_id"] == "one"
        assert placed["order"]["quote_quantity"] == "50"
        assert (status, document["error"]["code"]) == (409, "intent_repeated")
        assert document["error"]["intent_id"] == "one"
        assert shown["order"]["client_order_id"] == placed["order"]["client_order_id"]
        assert len(rig.venue.orders.placed) == 1


async def test_money_is_claimed_kept_and_given_back(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        base = f"/v1/brokers/{BROKER}"
        verdict = await rig.post(f"{base}/verify", {**BUY, "intent_id": "two", "reserve": True}, role="trade")
        (claim,) = (await rig.get(f"{base}/reservations", role="read"))["reservations"]
        released = await rig.post(f"{base}/reservations/two/release", role="trade")
        status, document, _ = await rig.ask("POST", f"{base}/reservations/two/release", body={}, role="trade")

        assert (verdict["is_approved"], verdict["code"]) == (True, "approved")
        assert "needed" in verdict["line"]
        assert (claim["intent_id"], claim["state"]) == ("two", "active")
        assert released["state"] == "released"
        assert (status, document["error"]["code"]) == (409, "reservation_state")


async def test_an_order_on_a_claim_uses_that_claim(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        base = f"/v1/brokers/{BROKER}"
        await rig.post(f"{base}/verify", {**BUY, "intent_id": "three", "reserve": True}, role="trade")
        placed = await rig.post(f"{base}/orders", {**BUY, "intent_id": "three", "is_reserved": True}, role="trade")

        assert placed["order"]["intent_id"] == "three"
        assert len(rig.venue.orders.placed) == 1


async def test_a_denial_carries_its_arithmetic(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        body = {**BUY, "quote_quantity": "100000", "intent_id": "four"}
        status, document, _ = await rig.ask("POST", f"/v1/brokers/{BROKER}/orders", body=body, role="trade")

        error = document["error"]
        assert (status, error["code"]) == (422, "funds_short")
        assert error["verdict"]["code"] == "funds_short"
        assert isinstance(error["verdict"]["required"], str)
        assert rig.venue.orders.placed == []


AMOUNTS: list[object] = [50, 50.0, True, "1,000", "NaN", "-1", "0", " 1", "1_0", "Infinity", "", "1" * 200, None]


async def test_m1_money_that_is_no_exact_text_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for amount in AMOUNTS:
            body = {"intent_id": "m1", "symbol": "BTC-USD", "side": "buy", "quote_quantity": amount}
            status, document, _ = await rig.ask("POST", f"/v1/brokers/{BROKER}/orders", body=body, role="trade")

            assert status == 400, (amount, document)
            assert document["error"]["code"] in ("bad_request", "order_input"), amount
        assert rig.venue.orders.placed == []
        assert rig.desk[BROKER].reservations() == []


async def test_m2_before_the_brokers_are_open_and_after_only_probes_answer(tmp_path: Path) -> None:
    async with running(tmp_path, opens=False) as rig:
        assert (await rig.ask("GET", "/livez", role=None))[0] == 200
        status, document, _ = await rig.ask("GET", "/readyz", role=None)
        assert (status, document["status"]) == (503, "starting")
        status, document, headers = await rig.ask("GET", "/v1/balances")
        assert (status, document["error"]["code"], headers["Retry-After"]) == (503, "starting", "1")
        assert (await rig.get("/v1/brokers"))["is_starting"] is True
        rig.daemon.api.is_draining = True
        status, document, _ = await rig.ask("POST", "/v1/links", body={})
        assert (status, document["error"]["code"]) == (503, "ending")


async def test_m3_a_caller_that_goes_away_leaves_nothing_claimed_by_a_mere_check(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        asking = asyncio.create_task(rig.ask("POST", f"/v1/brokers/{BROKER}/verify", body=BUY))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

        assert rig.desk[BROKER].reservations() == []
        assert (await rig.ask("GET", "/livez", role=None))[0] == 200


async def test_breakers_and_trading_states_obey(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        base = f"/v1/brokers/{BROKER}"
        isolated = await rig.post(f"{base}/isolate", {"what": "trade", "reason": "a test"})
        assert "trade_isolated" in isolated["status"]["reasons"]
        reset = await rig.post(f"{base}/reset")
        assert {each["breaker"]["state"] for each in reset["after"]} == {"closed"}
        halted = await rig.post(f"{base}/trading", {"state": "halted", "reason": "a test"})
        assert (halted["before"], halted["after"]) == ("active", "halted")
        status, document, _ = await rig.ask("POST", f"{base}/orders", body={**BUY, "intent_id": "five"}, role="trade")
        assert (status, document["error"]["code"]) == (409, "halted")
        refreshed = await rig.post(f"{base}/refresh", role="trade")
        assert refreshed["error"] is None
        restarted = await rig.post(f"{base}/restart-stream")
        assert restarted["connects"] == 2


async def test_who_did_it_stands_in_the_journal(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.post(f"/v1/brokers/{BROKER}/trading", {"state": "reducing"})
        rows = await rig.get(f"/v1/brokers/{BROKER}/history?kind=audit", role="read")

        assert "test-operate" in rows["rows"][0]["cause"]["command"]


async def test_a_second_job_of_a_broker_is_refused_by_the_first_one_s_name(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        api = rig.daemon.api

        async def forever(job: object) -> None:
            await asyncio.Event().wait()

        from holdfast.daemon.access import Principal, Role

        job = api.jobs.start("repair", BROKER, forever, asked_by=Principal(name="p", role=Role.OPERATE))
        status, document, _ = await rig.ask("POST", f"/v1/brokers/{BROKER}/repair", body={})
        assert (status, document["error"]["code"]) == (409, "job_running")
        assert job.id in document["error"]["message"]
        stopped = await rig.post(f"/v1/jobs/{job.id}/stop")
        assert stopped["state"] == "stopped"


async def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        api = rig.daemon.api

        async def fail(job: object) -> None:
            raise InsufficientFundsError("no money", venue="acme", request="AddOrder", account="a")

        from holdfast.daemon.access import Principal, Role

        job = api.jobs.start("repair", BROKER, fail, asked_by=Principal(name="p", role=Role.OPERATE))
        assert job.task is not None
        await job.task
        assert (job.state, job.error and job.error["code"]) == ("failed", "insufficient_funds")


async def test_a_broker_that_is_not_there_is_404_and_the_names_that_are(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        status, document, _ = await rig.ask("GET", "/v1/brokers/none-such")
        assert (status, document["error"]["code"]) == (404, "unknown_name")
        assert BROKER in document["error"]["message"]
        status, document, headers = await rig.ask("DELETE", f"/v1/brokers/{BROKER}")
        assert (status, headers["Allow"]) == (405, "GET")


async def test_unknown_stays_unknown(tmp_path: Path) -> None:
    async with running(tmp_path, venue=FakeVenue(truth={}), is_ready=False) as rig:
        document = await rig.get("/v1/balances", role="read")
        for balance in document["brokers"][BROKER]["balances"].values():
            assert balance["total"] != "0" or balance["state"] in ("live", "fresh", "stale")


def test_every_error_has_a_status_and_a_word() -> None:
    seen: dict[str, type[Exception]] = {}
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not (isinstance(kind, type) and issubclass(kind, HoldfastError)):
            continue
        error = kind.__new__(kind)
        assert 400 <= status_of(error) < 600, name
        assert seen.setdefault(code_of(kind), kind) is kind
    lost = OutcomeUnknownError("lost", venue="acme", request="AddOrder", account="a")
    assert status_of(lost) == 504
    assert problem_of(lost).outcome == "unknown"
    assert status_of(RuntimeError("x")) == 500
