"""Partitions on their way: what should move, which steps a move takes, how far it is.

`phases.py` and `plan.py` decide and do nothing, `load_reports.py` remembers what members tell,
`scheduler.py` makes it happen.
"""
