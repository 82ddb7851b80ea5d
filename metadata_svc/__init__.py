"""The metadata service: topics, configs, liveness, partition placement, producer ids.

`core.py` implements the port `common.ports.metadata.Metadata`; `servicer.py` serves it over gRPC.
"""
