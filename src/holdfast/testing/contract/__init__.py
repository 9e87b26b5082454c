"""
The contract that every venue passes: one suite, public, over an adapter and the simulator that speaks its wire.

Each case is one promise of the protocols in ``holdfast.core.venue``, under the name of the capability that it proves.
The judge is the simulator's own truth, which shares no code with the adapter. A capability that a venue lacks has a
case too: asked for, it is denied by name and nothing is sent. In a test::

    SUBJECT = Subject(venue=ACME, simulate=..., calls=Calls(balances="balances", ...))

    @pytest.mark.parametrize("case", cases_for(SUBJECT.venue), ids=str)
    def test_contract(case: Case) -> None:
        run_case(case, SUBJECT)
"""

from __future__ import annotations

from holdfast.testing.contract.bench import Bench, Folded
from holdfast.testing.contract.cases import Case, cases_for, run_case
from holdfast.testing.contract.subject import Calls, Subject

__all__ = ["Bench", "Calls", "Case", "Folded", "Subject", "cases_for", "run_case"]
