"""Every example runs as a reader would run it, against a simulator it starts itself, and says what is expected."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

SAYS = {
    "blocking_bot.py": r"yes: 10000\.0000 USD may be spent\nno: 1000\.0000 USD may be spent, 2500 are wanted\n",
    "explain_a_figure.py": r"(?s)asked BalanceEx, .*USD at kraken-master is live.*deposit.*did you mean USD",
    "freqtrade_style_bot.py": (
        r"(?s)free 10000\.0 USD, (live|fresh)\nbid for 0\.01 BTC/USD is open\n1 open order in 3 pairs, no nonce lost\n"
        r"and BTC/USD is cancelled\nrefused before anything left: kraken need 2.* USD, spendable "
    ),
    "subscribe.py": r"(?s)delta of BTC.*stream\.lost.*meanwhile BTC is (stale|fresh).*and now it is (live|fresh)",
    "trading_bot.py": (
        r"(?s)50000 USD\? funds_short: .*bid-1 is open\nbuy-1 is filled: .*too-much was denied: .*"
        r"buy-2 is unknown: 1\d\d\.\d+ USD stay reserved.*buy-2 is filled\nbid-1 is canceled\nout-1 is filled: .*"
        r"nothing is left to sell: no BTC is owned\nat last: .*\(live\)"
    ),
    "two_bots.py": (
        r"(?s)grid-1 .* placed\ngrid-2 .* placed\ngrid-3 .* denied: budget_short\n"
        r"momentum-1 .* placed\nmomentum-2 .* denied: budget_short\ngrid paid .*grid paid .*momentum paid "
    ),
    "watch_balances.py": r"(?s)USD: 10000\.0 of which 10000\.0000 may be spent \(live,.*USD: 10250\.0 of which",
}
"""Each example, and a pattern of what it prints."""


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(SAYS)


@pytest.mark.processes
@pytest.mark.parametrize("name", SAYS)
def test_example_says_what_it_promises(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(SAYS[name], done.stdout), done.stdout
