"""
The pure rules: facts and ``now`` in, decisions out.

Nothing in this room does I/O, reads a clock, sleeps or owns a task, and nothing in it imports from the rooms beside
it except ``holdfast.errors``.
"""
