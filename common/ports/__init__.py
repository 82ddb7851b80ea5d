"""The two hops between services, as typed Python: requests and replies.

Each port has an implementation in the service that owns the truth (used directly when everything
runs in one process) and one over gRPC. Tests run the same contract against both.
"""
