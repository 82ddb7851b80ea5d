"""The metadata service: topics, configs, who is alive, who owns what, producer ids.

`core.py` is the service as the rest of ringlog sees it (the port `common.ports.metadata.Metadata`);
`servicer.py` puts it on the wire.
"""
