"""
Durable state: the journal of one account and its facts.

The seam is ``holdfast.core.seams.Store``; ``store.sqlite`` keeps it on one machine, ``store.memory`` is the fake for
tests. Every implementation passes the same contract suite.
"""
