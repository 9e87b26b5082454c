"""
Readiness, measured: the checks of ``core.readiness`` made at a real venue, or at a simulator of one.

In ``run`` is the run itself, in ``looks`` and its neighbours what it looks at, in ``answers`` what it asks the
venue, in ``rehearsal`` the fault that it makes up on this machine, in ``shelf`` where reports are kept, in ``page`` a
report for people, and in ``unopened`` what can still be said of a broker that cannot be opened at all.
"""

from __future__ import annotations
