"""Kafka's bytes and the typed messages they stand for. No I/O, no clock, no backends.

A frame comes in: `envelope` reads its header and its body, which `apis/` declares field by field
(`schema`); `codec` turns the declarations into functions. The response goes back the same way.
"""
