"""Command `python -m metadata_svc`: runs the metadata service as a separate process."""

import os
import sys

from common.config.sources import read_settings
from common.etcd.leadership import LeadershipLost
from common.kv.store import KvStoreFailed
from common.rpc.server import AddressInUse
from common.runtime.process import ProcessSettings, run
from metadata_svc.app import serve
from metadata_svc.config import MetadataSettings, TopicDefaults
from metadata_svc.store_config import StoreSettings


def main() -> int:
    """Returns 0 if stopped by a signal, 1 if it failed; exits with 2 on invalid settings."""
    configuration = read_settings(
        "metadata_svc",
        "The metadata service of ringlog: topics, configs, liveness, partition placement.",
        [MetadataSettings, StoreSettings, TopicDefaults, ProcessSettings],
        arguments=sys.argv[1:],
        environment=os.environ,
    )
    settings = configuration.of(MetadataSettings)
    topic_defaults = configuration.of(TopicDefaults)
    store_settings = configuration.of(StoreSettings)
    return run(
        "metadata_svc",
        lambda stop: serve(settings, topic_defaults, stop, store_settings),
        configuration.of(ProcessSettings),
        cannot_run=(KvStoreFailed, AddressInUse, LeadershipLost),
    )


if __name__ == "__main__":
    sys.exit(main())
