from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from holdfast.errors import StoreFullError
from holdfast.store.receipts import Receipt


async def test_a_settled_receipt_gives_its_value_to_everyone_as_often_as_asked() -> None:
    receipt: Receipt[int] = Receipt()
    waiting = [asyncio.create_task(_wait(receipt)) for _ in range(3)]
    await asyncio.sleep(0)

    receipt.settle(7)

    assert await asyncio.gather(*waiting) == [7, 7, 7]
    assert await receipt == 7
    assert receipt.is_settled


async def test_a_failed_receipt_raises_a_fresh_error_for_each_task() -> None:
    receipt: Receipt[int] = Receipt()
    waiting = [asyncio.create_task(_wait(receipt)) for _ in range(2)]
    await asyncio.sleep(0)

    receipt.fail(lambda: StoreFullError("full"))

    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [StoreFullError, StoreFullError]
    assert errors[0] is not errors[1]


async def test_whoever_handed_it_over_is_told_before_those_who_wait_and_at_once_where_it_is_known() -> None:
    receipt: Receipt[int] = Receipt()
    told: list[bool] = []
    receipt.when_settled(told.append)
    assert told == []

    receipt.fail(lambda: StoreFullError("full"))

    assert told == [False]
    receipt.when_settled(told.append)
    Receipt[int]().settle(1).when_settled(told.append)
    assert told == [False, False, True]


async def test_the_first_outcome_stands() -> None:
    receipt: Receipt[int] = Receipt()

    receipt.settle(1).settle(2).fail(lambda: StoreFullError("late"))

    assert await receipt == 1


async def test_a_failure_nobody_waits_for_is_silent() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    Receipt[int]().fail(lambda: StoreFullError("full"))
    gc.collect()
    await asyncio.sleep(0)

    assert complaints == []


async def test_a_cancelled_waiter_leaves_the_receipt_to_others() -> None:
    receipt: Receipt[int] = Receipt()
    first, second = (asyncio.create_task(_wait(receipt)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    receipt.settle(3)

    assert await second == 3


async def _wait(receipt: Receipt[int]) -> int:
    return await receipt
