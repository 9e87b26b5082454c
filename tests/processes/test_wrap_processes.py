"""Several bots, one key, ``holdfast.wrap`` and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.wrap_race import race

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]


async def test_wrapped_bots_on_one_key_lose_no_nonce_and_share_one_account(state_dir: Path) -> None:
    result = await race(state_dir, processes=3, calls=20, orders=2)

    assert (result.refused, result.failures) == (0, {})
    assert [seen["taken"] for seen in result.by_worker] == [20, 20, 20]
    # One of them owned the account, and the others placed their orders through it.
    assert all(seen.get("canceled", 0) + seen.get("open", 0) == 2 for seen in result.by_worker)
    assert {seen["usd"] for seen in result.by_worker} == {10_000}
