"""
Scenarios on virtual time: the real client, ledger and store against a simulated venue, judged by the venue's own truth.

``python -m tests.scenarios --seeds N`` runs each family of faults with seeds 0 to N-1; a failure names family, seed and
commit, and ``--family F --seed S`` replays it exactly.
"""
