"""Partitions on their way: what should move, which steps a move takes, how far it is.

`steps.py` and `planning.py` decide and do nothing, `reports.py` remembers what members tell,
`mover.py` makes it happen.
"""
