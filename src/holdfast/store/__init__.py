"""
Durable state of one account: its journal, its facts and its intents.

The seam is ``holdfast.core.seams.Store``; ``store.sqlite`` keeps it on one machine, ``store.memory`` is the fake for
tests. Every implementation passes the same contract suite.
"""
