"""Moves of partitions between members: planning, phases and progress.

`phases.py` and `plan.py` are pure decisions, `load_reports.py` stores the members' reports, and
`scheduler.py` starts and ends moves.
"""
