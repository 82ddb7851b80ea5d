"""Moves of partition logs from one partition service to another, over gRPC.

`mover` sees to the moves that this member is in, `target` takes the steps of one that brings a log
here, `servicer` answers the targets of logs that go elsewhere.
"""
