"""
The fault table, row by row: for each, scenarios named after it that make it happen and judge what came of it.

``python -m tests.scenarios.rows N8 --seed 3`` runs the scenarios of one row again; ``python -m tests.soak rows`` runs
all of them with many seeds and writes the result that ``docs/reference/fault-rows.md`` shows. A scenario is called
after its row (``n8_...``) and tells in the first sentence of its docstring how the row is made to happen.
"""
